//! Damaged feeds never panic and break off at most once: a seeded smoke test, `fuzz/` goes deeper.

mod common;
#[path = "common/feed.rs"]
mod feed;

use common::{blocks, decode};
use feed::feed;
use hub_model::Severity;
use hub_model::mapping::Collected;
use proptest::collection::vec;
use proptest::prelude::*;

fn is_sane(read: &Collected) -> bool {
    let fatal = read
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Fatal)
        .count();
    let last = read
        .findings
        .last()
        .is_none_or(|f| fatal == 0 || f.severity == Severity::Fatal);
    fatal <= 1 && last && blocks(read).iter().all(|block| !block.readings.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(is_sane(&decode(&bytes)));
    }

    #[test]
    fn damaged_feeds(
        feed in feed(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..12),
    ) {
        let mut bytes = feed.document(&feed.entries()).into_bytes();
        for (at, byte, what) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let whole = feed.expected().len();
        let read = decode(&bytes);
        prop_assert!(is_sane(&read));
        let taken: usize = blocks(&read).iter().map(|block| block.readings.len()).sum();
        prop_assert!(taken <= whole);
    }
}

fn in_feed(inside: &str) -> String {
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:e=\"http://naesb.org/espi\">{inside}</feed>"
    )
}

fn only_finding(document: &str) -> &'static str {
    let read = decode(document.as_bytes());
    assert_eq!(read.records.len(), 0);
    assert_eq!(read.findings.len(), 1, "{:?}", read.findings);
    read.findings[0].code
}

#[test]
fn limits_are_findings() {
    assert_eq!(only_finding(""), "not_well_formed");
    assert_eq!(only_finding("<html/>"), "unexpected_root");
    assert_eq!(only_finding(&in_feed(&"<x>".repeat(100))), "too_deep");
    let long = "x".repeat(300_000);
    assert_eq!(only_finding(&in_feed(&long)), "too_long");
    assert_eq!(
        only_finding(&in_feed(&format!("<!-- {long} -->"))),
        "too_long"
    );
    assert_eq!(
        only_finding(&in_feed(&format!("<x y='{long}'/>"))),
        "too_long"
    );
    assert_eq!(only_finding(&in_feed("&bomb;")), "not_well_formed");
    assert_eq!(
        only_finding("<!DOCTYPE feed [<!ENTITY a 'b'>]><feed/>"),
        "dtd_refused"
    );
    assert_eq!(only_finding(&(in_feed("") + "<feed/>")), "not_well_formed");
    assert_eq!(only_finding(&(in_feed("") + "junk")), "not_well_formed");
    assert_eq!(only_finding(&in_feed("<entry>")), "not_well_formed");
}

/// A number that is cut must not be read as a smaller one.
#[test]
fn a_long_number_is_not_cut() {
    let reading = format!(
        "<e:IntervalReading><e:timePeriod><e:duration>900</e:duration><e:start>0</e:start></e:timePeriod>\
         <e:value>1<!-- -->{}</e:value></e:IntervalReading>",
        "0".repeat(1_000)
    );
    let kind = "<entry><content><e:ReadingType><e:uom>72</e:uom></e:ReadingType></content></entry>";
    let block =
        format!("<entry><content><e:IntervalBlock>{reading}</e:IntervalBlock></content></entry>");
    let read = decode(in_feed(&(kind.to_owned() + &block)).as_bytes());
    assert_eq!(blocks(&read).len(), 0);
    assert!(
        read.findings.iter().any(|f| f.code == "bad_value"),
        "{:?}",
        read.findings
    );
}

/// Millions of readings in one block pass through in bounded records.
#[test]
fn a_long_block_is_handed_on_in_parts() {
    let mut readings = String::new();
    for i in 0..20_000 {
        readings += &format!(
            "<e:IntervalReading><e:timePeriod><e:duration>900</e:duration><e:start>{}</e:start></e:timePeriod><e:value>{i}</e:value></e:IntervalReading>\n",
            i * 900
        );
    }
    let document =
        format!("<e:IntervalBlock xmlns:e=\"http://naesb.org/espi\">{readings}</e:IntervalBlock>");
    let given = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.0.72.0"
        .parse()
        .expect("a type");
    let decoder = common::decoder().with_default_reading_type(given);
    let read = common::decode_with(&decoder, document.as_bytes());
    let sizes: Vec<_> = blocks(&read)
        .iter()
        .map(|block| block.readings.len())
        .collect();
    assert_eq!(sizes, [8_192, 8_192, 3_616]);
}
