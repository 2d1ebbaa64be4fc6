//! One block of readings as a `MeterReading`.

use hub_model::mapping::Inexpressible;
use hub_model::{
    Instant, Name, ObjectRef, QualityCode, Reading, ReadingBlock, ReadingDetail, ReadingKind,
    ReadingQuality,
};

use super::writer::Writer;

/// What a metering system says of a value that it knows to be missing.
const KNOWN_MISSING: QualityCode = QualityCode::new(2, 5, 259);

/// 0000-01-01 and 9999-12-31, between which XML times have four digits of year.
const YEARS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

/// Says why a block cannot be written, before anything is.
pub(super) fn check(block: &ReadingBlock) -> Result<(), Inexpressible> {
    let subjects = [("meter", &block.meter), ("usage_point", &block.usage_point)];
    let mut named = false;
    for (field, subject) in subjects {
        if let Some(subject) = subject {
            named |= subject.id().is_some();
            check_object(field, subject)?;
        }
    }
    if !named {
        return refuse(
            "meter",
            "neither meter nor usage point has an id or a name".into(),
        );
    }
    for quality in block.qualities.iter().flatten() {
        check_quality(quality)?;
    }
    for reading in &block.readings {
        check_reading(block, reading)?;
    }
    Ok(())
}

fn check_reading(block: &ReadingBlock, reading: &Reading) -> Result<(), Inexpressible> {
    check_instant("at", Some(reading.at))?;
    let Some(detail) = &reading.detail else {
        return Ok(());
    };
    if block.kind == ReadingKind::Interval && detail.reason.is_some() {
        let reason = "interval readings have no reason, only register readings do";
        return refuse("reason", reason.into());
    }
    check_text("source", detail.source.as_deref())?;
    check_text("reason", detail.reason.as_deref())?;
    check_instant("reported", detail.reported)?;
    check_instant("period", detail.period.map(|p| p.start))?;
    check_instant("period", detail.period.map(|p| p.end))
}

fn check_quality(quality: &ReadingQuality) -> Result<(), Inexpressible> {
    check_text("comment", quality.comment.as_deref())?;
    check_text("source", quality.source.as_deref())?;
    check_instant("timestamp", quality.timestamp)
}

fn check_object(field: &'static str, object: &ObjectRef) -> Result<(), Inexpressible> {
    check_text(field, object.mrid.as_deref())?;
    for name in &object.names {
        check_text(field, Some(&name.name))?;
        check_text(field, name.name_type.as_deref())?;
        check_text(field, name.authority.as_deref())?;
    }
    Ok(())
}

/// XML 1.0 has no way to write most control characters, not even as numbers.
fn check_text(field: &'static str, text: Option<&str>) -> Result<(), Inexpressible> {
    let allowed = |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    match text.and_then(|text| text.chars().find(|c| !allowed(*c))) {
        None => Ok(()),
        Some(c) => refuse(field, format!("holds {c:?}, a character XML cannot hold")),
    }
}

fn check_instant(field: &'static str, instant: Option<Instant>) -> Result<(), Inexpressible> {
    match instant {
        Some(instant) if !YEARS.contains(&instant.seconds()) => {
            refuse(field, "lies outside of the years 0 to 9999".into())
        }
        _ => Ok(()),
    }
}

fn refuse(field: &'static str, reason: String) -> Result<(), Inexpressible> {
    Err(Inexpressible { field, reason })
}

/// Writes a block that was checked.
pub(super) fn write(block: &ReadingBlock, w: &mut Writer<'_>) {
    w.open("MeterReading");
    if block.kind == ReadingKind::Interval {
        write_intervals(block, w);
    }
    if let Some(meter) = &block.meter {
        write_object("Meter", meter, w);
    }
    if block.kind == ReadingKind::Register {
        for reading in &block.readings {
            write_register(block, reading, w);
        }
    }
    if let Some(usage_point) = &block.usage_point {
        write_object("UsagePoint", usage_point, w);
    }
    w.close("MeterReading");
    w.raw("\n");
}

fn write_intervals(block: &ReadingBlock, w: &mut Writer<'_>) {
    w.open("IntervalBlocks");
    for reading in &block.readings {
        w.open("IntervalReadings");
        write_common(block, reading, w);
        write_period(reading.detail.as_deref(), w);
        w.close("IntervalReadings");
    }
    w.reference("ReadingType", &block.reading_type);
    w.close("IntervalBlocks");
}

fn write_register(block: &ReadingBlock, reading: &Reading, w: &mut Writer<'_>) {
    let detail = reading.detail.as_deref();
    w.open("Readings");
    w.optional("reason", detail.and_then(|d| d.reason.as_deref()));
    write_common(block, reading, w);
    w.reference("ReadingType", &block.reading_type);
    write_period(detail, w);
    w.close("Readings");
}

/// What interval and register readings share, in schema order.
fn write_common(block: &ReadingBlock, reading: &Reading, w: &mut Writer<'_>) {
    let detail = reading.detail.as_deref();
    w.optional_instant("reportedDateTime", detail.and_then(|d| d.reported));
    w.optional("source", detail.and_then(|d| d.source.as_deref()));
    w.instant("timeStamp", reading.at);
    if let Some(value) = reading.value {
        w.decimal("value", value);
    }
    for quality in block.qualities_of(reading) {
        w.open("ReadingQualities");
        w.optional("comment", quality.comment.as_deref());
        w.optional("source", quality.source.as_deref());
        w.optional_instant("timeStamp", quality.timestamp);
        w.reference("ReadingQualityType", &quality.code);
        w.close("ReadingQualities");
    }
    if says_nothing(block, reading) {
        w.open("ReadingQualities");
        w.reference("ReadingQualityType", &KNOWN_MISSING);
        w.close("ReadingQualities");
    }
}

/// No value, and no quality that says so: readers would take the reading for a broken one.
fn says_nothing(block: &ReadingBlock, reading: &Reading) -> bool {
    let known_missing = |quality: &ReadingQuality| quality.code.is_known_missing();
    reading.value.is_none() && !block.qualities_of(reading).iter().any(known_missing)
}

fn write_period(detail: Option<&ReadingDetail>, w: &mut Writer<'_>) {
    if let Some(period) = detail.and_then(|d| d.period) {
        w.open("timePeriod");
        w.instant("end", period.end);
        w.instant("start", period.start);
        w.close("timePeriod");
    }
}

fn write_object(element: &str, object: &ObjectRef, w: &mut Writer<'_>) {
    w.open(element);
    w.optional("mRID", object.mrid.as_deref());
    for name in &object.names {
        write_name(name, w);
    }
    w.close(element);
}

fn write_name(name: &Name, w: &mut Writer<'_>) {
    w.open("Names");
    w.text("name", &name.name);
    if name.name_type.is_some() || name.authority.is_some() {
        w.open("NameType");
        w.optional("name", name.name_type.as_deref());
        if let Some(authority) = &name.authority {
            w.open("NameTypeAuthority");
            w.text("name", authority);
            w.close("NameTypeAuthority");
        }
        w.close("NameType");
    }
    w.close("Names");
}
