//! What the tests share: decoding in every way there is, and comparing.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are not marked as tests"
)]

pub(crate) mod describe;

use hub_model::mapping::{Collected, Decode, Payload};
use hub_model::{Finding, Place, Record, Zone};
use mapping_cim::CimDecoder;

/// All that a decoder yields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yield {
    pub(crate) records: Vec<(Place, Record)>,
    pub(crate) findings: Vec<Finding>,
}

impl From<Collected> for Yield {
    fn from(collected: Collected) -> Self {
        Self {
            records: collected.records,
            findings: collected.findings,
        }
    }
}

impl Yield {
    /// Readings and events that were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.records.iter().map(|(_, record)| record.count()).sum()
    }

    /// Those that findings stand for.
    pub(crate) fn rejected(&self) -> u64 {
        self.findings.iter().map(|finding| finding.rejects).sum()
    }
}

pub(crate) fn decoder() -> CimDecoder {
    CimDecoder::new(Zone::named("Europe/Berlin").unwrap())
}

pub(crate) fn decode_with(decoder: &CimDecoder, payload: &dyn Payload) -> Yield {
    let mut out = Collected::default();
    decoder.decode(payload, &mut out).expect("no halt");
    out.into()
}

/// Decodes part by part, each in its order. `None`: the payload is not cut.
pub(crate) fn decode_parts(decoder: &CimDecoder, payload: &dyn Payload) -> Option<Yield> {
    let mut out = Collected::default();
    let mut parts = decoder.segments(payload, 0).expect("no halt")?;
    let mut end = 0;
    while let Some(part) = parts.next().expect("no halt") {
        assert!(part.end > end, "parts go forward");
        end = part.end;
        (part.decode)(&mut out).expect("no halt");
    }
    assert_eq!(end, payload.len(), "parts reach the end");
    Some(out.into())
}

/// Decodes in one go, and asserts that the parser alone and the parts yield the same.
pub(crate) fn decode(bytes: &[u8]) -> Yield {
    decode_checked(&decoder(), bytes)
}

pub(crate) fn decode_checked(decoder: &CimDecoder, bytes: &[u8]) -> Yield {
    let payload = bytes.to_vec();
    let whole = decode_with(decoder, &payload);
    let general = decode_with(&decoder.clone().without_express(), &payload);
    assert_eq!(general, whole, "the parser alone yields something else");
    // Byte by byte is slow, and shows nothing more in a large document.
    let smallest = if bytes.len() < 10_000 { 1 } else { 5_000 };
    for part_bytes in [smallest, 20 * smallest, 1 << 20] {
        let decoder = decoder.clone().in_parts_of(part_bytes);
        if let Some(parts) = decode_parts(&decoder, &payload) {
            assert_eq!(
                parts, whole,
                "parts of {part_bytes} bytes yield something else"
            );
        }
    }
    whole
}
