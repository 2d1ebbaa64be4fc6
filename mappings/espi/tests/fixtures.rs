//! Every folder of `fixtures/espi`: `input.xml` gives `expected.jsonl` and `findings.txt`.
//!
//! `METERHUB_BLESS=1` writes the expectations anew; read the difference before you commit it.

mod common;

use std::path::Path;

use common::decode;
use hub_model::mapping::{Encode, Envelope};
use hub_model::{Instant, Zone};
use mapping_json::JsonEncoder;

#[test]
fn fixtures_decode_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/espi");
    let mut cases: Vec<_> = std::fs::read_dir(&root)
        .expect("fixtures/espi exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() >= 6, "{cases:?}");
    for case in cases {
        check(&case);
    }
}

fn check(case: &Path) {
    let read = decode(&std::fs::read(case.join("input.xml")).expect("input.xml"));
    let envelope = Envelope {
        message_id: String::new(),
        created: Instant::EPOCH,
        zone: Zone::utc(),
    };
    let mut lines = Vec::new();
    for (_, record) in &read.records {
        JsonEncoder::new()
            .record(&envelope, record, &mut lines)
            .expect("JSON lines say everything");
    }
    let findings: String = read
        .findings
        .iter()
        .map(|finding| format!("[{}] {finding}\n", finding.code))
        .collect();
    let lines = String::from_utf8(lines).expect("JSON is UTF-8");
    expect(&case.join("expected.jsonl"), &lines);
    expect(&case.join("findings.txt"), &findings);
}

fn expect(path: &Path, actual: &str) {
    if std::env::var_os("METERHUB_BLESS").is_some() {
        std::fs::write(path, actual).expect("writable");
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{}", path.display());
}
