//! Names of output files, made from a template and the message.

use hub_core::OutgoingMessage;
use hub_model::Instant;
use jiff::Timestamp;
use jiff::fmt::strtime;

/// Longest file name in bytes: file systems allow 255, a done-file's suffix or a number may follow.
const LONGEST_NAME: usize = 230;

/// Longest part of a name that one value may make, in bytes.
const LONGEST_VALUE: usize = 120;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Index in [`VALUES`].
    Value(usize),
    /// The `strftime` format of the time the message was made, in UTC.
    Created(String),
}

type Value = fn(&OutgoingMessage) -> String;

/// What may stand in braces.
const VALUES: &[(&str, Value)] = &[
    ("message_id", |m| m.message_id.to_string()),
    ("correlation_id", |m| m.correlation_id.to_string()),
    ("source_name", |m| m.source_name.clone()),
    ("source_stem", |m| stem(&m.source_name).to_owned()),
    ("subject", |m| m.subject.clone()),
    ("route", |m| m.route.clone()),
    ("enterprise", |m| m.enterprise.clone()),
    ("extension", |m| match m.extension.as_str() {
        "" => "dat".to_owned(),
        extension => extension.to_owned(),
    }),
];

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['/', '\\']) {
            return Err("holds a folder separator; a name stands in one folder".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) = after.split_once('}').ok_or("lacks a `}`")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(field_part(field)?);
            rest = after;
        }
        if rest.contains('}') {
            return Err("lacks a `{`".to_owned());
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        match parts.is_empty() {
            true => Err("is empty, expected a name such as `{message_id}.{extension}`".to_owned()),
            false => Ok(Self(parts)),
        }
    }

    /// Whether each message gets a name of its own.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        let is_id = |part: &Part| matches!(part, Part::Value(i) if VALUES[*i].0 == "message_id");
        self.0.iter().any(is_id)
    }

    /// The name for a message: a plain file name on any file system.
    ///
    /// # Errors
    /// It is too long.
    pub fn name(&self, message: &OutgoingMessage) -> Result<String, String> {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(&safe(text, LONGEST_NAME)),
                Part::Value(i) => name.push_str(&value_text(&VALUES[*i].1(message))),
                Part::Created(format) => {
                    name.push_str(&value_text(&time(format, message.created)?))
                }
            }
        }
        if name.starts_with('.') {
            // Hidden files are never picked up, and `..` is no file.
            name.replace_range(..1, "_");
        }
        if name.len() > LONGEST_NAME {
            let length = name.len();
            return Err(format!(
                "file name of {length} bytes, at most {LONGEST_NAME} are possible"
            ));
        }
        Ok(name)
    }
}

fn field_part(field: &str) -> Result<Part, String> {
    if let Some(format) = field.strip_prefix("created:") {
        time(format, Instant::EPOCH)?;
        return Ok(Part::Created(format.to_owned()));
    }
    let known = VALUES.iter().position(|(name, _)| *name == field);
    known.map(Part::Value).ok_or_else(|| {
        let names: Vec<_> = VALUES
            .iter()
            .map(|(name, _)| format!("`{{{name}}}`"))
            .collect();
        format!(
            "`{{{field}}}` is unknown, expected {} or `{{created:%Y%m%d-%H%M%S}}`",
            names.join(", ")
        )
    })
}

fn time(format: &str, at: Instant) -> Result<String, String> {
    let zoned = Timestamp::from_microsecond(at.micros())
        .map_err(|error| error.to_string())?
        .to_zoned(jiff::tz::TimeZone::UTC);
    strtime::format(format, &zoned)
        .map_err(|error| format!("`{{created:{format}}}`: {error}; `%Y%m%d-%H%M%S` would be valid"))
}

fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

fn value_text(value: &str) -> String {
    match value {
        "" => "_".to_owned(),
        value => safe(value, LONGEST_VALUE),
    }
}

/// Replaces what is no part of a file name on some file system, and cuts what is too long.
fn safe(value: &str, longest: usize) -> String {
    let mut safe = String::with_capacity(value.len().min(longest));
    for c in value.chars() {
        let c = match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() => '_',
            c => c,
        };
        if safe.len() + c.len_utf8() > longest {
            break;
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::{Content, MessageId};

    fn message() -> OutgoingMessage {
        OutgoingMessage {
            message_id: MessageId(1_234_567),
            correlation_id: MessageId(7),
            enterprise: "nord".into(),
            route: "orders".into(),
            source_name: "WO_4711.v2.xml".into(),
            subject: "work_order:4711".into(),
            created: "2026-03-29T00:15:07.5Z".parse().unwrap(),
            attempt: 1,
            media_type: "text/csv".into(),
            extension: "csv".into(),
            headers: Vec::new(),
            content: Content::default(),
        }
    }

    fn name(template: &str) -> String {
        Template::parse(template).unwrap().name(&message()).unwrap()
    }

    #[test]
    fn every_value_has_its_place() {
        assert_eq!(name("{message_id}.{extension}"), "0000000015NM7.csv");
        assert_eq!(name("{source_name}"), "WO_4711.v2.xml");
        assert_eq!(
            name("{source_stem}_{route}.{extension}"),
            "WO_4711.v2_orders.csv"
        );
        assert_eq!(name("{enterprise}-{subject}"), "nord-work_order_4711");
        assert_eq!(name("x{created:%Y%m%d-%H%M%S}.txt"), "x20260329-001507.txt");
        assert_eq!(name("{correlation_id}"), "0000000000007");
    }

    #[test]
    fn no_value_leaves_the_folder_or_hides() {
        let mut message = message();
        let template = Template::parse("{subject}").unwrap();
        for (value, expected) in [
            ("../../etc/passwd", "_._.._etc_passwd"),
            (".hidden", "_hidden"),
            ("a\0b\nc", "a_b_c"),
            ("", "_"),
            ("C:\\x", "C__x"),
            ("Zähler", "Zähler"),
        ] {
            message.subject = value.into();
            assert_eq!(template.name(&message).unwrap(), expected);
        }
        message.subject = "ä".repeat(300);
        assert_eq!(template.name(&message).unwrap().len(), LONGEST_VALUE);
        let twice = Template::parse("{subject}{subject}").unwrap();
        assert!(twice.name(&message).unwrap_err().contains("at most 230"));
    }

    #[test]
    fn a_wrong_template_says_what_would_be_right() {
        for (template, hint) in [
            ("", "{message_id}"),
            ("{nessage_id}", "`{message_id}`"),
            ("{message_id", "lacks a `}`"),
            ("message_id}", "lacks a `{`"),
            ("out/{message_id}", "one folder"),
            ("{created:%Q-%!}", "%Y%m%d-%H%M%S"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(hint), "{template}: {error}");
        }
    }

    #[test]
    fn only_the_message_id_makes_a_name_unique() {
        assert!(Template::parse("{message_id}.x").unwrap().is_unique());
        assert!(!Template::parse("{correlation_id}.x").unwrap().is_unique());
    }
}
