//! What a layout cannot say costs the reading that needs it, and nothing else.

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
