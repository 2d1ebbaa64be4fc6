//! Written and read again, readings are the same: values, qualities and instants, over both clock
//! changes, in zones east and west, in both layouts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod render;

use std::collections::BTreeMap;
use std::sync::Arc;

use hub_model::mapping::{Encode, Envelope};
use hub_model::{
    Decimal, Instant, LocalDay, ObjectRef, QualityCode, Reading, ReadingBlock, ReadingKind,
    ReadingQuality, Record, Zone,
};
use mapping_csv::{CsvDecoder, CsvEncoder};
use mapping_tabular::Mapping;
use proptest::prelude::*;

const TYPE: &str = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0";

/// One row a reading: format, zone and stamp vary.
fn narrow(format: &str, stamp: &str, comma: bool) -> String {
    let (decimal, delimiter) = if comma { (",", ";") } else { (".", ",") };
    format!(
        "record = \"readings\"\ntimes = {{ format = \"{format}\", repeated_hour = \"in_order\" }}\nnumbers.decimal = \"{decimal}\"\n\
         csv.delimiter = \"{delimiter}\"\n[readings]\nmeter = \"m\"\nat = \"t\"\nvalue = {{ column = \"v\", power_of_ten = -3 }}\n\
         reading_type = \"r\"\nstamp = \"{stamp}\"\nquality = {{ column = \"q\", lookup = {{ \"ok\" = \"\", \"est\" = \"2.8.0\", \"both\" = \"2.8.0 3.7.1\" }} }}\n"
    )
}

/// One row a day.
fn wide(dst: &str, step: u16, count: u16, first_quality: &str) -> String {
    let repeated = if dst == "clock" {
        "repeated_column = \"again\"\n"
    } else {
        ""
    };
    format!(
        "record = \"readings\"\nempty = [\"-\"]\n[times]\nformat = \"%d.%m.%Y\"\n[readings]\nmeter = \"m\"\nday = \"d\"\nreading_type = \"r\"\n\
         empty_value = \"skip\"\nquality = {{ lookup = {{ \"ok\" = \"\", \"est\" = \"2.8.0\", \"both\" = \"2.8.0 3.7.1\" }}, default = \"\" }}\n\
         [readings.wide]\nfirst_column = \"v1\"\ncount = {count}\nstep = {step}\nfirst_quality_column = \"{first_quality}\"\n\
         interval_seconds = 900\ndst = \"{dst}\"\n{repeated}"
    )
}

/// Readings of some days of 2026, in order, by meter.
type Readings = BTreeMap<String, Vec<(Instant, Option<Decimal>, Vec<QualityCode>)>>;

fn readings(zone: &Zone, days: &[(i8, i8)], values: &[(i32, u8)], missing: bool) -> Readings {
    let mut all = Readings::new();
    let mut values = values.iter().cycle();
    for meter in ["M 1", "M;2"] {
        let list = all.entry(meter.to_owned()).or_default();
        for (month, day) in days {
            let (start, end) = zone.bounds(LocalDay::from_ymd(2026, *month, *day).unwrap());
            let mut at = start.plus_seconds(900);
            while at <= end {
                let (mantissa, quality) = values.next().unwrap();
                let value =
                    Decimal::new(i64::from(*mantissa), 3).filter(|_| !missing || mantissa % 7 != 0);
                let codes: &[&str] =
                    [&[][..], &["2.8.0"], &["2.8.0", "3.7.1"]][usize::from(quality % 3)];
                list.push((
                    at,
                    value,
                    codes.iter().map(|code| code.parse().unwrap()).collect(),
                ));
                at = at.plus_seconds(900);
            }
        }
    }
    all
}

fn records(readings: &Readings) -> Vec<Record> {
    let block = |(meter, list): (&String, &Vec<_>)| {
        let mut block = ReadingBlock::new(TYPE.parse().unwrap(), ReadingKind::Interval);
        block.meter = Some(ObjectRef::by_mrid(meter.clone()));
        for (at, value, codes) in list {
            let set: Vec<ReadingQuality> = Vec::from_iter(codes)
                .into_iter()
                .map(|code: &QualityCode| ReadingQuality::of(*code))
                .collect();
            let quality = block.quality_index(set).unwrap();
            block.readings.push(Reading {
                quality,
                ..Reading::new(*at, *value)
            });
        }
        Record::Readings(block)
    };
    readings.iter().map(block).collect()
}

fn through(mapping: &str, zone: &Zone, readings: &Readings) -> (Readings, String) {
    let mapping =
        Arc::new(Mapping::load(mapping).unwrap_or_else(|error| panic!("{error}\n{mapping}")));
    let encoder = CsvEncoder::new(Arc::clone(&mapping), zone.clone());
    let envelope = Envelope {
        message_id: "m".into(),
        created: Instant::EPOCH,
        zone: zone.clone(),
    };
    let mut bytes = Vec::new();
    encoder.head(&envelope, &mut bytes);
    for record in records(readings) {
        encoder.record(&envelope, &record, &mut bytes).unwrap();
    }
    encoder.tail(&envelope, &mut bytes);
    let found = render::decode(&CsvDecoder::new(mapping, zone.clone()), &bytes);
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(found.findings, [], "{text}");
    let mut back = Readings::new();
    for (_, record) in found.records {
        let Record::Readings(block) = record else {
            panic!("not readings")
        };
        let list = back
            .entry(block.meter.as_ref().unwrap().id().unwrap().to_owned())
            .or_default();
        for reading in &block.readings {
            let codes = block
                .qualities_of(reading)
                .iter()
                .map(|quality| quality.code)
                .collect();
            list.push((reading.at, reading.value, codes));
        }
    }
    (back, text)
}

fn zones() -> impl Strategy<Value = Zone> {
    prop::sample::select(vec![
        "Europe/Helsinki",
        "America/Los_Angeles",
        "Australia/Sydney",
        "Atlantic/Azores",
        "UTC",
    ])
    .prop_map(|name| Zone::named(name).unwrap())
}

/// A plain day and all days when the clocks of our zones change.
const DAYS: [(i8, i8); 8] = [
    (3, 8),
    (3, 29),
    (4, 5),
    (6, 1),
    (10, 4),
    // On the Azores the first midnight of the 25th is the end of the 24th.
    (10, 24),
    (10, 25),
    (11, 1),
];

fn values() -> impl Strategy<Value = Vec<(i32, u8)>> {
    prop::collection::vec((-2_000_000_000i32..2_000_000_000, 0u8..3), 1..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rows_of_one_reading(
        zone in zones(),
        values in values(),
        format in prop::sample::select(vec!["iso", "iso_local", "epoch_seconds", "epoch_millis", "%d.%m.%Y %H:%M", "%m/%d/%y %I:%M:%S %p", "%Y-%j %H%M", "excel"]),
        stamp in prop::sample::select(vec!["start", "end"]),
        comma in any::<bool>(),
    ) {
        let all = readings(&zone, &DAYS, &values, true);
        let (back, text) = through(&narrow(format, stamp, comma), &zone, &all);
        prop_assert_eq!(back, all, "{}", text);
    }

    #[test]
    fn rows_of_a_day(
        zone in zones(),
        values in values(),
        dst in prop::sample::select(vec!["elapsed", "clock"]),
        beside in any::<bool>(),
    ) {
        let all = readings(&zone, &DAYS, &values, false);
        let count = if dst == "elapsed" { 100 } else { 96 };
        let mapping = wide(dst, if beside { 2 } else { 1 }, count, "q1");
        let (back, text) = through(&mapping, &zone, &all);
        prop_assert_eq!(back, all, "{}", text);
    }
}

#[test]
fn what_a_layout_cannot_say_is_refused_and_nothing_is_written() {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let mapping = Arc::new(Mapping::load(&wide("elapsed", 1, 96, "q1")).unwrap());
    let encoder = CsvEncoder::new(mapping, zone.clone());
    let envelope = Envelope {
        message_id: "m".into(),
        created: Instant::EPOCH,
        zone: zone.clone(),
    };
    let refused = |all: &Readings| {
        let mut out = b"before".to_vec();
        let error = encoder
            .record(&envelope, &records(all)[0], &mut out)
            .unwrap_err();
        assert_eq!(out, b"before");
        error.to_string()
    };
    // 100 quarter-hours do not fit into 96 columns.
    let long_day = readings(&zone, &[(10, 25)], &[(1, 0)], false);
    assert!(refused(&long_day).contains("has no column on 2026-10-25"));
    let mut odd = readings(&zone, &[(6, 1)], &[(1, 0)], false);
    odd.get_mut("M 1").unwrap()[0].0 = "2026-06-01T00:01:00Z".parse().unwrap();
    assert!(refused(&odd).starts_with("at: "));
    let mut unknown = readings(&zone, &[(6, 1)], &[(1, 0)], false);
    unknown.get_mut("M 1").unwrap()[0].2 = vec!["5.5.5".parse().unwrap()];
    assert!(refused(&unknown).contains("no word for `5.5.5`"));
}
