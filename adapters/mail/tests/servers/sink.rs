//! The sink against Exim.

use std::fs;
use std::path::Path;
use std::time::Duration;

use adapter_mail::MailSinkConfig;
use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkConfig, SinkError};
use mail_parser::HeaderName;
use meterhub_tests::conformance::{self, Receiver, Taken, message};
use meterhub_tests::services::{self, ResumeAtEnd, service};
use meterhub_tests::wait::until_true;

use crate::post::{ANSWER_SECONDS, CONNECT_SECONDS, Person, attachment, parse, place, servers};

/// Exim looks through its queue once a minute for what it could not deliver at once.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a test connects.
pub(crate) struct Door {
    variable: &'static str,
    security: &'static str,
    password: &'static str,
    authority: &'static str,
}

pub(crate) const STARTTLS: Door = Door {
    variable: "SMTP_URL",
    security: "starttls",
    password: "password",
    authority: "TLS_CA",
};

fn config(door: &Door, options: &str) -> MailSinkConfig {
    config_at(&place(door.variable).unwrap().address, door, options)
}

pub(crate) fn config_at(address: &str, door: &Door, options: &str) -> MailSinkConfig {
    let authority = service(door.authority).unwrap();
    let (security, password) = (door.security, door.password);
    let text = format!(
        "from = 'Hub <hub@nord.example>'\n{options}\n[server]\naddress = '{address}'\n\
         security = '{security}'\nca_certificates = '{authority}'\n\
         connect_timeout_seconds = {CONNECT_SECONDS}\nanswer_timeout_seconds = {ANSWER_SECONDS}\n\
         login = {{ user = 'hub', password = 'file:{password}' }}\n"
    );
    let config: MailSinkConfig = toml::from_str(&text).unwrap();
    let problems = config.validate();
    assert!(problems.is_empty(), "{problems:?}");
    config
}

async fn sink(person: &Person, door: &Door, options: &str) -> Box<dyn Sink> {
    let config = config(door, options);
    config.connect(&person.context).await.unwrap()
}

pub(crate) fn to(recipients: &[&str]) -> String {
    format!("to = {recipients:?}")
}

/// What Exim has taken, it has also delivered.
async fn delivered() {
    let maildirs = service("MAILDIRS").unwrap();
    let data = Path::new(&maildirs).ancestors().nth(2).unwrap();
    let spool = data.join("exim/spool/input");
    until_true("the queue to be empty", PATIENCE, || async {
        is_empty(&spool)
    })
    .await;
}

fn is_empty(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten();
    entries.all(|entry| {
        let path = entry.unwrap().path();
        path.is_dir() && is_empty(&path)
    })
}

pub(crate) async fn new_mails(person: &mut Person) -> Vec<String> {
    delivered().await;
    person.new_mails()
}

/// Somebody whose mailbox takes all but what is about `refused`.
struct Mailroom(Person);

/// Mails about `refused` to an address that Exim refuses, all others to one that it takes.
struct Sorted {
    good: Box<dyn Sink>,
    bad: Box<dyn Sink>,
}

#[async_trait]
impl Sink for Sorted {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        match message.subject.as_str() {
            "refused" => self.bad.send(message).await,
            _ => self.good.send(message).await,
        }
    }
}

#[async_trait]
impl Receiver for Mailroom {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let good = to(&[&self.0.address()]);
        Box::new(Sorted {
            good: sink(&self.0, &STARTTLS, &good).await,
            bad: sink(&self.0, &STARTTLS, &to(&["reject@x.example"])).await,
        })
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        let door = Door {
            password: "wrong",
            ..STARTTLS
        };
        Some(sink(&self.0, &door, &to(&[&self.0.address()])).await)
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let mails = new_mails(&mut self.0).await;
        let taken = |mail: &String| {
            let mail = parse(mail);
            let id = mail.message_id().unwrap();
            Taken {
                id: id.strip_suffix("@nord.example").unwrap().to_owned(),
                body: attachment(&mail).1,
            }
        };
        mails.iter().map(taken).collect()
    }

    async fn kill(&mut self) -> bool {
        services::kill("exim").await;
        true
    }

    async fn restart(&mut self) {
        services::start("exim").await;
    }

    async fn stall(&mut self) -> bool {
        services::pause("exim").await;
        true
    }

    async fn resume(&mut self) {
        services::resume("exim").await;
    }

    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(CONNECT_SECONDS + ANSWER_SECONDS)
    }
}

#[tokio::test]
async fn conforms() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let _resume = ResumeAtEnd("exim");
    conformance::sink(&mut Mailroom(person)).await;
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_made() {
    let _alone = servers().await;
    let Some(mut person) = Person::new() else {
        return;
    };
    let options = format!(
        "to = ['{}']\ncc = ['noauth@x.example']\nsubject = 'Zähler {{subject}}'\n\
         text = \"Grüße: {{source_name}}\\n.\\n\"\nhtml = '<p>{{source_name}}</p>'\n\
         attachment_name = '{{source_stem}}.bin'\nmedia_type = 'application/x-test'",
        person.address()
    );
    for door in [
        STARTTLS,
        Door {
            variable: "SMTPS_URL",
            security: "tls",
            ..STARTTLS
        },
    ] {
        let sink = sink(&person, &door, &options).await;
        let mut message = message(60, "work_order:4711");
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect();
        message.content = hub_core::Content::bytes(bytes.clone());
        let note = sink.send(&message).await.unwrap().note;
        assert!(
            note.contains(&format!("<{}@nord.example>", message.message_id)),
            "{note}"
        );
        assert!(note.contains("250"), "{note}");
        let mails = new_mails(&mut person).await;
        let mail = parse(&mails[0]);
        assert_eq!(mail.subject(), Some("Zähler work_order:4711"));
        // Dovecot keeps line feeds alone.
        assert_eq!(mail.body_text(0).unwrap(), "Grüße: in.xml\n.\n");
        assert_eq!(mail.body_html(0).unwrap(), "<p>in.xml</p>");
        assert_eq!(attachment(&mail), ("in.bin".to_owned(), bytes));
        let correlation = mail.header_raw(HeaderName::Other("X-Meterhub-Correlation-Id".into()));
        assert_eq!(correlation.map(str::trim), Some("0000000000007"));
    }
}

#[tokio::test]
async fn each_recipient_has_an_answer_of_its_own() {
    let _alone = servers().await;
    let Some(mut person) = Person::new() else {
        return;
    };
    let everyone = to(&["greylist@x.example", "reject@x.example", &person.address()]);
    let message = message(70, "meter:1");
    for _ in 0..2 {
        // What the second knows, it has from the hub's store: as after a restart.
        let sink = sink(&person, &STARTTLS, &everyone).await;
        let error = sink.send(&message).await.unwrap_err();
        let SinkError::Unavailable {
            reason, answered, ..
        } = error
        else {
            panic!("{error}");
        };
        assert!(
            answered && reason.contains("greylist@x.example: 451"),
            "{reason}"
        );
    }
    assert_eq!(
        new_mails(&mut person).await.len(),
        1,
        "who has it gets it once"
    );
    for (address, code) in [("reject@x.example", "550 5.1.1"), ("full@x.example", "452")] {
        let sink = self::sink(&person, &STARTTLS, &to(&[address])).await;
        let error = sink.send(&message).await.unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(
            matches!(error, SinkError::Refused { .. }),
            code.starts_with('5')
        );
    }
    // The server's limit shows only once the mail is there.
    let sink = self::sink(&person, &STARTTLS, &to(&[&person.address()])).await;
    let mut large = message;
    large.content = hub_core::Content::bytes(vec![7; 6_000_000]);
    let error = sink.send(&large).await.unwrap_err();
    assert!(
        matches!(&error, SinkError::Refused { answer, .. } if answer.contains("552")),
        "{error}"
    );
    large.content = hub_core::Content::bytes(vec![7; 11_000_000]);
    let error = sink.send(&large).await.unwrap_err();
    assert!(error.to_string().contains("max_body_bytes"), "{error}");
    assert_eq!(new_mails(&mut person).await.len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_who_it_says_gets_nothing() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let options = to(&[&person.address()]);
    for (variable, security) in [("SMTP_URL", "starttls"), ("SMTPS_URL", "tls")] {
        let door = Door {
            variable,
            security,
            authority: "TLS_OTHER_CA",
            ..STARTTLS
        };
        let begun = tokio::time::Instant::now();
        let checked = config(&door, &options).check(&person.context).await;
        let sent = sink(&person, &door, &options)
            .await
            .send(&message(80, "x"))
            .await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        for error in [checked.unwrap_err(), sent.unwrap_err()] {
            assert!(matches!(error, SinkError::Unavailable { .. }));
            assert!(
                error.to_string().to_lowercase().contains("certificate"),
                "{error}"
            );
        }
    }
    config(&STARTTLS, &options)
        .check(&person.context)
        .await
        .unwrap();
}
