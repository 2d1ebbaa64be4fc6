//! Any bytes as a workbook: a finding or rows; never a panic that escapes, never an abort.

#![no_main]

use std::sync::{Arc, LazyLock};

use hub_model::Zone;
use hub_model::mapping::{Collected, Decode};
use libfuzzer_sys::fuzz_target;
use mapping_tabular::Mapping;
use mapping_xlsx::XlsxDecoder;

static DECODER: LazyLock<XlsxDecoder> = LazyLock::new(|| {
    let text = include_str!("../../../../fixtures/xlsx/register-readings/mapping.toml");
    XlsxDecoder::new(Arc::new(Mapping::load(text).expect("a fixture")), Zone::utc())
});

fuzz_target!(|bytes: &[u8]| {
    let mut found = Collected::default();
    DECODER
        .decode(&bytes.to_vec(), &mut found)
        .expect("memory can be read");
});
