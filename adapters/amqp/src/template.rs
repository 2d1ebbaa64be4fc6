//! Routing keys made from a template and the message.

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
pub(crate) struct KeyTemplate(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(usize),
}

impl KeyTemplate {
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

    /// Whether all messages get the same key.
    pub(crate) fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The key of a message.
    pub(crate) fn key(&self, message: &OutgoingMessage) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(index) => VALUES[*index].1(message),
        };
        self.0.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_is_named_with_those_that_exist() {
        let error = KeyTemplate::parse("north.{what}").unwrap_err();
        assert!(error.contains("`{what}`") && error.contains("`{subject}`"));
        assert!(KeyTemplate::parse("{subject").is_err());
        assert!(KeyTemplate::parse("north.x").unwrap().is_fixed());
        assert!(!KeyTemplate::parse("{route}").unwrap().is_fixed());
    }
}
