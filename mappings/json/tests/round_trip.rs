//! `decode ∘ encode` is the identity on every kind of record, up to grouping.

mod common;

use common::{decode, encode, envelope, record, ungrouped};
use hub_model::mapping::Encode;
use hub_model::{Instant, Reading, ReadingBlock, ReadingKind, ReadingType, Record};
use mapping_json::JsonEncoder;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_written_is_read_back(records in vec(record(), 0..6)) {
        let bytes = encode(&records);
        let read = decode(&bytes);
        prop_assert_eq!(&read.findings, &vec![]);
        let read: Vec<_> = read.records.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(ungrouped(read), ungrouped(records));
    }

    #[test]
    fn one_line_a_record(records in vec(record(), 0..6)) {
        let lines = encode(&records).iter().filter(|&&b| b == b'\n').count() as u64;
        prop_assert_eq!(lines, records.iter().map(Record::count).sum::<u64>());
    }
}

#[test]
fn an_instant_outside_the_calendar_cannot_be_written_and_writes_nothing() {
    let mut block = ReadingBlock::new(ReadingType::default(), ReadingKind::Register);
    block.readings = vec![
        Reading::new(Instant::EPOCH, None),
        Reading::new(Instant::from_micros(i64::MAX), None),
    ];
    let mut out = b"before\n".to_vec();
    let refused = JsonEncoder::new()
        .record(&envelope(), &Record::Readings(block), &mut out)
        .unwrap_err();
    assert_eq!(refused.field, "reading");
    assert!(refused.reason.contains("years 0000 to 9999"), "{refused}");
    assert_eq!(out, b"before\n");
}

#[test]
fn a_decimal_is_read_digit_by_digit_from_a_string_or_a_number() {
    let line = |value: &str| {
        format!(
            r#"{{"record":"reading","meter":"1","reading_type":"0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0","kind":"interval","at":"2026-01-01T00:15:00Z","value":{value}}}"#
        )
    };
    for (written, expected) in [
        ("0.1", "0.1"),
        ("\"0.1\"", "0.1"),
        ("123456789012345678", "123456789012345678"),
        ("0.123456789012345678", "0.123456789012345678"),
        ("1.5e3", "1500"),
        ("\"\\u0031\"", "1"),
    ] {
        let read = decode(line(written).as_bytes());
        assert_eq!(read.findings, vec![], "{written}");
        let Record::Readings(block) = &read.records[0].1 else {
            panic!("not a reading");
        };
        assert_eq!(block.readings[0].value.unwrap().to_string(), expected);
    }
    for written in [
        "1234567890123456789",
        "true",
        "[1]",
        "{}",
        "\"\"",
        "\"1,5\"",
    ] {
        let read = decode(line(written).as_bytes());
        assert_eq!(read.records, vec![], "{written}");
        assert_eq!(
            read.findings[0].field.as_deref(),
            Some("value"),
            "{written}"
        );
    }
}
