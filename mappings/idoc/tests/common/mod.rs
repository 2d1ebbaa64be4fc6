//! What the tests of this crate share: IDocs made by hand, and decoding to lists.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use hub_model::mapping::{Collected, Decode, Encode, Envelope};
use hub_model::{Instant, Record, Zone};
use mapping_idoc::{IdocDecoder, IdocEncoder, IdocMapping};

/// The example that comes with the crate.
pub(crate) const SERVICE_ORDERS: &str = include_str!("../../examples/service-orders.toml");

pub(crate) fn load(text: &str) -> IdocMapping {
    IdocMapping::load(text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn decoder(text: &str) -> IdocDecoder {
    IdocDecoder::new(&load(text), &Zone::utc())
}

#[expect(clippy::ptr_arg, reason = "a payload must have a size")]
pub(crate) fn decode(decoder: &IdocDecoder, bytes: &Vec<u8>) -> Collected {
    let mut out = Collected::default();
    decoder.decode(bytes, &mut out).unwrap();
    out
}

/// Decodes the parts of a payload from `from` on; `None` if it has none.
#[expect(clippy::ptr_arg, reason = "a payload must have a size")]
pub(crate) fn decode_parts(
    decoder: &IdocDecoder,
    bytes: &Vec<u8>,
    from: u64,
) -> Option<(Collected, Vec<u64>)> {
    let mut parts = decoder.segments(bytes, from).unwrap()?;
    let (mut out, mut ends) = (Collected::default(), Vec::new());
    while let Some(part) = parts.next().unwrap() {
        ends.push(part.end);
        (part.decode)(&mut out).unwrap();
    }
    Some((out, ends))
}

pub(crate) fn codes(found: &Collected) -> Vec<&'static str> {
    found.findings.iter().map(|finding| finding.code).collect()
}

/// Numbers of the work orders.
pub(crate) fn numbers(found: &Collected) -> Vec<String> {
    let number = |record: &Record| match record {
        Record::WorkOrder(order) => order.number.clone(),
        other => panic!("{other:?}"),
    };
    found
        .records
        .iter()
        .map(|(_, record)| number(record))
        .collect()
}

pub(crate) fn envelope() -> Envelope {
    Envelope {
        message_id: "m-1".into(),
        created: "2026-03-30T11:22:33Z".parse::<Instant>().unwrap(),
        zone: Zone::utc(),
    }
}

/// A document of these records.
pub(crate) fn encode(mapping: &IdocMapping, records: &[Record]) -> Vec<u8> {
    let encoder = IdocEncoder::new(mapping, &Zone::utc()).expect("the mapping writes");
    let (envelope, mut out) = (envelope(), Vec::new());
    encoder.head(&envelope, &mut out);
    for record in records {
        encoder.record(&envelope, record, &mut out).unwrap();
    }
    encoder.tail(&envelope, &mut out);
    out
}

/// An IDoc in XML with this in its order.
pub(crate) fn xml_idoc(number: u64, inner: &str) -> String {
    format!(
        "<IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><DOCNUM>{number:016}</DOCNUM>\
         <IDOCTYP>ZSRVORD01</IDOCTYP><MESTYP>ZSRVORD</MESTYP></EDI_DC40>\
         <Z1SRVHD SEGMENT=\"1\"><AUFNR>{number}</AUFNR>{inner}</Z1SRVHD></IDOC>\n"
    )
}

pub(crate) fn xml(idocs: &str) -> Vec<u8> {
    format!("<ZSRVORD01>\n{idocs}</ZSRVORD01>\n").into_bytes()
}

/// A control record of a flat file.
pub(crate) fn flat_control(number: u64) -> Vec<u8> {
    let mut record = vec![b' '; 524];
    for (offset, text) in [
        (0, "EDI_DC40"),
        (39, "ZSRVORD01"),
        (99, "ZSRVORD"),
        (378, "20260330112233"),
    ] {
        record[offset..offset + text.len()].copy_from_slice(text.as_bytes());
    }
    record[13..29].copy_from_slice(format!("{number:016}").as_bytes());
    record
}

/// A data record of a flat file, with its full length.
pub(crate) fn flat_data(segment: &str, number: u64, at: u64, above: u64, data: &str) -> Vec<u8> {
    let header = format!("{segment:<30}800{number:016}{at:06}{above:06}01");
    format!("{header}{data:<1000}").into_bytes()
}

/// An order of a flat file, without line ends.
pub(crate) fn flat_idoc(number: u64) -> Vec<u8> {
    let order = flat_data("Z2SRVHD000", number, 1, 0, &format!("{number:012}"));
    [flat_control(number), order].concat()
}
