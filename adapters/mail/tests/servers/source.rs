//! The source against Dovecot.

use std::path::PathBuf;
use std::time::Duration;

use adapter_mail::MailboxSourceConfig;
use async_trait::async_trait;
use hub_core::{Settlement, Source, SourceConfig, SourceError};
use meterhub_tests::conformance::{self, Partner, Server, Told, accepted, open, receive};
use meterhub_tests::services::{self, ResumeAtEnd, service};
use tokio::time::timeout;

use crate::post::{ANSWER_SECONDS, CONNECT_SECONDS, Person, mail_with, place, servers};

/// The server, by one of its doors.
fn door(variable: &str, security: &str, authority: &str) -> String {
    door_at(place(variable).unwrap().port, security, authority)
}

pub(crate) fn door_at(port: u16, security: &str, authority: &str) -> String {
    let authority = service(authority).unwrap();
    // Its certificate is for this name.
    format!(
        "[server]\naddress = 'localhost:{port}'\nsecurity = '{security}'\n\
         ca_certificates = '{authority}'\n"
    )
}

pub(crate) fn config_at(
    door: &str,
    user: &str,
    password: &str,
    options: &str,
) -> MailboxSourceConfig {
    let text = format!(
        "{options}\n{door}connect_timeout_seconds = {CONNECT_SECONDS}\n\
         answer_timeout_seconds = {ANSWER_SECONDS}\n\
         login = {{ user = '{user}', password = 'file:{password}' }}\n"
    );
    let config: MailboxSourceConfig = toml::from_str(&text).unwrap();
    let problems = config.validate();
    assert!(problems.iter().all(|p| p.warning), "{problems:?}");
    config
}

fn config(person: &Person, password: &str, options: &str) -> MailboxSourceConfig {
    let door = door("IMAPS_URL", "tls", "TLS_CA");
    config_at(&door, &person.user, password, options)
}

async fn try_source(person: &Person, options: &str) -> Result<Box<dyn Source>, SourceError> {
    let config = config(person, "password", options);
    config.connect(&person.context).await
}

async fn source(person: &Person, options: &str) -> Box<dyn Source> {
    try_source(person, options).await.unwrap()
}

/// A contractor who mails one file at a time.
struct Contractor {
    person: Person,
    options: &'static str,
}

impl Contractor {
    fn has(&self, folder: &str, name: &str) -> bool {
        let named = format!("name=\"{name}\"");
        self.person
            .mails(folder)
            .iter()
            .any(|mail| mail.contains(&named))
    }
}

#[async_trait]
impl Partner for Contractor {
    async fn connect(&mut self) -> Box<dyn Source> {
        source(&self.person, self.options).await
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.person.deliver(&mail_with(name, &[(name, body)])).await;
    }

    async fn send_again(&mut self, _: &str, _: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        match (
            self.has("Done", name),
            self.has("Refused", name),
            self.has("", name),
        ) {
            (true, false, false) => Told::Yes,
            (false, true, false) => Told::Never,
            (false, false, true) => Told::Later,
            places => panic!("{name} is in several places or none: {places:?}"),
        }
    }
}

#[async_trait]
impl Server for Contractor {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        try_source(&self.person, self.options).await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        let config = config(&self.person, "wrong", self.options);
        config.connect(&self.person.context).await
    }

    async fn kill(&mut self) {
        services::kill("dovecot").await;
    }

    async fn restart(&mut self) {
        // Dovecot takes what the killed one left there, its PID and sockets, for one that is alive.
        let mail = PathBuf::from(service("MAILDIRS").unwrap());
        std::fs::remove_dir_all(mail.with_file_name("base")).unwrap();
        services::start("dovecot").await;
    }

    async fn stall(&mut self) {
        services::pause("dovecot").await;
    }

    async fn resume(&mut self) {
        services::resume("dovecot").await;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(CONNECT_SECONDS + ANSWER_SECONDS)
    }
}

#[tokio::test]
async fn conforms() {
    let _alone = servers().await;
    for options in [
        "poll_milliseconds = 500",
        "poll_milliseconds = 500\nwindow = 3",
    ] {
        let Some(person) = Person::new() else { return };
        let mut contractor = Contractor { person, options };
        conformance::source(&mut contractor).await;
        assert!(contractor.person.mails("").is_empty());
    }
}

#[tokio::test]
async fn conforms_though_the_server_fails() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let _resume = ResumeAtEnd("dovecot");
    let mut contractor = Contractor {
        person,
        options: "poll_milliseconds = 500",
    };
    conformance::source_of_a_server(&mut contractor).await;
}

#[tokio::test]
async fn a_mail_is_moved_only_after_all_its_parts() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let parts: [(&str, &[u8]); 3] = [("a.csv", b"1"), ("b.csv", b"2"), ("c.csv", b"3")];
    person.deliver(&mail_with("three", &parts)).await;
    let mut source = source(&person, "poll_milliseconds = 500").await;
    let mut keys = Vec::new();
    for (name, content) in parts {
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        assert_eq!(person.mails("").len(), 1, "not before the last");
        assert_eq!(message.name, name);
        let header = |name: &str| {
            let found = message.headers.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(header("from"), Some("anna@montage.example"));
        assert_eq!(header("message-id"), Some("three@montage.example"));
        keys.push(message.business_key.unwrap());
        assert_eq!(conformance::read(message.body).await.unwrap(), content);
        receipt.settle(accepted()).await;
    }
    let expected = [2, 3, 4].map(|part| format!("three@montage.example#{part}"));
    assert_eq!(keys, expected);
    assert_eq!((person.mails("").len(), person.mails("Done").len()), (0, 1));
}

#[tokio::test]
async fn one_part_that_is_rejected_refuses_the_mail_and_says_why() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    person
        .deliver(&mail_with("two", &[("a.csv", b"1"), ("b.csv", b"2")]))
        .await;
    let mut source = source(&person, "poll_milliseconds = 500").await;
    let (_, _, settle) = open(source.as_mut()).await;
    settle(accepted()).await;
    let (_, _, settle) = open(source.as_mut()).await;
    let reason = "its key belongs to message 17".to_owned();
    settle(Settlement::Reject { reason }).await;
    assert!(person.mails("").is_empty() && person.mails("Done").is_empty());
    let refused = person.mails("Refused");
    assert_eq!(refused.len(), 2, "the mail and the note");
    let note = refused
        .iter()
        .find(|mail| mail.contains("Subject: Refused: two"));
    let note = note.unwrap();
    assert!(
        note.contains("b.csv: its key belongs to message 17"),
        "{note}"
    );
    assert!(
        note.contains("In-Reply-To: <two@montage.example>"),
        "{note}"
    );
}

#[tokio::test]
async fn mails_that_can_never_be_taken_hold_up_nobody() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let stranger = mail_with("stranger", &[("a.csv", b"1")]).replace("anna@", "anna@not.");
    let empty = mail_with("empty", &[]);
    let unwanted = mail_with("unwanted", &[("logo.png", b"1")]);
    let large = mail_with("large", &[("a.csv", &[7; 100_000])]);
    let deep = format!(
        "Subject: deep\r\n{}",
        "Content-Type: message/rfc822\r\n\r\n".repeat(2_000)
    )
    .replacen("Subject", "From: anna@montage.example\r\nSubject", 1);
    let cut = mail_with("cut", &[("a.csv", b"1")]).replace("--=_b--", "");
    let good = mail_with("good", &[("a.csv", b"1")]);
    for mail in [&stranger, &empty, &unwanted, &large, &deep, &cut, &good] {
        person.deliver(mail).await;
    }
    let options = "poll_milliseconds = 500\ninclude = ['*.csv']\nallow_from = ['*@montage.example']\n\
                   max_mail_bytes = 100000";
    let mut source = source(&person, options).await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert_eq!(message.business_key.unwrap(), "good@montage.example#2");
    receipt.settle(accepted()).await;
    let refused = person.mails("Refused").join("\n");
    for reason in [
        "allow_from",
        "no attachment",
        "logo.png",
        "max_mail_bytes",
        "max_nesting",
        "not complete",
    ] {
        assert!(refused.contains(reason), "{reason} in {refused}");
    }
    assert_eq!((person.mails("").len(), person.mails("Done").len()), (0, 1));
}

#[tokio::test]
async fn a_large_mail_comes_whole() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let bytes: Vec<u8> = (0..18_000_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 9) as u8)
        .collect();
    person
        .deliver(&mail_with("large", &[("large.csv", &bytes)]))
        .await;
    let mut source = source(&person, "poll_milliseconds = 500").await;
    let (name, body, settle) = open(source.as_mut()).await;
    assert!(name == "large.csv" && body == bytes);
    settle(accepted()).await;
    assert_eq!(person.mails("Done").len(), 1);
}

#[tokio::test]
async fn a_mail_is_there_at_once_though_looks_are_rare() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let mut source = source(&person, "poll_milliseconds = 600000").await;
    let waiting = timeout(Duration::from_millis(300), source.receive()).await;
    assert!(waiting.is_err(), "nothing is there yet");
    person.deliver(&mail_with("news", &[("a.csv", b"1")])).await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "a.csv");
    settle(accepted()).await;
    assert_eq!(person.mails("Done").len(), 1);
}

#[tokio::test]
async fn encryption_is_as_configured_and_certificates_are_verified() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let at = |door: &str, options: &str| config_at(door, &person.user, "password", options);
    let starttls = at(&door("IMAP_URL", "starttls", "TLS_CA"), "");
    person
        .deliver(&mail_with("encrypted", &[("a.csv", b"1")]))
        .await;
    let mut source = starttls.connect(&person.context).await.unwrap();
    assert_eq!(receive(source.as_mut()).await.message.name, "a.csv");
    for (variable, security) in [("IMAP_URL", "starttls"), ("IMAPS_URL", "tls")] {
        let stranger = at(&door(variable, security, "TLS_OTHER_CA"), "");
        let error = stranger.check(&person.context).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let plain = at(&door("IMAP_URL", "insecure-plain", "TLS_CA"), "");
    plain.check(&person.context).await.unwrap();
    let absent = config(&person, "password", "folder = 'Nope'");
    let error = absent.check(&person.context).await.unwrap_err();
    assert!(error.to_string().contains("`Nope`"), "{error}");
}
