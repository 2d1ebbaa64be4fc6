//! Every folder of `fixtures/json`: `input.jsonl` gives `expected.jsonl` and `findings.txt`.
//!
//! `METERHUB_BLESS=1` writes the expectations anew; read the difference before you commit it.

mod common;

use std::path::Path;

use common::{decode, encode};

#[test]
fn fixtures_decode_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/json");
    let mut cases: Vec<_> = std::fs::read_dir(&root)
        .expect("fixtures/json exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert!(cases.len() >= 4, "{cases:?}");
    for case in cases {
        check(&case);
    }
}

fn check(case: &Path) {
    let read = decode(&std::fs::read(case.join("input.jsonl")).expect("input.jsonl"));
    let records: Vec<_> = read.records.into_iter().map(|(_, record)| record).collect();
    let written = String::from_utf8(encode(&records)).expect("JSON is UTF-8");
    let findings: String = read
        .findings
        .iter()
        .map(|finding| format!("[{}] {finding}\n", finding.code))
        .collect();
    expect(&case.join("expected.jsonl"), &written);
    expect(&case.join("findings.txt"), &findings);
}

fn expect(path: &Path, actual: &str) {
    if std::env::var_os("METERHUB_BLESS").is_some() {
        std::fs::write(path, actual).expect("writable");
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{}", path.display());
}
