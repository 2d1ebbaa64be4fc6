//! Any bytes: no panic, and parts yield what the whole yields.

#![no_main]

use std::sync::LazyLock;

use hub_model::Zone;
use hub_model::mapping::{Collected, Decode};
use libfuzzer_sys::fuzz_target;
use mapping_idoc::{IdocDecoder, IdocMapping};

/// The encoding is that of flat files; the first byte of the input chooses.
static DECODERS: LazyLock<[IdocDecoder; 2]> = LazyLock::new(|| {
    let orders = include_str!("../../examples/service-orders.toml");
    ["utf-8", "latin-1"].map(|encoding| {
        let segments = "segments = [\"service-order\"]";
        let file = format!("{segments}\n[file]\nencoding = \"{encoding}\"\n");
        let text = orders.replacen(segments, &file, 1);
        let mapping = IdocMapping::load(&text, &[]).expect("the example is sound");
        IdocDecoder::new(&mapping, &Zone::utc())
    })
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let bytes = bytes.to_vec();
    let decoder = &DECODERS[usize::from(choice & 1)];
    let _ = decoder.business_key(&bytes);

    let mut whole = Collected::default();
    decoder
        .decode(&bytes, &mut whole)
        .expect("memory can be read");
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
