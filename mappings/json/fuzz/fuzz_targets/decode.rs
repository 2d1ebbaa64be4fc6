//! Any bytes: no panic, and what was taken is written and read back as it was.

#![no_main]

use hub_model::mapping::{Collected, Decode, Encode, Envelope};
use hub_model::{Instant, Zone};
use libfuzzer_sys::fuzz_target;
use mapping_json::{JsonDecoder, JsonEncoder};

fuzz_target!(|bytes: &[u8]| {
    let first = decode(&bytes.to_vec());
    let envelope = Envelope {
        message_id: String::new(),
        created: Instant::EPOCH,
        zone: Zone::utc(),
    };
    let mut written = Vec::new();
    for (_, record) in &first.records {
        JsonEncoder::new()
            .record(&envelope, record, &mut written)
            .expect("what was read can be written");
    }
    let second = decode(&written);
    assert!(second.findings.is_empty(), "{:?}", second.findings);
});

fn decode(bytes: &Vec<u8>) -> Collected {
    let mut out = Collected::default();
    JsonDecoder::new()
        .decode(bytes, &mut out)
        .expect("a collector never halts");
    out
}
