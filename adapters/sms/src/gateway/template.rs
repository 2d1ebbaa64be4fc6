//! Texts made of a template and an SMS: `{to}`, `{text}` ... and secrets by the names that the sink
//! gives them.

use std::collections::BTreeMap;

use hub_core::MessageId;

use crate::address::display;
use crate::outgoing::Sms;
use crate::pdu::Address;
use crate::text::{Alphabet, Segments};

/// What may stand in braces, beside secrets.
const WORDS: [&str; 8] = [
    "to",
    "to_digits",
    "from",
    "text",
    "message_id",
    "valid_minutes",
    "parts",
    "coding",
];

/// A parsed template. `{{` and `}}` stand for braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(String),
}

/// What stands for each word.
pub(crate) struct Values<'a> {
    words: [String; WORDS.len()],
    secrets: &'a BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    pub(crate) fn new(
        id: MessageId,
        sms: &Sms,
        (text, cut): (&str, &Segments),
        sender: &Address,
        valid_minutes: Option<u32>,
        secrets: &'a BTreeMap<String, String>,
    ) -> Self {
        let minutes = sms.valid_minutes.or(valid_minutes);
        // Those of SMS data codings, by which gateways name alphabets: 7-bit, UCS-2.
        let coding = match cut.alphabet {
            Alphabet::Gsm7 => "0",
            Alphabet::Ucs2 => "2",
        };
        Self {
            words: [
                display(&sms.to),
                sms.to.digits.clone(),
                display(sms.from.as_ref().unwrap_or(sender)),
                text.to_owned(),
                id.to_string(),
                minutes
                    .map(|minutes| minutes.to_string())
                    .unwrap_or_default(),
                cut.parts.len().to_string(),
                coding.to_owned(),
            ],
            secrets,
        }
    }

    fn of(&self, name: &str) -> &str {
        match WORDS.iter().position(|word| *word == name) {
            Some(index) => &self.words[index],
            None => self.secrets.get(name).map_or("", String::as_str),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub(crate) fn parse<'s>(
        template: &str,
        secrets: impl Iterator<Item = &'s String> + Clone,
    ) -> Result<Self, String> {
        let mut pieces = Vec::new();
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
                let (name, after) = closed.ok_or("lacks a `}`; a brace itself is written `{{`")?;
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Value(known(name, secrets.clone())?));
                after
            };
        }
        text.push_str(rest);
        pieces.push(Piece::Text(text));
        Ok(Self(pieces))
    }

    /// Its texts as they are, and each value through `fit`.
    pub(crate) fn fill(&self, values: &Values<'_>, fit: impl Fn(&str) -> String) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(name) => fit(values.of(name)),
        });
        pieces.collect()
    }
}

/// Whether a secret may have this name.
pub(crate) fn is_free(name: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !WORDS.contains(&name) && !name.is_empty() && name.bytes().all(is_name)
}

fn known<'s>(
    name: &str,
    mut secrets: impl Iterator<Item = &'s String> + Clone,
) -> Result<String, String> {
    if WORDS.contains(&name) || secrets.clone().any(|secret| secret == name) {
        return Ok(name.to_owned());
    }
    let words = WORDS.iter().map(|word| format!("`{{{word}}}`"));
    let secrets = secrets.by_ref().map(|secret| format!("`{{{secret}}}`"));
    let all: Vec<String> = words.chain(secrets).collect();
    Err(format!(
        "`{{{name}}}` is unknown, expected {} or a name under `secrets`",
        all.join(", ")
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::address;
    use crate::text::segments;

    /// A text and what stands for its words.
    pub(crate) fn filled(template: &str, text: &str) -> String {
        let secrets = BTreeMap::from([("password".to_owned(), "s3cret".to_owned())]);
        let template = Template::parse(template, secrets.keys()).unwrap();
        template.fill(&values(text, &secrets), str::to_owned)
    }

    pub(crate) fn values<'a>(text: &str, secrets: &'a BTreeMap<String, String>) -> Values<'a> {
        let sms = Sms {
            to: address::recipient("+37255500001").unwrap(),
            from: None,
            text: text.to_owned(),
            valid_minutes: None,
            transactional: false,
        };
        let cut = segments(text, 9).unwrap();
        let sender = address::sender("Nordkraft").unwrap();
        let cut = (text, &cut);
        Values::new(MessageId(7), &sms, cut, &sender, Some(90), secrets)
    }

    #[test]
    fn every_word_has_its_value() {
        let all =
            "{to} {to_digits} {from} {message_id} {valid_minutes} {parts} {coding} {{{password}}}";
        assert_eq!(
            filled(all, "Homme õhtul"),
            "+37255500001 37255500001 Nordkraft 0000000000007 90 1 2 {s3cret}"
        );
        assert_eq!(
            filled("{text}{coding}", "{to}"),
            "{to}0",
            "values are no templates"
        );
    }

    #[test]
    fn what_is_unknown_is_named() {
        let secrets = ["password".to_owned()];
        for (template, hint) in [
            ("{too}", "`{to}`"),
            ("{too}", "`{password}`"),
            ("{to", "lacks a `}`"),
            ("to}", "lacks a `{`"),
        ] {
            let error = Template::parse(template, secrets.iter()).unwrap_err();
            assert!(error.contains(hint), "{template}: {error}");
        }
        assert!(is_free("password") && !is_free("text") && !is_free("a b"));
    }
}
