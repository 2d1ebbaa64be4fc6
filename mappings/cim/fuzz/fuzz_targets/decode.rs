//! Any bytes: no panic, and every way of decoding yields the same.

#![no_main]

use hub_model::Zone;
use hub_model::mapping::{Collected, Decode};
use libfuzzer_sys::fuzz_target;
use mapping_cim::CimDecoder;

fuzz_target!(|bytes: &[u8]| {
    let bytes = bytes.to_vec();
    let decoder = CimDecoder::new(Zone::utc()).buffering(8).in_parts_of(300);
    let _ = decoder.business_key(&bytes);

    let mut whole = Collected::default();
    decoder
        .decode(&bytes, &mut whole)
        .expect("memory can be read");
    let mut general = Collected::default();
    let parser_alone = decoder.clone().without_express();
    parser_alone
        .decode(&bytes, &mut general)
        .expect("memory can be read");
    assert_eq!(general.records, whole.records);
    assert_eq!(general.findings, whole.findings);

    let Some(mut parts) = decoder.segments(&bytes, 0).expect("memory can be read") else {
        return;
    };
    let mut cut = Collected::default();
    while let Some(part) = parts.next().expect("memory can be read") {
        (part.decode)(&mut cut).expect("memory can be read");
    }
    assert_eq!(cut.records, whole.records);
    assert_eq!(cut.findings, whole.findings);
});
