//! Topics made from a template and the message.

use hub_core::OutgoingMessage;

type Value = fn(&OutgoingMessage) -> String;

/// What may stand in braces.
const VALUES: &[(&str, Value)] = &[
    ("message_id", |m| m.message_id.to_string()),
    ("correlation_id", |m| m.correlation_id.to_string()),
    ("subject", |m| m.subject.clone()),
    ("route", |m| m.route.clone()),
    ("enterprise", |m| m.enterprise.clone()),
    ("source_name", |m| m.source_name.clone()),
];

/// A parsed template: texts and indexes in [`VALUES`].
#[derive(Debug, Clone)]
pub(crate) struct TopicTemplate(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(usize),
}

impl TopicTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) = after.split_once('}').ok_or("lacks a `}`")?;
            let known = VALUES.iter().position(|(name, _)| *name == field);
            let value = known.ok_or_else(|| {
                let names: Vec<_> = VALUES.iter().map(|(n, _)| format!("`{{{n}}}`")).collect();
                format!("`{{{field}}}` is unknown, expected {}", names.join(", "))
            })?;
            parts.extend([Part::Text(before.to_owned()), Part::Value(value)]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// Whether all messages get the same topic.
    pub(crate) fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The topic of a message. Values are one level each, whatever they hold.
    pub(crate) fn topic(&self, message: &OutgoingMessage) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(index) => one_level(&VALUES[*index].1(message)),
        };
        self.0.iter().map(part).collect()
    }
}

/// Percent-encodes what has a meaning in topics, so that a message cannot choose another place.
fn one_level(value: &str) -> String {
    let mut level = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '/' => level.push_str("%2F"),
            '+' => level.push_str("%2B"),
            '#' => level.push_str("%23"),
            '$' => level.push_str("%24"),
            '%' => level.push_str("%25"),
            c => level.push(c),
        }
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterhub_tests::conformance::message;

    #[test]
    fn an_unknown_value_is_named_with_those_that_exist() {
        let error = TopicTemplate::parse("north/{what}").unwrap_err();
        assert!(error.contains("`{what}`") && error.contains("`{subject}`"));
        assert!(TopicTemplate::parse("{subject").is_err());
        assert!(TopicTemplate::parse("north/x").unwrap().is_fixed());
        assert!(!TopicTemplate::parse("{route}").unwrap().is_fixed());
    }

    #[test]
    fn a_value_cannot_leave_its_level() {
        let template = TopicTemplate::parse("out/{subject}/x").unwrap();
        assert_eq!(template.topic(&message(1, "meter:7")), "out/meter:7/x");
        assert_eq!(
            template.topic(&message(1, "a/../$SYS/#+%")),
            "out/a%2F..%2F%24SYS%2F%23%2B%25/x"
        );
    }
}
