//! The IDocs that `mapping-idoc` writes are given to mock-sap, which nobody here wrote. It is not
//! SAP's own software: it parses the XML, and reads the control record of flat files by its offsets.

use hub_model::mapping::{Encode, Envelope};
use hub_model::{Instant, Record, WorkOrder, WorkOrderStatus, Zone};
use mapping_idoc::{IdocEncoder, IdocMapping};
use meterhub_tests::services::service;
use reqwest::header::HeaderMap;

const CONFIRMATIONS: &str = include_str!("../../mappings/idoc/examples/confirmations.toml");

/// A document that confirms two orders.
fn document(mapping: &str) -> (Vec<u8>, String) {
    let mapping = IdocMapping::load(mapping, &[]).expect("the example is sound");
    let zone = Zone::named("Europe/Helsinki").expect("a zone");
    let encoder = IdocEncoder::new(&mapping, &zone).expect("the example writes");
    let envelope = Envelope {
        message_id: "01JQ8ZC2T0000000000000MHUB".into(),
        created: Instant::from_seconds(1_774_869_753),
        zone,
    };
    let mut out = Vec::new();
    encoder.head(&envelope, &mut out);
    let order = WorkOrder {
        revision: Some(2),
        status: Some(WorkOrderStatus::Completed),
        performed: Some(Instant::from_seconds(1_774_860_000)),
        comment: Some("Zähler <getauscht> & geprüft".into()),
        ..WorkOrder::new("4000123")
    };
    let record = Record::WorkOrder(Box::new(order));
    encoder
        .record(&envelope, &record, &mut out)
        .expect("the order can be said");
    encoder.tail(&envelope, &mut out);
    (out, encoder.media_type().to_owned())
}

/// Posts a document to the HTTP port, as SAP's own wants it: with a token. Gives the receipt.
async fn post(url: &str, document: Vec<u8>, media_type: &str) -> serde_json::Value {
    let http = reqwest::Client::new();
    // SAP's own is `/sap/bc/idoc_xml`; mock-sap has this.
    let port = format!("{url}/sap/bc/idoc");
    let asked = http.get(&port).header("x-csrf-token", "Fetch").send().await;
    let asked = asked.expect("mock-sap answers");
    let mut headers = HeaderMap::new();
    for (ours, theirs) in [("x-csrf-token", "x-csrf-token"), ("cookie", "set-cookie")] {
        if let Some(value) = asked.headers().get(theirs) {
            headers.insert(ours, value.clone());
        }
    }
    let sent = http
        .post(&port)
        .headers(headers)
        .header("content-type", media_type)
        .header("accept", "application/json")
        .body(document);
    let answer = sent.send().await.expect("mock-sap answers");
    let status = answer.status();
    let text = answer.text().await.expect("the answer is a text");
    assert_eq!(status, 201, "{text}");
    serde_json::from_str(&text).expect("the receipt is JSON")
}

#[tokio::test]
async fn both_forms_are_posted() {
    let Some(url) = service("SAP_URL") else {
        return;
    };
    let flat = CONFIRMATIONS.replace("form = \"xml\"", "form = \"flat\"");
    for mapping in [CONFIRMATIONS, &flat] {
        let (document, media_type) = document(mapping);
        let receipt = post(&url, document, &media_type).await;
        assert_eq!(receipt["STATUS"], "53", "{receipt}");
        assert_eq!(receipt["IDOCTYP"], "ZSRVCONF01", "{receipt}");
        assert_eq!(receipt["MESTYP"], "ZSRVCONF", "{receipt}");
    }
}
