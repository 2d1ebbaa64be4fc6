//! Our rows against those of the `csv` crate, on everything that crate can write.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod render;

use std::sync::Arc;

use hub_model::{Record, Zone};
use mapping_csv::CsvDecoder;
use mapping_tabular::Mapping;
use proptest::prelude::*;

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ,;\"\n\r']{0,12}",
        "[a-zäöü€]{1,5}",
        Just(String::new())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cells_are_the_same(rows in prop::collection::vec((cell(), cell(), cell()), 0..20), always in any::<bool>(), crlf in any::<bool>()) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let end = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().quote_style(style).terminator(end).from_writer(Vec::new());
        writer.write_record(["a", "b", "c", "id"]).unwrap();
        for (i, (a, b, c)) in rows.iter().enumerate() {
            writer.write_record([a.as_str(), b, c, &format!("d{i}")]).unwrap();
        }
        let bytes = writer.into_inner().unwrap();

        let mut expected = Vec::new();
        for row in csv::ReaderBuilder::new().from_reader(bytes.as_slice()).records() {
            let row = row.unwrap();
            expected.push(row.iter().map(|cell| cell.trim_matches([' ', '\n', '\r', '\t', '\x0c']).to_owned()).collect::<Vec<_>>());
        }

        let mapping = "record = \"end_device\"\n[end_device]\nid = \"id\"\nattributes = { a = \"a\", b = \"b\", c = \"c\" }\n";
        let decoder = CsvDecoder::new(Arc::new(Mapping::load(mapping).unwrap()), Zone::utc()).with_longest_row(4_000);
        let found = render::decode(&decoder, &bytes);
        prop_assert_eq!(&found.findings, &[]);
        let ours: Vec<Vec<String>> = found.records.iter().map(|(_, record)| {
            let Record::EndDevice(device) = record else { panic!("{record:?}") };
            let get = |name: &str| device.attributes.iter().find(|(key, _)| key == name).map_or_else(String::new, |(_, value)| value.clone());
            vec![get("a"), get("b"), get("c"), device.id.id().unwrap().to_owned()]
        }).collect();
        prop_assert_eq!(ours, expected);
    }
}
