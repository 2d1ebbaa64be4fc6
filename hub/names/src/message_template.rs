//! Texts made from a template and an outgoing message: the words of all adapters in one place.

use hub_core::OutgoingMessage;
use hub_model::Instant;
use jiff::Timestamp;
use jiff::fmt::strtime;

type Value = fn(&OutgoingMessage) -> String;

/// What may stand in braces of every adapter's templates, beside `{created:...}`.
const VALUES: &[(&str, Value)] = &[
    ("message_id", |m| m.message_id.to_string()),
    ("correlation_id", |m| m.correlation_id.to_string()),
    ("source_name", |m| m.source_name.clone()),
    ("source_stem", |m| stem(&m.source_name).to_owned()),
    ("subject", |m| m.subject.clone()),
    // The object's own number, as partners know it: `4711` of `work_order:4711`.
    ("subject_id", |m| {
        let id = m.subject.split_once(':');
        id.map_or(m.subject.as_str(), |(_, id)| id).to_owned()
    }),
    ("route", |m| m.route.clone()),
    ("enterprise", |m| m.enterprise.clone()),
    ("extension", |m| match m.extension.as_str() {
        "" => "dat".to_owned(),
        extension => extension.to_owned(),
    }),
];

/// A parsed template: `north/{subject}`, `{message_id}.{extension}`, `{created:%Y%m%d}`. `{{` and
/// `}}` stand for braces. An adapter may have further words of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Index in [`VALUES`].
    Value(usize),
    /// A word of the adapter's own.
    Own(String),
    /// The `strftime` format of the time the message was made, in UTC.
    Created(String),
}

impl MessageTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub fn parse(template: &str) -> Result<Self, String> {
        Self::parse_with(template, &[])
    }

    /// Reads a template in which further words may stand, for which [`Self::fill_with`] is given
    /// values.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub fn parse_with(template: &str, own: &[&str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            rest = if let Some(after) = after.strip_prefix(brace) {
                text.push_str(brace);
                after
            } else if brace == "}" {
                return Err("lacks a `{`; a brace itself is written `}}`".to_owned());
            } else {
                let closed = after.split_once('}');
                let (field, after) = closed.ok_or("lacks a `}`; a brace itself is written `{{`")?;
                push_text(&mut parts, &mut text);
                parts.push(field_part(field, own)?);
                after
            };
        }
        text.push_str(rest);
        push_text(&mut parts, &mut text);
        Ok(Self(parts))
    }

    /// Whether a word stands for a value in every adapter's templates: an adapter cannot have it as
    /// its own.
    #[must_use]
    pub fn is_word(name: &str) -> bool {
        VALUES.iter().any(|(word, _)| *word == name)
    }

    /// Whether it is empty: it makes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it makes the same of all messages.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether it makes something else of each message.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        let is_id = |part: &Part| matches!(part, Part::Value(i) if VALUES[*i].0 == "message_id");
        self.0.iter().any(is_id)
    }

    /// The text before the first value; empty if it begins with one.
    #[must_use]
    pub fn head(&self) -> &str {
        match self.0.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The template's texts as they are, and each value through `fit`, which must make it harmless
    /// where it will stand.
    #[must_use]
    pub fn fill(&self, message: &OutgoingMessage, fit: impl Fn(&str) -> String) -> String {
        self.fill_with(message, &[], fit)
    }

    /// The same, with the values of the adapter's own words; a word without a value makes nothing.
    #[must_use]
    pub fn fill_with(
        &self,
        message: &OutgoingMessage,
        own: &[(&str, &str)],
        fit: impl Fn(&str) -> String,
    ) -> String {
        let of = |word: &str| own.iter().find(|(name, _)| *name == word);
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(index) => fit(&VALUES[*index].1(message)),
            Part::Own(word) => of(word).map_or_else(String::new, |(_, value)| fit(value)),
            // A time that no calendar has is not worth a message.
            Part::Created(format) => fit(&time(format, message.created).unwrap_or_default()),
        };
        self.0.iter().map(part).collect()
    }
}

fn push_text(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

fn field_part(field: &str, own: &[&str]) -> Result<Part, String> {
    if let Some(format) = field.strip_prefix("created:") {
        time(format, Instant::EPOCH)?;
        return Ok(Part::Created(format.to_owned()));
    }
    if let Some(index) = VALUES.iter().position(|(name, _)| *name == field) {
        return Ok(Part::Value(index));
    }
    if own.contains(&field) {
        return Ok(Part::Own(field.to_owned()));
    }
    let names = own.iter().chain(VALUES.iter().map(|(name, _)| name));
    let names: Vec<_> = names.map(|name| format!("`{{{name}}}`")).collect();
    let names = names.join(", ");
    Err(format!(
        "`{{{field}}}` is unknown, expected {names} or `{{created:%Y%m%d-%H%M%S}}`"
    ))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use hub_core::{Content, MessageId};

    pub(crate) fn message() -> OutgoingMessage {
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

    fn filled(template: &str) -> String {
        let template = MessageTemplate::parse(template).unwrap();
        template.fill(&message(), str::to_owned)
    }

    #[test]
    fn every_value_has_its_place() {
        assert_eq!(filled("{message_id}.{extension}"), "0000000015NM7.csv");
        assert_eq!(
            filled("{source_name} {source_stem}"),
            "WO_4711.v2.xml WO_4711.v2"
        );
        assert_eq!(
            filled("{enterprise}/{subject}/{route}"),
            "nord/work_order:4711/orders"
        );
        assert_eq!(filled("x{created:%Y%m%d-%H%M%S}"), "x20260329-001507");
        assert_eq!(filled("{{{correlation_id}}}"), "{0000000000007}");
        assert_eq!(filled("{subject_id}"), "4711");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn values_are_made_to_fit_and_texts_are_not() {
        let template = MessageTemplate::parse("a:{subject}").unwrap();
        assert_eq!(
            template.fill(&message(), |value| value.replace(':', "_")),
            "a:work_order_4711"
        );
        assert_eq!(template.head(), "a:");
    }

    #[test]
    fn an_adapter_has_words_of_its_own_beside_those_of_all() {
        let template = MessageTemplate::parse_with("{to}: {route}{text}", &["to", "text"]);
        let template = template.unwrap();
        let own = [("to", "+372<5>")];
        let fit = |value: &str| value.replace('<', "_");
        assert_eq!(template.fill_with(&message(), &own, fit), "+372_5>: orders");
        assert!(!template.is_fixed());
        let error = MessageTemplate::parse_with("{too}", &["to", "text"]).unwrap_err();
        for word in ["`{too}` is unknown", "`{to}`", "`{text}`", "`{message_id}`"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(MessageTemplate::is_word("subject_id") && !MessageTemplate::is_word("to"));
    }

    #[test]
    fn what_it_makes_of_messages_is_known_before() {
        let parsed = |template| MessageTemplate::parse(template).unwrap();
        assert!(parsed("x").is_fixed() && !parsed("{route}").is_fixed());
        assert!(parsed("{message_id}.x").is_unique());
        assert!(!parsed("{correlation_id}.x").is_unique());
        assert!(parsed("").is_empty() && parsed("{route}").head().is_empty());
    }

    #[test]
    fn a_wrong_template_says_what_would_be_right() {
        for (template, hint) in [
            ("{nessage_id}", "`{message_id}`"),
            ("{message_id", "lacks a `}`"),
            ("message_id}", "lacks a `{`"),
            ("{created:%Q-%!}", "%Y%m%d-%H%M%S"),
        ] {
            let error = MessageTemplate::parse(template).unwrap_err();
            assert!(error.contains(hint), "{template}: {error}");
        }
    }
}
