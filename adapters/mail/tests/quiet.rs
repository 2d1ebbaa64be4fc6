//! Nothing of passwords or mails is traced, however much an operator wants to hear.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

#[allow(dead_code, reason = "the other test binary uses all of it")]
#[path = "servers/post.rs"]
mod post;

use std::io::Write;
use std::sync::{Arc, Mutex};

use adapter_mail::{MailSinkConfig, MailboxSourceConfig};
use hub_core::{Content, SinkConfig, SourceConfig};
use meterhub_tests::conformance::{accepted, message, open};
use meterhub_tests::services::service;

use post::{Person, mail_with, place};

/// What is traced.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nobody_hears_passwords_or_mails() {
    let Some(person) = Person::new() else { return };
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    tracing::trace!("the listener hears");

    let authority = service("TLS_CA").unwrap();
    let imap = place("IMAPS_URL").unwrap();
    let login = format!("password = 'file:password' }}, ca_certificates = '{authority}' }}");
    let mailbox: MailboxSourceConfig = toml::from_str(&format!(
        "server = {{ address = 'localhost:{}', security = 'tls', login = {{ user = '{}', {login}",
        imap.port, person.user
    ))
    .unwrap();
    person
        .deliver(&mail_with("x", &[("a.csv", b"secret-reading")]))
        .await;
    let mut source = mailbox.connect(&person.context).await.unwrap();
    let (_, _, settle) = open(source.as_mut()).await;
    settle(accepted()).await;

    let mail: MailSinkConfig = toml::from_str(&format!(
        "from = 'hub@nord.example'\nto = ['{}']\ntext = 'secret-reading'\n\
         server = {{ address = '{}', login = {{ user = 'hub', {login}",
        person.address(),
        place("SMTP_URL").unwrap().address
    ))
    .unwrap();
    let sink = mail.connect(&person.context).await.unwrap();
    let mut message = message(1, "meter:1");
    message.content = Content::bytes("secret-reading");
    sink.send(&message).await.unwrap();

    let heard = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(heard.contains("the listener hears"), "{heard}");
    // In base64, at each of the three places in a group: "c2VjcmV0", "NlY3JldC", "zZWNyZXQ".
    for secret in [
        imap.password.as_str(),
        "secret-reading",
        "c2VjcmV0",
        "NlY3JldC",
        "zZWNyZXQ",
    ] {
        let line = heard.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
