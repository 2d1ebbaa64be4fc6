//! Files built to exhaust or mislead: they cost one IDoc and one clear finding, and the rest goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{
    SERVICE_ORDERS, codes, decode, decode_parts, decoder, flat_control, flat_data, flat_idoc,
    numbers, xml, xml_idoc,
};
use hub_model::Record;
use hub_model::mapping::Collected;
use mapping_idoc::limits::MAX_IDOC_BYTES;

fn found(bytes: Vec<u8>) -> Collected {
    decode(&decoder(SERVICE_ORDERS), &bytes)
}

#[test]
fn an_idoc_that_is_too_long_is_passed_over() {
    let text = "x".repeat(MAX_IDOC_BYTES);
    let long = xml_idoc(2, &format!("<KTEXT>{text}</KTEXT>"));
    let of_xml = found(xml(&format!(
        "{}{long}{}",
        xml_idoc(1, ""),
        xml_idoc(3, "")
    )));
    assert_eq!(numbers(&of_xml), ["1", "3"]);
    assert_eq!(codes(&of_xml), ["too_long"]);
    assert_eq!(of_xml.findings[0].place.line, 3);

    let record = flat_data("Z2OTHER000", 2, 2, 0, "");
    let many = record.repeat(MAX_IDOC_BYTES / record.len() + 1);
    let of_flat = found([flat_idoc(1), flat_idoc(2), many, flat_idoc(3)].concat());
    assert_eq!(numbers(&of_flat), ["1", "3"]);
    assert_eq!(codes(&of_flat), ["too_long"]);

    let line = [flat_data("Z2OTHER000", 2, 2, 0, ""), b"\n".to_vec()].concat();
    let lines = line.repeat(MAX_IDOC_BYTES / line.len() + 1);
    let one = |n| {
        [
            flat_control(n),
            b"\n".to_vec(),
            flat_data("Z2SRVHD000", n, 1, 0, &n.to_string()),
            b"\n".to_vec(),
        ]
        .concat()
    };
    let of_lines = found([one(1), one(2), lines, one(3)].concat());
    assert_eq!(numbers(&of_lines), ["1", "3"]);
    assert_eq!(codes(&of_lines), ["too_long"]);
}

#[test]
fn a_comment_that_does_not_end_costs_what_follows_but_not_what_came() {
    let of_inside = found(xml(&format!("{}{}", xml_idoc(1, ""), xml_idoc(2, "<!-- "))));
    assert_eq!(numbers(&of_inside), ["1"]);
    assert_eq!(codes(&of_inside), ["truncated"]);
    let outside = format!("<ZSRVORD01>{}<!-- {}", xml_idoc(1, ""), "x".repeat(2 << 20));
    let of_outside = found(outside.into_bytes());
    assert_eq!(numbers(&of_outside), ["1"]);
    assert_eq!(codes(&of_outside), ["too_long"]);
}

#[test]
fn segments_are_counted() {
    let many = "<Z1X SEGMENT=\"1\"/>".repeat(1_000_001);
    let of_many = found(xml(&format!("{}{}", xml_idoc(1, &many), xml_idoc(2, ""))));
    assert_eq!(numbers(&of_many), ["2"]);
    assert_eq!(codes(&of_many), ["too_deep"]);
    assert!(of_many.findings[0].reason.contains("999999 segments"));
}

#[test]
fn elements_around_idocs_are_bounded() {
    let deep = format!("{}{}", "<a>".repeat(1_000), xml_idoc(1, ""));
    assert_eq!(codes(&found(deep.into_bytes())), ["too_deep"]);
}

/// Each order looks for its customer in the header, where there is none. Searched anew for each
/// order this would be a billion comparisons.
#[test]
fn a_long_list_is_not_searched_once_an_item() {
    let order = "<Z1SRVHD SEGMENT=\"1\"><AUFNR>7</AUFNR><Z1SRVDV SEGMENT=\"1\"><ROLE>ALT</ROLE></Z1SRVDV></Z1SRVHD>";
    let idoc = xml_idoc(1, "").replace("</IDOC>", &format!("{}</IDOC>", order.repeat(30_000)));
    let begun = std::time::Instant::now();
    let of_list = found(xml(&idoc));
    assert_eq!(of_list.records.len(), 30_001);
    assert!(of_list.findings.is_empty());
    let seconds = begun.elapsed().as_secs();
    assert!(
        seconds < 60,
        "took {seconds} s, even a slow build needs a few"
    );
}

#[test]
fn a_file_of_many_idocs_yields_the_same_in_parts_from_any_of_them_on() {
    let idocs: String = (1..=12_000)
        .map(|n| xml_idoc(n, "<KTEXT>Meter exchange</KTEXT>"))
        .collect();
    let flat: Vec<u8> = (1..=2_000).flat_map(flat_idoc).collect();
    for bytes in [xml(&idocs), flat] {
        let decoder = decoder(SERVICE_ORDERS);
        let whole = decode(&decoder, &bytes);
        let (cut, ends) = decode_parts(&decoder, &bytes, 0).unwrap();
        assert!(ends.len() > 2, "{ends:?}");
        assert_eq!(cut.records, whole.records);
        let last = |found: &Collected| match &found.records.last().unwrap().1 {
            Record::WorkOrder(order) => order.number.clone(),
            other => panic!("{other:?}"),
        };
        let mut seen = 0;
        for (nth, end) in ends.iter().enumerate() {
            let (rest, rest_ends) = decode_parts(&decoder, &bytes, *end).unwrap();
            assert_eq!(rest_ends.len(), ends.len() - nth - 1);
            let done = whole.records.len() - rest.records.len();
            assert!(done > seen);
            assert_eq!(rest.records, whole.records[done..]);
            if let Some(next) = rest.records.last() {
                assert_eq!(next.1.count(), 1);
                assert_eq!(last(&rest), last(&whole));
            }
            seen = done;
        }
        assert_eq!(seen, whole.records.len());
    }
}
