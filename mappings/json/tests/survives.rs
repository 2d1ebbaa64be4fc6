//! Damaged lines never panic, and never lose count: a seeded smoke test, `fuzz/` goes deeper.

mod common;

use common::{decode, encode, record};
use hub_model::Severity;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        let lines = bytes.split(|&b| b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        let read = decode(&bytes);
        prop_assert!(read.records.len() + read.findings.len() <= lines);
    }

    #[test]
    fn damaged_documents(
        records in vec(record(), 1..5),
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..8),
    ) {
        let mut bytes = encode(&records);
        for (at, byte, what) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
        }
        // Every line that is not empty is a record or a finding.
        let lines = bytes.split(|&b| b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        let read = decode(&bytes);
        let taken: u64 = read.records.iter().map(|(_, r)| r.count()).sum();
        let rejected: u64 = read.findings.iter().map(|f| f.rejects).sum();
        // A byte-order mark alone on the first line is empty, too.
        let mark = u64::from(bytes.starts_with(b"\xEF\xBB\xBF"));
        prop_assert!(taken + rejected + mark >= lines as u64);
        prop_assert!(taken + rejected <= lines as u64);
        prop_assert!(read.findings.iter().all(|f| f.severity == Severity::Error && f.place.line > 0));
    }
}

#[test]
fn deep_nesting_is_a_finding() {
    let line = format!(r#"{{"record":"usage_point","id":{}"#, "[".repeat(100_000));
    let read = decode(line.as_bytes());
    assert_eq!(read.findings.len(), 1);
}
