//! Segments yield exactly what decoding in one go yields, from any segment's end on.

mod common;

use common::{decode, encode, record};
use hub_model::mapping::{Collected, Decode, Payload};
use mapping_json::{JsonDecoder, MAX_LINE_BYTES};
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// Decodes by segments from `from`; returns what came and the ends.
fn by_segments(payload: &dyn Payload, from: u64) -> (Collected, Vec<u64>) {
    let mut out = Collected::default();
    let mut ends = Vec::new();
    let decoder = JsonDecoder::new();
    let mut segments = decoder
        .segments(payload, from)
        .expect("no halt")
        .expect("cut at lines");
    while let Some(segment) = segments.next().expect("no halt") {
        ends.push(segment.end);
        (segment.decode)(&mut out).expect("no halt");
    }
    (out, ends)
}

fn some_megabytes() -> Vec<u8> {
    let mut runner = TestRunner::deterministic();
    let records = vec(record(), 40)
        .new_tree(&mut runner)
        .expect("records")
        .current();
    let once = encode(&records);
    let mut payload = Vec::new();
    while payload.len() < 3 * MAX_LINE_BYTES {
        payload.extend_from_slice(&once);
        payload.extend_from_slice(b"not json\r\n\n");
    }
    payload
}

#[test]
fn segments_agree_with_decoding_in_one_go() {
    let payload = some_megabytes();
    let whole = decode(&payload);
    let (parts, ends) = by_segments(&payload, 0);
    assert!(ends.len() >= 3, "{ends:?}");
    assert_eq!(*ends.last().unwrap(), Payload::len(&payload));
    assert_eq!(parts.records, whole.records);
    assert_eq!(parts.findings, whole.findings);
    assert!(!whole.findings.is_empty());
}

#[test]
fn a_run_goes_on_from_the_end_of_any_segment_with_the_same_lines() {
    let payload = some_megabytes();
    let (whole, ends) = by_segments(&payload, 0);
    for end in ends {
        let (rest, _) = by_segments(&payload, end);
        let skipped = whole.records.len() - rest.records.len();
        assert_eq!(rest.records, whole.records[skipped..]);
        let skipped = whole.findings.len() - rest.findings.len();
        assert_eq!(rest.findings, whole.findings[skipped..]);
    }
}

#[test]
fn a_line_that_is_too_long_is_one_finding_and_the_rest_goes_on() {
    let good = br#"{"record":"usage_point","id":"1"}"#;
    let mut payload = good.to_vec();
    payload.push(b'\n');
    payload.extend(std::iter::repeat_n(b'x', 2 * MAX_LINE_BYTES));
    payload.push(b'\n');
    payload.extend_from_slice(good);
    let read = decode(&payload);
    let lines: Vec<_> = read.records.iter().map(|(place, _)| place.line).collect();
    assert_eq!(lines, [1, 3]);
    assert_eq!(read.findings.len(), 1);
    assert_eq!(read.findings[0].code, "line_too_long");
    assert_eq!(read.findings[0].place.line, 2);
    assert_eq!(read.findings[0].place.offset, good.len() as u64 + 1);
}

#[test]
fn a_line_of_just_the_limit_is_read() {
    let text = |access: usize| {
        format!(
            r#"{{"record":"usage_point","id":"1","access":"{}"}}"#,
            "x".repeat(access)
        )
    };
    let frame = text(0).len();
    // With its line end it fills the limit.
    let mut payload = text(MAX_LINE_BYTES - frame - 1).into_bytes();
    payload.push(b'\n');
    assert_eq!(payload.len(), MAX_LINE_BYTES);
    assert_eq!(decode(&payload).records.len(), 1);
}
