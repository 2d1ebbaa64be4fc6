//! What becomes of a message, and what its sender is told.

use hub_core::{Body, Settlement};
use meterhub_tests::conformance::{accepted, read, receive};

use crate::rig::{EMPTY, Hub, SOAP11, SOAP12, TOKEN, envelope, iec};

fn header(message: &hub_core::IncomingMessage, name: &str) -> Option<String> {
    let found = message.headers.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.clone())
}

#[tokio::test]
async fn the_body_is_a_document_of_its_own_with_its_namespaces() {
    let hub = Hub::new(EMPTY).await;
    let mut source = hub.source().await;
    let text = format!(
        "<S:Envelope xmlns:S='{SOAP11}' xmlns:x='urn:x' xmlns='urn:d'><S:Header>\
         <a:MessageID xmlns:a='http://www.w3.org/2005/08/addressing'>urn:uuid:7</a:MessageID></S:Header>\
         <S:Body xmlns:y='urn:y'><x:Order y:kind='x:t'>a&amp;b<Item/><!-- c --></x:Order></S:Body></S:Envelope>"
    );
    let answer = hub.go(hub.post(text));
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert_eq!(message.business_key.as_deref(), Some("urn:uuid:7"));
    assert_eq!(message.name, "urn:uuid:7");
    assert_eq!(message.media_type.as_deref(), Some("application/xml"));
    assert_eq!(header(&message, "soap-operation").as_deref(), Some("Order"));
    assert_eq!(
        header(&message, "message-id").as_deref(),
        Some("urn:uuid:7")
    );
    let Body::Bytes(body) = message.body else {
        panic!("small content is in memory");
    };
    let expected = format!(
        "<x:Order xmlns:S=\"{SOAP11}\" xmlns:x=\"urn:x\" xmlns=\"urn:d\" xmlns:y=\"urn:y\" \
         y:kind='x:t'>a&amp;b<Item/><!-- c --></x:Order>"
    );
    assert_eq!(String::from_utf8_lossy(&body), expected);
    receipt.settle(accepted()).await;
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(text.contains("<soap:Body></soap:Body>"), "{text}");
    assert!(text.contains(">urn:uuid:7</wsa:RelatesTo>"), "{text}");
}

#[tokio::test]
async fn a_payload_may_stand_alone_or_in_its_message() {
    let payload = "<r:MeterReadings xmlns:r='http://iec.ch/TC57/2011/MeterReadings#'/>";
    for (content, begin) in [
        ("payload", "<r:MeterReadings"),
        ("body", "<msg:CreatedMeterReadings"),
    ] {
        let hub = Hub::new(&format!(
            "style = 'iec61968-100'\ncontent = '{content}'\n{TOKEN}"
        ))
        .await;
        let mut source = hub.source().await;
        let answer = hub.go(hub.post(envelope(SOAP12, "", &iec("m-1", payload))));
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        assert_eq!(header(&message, "verb").as_deref(), Some("created"));
        assert_eq!(header(&message, "noun").as_deref(), Some("MeterReadings"));
        let body = read(message.body).await.unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.starts_with(begin) && body.contains("xmlns:m="),
            "{body}"
        );
        receipt.settle(accepted()).await;
        let answer = answer.await.unwrap();
        assert_eq!(
            answer.headers()["content-type"],
            "application/soap+xml; charset=utf-8"
        );
        assert!(answer.text().await.unwrap().contains("ResponseMessage"));
    }
}

#[tokio::test]
async fn answers_are_as_configured() {
    for (config, status, expected) in [
        ("answer = 'none'", 202, ""),
        ("answer = 'empty'", 200, "<soap:Body></soap:Body>"),
        (
            "answer = 'document'\nanswer_document = 'a.xml'",
            200,
            "<Done>o-1 by Order</Done>",
        ),
    ] {
        let hub = Hub::new(&format!("{config}\n{TOKEN}\nkey_element = '{{urn:k}}Id'")).await;
        let template = "<Done>{source_name} by {subject}</Done>";
        std::fs::write(hub.base.path().join("a.xml"), template).unwrap();
        let mut source = hub.source().await;
        let key = "<k:Id xmlns:k='urn:k'>o-1</k:Id>";
        let answer = hub.go(hub.post(envelope(SOAP11, key, "<Order/>")));
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        assert_eq!(message.business_key.as_deref(), Some("o-1"));
        receipt.settle(accepted()).await;
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), status);
        let text = answer.text().await.unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_in_either_version() {
    let hub = Hub::new(EMPTY).await;
    let mut source = hub.source().await;
    for (namespace, status, code) in [(SOAP11, 500, "soap:Client"), (SOAP12, 400, "soap:Sender")] {
        let answer = hub.go(hub.post(envelope(namespace, "", "<Order/>")));
        let (_, receipt) = receive(source.as_mut()).await.into_parts();
        let reason = "the key belongs to <other> content".to_owned();
        receipt.settle(Settlement::Reject { reason }).await;
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), status);
        let text = answer.text().await.unwrap();
        assert!(
            text.contains(code) && text.contains("&lt;other&gt;"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn only_what_is_configured_can_be_called() {
    let config = format!("operations = [{{ name = 'Put', element = '{{urn:x}}Put' }}]\n{EMPTY}");
    let hub = Hub::new(&config).await;
    let mut source = hub.source().await;
    let refused = hub
        .post(envelope(SOAP11, "", "<Get xmlns='urn:x'/>"))
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 500);
    let text = refused.text().await.unwrap();
    assert!(text.contains("`Put` in namespace `urn:x`"), "{text}");
    let answer = hub.go(hub.post(envelope(SOAP11, "", "<Put xmlns='urn:x'/>")));
    receive(source.as_mut())
        .await
        .into_parts()
        .1
        .settle(accepted())
        .await;
    assert_eq!(answer.await.unwrap().status(), 200);
}
