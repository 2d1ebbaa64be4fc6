//! Each folder of `fixtures/csv`: a mapping file, an input, and what must come of it.
//!
//! `expected.txt` is what decoding yields; where there is an `encoded.csv`, it is what writing the
//! decoded records gives. Zone of the enterprise: Europe/Helsinki.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod render;

use std::path::Path;
use std::sync::Arc;

use hub_model::mapping::{Collected, Encode, Envelope};
use hub_model::{Instant, Zone};
use mapping_csv::{CsvDecoder, CsvEncoder};
use mapping_tabular::Mapping;

fn helsinki() -> Zone {
    Zone::named("Europe/Helsinki").unwrap()
}

fn mapping(case: &Path) -> Arc<Mapping> {
    let text = std::fs::read_to_string(case.join("mapping.toml")).unwrap();
    Arc::new(Mapping::load(&text).unwrap_or_else(|error| panic!("{}: {error}", case.display())))
}

fn encoded(mapping: Arc<Mapping>, found: &Collected) -> Vec<u8> {
    let encoder = CsvEncoder::new(mapping, helsinki());
    let envelope = Envelope {
        message_id: "m".into(),
        created: Instant::EPOCH,
        zone: helsinki(),
    };
    let mut out = Vec::new();
    encoder.head(&envelope, &mut out);
    for (_, record) in &found.records {
        encoder.record(&envelope, record, &mut out).unwrap();
    }
    encoder.tail(&envelope, &mut out);
    out
}

#[test]
fn every_case_gives_what_it_should() {
    let mut cases: Vec<_> = std::fs::read_dir(render::fixtures("csv"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.retain(|case| case.join("mapping.toml").is_file());
    cases.sort();
    assert!(cases.len() >= 12, "fixtures are missing");
    for case in cases {
        let mapping = mapping(&case);
        let input = std::fs::read(case.join("input.csv")).unwrap();
        let found = render::decode(&CsvDecoder::new(Arc::clone(&mapping), helsinki()), &input);
        render::check(&case.join("expected.txt"), &render::render(&found));
        let written = case.join("encoded.csv");
        if written.is_file() {
            let bytes = encoded(mapping, &found);
            if std::env::var_os("UPDATE_FIXTURES").is_some() {
                std::fs::write(&written, &bytes).unwrap();
            }
            assert_eq!(
                bytes,
                std::fs::read(&written).unwrap(),
                "{}",
                written.display()
            );
        }
    }
}
