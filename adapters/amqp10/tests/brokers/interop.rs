//! Messages from and to another implementation: Qpid Proton's client, through Proton's broker.

use std::path::PathBuf;
use std::process::Command;

use adapter_amqp10::{Amqp10SinkConfig, Amqp10SourceConfig};
use fe2o3_amqp::types::messaging::DeliveryState;
use hub_core::{Headers, SinkConfig, SourceConfig};
use meterhub_tests::conformance::{accepted, message, read, receive};
use meterhub_tests::wait::{PATIENCE, until};

use crate::rig::{Broker, calm, unique};
use crate::wire::Wire;

/// Runs the partner. `None`, said aloud, without Python and Proton.
async fn partner(verb: &'static str, broker: &Broker, queue: &str) -> Option<String> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/brokers/partner.py");
    let (url, queue) = (format!("amqp://{}", broker.address), queue.to_owned());
    let run = move || {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(script).args([verb, &url, &queue]).output()
    };
    let ran = tokio::task::spawn_blocking(run).await.unwrap();
    match ran {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            eprintln!("SKIPPED: /usr/bin/python3: {error}");
            None
        }
    }
}

fn source(broker: &Broker, address: &str, queue: &str) -> Amqp10SourceConfig {
    let table = broker.table(address, "");
    toml::from_str(&format!("{table}address = '{queue}'\nwindow = 4")).unwrap()
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let mut named = headers.iter().filter(|(n, _)| n == name);
    named.next().map(|(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_every_kind_are_taken_or_refused() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let queue = unique("kinds");
    let wire = Wire::to(&broker.address).await;
    if partner("send", &broker, &queue).await.is_none() {
        return;
    }
    let config = source(&broker, &wire.address, &queue);
    let mut source = config.connect(&broker.context()).await.unwrap();
    let mut found = Vec::new();
    while found.len() < 5 {
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        receipt.settle(accepted()).await;
        let key = message.business_key.clone().unwrap();
        let body = read(message.body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        found.push((key, body, message.media_type, message.headers));
    }
    let known: Vec<_> = found
        .iter()
        .map(|(k, b, ..)| (k.as_str(), b.as_str()))
        .collect();
    let expected = [
        ("text-1", "data"),
        ("4711", "value of a string"),
        ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "value of a binary"),
        ("414d512001", "all fields"),
        ("last", "last"),
    ];
    assert_eq!(known, expected);
    assert_eq!(found[0].2.as_deref(), Some("text/csv"));
    assert_eq!(header(&found[0].3, "subject"), Some("reading"));
    for (name, value) in [
        ("correlation-id", "00000000-0000-0000-0000-000000000001"),
        ("reply-to", "answers"),
        ("to", "readings"),
        ("group-id", "meter-7"),
        ("group-sequence", "3"),
        ("reply-to-group-id", "erp"),
        ("content-encoding", "identity"),
        ("creation-time", "1774743300000"),
        ("absolute-expiry-time", "1774743301000"),
        ("ttl", "60000"),
        ("priority", "7"),
        ("x-region", "north"),
        ("count", "3"),
        ("ratio", "0.5"),
        ("yes", "true"),
    ] {
        assert_eq!(header(&found[3].3, name), Some(value), "{name}");
    }
    for refused in ["refused-1", "refused-2"] {
        // It may still be on its way.
        let answered = || async { wire.answer(refused) };
        let told = until("the rejection", PATIENCE, answered).await;
        let DeliveryState::Rejected(rejected) = told else {
            panic!("{refused}: {told:?}")
        };
        let reason = rejected.error.unwrap().description.unwrap();
        assert!(reason.contains("expected `data`"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_send_is_what_another_client_reads() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let queue = unique("sent");
    let table = broker.table(&broker.address, "");
    let config: Amqp10SinkConfig = toml::from_str(&format!(
        "{table}address = '{queue}'\nsubject = '{{subject}}'\ngroup_id = 'g-{{subject}}'\n\
         reply_to = 'answers'\nttl_seconds = 600\nheaders = {{ x-sender = 'nord' }}"
    ))
    .unwrap();
    let sink = config.connect(&broker.context()).await.unwrap();
    let mut message = message(60, "meter:1");
    message.headers = vec![("x-batch".into(), "12".into())];
    let sent = sink.send(&message).await.unwrap();
    assert!(sent.note.contains(&queue), "{}", sent.note);
    let Some(found) = partner("receive", &broker, &queue).await else {
        return;
    };
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let expected = serde_json::json!({
        "id": message.message_id.to_string(),
        "correlation_id": message.correlation_id.to_string(),
        "subject": "meter:1",
        "reply_to": "answers",
        "address": queue,
        "group_id": "g-meter:1",
        "content_type": "text/plain",
        "durable": true,
        "ttl": 600,
        "created": 1_774_743_300,
        "expiry": 1_774_743_900,
        "properties": { "x-sender": "nord", "x-batch": "12" },
        "body": "body 60",
        "is_data": true,
    });
    assert_eq!(found, expected);
}
