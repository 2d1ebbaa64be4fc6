//! Encrypted connections, certificates, and who we are by certificate.

use std::time::{Duration, Instant};

use adapter_amqp::{AmqpSinkConfig, AmqpSourceConfig};
use hub_core::{SinkConfig, SourceConfig};
use lapin::uri::AMQPUri;
use meterhub_tests::conformance::message;
use meterhub_tests::services::service;
use tokio::net::{TcpListener, TcpStream};

use crate::operator::tool;
use crate::rig::{Broker, alone, calm, unique};

const QUICKLY: Duration = Duration::from_secs(7);

struct Tls {
    broker: Broker,
    address: String,
    ca: String,
    other_ca: String,
}

impl Tls {
    fn find() -> Option<Self> {
        let broker = Broker::find()?;
        let uri: AMQPUri = service("AMQPS_URL")?.parse().unwrap();
        let read = |variable: &str| Some(std::fs::read_to_string(service(variable)?).unwrap());
        let client = read("TLS_CLIENT_CERT")? + &read("TLS_CLIENT_KEY")?;
        std::fs::write(broker.base.path().join("client.pem"), client).unwrap();
        Some(Self {
            address: format!("{}:{}", uri.authority.host, uri.authority.port),
            ca: service("TLS_CA")?,
            other_ca: service("TLS_OTHER_CA")?,
            broker,
        })
    }

    fn sink(&self, queue: &str, ca: &str, address: &str, auth: &str) -> AmqpSinkConfig {
        let config = format!(
            "routing_key = '{queue}'\n[broker]\nurl = 'amqps://{address}/%2f'\n\
             ca_certificates = '{ca}'\nconnect_timeout_seconds = 5\n\
             client_certificate = 'file:client.pem'\nauth = {auth}"
        );
        let config: AmqpSinkConfig = toml::from_str(&config).unwrap();
        assert_eq!(config.validate(), []);
        config
    }
}

const PASSWORD: &str = "{ password = { user = 'hub', password = 'file:password' } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_trusted_is_enough() {
    let Some(tls) = Tls::find() else { return };
    let _calm = calm().await;
    let queue = unique("tls");
    tls.broker.queue(&queue, "quorum", &[]).await;
    let sink = tls.sink(&queue, &tls.ca, &tls.address, PASSWORD);
    let sink = sink.connect(&tls.broker.context()).await.unwrap();
    sink.send(&message(1, "meter:1")).await.unwrap();
    assert_eq!(tls.broker.drain(&queue).await.len(), 1);
}

/// The broker under an address that its certificate does not name.
async fn relay(port: &str) -> String {
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let broker = format!("127.0.0.1:{port}");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&broker).await.unwrap();
            // However it ends, it is over.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_is_told_within_seconds() {
    let Some(tls) = Tls::find() else { return };
    let _calm = calm().await;
    let context = tls.broker.context();
    let port = tls.address.rsplit(':').next().unwrap();
    let (plain, elsewhere) = (&tls.broker.address, &relay(port).await);
    for (what, ca, address, expected) in [
        (
            "of a stranger",
            &tls.other_ca,
            &tls.address,
            "UnknownIssuer",
        ),
        ("of another name", &tls.ca, elsewhere, "not valid for name"),
        ("without TLS", &tls.ca, plain, "corrupt message"),
    ] {
        let begun = Instant::now();
        let error = tls.sink("q", ca, address, PASSWORD).check(&context).await;
        let error = error.expect_err(what).to_string();
        assert!(begun.elapsed() < QUICKLY, "{what}: {error}");
        assert!(error.contains(expected), "{what}: {error}");
    }
    std::fs::write(tls.broker.base.path().join("empty.pem"), "").unwrap();
    let empty = tls.sink("q", "empty.pem", &tls.address, PASSWORD);
    let error = empty.check(&context).await.unwrap_err().to_string();
    assert!(error.contains("empty.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_can_say_who_we_are() {
    let Some(tls) = Tls::find() else { return };
    let _alone = alone().await;
    let context = tls.broker.context();
    let queue = unique("external");
    tls.broker.queue(&queue, "quorum", &[]).await;
    let config = tls.sink(&queue, &tls.ca, &tls.address, "'external'");
    let begun = Instant::now();
    if let Err(error) = config.check(&context).await {
        // So far the broker does not offer it: that must be told, and soon.
        assert!(begun.elapsed() < QUICKLY, "{error}");
        assert!(error.to_string().contains("`broker.auth`"), "{error}");
    }
    let plugin = ["enable", "rabbitmq_auth_mechanism_ssl"];
    let mechanisms =
        "application:set_env(rabbit, auth_mechanisms, ['PLAIN', 'AMQPLAIN', 'EXTERNAL']).";
    let permissions = ["set_permissions", "CN=meterhub", ".*", ".*", ".*"];
    let steps: [(&str, &[&str]); 4] = [
        ("rabbitmq-plugins", &plugin),
        ("rabbitmqctl", &["eval", mechanisms]),
        ("rabbitmqctl", &["add_user", "CN=meterhub", "unused"]),
        ("rabbitmqctl", &permissions),
    ];
    for (name, arguments) in steps {
        let done = tool(&tls.broker, name, arguments).await;
        // The user may be there already from a run before.
        if done.is_none() && arguments[0] != "add_user" {
            return;
        }
    }
    let sink = config.connect(&context).await.unwrap();
    sink.send(&message(1, "meter:1")).await.unwrap();
    assert_eq!(tls.broker.drain(&queue).await.len(), 1);
    let source = format!("queue = '{queue}'\n");
    let broker = format!(
        "[broker]\nurl = 'amqps://{}/%2f'\nca_certificates = '{}'\nauth = 'external'\n\
         client_certificate = 'file:client.pem'",
        tls.address, tls.ca
    );
    let source: AmqpSourceConfig = toml::from_str(&(source + &broker)).unwrap();
    source.check(&context).await.unwrap();
    // Other tests of this broker rely on what it offers by itself.
    let own = "application:set_env(rabbit, auth_mechanisms, ['PLAIN', 'AMQPLAIN']).";
    tool(&tls.broker, "rabbitmqctl", &["eval", own]).await;
}
