//! Parts of a file decode to what the whole file decodes to, wherever it is cut and resumed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::ptr_arg, reason = "a payload must have a size")]

mod render;

use std::sync::Arc;

use hub_model::Zone;
use hub_model::mapping::{Collected, Decode};
use mapping_csv::CsvDecoder;
use mapping_csv::synthetic::{self, Order, Synthetic};
use mapping_tabular::Mapping;
use proptest::prelude::*;

const DEVICES: &str = "record = \"end_device\"\ncsv.comment = \"#\"\n[end_device]\nid = \"a\"\nserial_number = \"b\"\n";

fn decoder(mapping: &str, longest_row: usize) -> CsvDecoder {
    CsvDecoder::new(Arc::new(Mapping::load(mapping).unwrap()), Zone::utc())
        .with_longest_row(longest_row)
}

/// Decodes from a byte on, part by part; also gives where the parts ended.
fn by_parts(decoder: &CsvDecoder, bytes: &Vec<u8>, from: u64) -> (Collected, Vec<u64>) {
    let (mut out, mut ends) = (Collected::default(), Vec::new());
    let mut segments = decoder.segments(bytes, from).unwrap().expect("can be cut");
    while let Some(segment) = segments.next().unwrap() {
        ends.push(segment.end);
        (segment.decode)(&mut out).unwrap();
    }
    (out, ends)
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\"\"".to_owned()),
        Just(",".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("#".to_owned()),
        Just("d1,s1\n".to_owned()),
        Just("\"d\n2\",\"s,2\"\n".to_owned()),
        "[a-z]{0,12}",
        "[a-z]{40,90}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| format!("a,b\n{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn parts_give_what_the_whole_gives(text in text(), longest in 20usize..80) {
        let decoder = decoder(DEVICES, longest);
        let bytes = text.clone().into_bytes();
        let whole = render::render(&render::decode(&decoder, &bytes));
        let (found, ends) = by_parts(&decoder, &bytes, 0);
        prop_assert_eq!(render::render(&found), whole.as_str(), "{:?}", text);
        if let Some(last) = ends.last() {
            prop_assert_eq!(*last, bytes.len() as u64);
        }
        // A restart at any part's end goes on as if nothing had happened.
        let (first, _) = by_parts(&decoder, &bytes, 0);
        for end in ends {
            let (rest, _) = by_parts(&decoder, &bytes, end);
            let records = first.records.iter().filter(|(place, _)| place.offset >= end).cloned().collect::<Vec<_>>();
            prop_assert_eq!(&rest.records, &records);
            let findings = first.findings.iter().filter(|f| f.place.offset >= end).cloned().collect::<Vec<_>>();
            prop_assert_eq!(&rest.findings, &findings);
        }
    }
}

#[test]
fn a_large_file_is_cut_and_keeps_every_reading_and_line() {
    for order in [Order::MeterMajor, Order::TimeMajor] {
        let file = Synthetic {
            meters: 500,
            days: 1,
            seed: 7,
            order,
        };
        let mut bytes = Vec::new();
        let sum = file.write(&mut bytes).unwrap();
        let decoder = decoder(synthetic::MAPPING, 1 << 18);
        let whole = render::decode(&decoder, &bytes);
        let (parts, ends) = by_parts(&decoder, &bytes, 0);
        assert!(ends.len() > 5, "{} parts", ends.len());
        assert!(whole.findings.is_empty());
        assert_eq!(whole.records, parts.records);
        let mut lines = Vec::new();
        let mut total = 0;
        for (place, record) in &whole.records {
            let hub_model::Record::Readings(block) = record else {
                panic!("{record:?}")
            };
            for reading in &block.readings {
                lines.push(place.line + u64::from(reading.line));
                total += reading.value.unwrap().mantissa_at(3).unwrap() as u64;
            }
        }
        lines.sort_unstable();
        assert_eq!(lines, (2..file.rows() + 2).collect::<Vec<_>>());
        assert_eq!(total, sum);
    }
}

#[test]
fn an_unclosed_quote_or_an_endless_line_does_not_fill_the_memory() {
    let decoder = decoder(DEVICES, 1_000);
    let mut bytes = b"a,b\nd0,\"never closed\n".to_vec();
    for i in 0..20_000 {
        bytes.extend(format!("d{i},s\n").bytes());
    }
    bytes.extend(vec![b'x'; 100_000]);
    bytes.extend(b"\nlast,s\n");
    let found = render::decode(&decoder, &bytes);
    assert_eq!(found.records.len(), 20_001);
    let codes: Vec<_> = found
        .findings
        .iter()
        .map(|f| (f.code, f.place.line))
        .collect();
    assert_eq!(codes, [("bad_quote", 2), ("too_long", 20_003)]);
    assert_eq!(found.records.last().unwrap().0.line, 20_004);
}

#[test]
fn order_that_matters_is_not_cut() {
    let mapping = format!(
        "{}\n[times]\nrepeated_hour = \"in_order\"\n",
        synthetic::MAPPING
    );
    let decoder = decoder(&mapping, 1_000);
    assert!(decoder.segments(&Vec::new(), 0).unwrap().is_none());
}
