//! Records and findings as lines of JSON, short enough to be checked by eye.

use std::fmt::Write as _;

use hub_model::{EndDeviceEvent, ObjectRef, ReadingBlock, ReadingDetail, ReadingQuality, Record};

use super::Yield;

/// One line per block, reading, event and finding.
pub(crate) fn describe(yielded: &Yield) -> String {
    let mut out = String::new();
    for (place, record) in &yielded.records {
        match record {
            Record::Readings(block) => {
                let _ = writeln!(
                    out,
                    "{{\"block\":\"{:?}\",\"type\":\"{}\",\"meter\":{},\"usage_point\":{},\
                     \"readings\":{},\"line\":{},\"offset\":{}}}",
                    block.kind,
                    block.reading_type,
                    object(block.meter.as_ref()),
                    object(block.usage_point.as_ref()),
                    block.readings.len(),
                    place.line,
                    place.offset,
                );
                readings(block, &mut out);
            }
            Record::EndDeviceEvent(found) => event(found, place.line, &mut out),
            other => {
                let _ = writeln!(out, "{{\"unexpected\":{:?}}}", other.kind());
            }
        }
    }
    for finding in &yielded.findings {
        let _ = writeln!(
            out,
            "{{\"finding\":\"{}\",\"severity\":\"{}\",\"field\":{},\"reason\":{},\"rejects\":{},\
             \"line\":{},\"offset\":{}}}",
            finding.code,
            finding.severity.as_str(),
            optional(finding.field.as_deref()),
            string(&finding.reason),
            finding.rejects,
            finding.place.line,
            finding.place.offset,
        );
    }
    out
}

fn readings(block: &ReadingBlock, out: &mut String) {
    for reading in &block.readings {
        let value = reading
            .value
            .map_or("null".to_owned(), |v| format!("\"{v}\""));
        let _ = write!(out, "{{\"at\":\"{}\",\"value\":{value}", reading.at);
        let qualities: Vec<String> = block.qualities_of(reading).iter().map(quality).collect();
        if !qualities.is_empty() {
            let _ = write!(out, ",\"qualities\":[{}]", qualities.join(","));
        }
        if let Some(found) = &reading.detail {
            detail(found, out);
        }
        let _ = writeln!(out, ",\"line\":{}}}", reading.line);
    }
}

fn quality(quality: &ReadingQuality) -> String {
    let mut words = quality.code.to_string();
    for word in [&quality.comment, &quality.source].into_iter().flatten() {
        let _ = write!(words, " {word}");
    }
    if let Some(timestamp) = quality.timestamp {
        let _ = write!(words, " {timestamp}");
    }
    string(&words)
}

fn detail(detail: &ReadingDetail, out: &mut String) {
    if let Some(reported) = detail.reported {
        let _ = write!(out, ",\"reported\":\"{reported}\"");
    }
    if let Some(source) = &detail.source {
        let _ = write!(out, ",\"source\":{}", string(source));
    }
    if let Some(reason) = &detail.reason {
        let _ = write!(out, ",\"reason\":{}", string(reason));
    }
    if let Some(period) = detail.period {
        let _ = write!(out, ",\"period\":\"{}/{}\"", period.start, period.end);
    }
}

fn event(event: &EndDeviceEvent, line: u64, out: &mut String) {
    let details: Vec<String> = event
        .details
        .iter()
        .map(|(name, value)| string(&format!("{name}={value}")))
        .collect();
    let _ = writeln!(
        out,
        "{{\"event\":\"{}\",\"at\":\"{}\",\"mrid\":{},\"device\":{},\"usage_point\":{},\
         \"reason\":{},\"severity\":{},\"details\":[{}],\"line\":{line}}}",
        event.event_type,
        event.at,
        optional(event.mrid.as_deref()),
        object(Some(&event.device)),
        object(event.usage_point.as_ref()),
        optional(event.reason.as_deref()),
        optional(event.severity.as_deref()),
        details.join(","),
    );
}

/// `mrid|name(type@authority)`
fn object(object: Option<&ObjectRef>) -> String {
    let Some(object) = object else {
        return "null".into();
    };
    let mut words = object.mrid.clone().unwrap_or_default();
    for name in &object.names {
        let _ = write!(
            words,
            "|{}({}@{})",
            name.name,
            name.name_type.as_deref().unwrap_or_default(),
            name.authority.as_deref().unwrap_or_default()
        );
    }
    string(&words)
}

fn optional(text: Option<&str>) -> String {
    text.map_or("null".into(), string)
}

fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
