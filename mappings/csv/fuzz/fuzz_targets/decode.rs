//! Any bytes under several layouts: no panic, and parts yield what the whole yields.

#![no_main]

use std::sync::{Arc, LazyLock};

use hub_model::Zone;
use hub_model::mapping::{Collected, Decode};
use libfuzzer_sys::fuzz_target;
use mapping_csv::CsvDecoder;
use mapping_tabular::Mapping;

static DECODERS: LazyLock<Vec<CsvDecoder>> = LazyLock::new(|| {
    [
        include_str!("../../../../fixtures/csv/readings-export/mapping.toml"),
        include_str!("../../../../fixtures/csv/vendor-day-rows/mapping.toml"),
        include_str!("../../../../fixtures/csv/day-rows-by-the-clock/mapping.toml"),
        include_str!("../../../../fixtures/csv/work-orders-contractor/mapping.toml"),
        include_str!("../../../../fixtures/csv/positional-letters/mapping.toml"),
    ]
    .map(|text| {
        let mapping = Mapping::load(text).expect("a fixture");
        CsvDecoder::new(Arc::new(mapping), Zone::utc()).with_longest_row(100)
    })
    .to_vec()
});

fuzz_target!(|bytes: &[u8]| {
    let bytes = bytes.to_vec();
    for decoder in DECODERS.iter() {
        let mut whole = Collected::default();
        decoder.decode(&bytes, &mut whole).expect("memory can be read");
        let Some(mut parts) = decoder.segments(&bytes, 0).expect("memory can be read") else {
            continue;
        };
        let mut cut = Collected::default();
        while let Some(part) = parts.next().expect("memory can be read") {
            (part.decode)(&mut cut).expect("memory can be read");
        }
        assert_eq!(cut.records, whole.records);
        assert_eq!(cut.findings, whole.findings);
    }
});
