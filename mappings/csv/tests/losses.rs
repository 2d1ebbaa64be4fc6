//! What a layout cannot say costs the reading that needs it, and nothing else.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::sync::Arc;

use hub_model::mapping::{Encode, Envelope, write_record};
use hub_model::{
    Decimal, Instant, ObjectRef, QualityCode, Reading, ReadingBlock, ReadingKind, ReadingQuality,
    Record, Zone,
};
use mapping_csv::CsvEncoder;
use mapping_tabular::Mapping;

const LAYOUT: &str = r#"
record = "readings"
empty = ["n/a"]
[readings]
meter = "Meter"
at = "At"
value = "Value"
quality = { column = "State", lookup = { "ok" = "2.0.0" } }
reading_type = { constant = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0" }
kind = { constant = "interval" }
"#;

#[test]
fn a_missing_value_is_the_empty_marker_and_an_unknown_word_costs_one_row() {
    let zone = Zone::utc();
    let mapping = Arc::new(Mapping::load(LAYOUT).unwrap());
    let encoder = CsvEncoder::new(mapping, zone.clone());
    let reading_type = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0".parse().unwrap();
    let mut block = ReadingBlock::new(reading_type, ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid("M-1"));
    let values = [Some(Decimal::ZERO), None, Some(Decimal::ZERO)];
    for ((at, value), sub) in (0..).zip(values).zip([0, 0, 7]) {
        let set = vec![ReadingQuality::of(QualityCode::new(2, 0, sub))];
        let mut reading = Reading::new(Instant::from_seconds(at * 900), value);
        reading.quality = block.quality_index(set).unwrap();
        block.readings.push(reading);
    }
    let envelope = Envelope {
        message_id: String::new(),
        created: Instant::EPOCH,
        zone,
    };
    let (mut out, mut losses) = (Vec::new(), Vec::new());
    encoder.head(&envelope, &mut out);
    let record = Record::Readings(block);
    assert_eq!(
        write_record(&encoder, &envelope, &record, &mut out, &mut losses),
        2
    );
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "Meter,At,Value,State\nM-1,1970-01-01T00:00:00Z,0,ok\nM-1,1970-01-01T00:15:00Z,n/a,ok\n"
    );
    assert_eq!(losses.len(), 1);
    assert_eq!(losses[0].problem.field, "quality");
}

/// A day a row, with one quality for all of it.
const DAY_ROWS: &str = r#"
record = "readings"
[times]
format = "%Y-%m-%d"
[readings]
meter = "Meter"
day = "Day"
quality = { column = "State", lookup = { "ok" = "", "est" = "2.8.0" } }
reading_type = { constant = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0" }
kind = { constant = "interval" }
[readings.wide]
first_column = "V1"
count = 4
interval_seconds = 3600
"#;

/// Two days of four hours; of each some are estimated: of the first day one, of the second three.
fn two_days() -> ReadingBlock {
    let reading_type = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0".parse().unwrap();
    let mut block = ReadingBlock::new(reading_type, ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid("M-1"));
    let estimated = vec![ReadingQuality::of(QualityCode::new(2, 8, 0))];
    let estimated = block.quality_index(estimated).unwrap();
    for (number, hour) in (0..).zip([1, 2, 3, 4, 25, 26, 27, 28]) {
        block.readings.push(Reading {
            quality: if [1, 4, 6, 7].contains(&number) {
                estimated
            } else {
                0
            },
            line: number,
            ..Reading::new(Instant::from_seconds(hour * 3_600), Decimal::whole(hour))
        });
    }
    block
}

#[test]
fn of_a_day_with_one_quality_only_the_readings_that_have_another_are_lost() {
    let zone = Zone::utc();
    let envelope = Envelope {
        message_id: String::new(),
        created: Instant::EPOCH,
        zone: zone.clone(),
    };
    let write = |layout: &str| {
        let mapping = Arc::new(Mapping::load(layout).unwrap());
        let encoder = CsvEncoder::new(mapping, zone.clone());
        let (mut out, mut losses) = (Vec::new(), Vec::new());
        let record = Record::Readings(two_days());
        let count = write_record(&encoder, &envelope, &record, &mut out, &mut losses);
        (count, String::from_utf8(out).unwrap(), losses)
    };
    let (count, out, losses) = write(DAY_ROWS);
    assert_eq!(
        (count, out.as_str()),
        (
            6,
            "M-1,ok,1970-01-01,1,,3,4\nM-1,est,1970-01-02,25,,27,28\n"
        )
    );
    let told: Vec<_> = losses
        .iter()
        .map(|loss| (loss.line, loss.records, loss.problem.reason.as_str()))
        .collect();
    let why = |own: &str, row: &str| {
        format!(
            "`{own}` and `{row}` stand in one row that has a single quality: map `first_quality_column`"
        )
    };
    let (estimated, good) = (why("2.8.0", ""), why("", "2.8.0"));
    assert_eq!(told, [(1, 1, estimated.as_str()), (5, 1, good.as_str())]);

    let without = DAY_ROWS.replace("quality = {", "# quality = {");
    let (count, _, losses) = write(&without);
    assert_eq!(
        (count, losses),
        (8, Vec::new()),
        "no quality is told at all"
    );
}
