//! A hub between real mail servers: a utility mails a workbook of work orders, and the contractor
//! gets each of them as an attachment.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use mail_parser::{MessageParser, MimeHeaders};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::services::service;
use meterhub_tests::wait::until_true;

const PATIENCE: Duration = Duration::from_secs(60);
/// The workbook's orders that can be understood; one of them is changed further down.
const TOLD: [&str; 4] = ["8001", "8001", "8002", "8007"];

/// A server of `deploy/test-services`.
struct Place {
    host: String,
    port: u16,
    password: String,
}

/// `None`, said aloud, without a server.
fn place(variable: &str) -> Option<Place> {
    let url = service(variable)?;
    let (_, rest) = url.split_once("://").expect("is a URL");
    let (login, address) = rest.split_once('@').expect("has a login");
    let (_, password) = login.split_once(':').expect("has a password");
    let (host, port) = address.split_once(':').expect("has a port");
    Some(Place {
        host: host.to_owned(),
        port: port.parse().expect("is a port"),
        password: password.to_owned(),
    })
}

struct Scene {
    smtp: Place,
    imap: Place,
    authority: String,
    maildirs: String,
    /// The hub's own mailbox.
    hub: String,
    contractor: String,
}

impl Scene {
    fn new() -> Option<Self> {
        let name = |who: &str| format!("{who}{}", std::process::id());
        Some(Self {
            smtp: place("SMTP_URL")?,
            imap: place("IMAPS_URL")?,
            authority: service("TLS_CA")?,
            maildirs: service("MAILDIRS")?,
            hub: name("hub"),
            contractor: name("contractor"),
        })
    }

    fn configuration(&self) -> String {
        let Self {
            smtp,
            imap,
            authority,
            hub,
            contractor,
            ..
        } = self;
        format!(
            r#"
[enterprise.north]
zone = "Europe/Stockholm"
[source.orders]
enterprise = "north"
[source.orders.mailbox]
poll_milliseconds = 1000
include = ["*.xlsx"]
allow_from = ["*@utility.example"]
server.address = "{}:{}"
server.security = "tls"
server.ca_certificates = "{authority}"
server.login = {{ user = "{hub}", password = "file:mail-password" }}
[inbound.orders]
from = "orders"
format = "xlsx"
mapping = "orders"
[outbound.tell]
enterprise = "north"
on = ["work_order.created", "work_order.changed"]
format = "json"
batch = "record"
to = ["contractor"]
[sink.contractor]
enterprise = "north"
[sink.contractor.mail]
from = "Nord <{hub}@nord.example>"
to = ["{contractor}@contractor.example"]
subject = "Order {{subject}}"
text = "From {{source_name}}"
server.address = "{}:{}"
server.ca_certificates = "{authority}"
server.login = {{ user = "hub", password = "file:mail-password" }}
"#,
            imap.host, imap.port, smtp.host, smtp.port
        )
    }

    /// The utility mails a workbook to the hub.
    async fn mail(&self, from: &str, workbook: Vec<u8>) {
        let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        let kind = ContentType::parse(kind).expect("is a media type");
        let mail = Message::builder()
            .from(from.parse().expect("is an address"))
            .to(format!("{}@nord.example", self.hub)
                .parse()
                .expect("is an address"))
            .subject("Aufträge")
            .message_id(None)
            .multipart(
                MultiPart::mixed()
                    .singlepart(SinglePart::plain("The orders of week 14.".to_owned()))
                    .singlepart(
                        Attachment::new("Aufträge 14.xlsx".to_owned()).body(workbook, kind),
                    ),
            )
            .expect("is a mail");
        let authority = std::fs::read(&self.authority).expect("is there");
        let tls = TlsParameters::builder(self.smtp.host.clone())
            .add_root_certificate(Certificate::from_pem(&authority).expect("is a certificate"))
            .build()
            .expect("can be used");
        let login = Credentials::new("hub".to_owned(), self.smtp.password.clone());
        let server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.smtp.host)
            .port(self.smtp.port)
            .tls(Tls::Required(tls))
            .credentials(login)
            .build();
        server.send(mail).await.expect("is taken");
    }

    /// The mails of a mailbox's folder (Maildir++).
    fn mails(&self, user: &str, folder: &str) -> Vec<Vec<u8>> {
        let root = format!("{}/{user}/{folder}", self.maildirs);
        let entries = ["new", "cur"].map(|sub| std::fs::read_dir(format!("{root}/{sub}")));
        let files = entries.into_iter().flatten().flatten();
        files
            .map(|entry| std::fs::read(entry.expect("can be read").path()).expect("can be read"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_that_is_mailed_becomes_work_orders_that_are_mailed() {
    let Some(scene) = Scene::new() else { return };
    let fixture = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/xlsx");
        std::fs::read(format!("{folder}/utility-work-orders/{name}")).expect("is there")
    };
    let config = ConfigFolder::new().expect("the disk works");
    let mapping = String::from_utf8(fixture("mapping.toml")).expect("is text");
    config
        .write_mapping("orders", &mapping)
        .expect("the disk works");
    let password = config.dir().join("mail-password");
    std::fs::write(password, &scene.imap.password).expect("the disk works");
    config
        .write(&scene.configuration())
        .expect("the disk works");
    let hub = HubProcess::start(&config).await;

    scene
        .mail("Eve <eve@elsewhere.example>", fixture("input.xlsx"))
        .await;
    scene
        .mail("Utility <orders@utility.example>", fixture("input.xlsx"))
        .await;
    let arrived = || async { scene.mails(&scene.contractor, "").len() >= TOLD.len() };
    until_true("orders to be mailed", PATIENCE, arrived).await;
    let moved = || async { scene.mails(&scene.hub, "").is_empty() };
    until_true("mails to be moved", PATIENCE, moved).await;

    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("the store can be read");
    let idle = || async { store.is_idle().await.expect("the store can be read") };
    until_true("the hub to be done", PATIENCE, idle).await;
    let log = hub.log();
    hub.stop().await;

    let messages = observe::messages(&store).await.expect("can be read");
    assert_eq!(
        messages.len(),
        1,
        "the stranger's mail is no message\n{log}"
    );
    assert!(messages[0].identity.ends_with("#2"), "{messages:?}");
    assert_eq!(scene.mails(&scene.hub, ".Done").len(), 1);
    assert_eq!(scene.mails(&scene.hub, ".Refused").len(), 2, "with a note");

    let mails = scene.mails(&scene.contractor, "");
    let mut told: Vec<String> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for mail in &mails {
        let mail = MessageParser::default().parse(mail).expect("is a mail");
        let subject = mail.subject().expect("has one").to_owned();
        let attached = mail.attachment(0).expect("has one");
        assert!(
            attached
                .attachment_name()
                .expect("has one")
                .ends_with(".jsonl")
        );
        let number = subject
            .strip_prefix("Order work_order:")
            .expect("tells which");
        let content = String::from_utf8_lossy(attached.contents());
        assert!(
            content.contains(&format!("\"number\":\"{number}\"")),
            "{content}"
        );
        assert!(
            mail.body_text(0)
                .expect("has one")
                .contains("From Aufträge 14.xlsx")
        );
        ids.insert(mail.message_id().expect("has one").to_owned());
        told.push(number.to_owned());
    }
    assert_eq!(ids.len(), mails.len(), "each mail once");
    told.sort();
    assert_eq!(told, TOLD);
    assert!(
        !log.contains(&scene.imap.password),
        "no password in the log"
    );
}
