//! Whatever the order of entries and the dialect, the same readings come out with the same types.

mod common;
#[path = "common/feed.rs"]
mod feed;

use common::{blocks, decode};
use feed::{Expected, feed};
use hub_model::mapping::Collected;
use hub_model::{Finding, Record};
use proptest::prelude::*;

fn readings(read: &Collected) -> Vec<Expected> {
    let mut readings = Vec::new();
    for block in blocks(read) {
        let point = block.usage_point.as_ref().and_then(|p| p.id());
        for reading in &block.readings {
            assert_eq!(reading.detail, None);
            readings.push((
                point.expect("a point").to_owned(),
                block.reading_type.to_string(),
                reading.at.seconds(),
                reading.value.expect("a value").mantissa(),
                block
                    .qualities_of(reading)
                    .first()
                    .map(|q| espi_code(&q.code.to_string(), q.comment.as_deref())),
            ));
        }
    }
    readings.sort();
    readings
}

/// The way back, for the codes that are generated.
fn espi_code(code: &str, comment: Option<&str>) -> u16 {
    match (code, comment) {
        ("5.0.1", None) => 0,
        ("5.7.0", None) => 7,
        ("5.8.0", Some("reference day")) => 8,
        ("5.8.0", Some("linear interpolation")) => 9,
        ("5.10.0", None) => 10,
        ("5.11.0", None) => 11,
        ("5.0.0", None) => 14,
        ("5.0.1", Some("validated")) => 17,
        ("5.0.1", Some("revenue quality")) => 19,
        other => panic!("unexpected quality {other:?}"),
    }
}

fn points(read: &Collected) -> Vec<String> {
    let mut ids: Vec<_> = read
        .records
        .iter()
        .filter_map(|(_, record)| match record {
            Record::UsagePoint(point) => point.id.id().map(ToOwned::to_owned),
            _ => None,
        })
        .collect();
    ids.sort();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn entries_in_any_order(
        (feed, entries) in feed().prop_flat_map(|feed| {
            let entries = Just(feed.entries()).prop_shuffle();
            (Just(feed), entries)
        }),
    ) {
        let read = decode(feed.document(&entries).as_bytes());
        prop_assert_eq!(&read.findings, &Vec::<Finding>::new());
        prop_assert_eq!(readings(&read), feed.expected());
        prop_assert_eq!(points(&read), feed.points());
    }

    #[test]
    fn another_encoding_says_the_same(feed in feed()) {
        let text = feed.document(&feed.entries());
        let mut utf16 = vec![0xFF, 0xFE];
        utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let read = decode(&utf16);
        prop_assert_eq!(&read.findings, &Vec::<Finding>::new());
        prop_assert_eq!(readings(&read), feed.expected());
    }

    #[test]
    fn places_are_those_of_the_payload(feed in feed()) {
        let text = feed.document(&feed.entries());
        for (place, record) in decode(text.as_bytes()).records {
            let rest = &text[usize::try_from(place.offset).unwrap()..];
            let name = match record {
                Record::UsagePoint(_) => "UsagePoint",
                _ => "IntervalReading",
            };
            let tag = &rest[..rest.find('>').unwrap()];
            prop_assert!(tag.starts_with('<') && tag.contains(name), "{}", tag);
            let lines = text[..usize::try_from(place.offset).unwrap()].matches('\n').count();
            prop_assert_eq!(place.line, lines as u64 + 1);
        }
    }
}
