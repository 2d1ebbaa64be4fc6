//! What an operator is told when something does not fit, and how soon.

use std::process::Command;
use std::time::{Duration, Instant};

use adapter_amqp10::{Amqp10SinkConfig, Amqp10SourceConfig};
use hub_core::{SinkConfig, SourceConfig};
use meterhub_tests::conformance::message;
use meterhub_tests::services::service;
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{Broker, calm, unique};

const QUICKLY: Duration = Duration::from_secs(7);

const PASSWORD: &str = "{ password = { user = 'hub', password = 'file:password' } }";

struct Tls {
    broker: Broker,
    address: String,
    ca: String,
    other_ca: String,
}

impl Tls {
    fn find() -> Option<Self> {
        let broker = Broker::rabbitmq()?;
        let url = service("AMQP10S_URL")?;
        let read = |variable: &str| Some(std::fs::read_to_string(service(variable)?).unwrap());
        let client = read("TLS_CLIENT_CERT")? + &read("TLS_CLIENT_KEY")?;
        std::fs::write(broker.base.path().join("client.pem"), client).unwrap();
        Some(Self {
            address: url.rsplit('@').next().unwrap().to_owned(),
            ca: service("TLS_CA")?,
            other_ca: service("TLS_OTHER_CA")?,
            broker,
        })
    }

    fn sink(&self, queue: &str, ca: &str, address: &str, auth: &str) -> Amqp10SinkConfig {
        let config = format!(
            "address = '/amq/queue/{queue}'\n[broker]\nurl = 'amqps://{address}'\n\
             ca_certificates = '{ca}'\nconnect_timeout_seconds = 5\n\
             client_certificate = 'file:client.pem'\nauth = {auth}"
        );
        let config: Amqp10SinkConfig = toml::from_str(&config).unwrap();
        assert_eq!(config.validate(), []);
        config
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_trusted_is_enough() {
    let Some(tls) = Tls::find() else { return };
    let _calm = calm().await;
    let queue = unique("tls");
    tls.broker.queue(&queue, "quorum", &[]).await;
    let sink = tls.sink(&queue, &tls.ca, &tls.address, PASSWORD);
    sink.check(&tls.broker.context()).await.unwrap();
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
async fn any_other_certificate_is_told_within_seconds() {
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
    assert!(error.contains("holds no certificate"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_to_log_in_that_the_broker_does_not_know_is_told() {
    let Some(tls) = Tls::find() else { return };
    let _calm = calm().await;
    let begun = Instant::now();
    let config = tls.sink("q", &tls.ca, &tls.address, "'external'");
    let error = config.check(&tls.broker.context()).await.unwrap_err();
    let error = error.to_string();
    println!("{error}");
    assert!(begun.elapsed() < QUICKLY, "{error}");
    assert!(
        error.contains("`broker.auth`") && error.contains("EXTERNAL"),
        "{error}"
    );
}

fn source(broker: &Broker, table: &str, address: &str) -> Amqp10SourceConfig {
    let config = format!("{table}address = '{address}'");
    let config: Amqp10SourceConfig = toml::from_str(&config).unwrap();
    assert_eq!(config.validate().len(), 0, "{}", broker.address);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_told_with_the_brokers_condition() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let table = broker.table(&broker.address, "password");
    let missing = unique("missing");
    let config = source(&broker, &table, &format!("/amq/queue/{missing}"));
    let begun = Instant::now();
    let checked = config.check(&broker.context()).await.unwrap_err();
    let connected = config.connect(&broker.context()).await.err().unwrap();
    assert!(begun.elapsed() < QUICKLY);
    for error in [checked.to_string(), connected.to_string()] {
        println!("{error}");
        assert!(error.contains(&missing), "{error}");
        assert!(error.contains("amqp:not-found"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told_and_never_repeated() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let table = broker.table(&broker.address, "wrong");
    let begun = Instant::now();
    let checked = source(&broker, &table, "q").check(&broker.context()).await;
    let error = checked.unwrap_err().to_string();
    println!("{error}");
    assert!(begun.elapsed() < QUICKLY, "{error}");
    assert!(error.contains("credentials (`broker.auth`)"), "{error}");
    assert!(!error.contains("wrong-password"), "{error}");
}

/// Makes a user who may log in, and nothing else. `false`, said aloud, if that cannot be done.
fn limited_user() -> bool {
    let management = service("AMQP_MANAGEMENT_URL").unwrap();
    let put = |path: &str, body: &str| {
        let mut curl = Command::new("curl");
        curl.args([
            "-sf",
            "-m",
            "5",
            "-X",
            "PUT",
            "-H",
            "content-type: application/json",
            "-d",
        ]);
        curl.arg(body).arg(format!("{management}{path}"));
        curl.status().is_ok_and(|status| status.success())
    };
    let done = put("/api/users/limited", r#"{"password":"hubpw","tags":""}"#)
        && put(
            "/api/permissions/%2f/limited",
            r#"{"configure":"^$","write":"^$","read":"^$"}"#,
        );
    if !done {
        eprintln!("SKIPPED: the broker's management does not answer, or there is no curl");
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_must_not_read_or_write_is_told_with_the_brokers_condition() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    if !limited_user() {
        return;
    }
    let queue = unique("forbidden");
    broker.queue(&queue, "classic", &[]).await;
    let address = broker.address_of(&queue);
    let table = broker.table(&broker.address, "password");
    let table = table.replace("user = 'hub'", "user = 'limited'");
    let begun = Instant::now();
    let reading = source(&broker, &table, &address)
        .connect(&broker.context())
        .await;
    let reading = reading.err().unwrap().to_string();
    let config = format!("{table}address = '{address}'\noutcome_timeout_seconds = 3");
    let sink: Amqp10SinkConfig = toml::from_str(&config).unwrap();
    let sink = sink.connect(&broker.context()).await.unwrap();
    let writing = sink.send(&message(1, "meter:1")).await.unwrap_err();
    assert!(begun.elapsed() < QUICKLY);
    for error in [reading, writing.to_string()] {
        println!("{error}");
        assert!(error.contains("amqp:unauthorized-access"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_that_is_none_is_told() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let table = broker.table(&broker.address, "password");
    let table = table.replace("heartbeat", "host_name = 'vhost:elsewhere', heartbeat");
    let begun = Instant::now();
    let checked = source(&broker, &table, "q").check(&broker.context()).await;
    let error = checked.unwrap_err().to_string();
    println!("{error}");
    assert!(begun.elapsed() < QUICKLY, "{error}");
    assert!(error.contains("amqp:unauthorized-access"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_speaks_something_else_is_told() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let management = service("AMQP_MANAGEMENT_URL").unwrap();
    let http = management.rsplit('@').next().unwrap().to_owned();
    for address in [http, silent.to_string(), "127.0.0.1:1".to_owned()] {
        let table = broker.table(&address, "password");
        let begun = Instant::now();
        let checked = source(&broker, &table, "q").check(&broker.context()).await;
        let error = checked.unwrap_err().to_string();
        println!("{address}: {error}");
        assert!(begun.elapsed() < QUICKLY, "{error}");
    }
}
