//! What is no message, is too much, or does not come.

use std::time::Duration;

use hub_core::Settlement;
use meterhub_tests::conformance::{read, receive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{EMPTY, Hub, SOAP11, SOAP12, TOKEN, envelope, iec};

#[tokio::test]
async fn what_is_no_envelope_is_the_senders_fault() {
    let hub = Hub::new(EMPTY).await;
    let _source = hub.source().await;
    let whole = envelope(SOAP11, "", "<Order><Line/></Order>");
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]>";
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    for (text, expected) in [
        ("".to_owned(), "no element"),
        ("no xml".to_owned(), "outside of the root"),
        ("<a/>".to_owned(), "VersionMismatch"),
        (whole.replace(SOAP11, "urn:soap-13"), "VersionMismatch"),
        (whole.replace("</S:Envelope>", ""), "cut off"),
        (whole.replace("</S:Body></S:Envelope>", ""), "cut off"),
        (whole.replace("<Line/>", "<Line>"), "would be valid"),
        (
            whole.replace("<?xml version='1.0' encoding='UTF-8'?>", bomb),
            "type definition",
        ),
        (whole.replace("<Line/>", "&c;"), "not known"),
        (whole.replace("<Line/>", &deep), "nested more than 100"),
        (whole.replace("<Order><Line/></Order>", ""), "body is empty"),
        (
            whole.replace("</Order>", "</Order><Order/>"),
            "second element",
        ),
        (whole.replace("<S:Body>", "text<S:Body>"), "text between"),
        (
            whole.replace("<S:Body>", "<S:Header/><S:Body>"),
            "one `Header` at most",
        ),
        (format!("{whole}<more/>"), "second root"),
        (
            envelope(SOAP11, "<x S:mustUnderstand='1'/>", "<a/>"),
            "MustUnderstand",
        ),
        (
            envelope(SOAP11, &"<x/>".repeat(20_000), "<a/>"),
            "longer than 65536",
        ),
    ] {
        let answer = hub.post(text.clone()).send().await.unwrap();
        let status = answer.status();
        let told = answer.text().await.unwrap();
        assert_eq!(status, 500, "{told}");
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(told.contains("faultcode"), "{told}");
    }
}

#[tokio::test]
async fn what_is_refused_before_it_is_read_keeps_its_status() {
    let hub = Hub::new("door = { bearer = ['file:token'], max_body_bytes = 300 }").await;
    let _source = hub.source().await;
    let envelope = envelope(SOAP12, "", "<a/>");
    let unknown = hub.client.post(hub.url()).body("<a/>");
    let other = hub.client.post(format!("{}x", hub.url())).body("<a/>");
    for (request, status) in [
        (unknown, 401),
        (other, 404),
        (hub.post(&envelope).header("content-encoding", "br"), 415),
        (
            hub.client.post(hub.url()).bearer_auth("t0ken").body("a"),
            415,
        ),
        (hub.post(envelope.replace("<a/>", &"<a/>".repeat(99))), 413),
        (hub.client.get(hub.url()).bearer_auth("t0ken"), 405),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
}

/// A long message is on its way to the store when its sender makes a mistake, or goes away.
#[tokio::test]
async fn an_envelope_that_is_not_whole_is_never_accepted() {
    let hub = Hub::new(&format!(
        "style = 'iec61968-100'\ncontent = 'payload'\n{TOKEN}"
    ))
    .await;
    let mut source = hub.source().await;
    let long = format!("<r>{}</r>", "<v>1</v>".repeat(20_000));
    let whole = envelope(SOAP11, "", &iec("long", &long));
    for (text, expected) in [
        (whole.replace("</S:Envelope>", ""), "cut off"),
        (whole.replace("</r>", "</q>"), "would be valid"),
        (
            whole.replace("</msg:Payload>", "<r/></msg:Payload>"),
            "second document",
        ),
    ] {
        let answer = hub.go(hub.post(text));
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        assert!(read(message.body).await.is_err(), "{expected}");
        // What the hub does with a body that breaks.
        let after = Duration::from_secs(1);
        receipt.settle(Settlement::Retry { after }).await;
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 500);
        let text = answer.text().await.unwrap();
        assert!(
            text.contains(expected) && text.contains("soap:Client"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_sender_that_stalls_or_leaves_is_told_so() {
    let hub = Hub::new("door = { bearer = ['file:token'], idle_timeout_seconds = 1 }").await;
    let _source = hub.source().await;
    let head = format!(
        "POST /api/v1/soap/hes HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer t0ken\r\n\
         Content-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<S:Envelope xmlns:S='{SOAP11}'>"
    );
    let mut stalled = TcpStream::connect(hub.address).await.unwrap();
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stalled.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("soap:Server"),
        "{answer}"
    );
    let mut left = TcpStream::connect(hub.address).await.unwrap();
    left.write_all(head.as_bytes()).await.unwrap();
    left.shutdown().await.unwrap();
    let mut answer = Vec::new();
    left.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
}
