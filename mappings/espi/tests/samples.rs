//! Real Green Button files: counts, sums, extremes and times as an independent reader has them.

mod common;

use std::io::Read;
use std::path::{Path, PathBuf};

use common::{blocks, decode, decode_with, decoder, samples};
use hub_model::mapping::Collected;
use hub_model::{Finding, Record, Severity};
use serde_json::Value;

/// What `EXPECTED-computed.json` says of the interval readings of a file.
#[derive(Debug, PartialEq, Eq, Default)]
struct Totals {
    values: i64,
    sum: i64,
    min: i64,
    max: i64,
    first_start: i64,
    last_end: i64,
}

impl Totals {
    fn expected(interval: &Value) -> Self {
        let number = |name: &str| interval[name].as_i64().expect("a number");
        Self {
            values: number("values"),
            sum: number("sum_value"),
            min: number("min"),
            max: number("max"),
            first_start: number("first_start_epoch"),
            last_end: number("last_end_epoch"),
        }
    }

    fn decoded(read: &Collected) -> Self {
        let mut values = Vec::new();
        let mut starts = Vec::new();
        let mut ends = Vec::new();
        for block in blocks(read) {
            let length = block.reading_type.interval_seconds();
            for reading in &block.readings {
                let value = reading.value.expect("every sample has its value");
                assert_eq!(value.scale(), 0);
                values.push(value.mantissa());
                ends.push(reading.at.seconds());
                let period = reading.detail.as_ref().and_then(|detail| detail.period);
                starts.push(period.map_or_else(
                    || reading.at.seconds() - i64::from(length.expect("a length or a period")),
                    |period| period.start.seconds(),
                ));
            }
        }
        Self {
            values: values.len() as i64,
            sum: values.iter().sum(),
            min: values.iter().copied().min().unwrap_or_default(),
            max: values.iter().copied().max().unwrap_or_default(),
            first_start: starts.into_iter().min().unwrap_or_default(),
            last_end: ends.into_iter().max().unwrap_or_default(),
        }
    }
}

fn expectations(folder: &Path) -> serde_json::Map<String, Value> {
    let text = std::fs::read(folder.join("EXPECTED-computed.json")).expect("readable");
    let parsed: Value = serde_json::from_slice(&text).expect("JSON");
    parsed.as_object().expect("an object").clone()
}

fn greenbutton() -> Option<PathBuf> {
    samples().map(|folder| folder.join("greenbutton"))
}

fn worse_than_warning(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .filter(|finding| finding.severity > Severity::Warning)
        .collect()
}

/// The one sample with interval blocks and no `ReadingType`: an API's answer to a request for blocks.
const WITHOUT_TYPE: &str = "verdigris/ESPIIntervalBlock.xml";

#[test]
fn every_sample_has_the_expected_totals() {
    let Some(folder) = greenbutton() else { return };
    let mut with_readings = 0;
    for (name, expected) in expectations(&folder) {
        let bytes = std::fs::read(folder.join(&name)).expect("readable");
        let mut used = decoder();
        if name == WITHOUT_TYPE {
            let daily = "0.0.4.4.1.1.12.0.0.0.0.0.0.0.0.0.72.0";
            used = used.with_default_reading_type(daily.parse().expect("a type"));
        }
        let read = decode_with(&used, &bytes);
        assert_eq!(
            worse_than_warning(&read.findings),
            Vec::<&Finding>::new(),
            "{name}"
        );

        let totals = match expected.get("interval") {
            Some(interval) => Totals::expected(interval),
            None => Totals::default(),
        };
        with_readings += u64::from(totals.values > 0);
        assert_eq!(Totals::decoded(&read), totals, "{name}");

        let points = read
            .records
            .iter()
            .filter(|(_, record)| matches!(record, Record::UsagePoint(_)));
        let expected_points = expected["counts"].get("UsagePoint").and_then(Value::as_u64);
        assert_eq!(
            points.count() as u64,
            expected_points.unwrap_or(0),
            "{name}"
        );
    }
    assert!(with_readings >= 15, "{with_readings} files with readings");
}

#[test]
fn readings_without_any_type_are_refused_block_by_block() {
    let Some(folder) = greenbutton() else { return };
    let read = decode(&std::fs::read(folder.join(WITHOUT_TYPE)).expect("readable"));
    assert_eq!(blocks(&read).len(), 0);
    assert_eq!(read.findings.len(), 15);
    assert!(
        read.findings
            .iter()
            .all(|f| f.code == "unknown_reading_type")
    );
    assert_eq!(read.findings.iter().map(|f| f.rejects).sum::<u64>(), 444);
}

#[test]
fn links_of_each_dialect_lead_to_point_and_type() {
    let Some(folder) = greenbutton() else { return };
    for (name, point, code) in [
        (
            "openespi/test_usage_data_01.xml",
            "5446AF3F",
            "0.12.2.4.1.1.12.600.800.1.2.0.0.0.769.0.72.840",
        ),
        (
            "cew821/sample_greenbutton_data.xml",
            "01",
            "0.12.7.4.1.1.12.0.0.0.0.0.0.0.769.0.72.840",
        ),
        (
            "cityssm/intervals_APUC000000_electric.xml",
            "1402026",
            "0.0.7.0.1.0.0.0.0.0.0.0.0.0.0.0.72.0",
        ),
        (
            "verdigris/BulkSCEUsageSummaryAndIntervalBlock.xml",
            "NB6WRU",
            "0.12.2.4.1.1.12.0.0.0.0.0.0.0.769.0.72.840",
        ),
    ] {
        let read = decode(&std::fs::read(folder.join(name)).expect("readable"));
        for block in blocks(&read) {
            assert_eq!(
                block.usage_point.as_ref().and_then(|p| p.id()),
                Some(point),
                "{name}"
            );
            assert_eq!(block.reading_type.to_string(), code, "{name}");
        }
    }
}

#[test]
fn qualities_of_a_sample_are_mapped() {
    let Some(folder) = greenbutton() else { return };
    let bytes = std::fs::read(folder.join("openespi/test_usage_data.xml")).expect("readable");
    let read = decode(&bytes);
    let first = blocks(&read)[0];
    let codes: Vec<_> = first.readings[..3]
        .iter()
        .map(|reading| {
            first
                .qualities_of(reading)
                .first()
                .map(|q| q.code.to_string())
        })
        .collect();
    assert_eq!(codes, [Some("5.8.0".into()), Some("5.7.0".into()), None]);
}

/// Every file of the folder was found well-formed here by two parsers; a cut makes one that is not.
#[test]
fn everything_before_a_defect_is_read() {
    let Some(folder) = greenbutton() else { return };
    let name = "verdigris/Coastal_Multi_Family_Daily_Jan_1_2011_to_Jan_1_2012_RetailCustomer_4.xml";
    let bytes = std::fs::read(folder.join(name)).expect("readable");
    let whole = decode(&bytes);
    let all: Vec<_> = blocks(&whole)
        .iter()
        .flat_map(|b| b.readings.clone())
        .collect();
    for cut in [200_000, 1_000_003, 1_900_000] {
        let read = decode(&bytes[..cut]);
        let some: Vec<_> = blocks(&read)
            .iter()
            .flat_map(|b| b.readings.clone())
            .collect();
        let complete = memchr_count(&bytes[..cut], b"</IntervalReading>");
        assert_eq!(some.len(), complete);
        assert_eq!(some, all[..complete]);
        let fatal = worse_than_warning(&read.findings);
        assert_eq!(fatal.len(), 1, "{fatal:?}");
        assert_eq!(fatal[0].severity, Severity::Fatal);
        assert_eq!(fatal[0].code, "not_well_formed");
        let lines = bytes[..cut].iter().filter(|&&b| b == b'\n').count() as u64 + 1;
        assert!(fatal[0].place.line.abs_diff(lines) <= 1, "{}", fatal[0]);
    }
}

fn memchr_count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes
        .windows(needle.len())
        .filter(|window| *window == needle)
        .count()
}

/// The W3C suite, about 2,600 documents: no panic, no record, at most one end.
#[test]
fn the_w3c_conformance_suite_is_survived() {
    let Some(folder) = samples() else { return };
    let file = std::fs::File::open(folder.join("xml-hostile/xmlts20130923.zip")).expect("readable");
    let mut archive = zip::ZipArchive::new(file).expect("a zip");
    let mut seen = 0;
    for index in 0..archive.len() {
        let member = archive.by_index(index).expect("a member");
        if !member.name().is_ok_and(|name| name.ends_with(".xml")) {
            continue;
        }
        let mut bytes = Vec::new();
        member
            .take(1 << 20)
            .read_to_end(&mut bytes)
            .expect("readable");
        let read = decode(&bytes);
        assert_eq!(read.records.len(), 0);
        let fatal = read
            .findings
            .iter()
            .filter(|f| f.severity == Severity::Fatal);
        assert_eq!(
            fatal.count(),
            1,
            "no document of the suite is an ESPI payload"
        );
        seen += 1;
    }
    assert!(seen > 2_000, "{seen} documents");
}

/// Hostile XML: nothing is expanded, nothing is fetched, nothing panics.
#[test]
fn hostile_xml_is_refused_or_skipped() {
    let Some(folder) = samples() else { return };
    let mut seen = 0;
    for sub in ["defusedxml", "encodings", "xml-rs"] {
        let entries = std::fs::read_dir(folder.join("xml-hostile").join(sub)).expect("readable");
        for entry in entries {
            let path = entry.expect("readable").path();
            let bytes = std::fs::read(&path).expect("readable");
            let read = decode(&bytes);
            assert_eq!(read.records.len(), 0, "{}", path.display());
            let declares = bytes.windows(9).any(|window| window == b"<!DOCTYPE");
            if sub == "defusedxml" && declares {
                assert_eq!(read.findings[0].code, "dtd_refused", "{}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen} files");
}
