//! Mails a second, beside what the libraries do alone. Run by hand, with optimisation for figures
//! that mean something: `cargo test --release -p adapter-mail -- --ignored --nocapture throughput`.

use std::sync::Arc;
use std::time::Instant;

use adapter_mail::{MailSinkConfig, MailboxSourceConfig};
use futures_util::TryStreamExt;
use futures_util::stream::{self, StreamExt};
use hub_core::{Content, Sink, SinkConfig, SourceConfig};
use lettre::message::{Attachment, Body, MultiPart, SinglePart, header};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use meterhub_tests::conformance::{accepted, message, receive};
use meterhub_tests::services::service;

use crate::post::{Person, mail_with, place, servers};

const MAILS: u64 = 300;
const BODY: [u8; 1_024] = [7; 1_024];
const CONNECTIONS: usize = 2;
const IN_FLIGHT: usize = 16;

fn report(what: &str, begun: Instant) {
    let rate = MAILS as f64 / begun.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} mails/s (1 KiB attached)");
}

async fn library_sends(person: &Person) {
    let at = place("SMTP_URL").unwrap();
    let host = at.address.split(':').next().unwrap();
    let authority = std::fs::read(service("TLS_CA").unwrap()).unwrap();
    let tls = TlsParameters::builder(host.to_owned())
        .add_root_certificate(Certificate::from_pem(&authority).unwrap())
        .build()
        .unwrap();
    let pool = PoolConfig::new().max_size(u32::try_from(CONNECTIONS).unwrap());
    let server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(at.port)
        .tls(Tls::Required(tls))
        .credentials(Credentials::new("hub".to_owned(), at.password))
        .pool_config(pool)
        .build();
    let begun = Instant::now();
    let sent = stream::iter(0..MAILS).map(|_| {
        let kind = header::ContentType::parse("text/plain").unwrap();
        let base64 = header::ContentTransferEncoding::Base64;
        let body = Body::new_with_encoding(BODY.to_vec(), base64).unwrap();
        let parts = MultiPart::mixed()
            .singlepart(SinglePart::plain("attached".to_owned()))
            .singlepart(Attachment::new("a.txt".to_owned()).body(body, kind));
        let mail = Message::builder()
            .from("hub@nord.example".parse().unwrap())
            .to(person.address().parse().unwrap())
            .subject("x")
            .multipart(parts)
            .unwrap();
        server.send(mail)
    });
    let sent: Vec<_> = sent.buffer_unordered(IN_FLIGHT).collect().await;
    assert!(sent.iter().all(Result::is_ok));
    report("lettre alone sends", begun);
}

async fn hub_sends(person: &Person) {
    let address = place("SMTP_URL").unwrap().address;
    let authority = service("TLS_CA").unwrap();
    let config: MailSinkConfig = toml::from_str(&format!(
        "from = 'hub@nord.example'\nto = ['{}']\ntext = 'attached'\nconnections = {CONNECTIONS}\n\
         server = {{ address = '{address}', ca_certificates = '{authority}', \
         login = {{ user = 'hub', password = 'file:password' }} }}",
        person.address()
    ))
    .unwrap();
    let sink: Arc<dyn Sink> = config.connect(&person.context).await.unwrap().into();
    let begun = Instant::now();
    let sent = stream::iter(0..MAILS).map(|number| {
        let sink = sink.clone();
        async move {
            let mut message = message(number, "meter:1");
            message.content = Content::bytes(BODY.to_vec());
            sink.send(&message).await
        }
    });
    let sent: Vec<_> = sent.buffer_unordered(IN_FLIGHT).collect().await;
    assert!(sent.iter().all(Result::is_ok));
    report("the sink sends", begun);
}

async fn fill(person: &Person) {
    for number in 0..MAILS {
        let mail = mail_with(&format!("m{number}"), &[("a.csv", &BODY)]);
        person.deliver(&mail).await;
    }
}

async fn library_receives(person: &Person) {
    let at = place("IMAP_URL").unwrap();
    let stream = tokio::net::TcpStream::connect(&at.address).await.unwrap();
    let mut client = async_imap::Client::new(stream);
    client.read_response().await.unwrap();
    let mut session = client.login(&person.user, &at.password).await.unwrap();
    session.create("Done").await.unwrap();
    session.select("INBOX").await.unwrap();
    let begun = Instant::now();
    for uid in session.uid_search("UNDELETED").await.unwrap() {
        let uid = uid.to_string();
        let mails = session.uid_fetch(&uid, "(UID BODY.PEEK[])").await.unwrap();
        assert_eq!(mails.try_collect::<Vec<_>>().await.unwrap().len(), 1);
        session.uid_mv(&uid, "Done").await.unwrap();
    }
    report("async-imap alone receives, in the clear", begun);
}

async fn hub_receives(person: &Person) {
    let port = place("IMAPS_URL").unwrap().port;
    let authority = service("TLS_CA").unwrap();
    let config: MailboxSourceConfig = toml::from_str(&format!(
        "server = {{ address = 'localhost:{port}', security = 'tls', ca_certificates = '{authority}', \
         login = {{ user = '{}', password = 'file:password' }} }}",
        person.user
    ))
    .unwrap();
    let mut source = config.connect(&person.context).await.unwrap();
    let begun = Instant::now();
    for _ in 0..MAILS {
        let (_, receipt) = receive(source.as_mut()).await.into_parts();
        receipt.settle(accepted()).await;
    }
    report("the source receives", begun);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long, and its figures are for people"]
async fn throughput() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    library_sends(&person).await;
    hub_sends(&person).await;
    for is_hub in [false, true] {
        let person = Person::new().unwrap();
        fill(&person).await;
        match is_hub {
            true => hub_receives(&person).await,
            false => library_receives(&person).await,
        }
    }
}
