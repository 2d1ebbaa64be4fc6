//! Both halves over a wire that breaks in the middle of a mail.

use std::net::SocketAddr;

use hub_core::{Content, SinkConfig, SinkError, SourceConfig};
use meterhub_tests::conformance::{accepted, message, open, receive};
use meterhub_tests::proxy::{Fault, Proxy, Step};

use crate::post::{Person, attachment, mail_with, parse, place, servers};
use crate::sink::{STARTTLS, new_mails, to};
use crate::{sink, source};

/// Where the wire breaks: while letting in, and in a mail of a megabyte.
const BREAKS: [u64; 3] = [2_000, 200_000, 900_000];

async fn proxy_before(port: u16) -> Proxy {
    let server: SocketAddr = ([127, 0, 0, 1], port).into();
    Proxy::start(server).await.unwrap()
}

fn noise() -> Vec<u8> {
    let number = |n: u32| (n.wrapping_mul(n) >> 9) as u8;
    (0..1_000_000).map(number).collect()
}

#[tokio::test]
async fn a_mail_that_breaks_off_is_sent_again_and_is_the_same() {
    let _alone = servers().await;
    let Some(mut person) = Person::new() else {
        return;
    };
    let proxy = proxy_before(place("SMTP_URL").unwrap().port).await;
    let address = format!("localhost:{}", proxy.address().port());
    let config = sink::config_at(&address, &STARTTLS, &to(&[&person.address()]));
    let sink = config.connect(&person.context).await.unwrap();
    let mut message = message(90, "meter:1");
    message.content = Content::bytes(noise());
    // The parser of this test would take a text to pieces.
    message.media_type = "application/x-noise".into();
    for fault in [Fault::Cut, Fault::Truncate] {
        for after_bytes in BREAKS {
            proxy.follow([Step { after_bytes, fault }]);
            let error = sink.send(&message).await.unwrap_err();
            let unavailable = matches!(
                error,
                SinkError::Unavailable {
                    answered: false,
                    ..
                }
            );
            assert!(unavailable, "{error}");
        }
    }
    assert_eq!(proxy.to_come(), 0);
    assert_eq!(new_mails(&mut person).await.len(), 0, "half a mail is none");
    sink.send(&message).await.unwrap();
    sink.send(&message).await.unwrap();
    let mails = new_mails(&mut person).await;
    let [first, second] = [&mails[0], &mails[1]].map(|mail| parse(mail));
    assert_eq!(mails.len(), 2);
    assert_eq!(first.message_id(), second.message_id());
    assert!(attachment(&first).1 == noise() && attachment(&first) == attachment(&second));
}

#[tokio::test]
async fn a_mail_that_cannot_be_read_or_moved_comes_again_under_the_same_key() {
    let _alone = servers().await;
    let Some(person) = Person::new() else { return };
    let proxy = proxy_before(place("IMAPS_URL").unwrap().port).await;
    let door = source::door_at(proxy.address().port(), "tls", "TLS_CA");
    let config = source::config_at(&door, &person.user, "password", "");
    person
        .deliver(&mail_with("broken", &[("noise.csv", &noise())]))
        .await;
    for after_bytes in BREAKS {
        proxy.follow([Step {
            after_bytes,
            fault: Fault::Cut,
        }]);
        match config.connect(&person.context).await {
            Ok(mut source) => drop(source.receive().await.err().unwrap()),
            Err(error) => assert_eq!(after_bytes, BREAKS[0], "{error}"),
        }
    }
    let mut source = config.connect(&person.context).await.unwrap();
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    proxy.cut();
    // Committed by the hub, but the mailbox cannot be told.
    receipt.settle(accepted()).await;
    assert!(source.receive().await.is_err());
    assert_eq!((person.mails("").len(), person.mails("Done").len()), (1, 0));
    let mut source = config.connect(&person.context).await.unwrap();
    let again = receive(source.as_mut()).await;
    assert_eq!(again.message.business_key, message.business_key);
    drop(again);
    let (name, body, settle) = open(source.as_mut()).await;
    assert!(name == "noise.csv" && body == noise());
    settle(accepted()).await;
    assert_eq!((person.mails("").len(), person.mails("Done").len()), (0, 1));
}
