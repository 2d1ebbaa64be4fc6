//! Damaged inputs: never a panic, and parts always give what the whole gives.
//!
//! A small fuzzer with a fixed seed, for every run of the tests; `fuzz/` has the endless ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod render;

use std::sync::Arc;

use hub_model::Zone;
use hub_model::mapping::{Collected, Decode};
use mapping_csv::CsvDecoder;
use mapping_tabular::Mapping;

const ROUNDS: u64 = 1_500;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    /// Changes some bytes, cuts, or doubles a piece.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const NASTY: &[u8] = b"\"';,\n\r\0\xff\xfe=#-.0123456789{}[]";
        for _ in 0..=self.below(6) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = NASTY[self.below(NASTY.len())],
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes.insert(at, NASTY[self.below(NASTY.len())]),
                3 => bytes.truncate(at),
                _ => {
                    let end = (at + self.below(200)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
    }
}

fn cases() -> Vec<(String, Vec<u8>)> {
    let mut folders: Vec<_> = std::fs::read_dir(render::fixtures("csv"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
        .iter()
        .filter_map(|case| {
            Some((
                std::fs::read_to_string(case.join("mapping.toml")).ok()?,
                std::fs::read(case.join("input.csv")).ok()?,
            ))
        })
        .collect()
}

#[test]
fn damaged_files() {
    let mut random = Random(0x5EED);
    let cases = cases();
    for round in 0..ROUNDS {
        let (mapping, input) = &cases[round as usize % cases.len()];
        let mut bytes = input.clone();
        random.damage(&mut bytes);
        let decoder = CsvDecoder::new(Arc::new(Mapping::load(mapping).unwrap()), Zone::utc())
            .with_longest_row(50 + random.below(3_000));
        let whole = render::decode(&decoder, &bytes);
        let mut parts = Collected::default();
        if let Some(mut segments) = decoder.segments(&bytes, 0).unwrap() {
            while let Some(segment) = segments.next().unwrap() {
                (segment.decode)(&mut parts).unwrap();
            }
            assert_eq!(
                (&whole.records, &whole.findings),
                (&parts.records, &parts.findings),
                "round {round}"
            );
        }
    }
}

#[test]
fn damaged_mapping_files() {
    let mut random = Random(0xF11E);
    let cases = cases();
    let (mut good, mut bad) = (0, 0);
    for round in 0..ROUNDS {
        let (mapping, input) = &cases[round as usize % cases.len()];
        let mut text = mapping.clone().into_bytes();
        random.damage(&mut text);
        match Mapping::load(&String::from_utf8_lossy(&text)) {
            Err(error) => {
                assert!(error.line >= 1 && error.column >= 1 && !error.reason.is_empty());
                bad += 1;
            }
            Ok(mapping) => {
                let decoder =
                    CsvDecoder::new(Arc::new(mapping), Zone::utc()).with_longest_row(4_000);
                let _ = render::decode(&decoder, input);
                good += 1;
            }
        }
    }
    assert!(good > 10 && bad > 50, "{good} good, {bad} bad");
}
