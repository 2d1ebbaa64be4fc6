//! Documents built to exhaust or mislead a parser: they end in one clear finding, at once.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are not marked as tests"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use hub_model::Severity;
use mapping_cim::limits;

const HEAD: &str = "<MeterReadings xmlns=\"http://iec.ch/TC57/2011/MeterReadings#\">";

fn fatal(bytes: &[u8]) -> &'static str {
    let yielded = common::decode(bytes);
    let fatal: Vec<_> = yielded
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Fatal)
        .collect();
    assert_eq!(fatal.len(), 1, "{:?}", yielded.findings);
    assert!(fatal[0].reason.len() < 1_000, "reasons stay short");
    fatal[0].code
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{HEAD}{}", "<a>".repeat(100_000));
    assert_eq!(fatal(deep.as_bytes()), "too_deep");
    let envelopes = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>";
    assert_eq!(fatal(envelopes.repeat(1_000).as_bytes()), "wrong_root");
    let payloads = format!(
        "<RequestMessage xmlns=\"http://iec.ch/TC57/2011/schema/message\"><Payload>{}",
        "<Operation>".repeat(100_000)
    );
    assert_eq!(fatal(payloads.as_bytes()), "too_deep");
}

#[test]
fn tokens_are_bounded() {
    let long = "x".repeat(limits::MAX_TOKEN_BYTES * 2);
    for text in [
        format!("{HEAD}<a b=\"{long}\"/>"),
        format!("{HEAD}<a b=\"{long}"),
        format!("{HEAD}<{long}"),
        format!("{HEAD}<!--{long}-->"),
        format!("{HEAD}<?{long}?>"),
        format!("{HEAD}<MeterReading>{long}"),
        format!("{HEAD}&{long};"),
    ] {
        assert_eq!(fatal(text.as_bytes()), "too_long", "{}", &text[..90]);
    }
    let doctype = format!("<!DOCTYPE a [{long}]>{HEAD}");
    assert_eq!(fatal(doctype.as_bytes()), "too_long");
}

#[test]
fn namespaces_are_bounded() {
    let many: String = (0..10_000)
        .map(|i| format!(" xmlns:p{i}=\"urn:{i}\""))
        .collect();
    let text = format!("<MeterReadings{many} xmlns=\"http://iec.ch/TC57/2011/MeterReadings#\"/>");
    assert_eq!(fatal(text.as_bytes()), "too_deep");
}

#[test]
fn long_texts_cost_their_field_only() {
    let long = "x".repeat(limits::MAX_TEXT_BYTES + 1);
    let text = format!(
        "{HEAD}<MeterReading><IntervalBlocks>\
         <IntervalReadings><source>{long}</source><timeStamp>2026-06-01T00:15:00Z</timeStamp><value>1</value></IntervalReadings>\
         <IntervalReadings><timeStamp>2026-06-01T00:30:00Z</timeStamp><value>{long}</value></IntervalReadings>\
         <IntervalReadings><timeStamp>2026-06-01T00:45:00Z</timeStamp><value>2</value></IntervalReadings>\
         <ReadingType ref=\"0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0\"/></IntervalBlocks>\
         <Meter><mRID>{long}</mRID><Names><name>M</name></Names></Meter></MeterReading></MeterReadings>"
    );
    let yielded = common::decode(text.as_bytes());
    assert_eq!((yielded.taken(), yielded.rejected()), (1, 2));
    let codes: Vec<_> = yielded.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["bad_text", "bad_value", "bad_text"]);
}

#[test]
fn many_qualities_and_names_are_bounded() {
    let qualities = "<ReadingQualities><ReadingQualityType ref=\"1.0.0\"/></ReadingQualities>"
        .repeat(limits::MAX_QUALITIES + 1);
    let names = "<Names><name>n</name></Names>".repeat(limits::MAX_NAMES + 1);
    let text = format!(
        "{HEAD}<MeterReading><IntervalBlocks>\
         <IntervalReadings><timeStamp>2026-06-01T00:15:00Z</timeStamp><value>1</value>{qualities}</IntervalReadings>\
         <IntervalReadings><timeStamp>2026-06-01T00:30:00Z</timeStamp><value>1</value></IntervalReadings>\
         <ReadingType ref=\"0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0\"/></IntervalBlocks>\
         <Meter>{names}</Meter></MeterReading></MeterReadings>"
    );
    let yielded = common::decode(text.as_bytes());
    assert_eq!((yielded.taken(), yielded.rejected()), (1, 1));
    let codes: Vec<_> = yielded.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["bad_quality", "too_many_names"]);
}

/// Real files that nobody here wrote: beside the project, or where `METERHUB_SAMPLES` says.
fn samples(folder: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("METERHUB_SAMPLES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples"),
        PathBuf::from,
    );
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            eprintln!("skipped: no samples at {}", folder.display());
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|e| e == "xml" || e == "xsl" || e == "xsd")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn foreign_and_hostile_samples_end_in_one_fatal_finding() {
    for path in samples("xml-hostile") {
        let code = fatal(&fs::read(&path).unwrap());
        let declares_entities = ["xmlbomb", "quadratic", "cyclic", "external", "dtd"];
        let name = path.file_stem().unwrap().to_string_lossy();
        if path.parent().unwrap().ends_with("defusedxml")
            && path.extension().is_some_and(|e| e == "xml")
            && declares_entities
                .iter()
                .any(|start| name.starts_with(start))
        {
            assert_eq!(code, "dtd_refused", "{}", path.display());
        }
        if path.parent().unwrap().ends_with("encodings") {
            assert_eq!(code, "wrong_root", "{}", path.display());
        }
    }
}

#[test]
fn a_field_system_s_events_are_read() {
    for path in samples("iec61968") {
        if path.extension().is_none_or(|e| e != "xml") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let yielded = common::decode(&bytes);
        assert_eq!(yielded.findings, vec![], "{}", path.display());
        let hub_model::Record::EndDeviceEvent(event) = &yielded.records[0].1 else {
            panic!("an event")
        };
        assert_eq!(event.event_type, "6.20.1.185");
        assert_eq!(event.device.id(), Some("abcde"));
        assert_eq!(event.at.to_string(), "2017-10-11T19:19:12.155436Z");
        assert_eq!(
            event.details,
            [("status".to_owned(), "POWER_FAIL".to_owned())]
        );
        let key = hub_model::mapping::Decode::business_key(&common::decoder(), &bytes, true);
        assert_eq!(key.as_deref(), Some("cdd3c641-3929-486f-b331-539e6b7adf94"));
    }
}
