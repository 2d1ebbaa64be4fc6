//! Prints what a decoder yields, one line each, for comparison with `expected.txt`.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hub_model::mapping::{Collected, Decode};
use hub_model::{Address, ObjectRef, ReadingBlock, Record, WorkOrder};

/// `fixtures/<format>`, at the root of the repository.
pub(crate) fn fixtures(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(format)
}

/// The folder of real files, if it is there; says so aloud if not.
pub(crate) fn samples(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("METERHUB_SAMPLES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples"),
        PathBuf::from,
    );
    let found = root.join(folder);
    if found.is_dir() {
        return Some(found);
    }
    eprintln!("SKIPPED: no samples at {}", found.display());
    None
}

/// Decodes all of it.
#[expect(clippy::ptr_arg, reason = "a payload must have a size")]
pub(crate) fn decode(decoder: &dyn Decode, bytes: &Vec<u8>) -> Collected {
    let mut out = Collected::default();
    decoder
        .decode(bytes, &mut out)
        .expect("a collector never stops");
    out
}

/// Everything that was found, one line each: records, then findings.
pub(crate) fn render(found: &Collected) -> String {
    let mut out = String::new();
    for (place, record) in &found.records {
        match record {
            Record::Readings(block) => readings(&mut out, place.line, block),
            Record::WorkOrder(order) => {
                writeln!(out, "{place}: {}", work_order(order)).expect("a text grows")
            }
            other => {
                writeln!(out, "{place}: {}", plain(&format!("{other:?}"))).expect("a text grows")
            }
        }
    }
    for finding in &found.findings {
        writeln!(
            out,
            "{finding} [{}, rejects {}, byte {}]",
            finding.code, finding.rejects, finding.place.offset
        )
        .expect("a text grows");
    }
    out
}

fn readings(out: &mut String, line: u64, block: &ReadingBlock) {
    let id = |object: &Option<ObjectRef>| {
        object
            .as_ref()
            .and_then(ObjectRef::id)
            .unwrap_or("-")
            .to_owned()
    };
    writeln!(
        out,
        "{:?} meter={} usage_point={} {}",
        block.kind,
        id(&block.meter),
        id(&block.usage_point),
        block.reading_type
    )
    .expect("a text grows");
    for reading in &block.readings {
        let value = reading
            .value
            .map_or_else(|| "missing".to_owned(), |value| value.to_string());
        write!(
            out,
            "  line {}: {} {value}",
            line + u64::from(reading.line),
            reading.at
        )
        .expect("a text grows");
        for quality in block.qualities_of(reading) {
            write!(out, " {}", quality.code).expect("a text grows");
        }
        if let Some(detail) = &reading.detail {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let reported = detail
                .reported
                .map_or_else(|| "-".to_owned(), |at| at.to_string());
            write!(
                out,
                " reported={reported} source={} reason={}",
                text(&detail.source),
                text(&detail.reason)
            )
            .expect("a text grows");
        }
        out.push('\n');
    }
}

fn work_order(order: &WorkOrder) -> String {
    let mut out = format!("order {} {}", order.number, order.action.as_str());
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(out, " {name}={value:?}").expect("a text grows");
        }
    };
    let id =
        |object: &Option<ObjectRef>| object.as_ref().and_then(ObjectRef::id).map(str::to_owned);
    put(
        "revision",
        order.revision.map(|revision| revision.to_string()),
    );
    put("kind", order.kind.clone());
    put(
        "status",
        order.status.map(|status| status.as_str().to_owned()),
    );
    put(
        "priority",
        order.priority.map(|priority| priority.to_string()),
    );
    put("usage_point", id(&order.usage_point));
    put("address", order.address.as_ref().map(address));
    put("device", id(&order.device));
    put("new_device", id(&order.new_device));
    put(
        "window",
        order
            .window
            .map(|window| format!("{} to {}", window.start, window.end)),
    );
    put("performed", order.performed.map(|at| at.to_string()));
    put("customer", order.customer_name.clone());
    put("phone", order.customer_phone.clone());
    put("comment", order.comment.clone());
    put("deviation", order.deviation.clone());
    for (name, value) in &order.attributes {
        put(name, Some(value.clone()));
    }
    out
}

fn address(address: &Address) -> String {
    let parts = [
        &address.street,
        &address.postal_code,
        &address.town,
        &address.country,
    ];
    parts.map(|part| part.clone().unwrap_or_default()).join("|")
}

/// A debug print without what is absent.
fn plain(debug: &str) -> String {
    let mut out = debug.to_owned();
    for (long, short) in [("ObjectRef { mrid: Some(", "("), (", names: [] }", ")")] {
        out = out.replace(long, short);
    }
    out
}

/// Compares with a file, or writes it where `UPDATE_FIXTURES` is set: read the difference then.
pub(crate) fn check(file: &Path, found: &str) {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(file, found).expect("fixtures are writable");
        return;
    }
    let expected = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "{}: set UPDATE_FIXTURES and read the difference",
        file.display()
    );
}
