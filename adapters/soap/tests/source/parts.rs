//! MTOM and gzip.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use meterhub_tests::conformance::{accepted, read, receive};
use reqwest::RequestBuilder;

use crate::rig::{EMPTY, Hub, SOAP11, SOAP12, envelope};

const XOP: &str = "http://www.w3.org/2004/08/xop/include";

fn include(id: &str) -> String {
    format!("<xop:Include xmlns:xop='{XOP}' href='cid:{id}'/>")
}

/// A multipart body: the envelope, then parts with their ids.
fn multipart(envelope: &str, parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = format!(
        "--MIME\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"text/xml\"\r\n\
         Content-Transfer-Encoding: binary\r\nContent-ID: <root@hes>\r\n\r\n{envelope}"
    )
    .into_bytes();
    for (id, bytes) in parts {
        let head = format!(
            "\r\n--MIME\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: binary\r\n\
             Content-ID: <{id}>\r\nContent-Disposition: attachment; filename=\"{id}.zip\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
    }
    body.extend_from_slice(b"\r\n--MIME--\r\n");
    body
}

fn post(hub: &Hub, body: Vec<u8>) -> RequestBuilder {
    let media_type = "multipart/related; boundary=MIME; type=\"application/xop+xml\"; \
        start=\"<root@hes>\"; start-info=\"text/xml\"";
    let request = hub.client.post(hub.url()).bearer_auth("t0ken");
    request.header("content-type", media_type).body(body)
}

#[tokio::test]
async fn parts_take_their_places_in_any_order() {
    let hub = Hub::new(EMPTY).await;
    let mut source = hub.source().await;
    let binary: Vec<u8> = (0..200_001u32).map(|i| (i * 31 % 256) as u8).collect();
    let document = format!(
        "<d><a>{}</a><b>{}</b><a>{}</a></d>",
        include("1"),
        include("2"),
        include("1")
    );
    let whole = envelope(SOAP11, "", &document);
    let expected = format!(
        "<a>{one}</a><b>{two}</b><a>{one}</a></d>",
        one = BASE64_STANDARD.encode(b"small"),
        two = BASE64_STANDARD.encode(&binary)
    );
    for parts in [
        [("1", b"small".as_slice()), ("2", &binary)],
        [("2", binary.as_slice()), ("1", b"small")],
    ] {
        let answer = hub.go(post(&hub, multipart(&whole, &parts)));
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        let body = String::from_utf8(read(message.body).await.unwrap()).unwrap();
        assert!(body.ends_with(&expected), "{} bytes", body.len());
        receipt.settle(accepted()).await;
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_part_may_be_the_message() {
    let hub = Hub::new(&format!("mtom = 'attachment'\n{EMPTY}")).await;
    let mut source = hub.source().await;
    let binary = [b"PK\x03\x04\r\n--MIM".as_slice(), &[0; 100_000]].concat();
    let whole = envelope(
        SOAP12,
        "",
        &format!("<d><z>{}</z></d>", include("zip%40hes")),
    );
    let parts = [("other", b"x".as_slice()), ("zip@hes", &binary)];
    let answer = hub.go(post(&hub, multipart(&whole, &parts)));
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert_eq!(message.name, "zip@hes.zip");
    assert_eq!(message.media_type.as_deref(), Some("application/zip"));
    assert!(read(message.body).await.unwrap() == binary);
    receipt.settle(accepted()).await;
    assert_eq!(answer.await.unwrap().status(), 200);
    let plain = hub.post(envelope(SOAP11, "", "<d/>")).send().await.unwrap();
    assert!(plain.text().await.unwrap().contains("no binary part"));
}

#[tokio::test]
async fn what_is_missing_or_cut_off_is_told() {
    let hub = Hub::new(EMPTY).await;
    let _source = hub.source().await;
    let whole = envelope(SOAP11, "", &format!("<d>{}</d>", include("1")));
    let mut cut = multipart(&whole, &[("1", b"abc")]);
    cut.truncate(cut.len() - 10);
    for (body, expected) in [
        (
            multipart(&whole, &[("2", b"abc")]),
            "no part with the `Content-ID` `&lt;1&gt;`",
        ),
        (
            multipart(&whole.replace("cid:1", "http://x"), &[]),
            "expected `cid:`",
        ),
        (cut, "has no end"),
        (b"--MIME--".to_vec(), "no part"),
        (multipart("<a/>", &[]), "VersionMismatch"),
    ] {
        let answer = post(&hub, body).send().await.unwrap();
        let told = answer.text().await.unwrap();
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

/// One part, referred to again and again.
#[tokio::test]
async fn a_small_body_cannot_become_a_large_document() {
    let door = "door = { bearer = ['file:token'], max_body_bytes = 1000000 }";
    let hub = Hub::new(door).await;
    let mut source = hub.source().await;
    let document = format!("<d>{}</d>", include("1").repeat(1_000));
    let body = multipart(&envelope(SOAP11, "", &document), &[("1", &[7; 100_000])]);
    let answer = hub.go(post(&hub, body));
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert!(read(message.body).await.is_err());
    let after = std::time::Duration::from_secs(1);
    receipt.settle(hub_core::Settlement::Retry { after }).await;
    let told = answer.await.unwrap().text().await.unwrap();
    assert!(
        told.contains("soap:Client") && told.contains("too large"),
        "{told}"
    );
}

#[tokio::test]
async fn gzip_is_undone() {
    let hub = Hub::new(EMPTY).await;
    let mut source = hub.source().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(envelope(SOAP11, "", "<Order/>").as_bytes())
        .unwrap();
    let request = hub
        .post("")
        .header("content-encoding", "gzip")
        .body(gzip.finish().unwrap());
    let answer = hub.go(request);
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    let body = read(message.body).await.unwrap();
    assert_eq!(body, format!("<Order xmlns:S=\"{SOAP11}\"/>").as_bytes());
    receipt.settle(accepted()).await;
    assert_eq!(answer.await.unwrap().status(), 200);
}
