//! Texts and addresses made from a template and the message, by the words that templates of file
//! names have.

use hub_core::OutgoingMessage;
use hub_model::Instant;
use jiff::Timestamp;
use jiff::fmt::strtime;

/// Longest text that a template makes, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;

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
    ("extension", |m| m.extension.clone()),
];

/// A parsed template.
#[derive(Debug, Clone)]
pub(crate) struct TextTemplate(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    /// Index in [`VALUES`].
    Value(usize),
    /// The `strftime` format of the time the message was made, in UTC.
    Created(String),
}

/// What a value must not break.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fit {
    /// One line of a header: no control characters.
    Line,
    /// Text as it is.
    Text,
    /// HTML: values are escaped, the template's own text is not.
    Html,
}

impl TextTemplate {
    /// Reads a template. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            let brace = &rest[at..=at];
            literal.push_str(before);
            rest = if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                after
            } else if brace == "}" {
                return Err("lacks a `{`; a brace itself is written `}}`".to_owned());
            } else {
                let (field, after) = after
                    .split_once('}')
                    .ok_or("lacks a `}`; a brace itself is written `{{`")?;
                parts.push(Part::Text(std::mem::take(&mut literal)));
                parts.push(field_part(field)?);
                after
            };
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        Ok(Self(parts))
    }

    /// The text for a message.
    ///
    /// # Errors
    /// It is too long, or the time is out of range.
    pub(crate) fn fill(&self, message: &OutgoingMessage, into: Fit) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Value(index) => text.push_str(&fit(&VALUES[*index].1(message), into)),
                Part::Created(format) => {
                    text.push_str(&fit(&time(format, message.created)?, into));
                }
            }
            if text.len() > LONGEST_TEXT {
                return Err(format!(
                    "a template makes more than {LONGEST_TEXT} bytes of text"
                ));
            }
        }
        Ok(text)
    }
}

fn field_part(field: &str) -> Result<Part, String> {
    if let Some(format) = field.strip_prefix("created:") {
        time(format, Instant::EPOCH)?;
        return Ok(Part::Created(format.to_owned()));
    }
    let known = VALUES.iter().position(|(name, _)| *name == field);
    known.map(Part::Value).ok_or_else(|| {
        let names: Vec<_> = VALUES.iter().map(|(n, _)| format!("`{{{n}}}`")).collect();
        let names = names.join(", ");
        format!("`{{{field}}}` is unknown, expected {names} or `{{created:%Y-%m-%d}}`")
    })
}

fn time(format: &str, at: Instant) -> Result<String, String> {
    let zoned = Timestamp::from_microsecond(at.micros())
        .map_err(|error| error.to_string())?
        .to_zoned(jiff::tz::TimeZone::UTC);
    strtime::format(format, &zoned)
        .map_err(|error| format!("`{{created:{format}}}`: {error}; `%Y-%m-%d` would be valid"))
}

fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

fn fit(value: &str, into: Fit) -> String {
    match into {
        Fit::Text => value.to_owned(),
        Fit::Line => value.replace(char::is_control, " "),
        Fit::Html => {
            let mut html = String::with_capacity(value.len());
            for c in value.chars() {
                match c {
                    '&' => html.push_str("&amp;"),
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '"' => html.push_str("&quot;"),
                    '\'' => html.push_str("&#39;"),
                    c => html.push(c),
                }
            }
            html
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterhub_tests::conformance::message;

    fn filled(template: &str, into: Fit) -> String {
        let mut message = message(1_234_567, "work_order:<4711>\r\nBcc: x");
        message.source_name = "WO 4711.v2.xml".into();
        let template = TextTemplate::parse(template).unwrap();
        template.fill(&message, into).unwrap()
    }

    #[test]
    fn every_value_has_its_place() {
        assert_eq!(
            filled("{message_id}/{correlation_id}", Fit::Text),
            "0000000015NM7/0000000000007"
        );
        assert_eq!(
            filled("{source_stem}, {extension} of {route}", Fit::Text),
            "WO 4711.v2, txt of readings"
        );
        assert_eq!(filled("{created:%Y-%m-%d}", Fit::Text), "2026-03-29");
        assert_eq!(filled("a {{b}} {enterprise}", Fit::Text), "a {b} nord");
    }

    #[test]
    fn a_value_cannot_break_out() {
        assert_eq!(filled("{subject}", Fit::Line), "work_order:<4711>  Bcc: x");
        assert!(filled("<b>{subject}</b>", Fit::Html).starts_with("<b>work_order:&lt;4711&gt;"));
    }

    #[test]
    fn a_wrong_template_says_what_would_be_right() {
        for (template, hint) in [
            ("{nessage_id}", "`{message_id}`"),
            ("{message_id", "lacks a `}`"),
            ("message_id}", "lacks a `{`"),
            ("{created:%Q-%!}", "%Y-%m-%d"),
        ] {
            let error = TextTemplate::parse(template).unwrap_err();
            assert!(error.contains(hint), "{template}: {error}");
        }
    }
}
