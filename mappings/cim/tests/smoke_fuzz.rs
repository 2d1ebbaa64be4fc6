//! Damaged documents: nothing panics, and every way of decoding yields the same.
//!
//! A stand-in on the stable toolchain for the fuzz target in `fuzz/`, which goes on for longer.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are not marked as tests"
)]

mod common;

use std::fs;
use std::path::Path;

use hub_model::Instant;
use mapping_cim::synthetic::Synthetic;

/// Damaged documents made of each good one.
const ROUNDS: u64 = 120;

/// Pieces that change the meaning of what follows.
const SPLICES: [&str; 22] = [
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [",
    "</MeterReading>",
    "<MeterReading>",
    "<MeterReading/>",
    "</MeterReadings>",
    "<IntervalBlocks>",
    "</IntervalBlocks>",
    "</m:MeterReading>",
    " xmlns=\"urn:x\"",
    "\"",
    "'",
    "<",
    ">",
    "&amp;",
    "&",
    "\u{e4}",
];

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cim");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is part of the project")
        .map(|entry| entry.unwrap().path().join("input.xml"))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    corpus.retain(|bytes| bytes.len() < 8_000);
    let mut many = Vec::new();
    let small = Synthetic {
        readings_per_meter: 2,
        ..Synthetic::day(6, Instant::EPOCH)
    };
    small.write(&mut many).unwrap();
    // Several times: here parts matter most.
    for _ in 0..6 {
        corpus.push(many.clone());
    }
    corpus
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], numbers: &mut Numbers) {
    let at = numbers.below(bytes.len() + 1);
    match numbers.below(6) {
        0 => bytes.truncate(at),
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << numbers.below(8);
            }
        }
        2 => {
            let end = (at + numbers.below(60)).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let from = numbers.below(other.len());
            let to = (from + numbers.below(200)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        _ => {
            let splice = SPLICES[numbers.below(SPLICES.len())];
            // After a `>` more often than not, where it is markup.
            let at = match bytes[at..].iter().position(|c| *c == b'>') {
                Some(close) if numbers.below(3) > 0 => at + close + 1,
                _ => at,
            };
            bytes.splice(at..at, splice.bytes());
        }
    }
}

#[test]
fn damage_never_panics_and_parts_agree() {
    let corpus = corpus();
    let mut numbers = Numbers(0x5eed);
    let mut cut = 0;
    for round in 0..ROUNDS {
        for good in &corpus {
            let mut bytes = good.clone();
            for _ in 0..=numbers.below(3) {
                let other = &corpus[numbers.below(corpus.len())];
                damage(&mut bytes, other, &mut numbers);
            }
            let result = std::panic::catch_unwind(|| common::decode(&bytes));
            assert!(
                result.is_ok(),
                "round {round}:\n{}",
                String::from_utf8_lossy(&bytes)
            );
            let decoder = common::decoder();
            cut += u32::from(common::decode_parts(&decoder, &bytes).is_some());
        }
    }
    assert!(
        cut > 500,
        "only {cut} documents were cut: the test tests little"
    );
}
