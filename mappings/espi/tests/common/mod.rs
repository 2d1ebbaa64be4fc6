//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};

use hub_model::mapping::{Collected, Decode};
use hub_model::{ReadingBlock, Record, Zone};
use mapping_espi::EspiDecoder;

pub(crate) fn decoder() -> EspiDecoder {
    EspiDecoder::new(Zone::named("America/New_York").expect("a zone"))
}

pub(crate) fn decode(bytes: &[u8]) -> Collected {
    decode_with(&decoder(), bytes)
}

pub(crate) fn decode_with(decoder: &EspiDecoder, bytes: &[u8]) -> Collected {
    let mut out = Collected::default();
    decoder
        .decode(&bytes.to_vec(), &mut out)
        .expect("a collector never halts");
    out
}

pub(crate) fn blocks(read: &Collected) -> Vec<&ReadingBlock> {
    read.records
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Readings(block) => Some(block),
            _ => None,
        })
        .collect()
}

/// The folder of real files, or `None` aloud.
pub(crate) fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let folder = std::env::var_os("METERHUB_SAMPLES").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no samples at {}", folder.display());
    None
}
