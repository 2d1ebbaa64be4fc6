//! Real mail servers: letters with workbooks are sent, and mailboxes looked into.

use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use crate::config_folder::ConfigFolder;
use crate::services::service;

const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

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

/// The mail servers: one that takes letters, and one with mailboxes.
pub struct PostOffice {
    smtp: Place,
    imap: Place,
    authority: String,
    maildirs: String,
}

impl PostOffice {
    /// The servers; `None`, said aloud, without them.
    ///
    /// # Panics
    /// Their variables are not what they should be.
    #[must_use]
    pub fn found() -> Option<Self> {
        Some(Self {
            smtp: place("SMTP_URL")?,
            imap: place("IMAPS_URL")?,
            authority: service("TLS_CA")?,
            maildirs: service("MAILDIRS")?,
        })
    }

    /// The password of every mailbox.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.imap.password
    }

    /// Puts the password where [`Self::mailbox`] and [`Self::sender`] say it is.
    ///
    /// # Panics
    /// The disk refuses.
    pub fn write_password(&self, config: &ConfigFolder) {
        let path = config.dir().join("mail-password");
        std::fs::write(path, &self.imap.password).expect("the disk works");
    }

    /// The `server` keys of a source that reads a mailbox.
    #[must_use]
    pub fn mailbox(&self, user: &str) -> String {
        let (imap, authority) = (&self.imap, &self.authority);
        format!(
            "server.address = \"{}:{}\"\nserver.security = \"tls\"\n\
             server.ca_certificates = \"{authority}\"\n\
             server.login = {{ user = \"{user}\", password = \"file:mail-password\" }}\n",
            imap.host, imap.port
        )
    }

    /// The `server` keys of a sink that sends letters.
    #[must_use]
    pub fn sender(&self) -> String {
        let (smtp, authority) = (&self.smtp, &self.authority);
        format!(
            "server.address = \"{}:{}\"\nserver.ca_certificates = \"{authority}\"\n\
             server.login = {{ user = \"hub\", password = \"file:mail-password\" }}\n",
            smtp.host, smtp.port
        )
    }

    /// Mails a workbook.
    ///
    /// # Panics
    /// The server does not take it.
    pub async fn mail(&self, from: &str, to: &str, name: &str, workbook: Vec<u8>) {
        let kind = ContentType::parse(WORKBOOK).expect("is a media type");
        let text = SinglePart::plain("As agreed.".to_owned());
        let mail = Message::builder()
            .from(from.parse().expect("is an address"))
            .to(to.parse().expect("is an address"))
            .subject("Aufträge")
            .message_id(None)
            .multipart(
                MultiPart::mixed()
                    .singlepart(text)
                    .singlepart(Attachment::new(name.to_owned()).body(workbook, kind)),
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
    ///
    /// # Panics
    /// The disk refuses.
    #[must_use]
    pub fn mails(&self, user: &str, folder: &str) -> Vec<Vec<u8>> {
        let root = format!("{}/{user}/{folder}", self.maildirs);
        let entries = ["new", "cur"].map(|sub| std::fs::read_dir(format!("{root}/{sub}")));
        let files = entries.into_iter().flatten().flatten();
        files
            .map(|entry| std::fs::read(entry.expect("can be read").path()).expect("can be read"))
            .collect()
    }
}
