//! Large meter readings, parts, and going on after some of them.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are not marked as tests"
)]

mod common;

use std::io::{self, Read};

use hub_model::mapping::{Collected, Decode, Payload};
use hub_model::{Instant, ObjectRef, Record};
use mapping_cim::synthetic::Synthetic;

fn meters(meters: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let day = Synthetic::day(meters, Instant::EPOCH);
    day.write(&mut bytes).unwrap();
    bytes
}

/// One meter with many readings, of which one in ten is not of the usual form.
fn large(readings: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let meter = Synthetic {
        readings_per_meter: readings,
        interval_seconds: 60,
        ..Synthetic::day(1, Instant::EPOCH)
    };
    meter.write(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.replace("9Z</timeStamp>", "9Z</timeStamp><!-- odd -->")
        .into_bytes()
}

#[test]
fn a_document_of_many_meters_yields_the_same_in_parts() {
    let bytes = meters(200);
    assert!(
        bytes.len() > 3 << 20,
        "more than one part of the usual size"
    );
    let yielded = common::decode(&bytes);
    assert_eq!((yielded.taken(), yielded.rejected()), (200 * 96, 0));
    for (number, (_, record)) in (1..).zip(&yielded.records) {
        let Record::Readings(block) = record else {
            panic!("a block")
        };
        assert_eq!(
            block.meter,
            Some(ObjectRef::by_mrid(Synthetic::meter_mrid(number)))
        );
    }
}

#[test]
fn parts_go_on_from_the_end_of_any_of_them() {
    let bytes = meters(40);
    let decoder = common::decoder().in_parts_of(50_000);
    let whole = common::decode_with(&decoder, &bytes);
    let mut ends = vec![0];
    let mut parts = decoder.segments(&bytes, 0).unwrap().unwrap();
    while let Some(part) = parts.next().unwrap() {
        ends.push(part.end);
    }
    assert!(ends.len() > 8);
    for from in ends {
        let mut rest = Collected::default();
        let mut parts = decoder.segments(&bytes, from).unwrap().unwrap();
        while let Some(part) = parts.next().unwrap() {
            (part.decode)(&mut rest).unwrap();
        }
        let expected: Vec<_> = whole
            .records
            .iter()
            .filter(|(place, _)| place.offset >= from)
            .cloned()
            .collect();
        assert_eq!(rest.records, expected, "from {from}");
    }
}

#[test]
fn parts_after_a_broken_one_yield_nothing() {
    let text = String::from_utf8(meters(40)).unwrap();
    let broken = text
        .replacen("</Meter>", "</Metre>", 20)
        .replacen("</Metre>", "</Meter>", 19);
    let yielded = common::decode(broken.as_bytes());
    assert_eq!(yielded.records.len(), 19);
    assert_eq!(yielded.findings.len(), 1);
    assert_eq!(yielded.findings[0].code, "not_well_formed");
    assert_eq!(yielded.findings[0].rejects, 96);
}

#[test]
fn a_meter_reading_too_large_to_keep_comes_in_pieces_and_loses_nothing() {
    let bytes = large(1_000);
    let whole = common::decode(&bytes);
    assert_eq!(whole.records.len(), 1);
    let decoder = common::decoder().buffering(64);
    let pieces = common::decode_checked(&decoder, &bytes);
    assert_eq!(pieces.findings, vec![]);
    assert_eq!(pieces.records.len(), 1_000usize.div_ceil(64));
    let readings = |yielded: &common::Yield| {
        let mut all = Vec::new();
        for (place, record) in &yielded.records {
            let Record::Readings(block) = record else {
                panic!("a block")
            };
            assert_eq!(block.meter, Some(ObjectRef::by_mrid("MTR000000001")));
            for reading in &block.readings {
                all.push((
                    place.clone(),
                    block.reading_type,
                    reading.at,
                    reading.value,
                    reading.line,
                    block.qualities_of(reading).to_vec(),
                ));
            }
        }
        all
    };
    assert_eq!(readings(&pieces), readings(&whole));
}

#[test]
fn a_large_meter_reading_without_meter_is_rejected_whole() {
    let text = String::from_utf8(large(1_000)).unwrap();
    let nameless = text.replace("<mRID>MTR000000001</mRID>", "");
    let decoder = common::decoder().buffering(64);
    let yielded = common::decode_checked(&decoder, nameless.as_bytes());
    assert_eq!((yielded.taken(), yielded.rejected()), (0, 1_000));
    assert!(yielded.findings.iter().all(|f| f.code == "missing_subject"));
}

#[test]
fn a_large_meter_reading_cut_off_counts_every_reading() {
    let mut bytes = large(1_000);
    bytes.truncate(bytes.len() - 200);
    let text = String::from_utf8(bytes).unwrap();
    let complete = text.matches("</IntervalReadings>").count() as u64;
    let decoder = common::decoder().buffering(64);
    let yielded = common::decode_checked(&decoder, text.as_bytes());
    assert_eq!((yielded.taken(), yielded.rejected()), (0, complete));
}

#[test]
fn registers_too_many_to_keep_come_in_pieces() {
    let reading = |i: u32| {
        format!(
            "<Readings><timeStamp>2026-06-01T00:{:02}:00Z</timeStamp><value>{i}</value>\
             <ReadingType ref=\"0.0.0.1.1.1.12.0.0.0.0.{}.0.0.0.3.72.0\"/></Readings>",
            i % 60,
            i % 3
        )
    };
    let readings: String = (0..500).map(reading).collect();
    let text = format!(
        "<MeterReadings xmlns=\"http://iec.ch/TC57/2011/MeterReadings#\"><MeterReading>{readings}\
         <UsagePoint><mRID>U</mRID></UsagePoint></MeterReading></MeterReadings>"
    );
    let decoder = common::decoder().buffering(100);
    let yielded = common::decode_checked(&decoder, text.as_bytes());
    assert_eq!((yielded.taken(), yielded.rejected()), (500, 0));
    assert_eq!(yielded.records.len(), 15);
}

#[test]
fn other_encodings_come_in_pieces_too() {
    let text = String::from_utf8(large(500)).unwrap();
    let text = text.replace("UTF-8", "ISO-8859-1").replace("MTR", "Zähler");
    let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let decoder = common::decoder().buffering(64);
    let yielded = common::decode_checked(&decoder, &latin);
    assert_eq!((yielded.taken(), yielded.rejected()), (500, 0));
    let Record::Readings(block) = &yielded.records[0].1 else {
        panic!("a block")
    };
    assert_eq!(block.meter, Some(ObjectRef::by_mrid("Zähler000000001")));
}

/// One endless `MeterReading`, made while it is read.
struct Endless {
    readings: u64,
}

const HEAD: &[u8] = b"<MeterReadings xmlns=\"http://iec.ch/TC57/2011/MeterReadings#\"><MeterReading><IntervalBlocks>";
const READING: &[u8] = b"<IntervalReadings><timeStamp>2026-06-01T00:15:00Z</timeStamp><value>1</value></IntervalReadings>";
const TAIL: &[u8] = b"<ReadingType ref=\"0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0\"/></IntervalBlocks><Meter><mRID>M</mRID></Meter></MeterReading></MeterReadings>";

impl Payload for Endless {
    fn len(&self) -> u64 {
        (HEAD.len() + TAIL.len()) as u64 + self.readings * READING.len() as u64
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let head = HEAD.len() as u64;
        let body = self.readings * READING.len() as u64;
        if offset < head {
            return Ok(Box::new(
                (&HEAD[offset as usize..]).chain(self.open_at(head)?),
            ));
        }
        if offset >= head + body {
            return Ok(Box::new(&TAIL[(offset - head - body) as usize..]));
        }
        let (done, part) = (
            (offset - head) / READING.len() as u64,
            (offset - head) % READING.len() as u64,
        );
        let whole = Repeated {
            left: self.readings - done,
            at: part as usize,
        };
        Ok(Box::new(whole.chain(TAIL)))
    }
}

struct Repeated {
    left: u64,
    at: usize,
}

impl Read for Repeated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while self.left > 0 && written < out.len() {
            let count = (READING.len() - self.at).min(out.len() - written);
            out[written..written + count].copy_from_slice(&READING[self.at..self.at + count]);
            (written, self.at) = (written + count, self.at + count);
            if self.at == READING.len() {
                (self.at, self.left) = (0, self.left - 1);
            }
        }
        Ok(written)
    }
}

/// Keeps nothing but the largest block.
#[derive(Default)]
struct Largest {
    readings: u64,
    largest: usize,
    findings: usize,
}

impl hub_model::mapping::Records for Largest {
    fn record(
        &mut self,
        _: hub_model::Place,
        record: Record,
    ) -> Result<(), hub_model::mapping::Halt> {
        if let Record::Readings(block) = record {
            self.readings += block.readings.len() as u64;
            self.largest = self.largest.max(block.readings.len());
        }
        Ok(())
    }

    fn finding(&mut self, _: hub_model::Finding) -> Result<(), hub_model::mapping::Halt> {
        self.findings += 1;
        Ok(())
    }
}

#[test]
fn a_meter_reading_larger_than_memory_is_given_out_in_bounded_blocks() {
    let endless = Endless { readings: 250_000 };
    let decoder = common::decoder();
    assert!(
        decoder.segments(&endless, 0).unwrap().is_none(),
        "too large for a part"
    );
    let mut out = Largest::default();
    decoder.decode(&endless, &mut out).unwrap();
    assert_eq!((out.readings, out.findings), (250_000, 0));
    assert_eq!(out.largest, mapping_cim::limits::MAX_BUFFERED_READINGS);
}
