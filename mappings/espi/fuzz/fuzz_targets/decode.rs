//! Any bytes: no panic, at most one fatal finding, and it is the last.

#![no_main]

use hub_model::mapping::{Collected, Decode};
use hub_model::{Severity, Zone};
use libfuzzer_sys::fuzz_target;
use mapping_espi::EspiDecoder;

fuzz_target!(|bytes: &[u8]| {
    let mut out = Collected::default();
    EspiDecoder::new(Zone::utc())
        .decode(&bytes.to_vec(), &mut out)
        .expect("a collector never halts");
    let fatal = |severity| severity == Severity::Fatal;
    let before = out.findings.len().saturating_sub(1);
    assert!(out.findings[..before].iter().all(|f| !fatal(f.severity)));
});
