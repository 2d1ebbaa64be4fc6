//! What a gateway's templates may say of an SMS, beside the words of all templates; and secrets, by
//! the names that the sink gives them.

use std::collections::BTreeMap;

use hub_core::OutgoingMessage;
use hub_names::MessageTemplate;

use crate::address::display;
use crate::outgoing::Sms;
use crate::pdu::Address;
use crate::text::{Alphabet, Segments};

/// What may stand in braces for an SMS.
const WORDS: [&str; 7] = [
    "to",
    "to_digits",
    "from",
    "text",
    "valid_minutes",
    "parts",
    "coding",
];

/// What stands for each of [`WORDS`].
pub(crate) struct Words([String; WORDS.len()]);

/// What stands for each word of a message's templates.
pub(crate) struct Values<'a> {
    message: &'a OutgoingMessage,
    own: Vec<(&'a str, &'a str)>,
}

impl Words {
    /// Those of a text, as it was cut.
    pub(crate) fn new(
        sms: &Sms,
        (text, cut): (&str, &Segments),
        sender: &Address,
        valid_minutes: Option<u32>,
    ) -> Self {
        let minutes = sms.valid_minutes.or(valid_minutes);
        // Those of SMS data codings, by which gateways name alphabets: 7-bit, UCS-2.
        let coding = match cut.alphabet {
            Alphabet::Gsm7 => "0",
            Alphabet::Ucs2 => "2",
        };
        Self([
            display(&sms.to),
            sms.to.digits.clone(),
            display(sms.from.as_ref().unwrap_or(sender)),
            text.to_owned(),
            minutes
                .map(|minutes| minutes.to_string())
                .unwrap_or_default(),
            cut.parts.len().to_string(),
            coding.to_owned(),
        ])
    }

    /// Those of the message too, and the secrets.
    pub(crate) fn and<'a>(
        &'a self,
        message: &'a OutgoingMessage,
        secrets: &'a BTreeMap<String, String>,
    ) -> Values<'a> {
        let words = WORDS.into_iter().zip(self.0.iter().map(String::as_str));
        let secrets = secrets.iter().map(|(n, s)| (n.as_str(), s.as_str()));
        let own = words.chain(secrets).collect();
        Values { message, own }
    }
}

impl Values<'_> {
    /// What a template makes of them, each made to `fit`.
    pub(crate) fn fill(&self, template: &MessageTemplate, fit: impl Fn(&str) -> String) -> String {
        template.fill_with(self.message, &self.own, fit)
    }
}

/// Reads a template in which secrets of these names may stand.
///
/// # Errors
/// What is wrong, and what would be valid.
pub(crate) fn template<'s>(
    text: &str,
    secrets: impl Iterator<Item = &'s String>,
) -> Result<MessageTemplate, String> {
    let own: Vec<&str> = WORDS
        .into_iter()
        .chain(secrets.map(String::as_str))
        .collect();
    MessageTemplate::parse_with(text, &own)
}

/// Whether a secret may have this name.
pub(crate) fn is_free(name: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_word = WORDS.contains(&name) || MessageTemplate::is_word(name);
    !is_word && !name.is_empty() && name.bytes().all(is_name)
}

#[cfg(test)]
pub(crate) mod tests {
    use meterhub_tests::conformance::message;

    use super::*;
    use crate::address;
    use crate::text::segments;

    /// What is made of an SMS with this text, by what takes its values.
    pub(crate) fn with_values<T>(text: &str, make: impl FnOnce(&Values<'_>) -> T) -> T {
        let secrets = BTreeMap::from([("password".to_owned(), "a&b".to_owned())]);
        let sms = Sms {
            to: address::recipient("+37255500001").unwrap(),
            from: None,
            text: text.to_owned(),
            valid_minutes: None,
            transactional: false,
        };
        let cut = segments(text, 9).unwrap();
        let sender = address::sender("Nordkraft").unwrap();
        let words = Words::new(&sms, (text, &cut), &sender, Some(90));
        make(&words.and(&message(7, "work_order:4711"), &secrets))
    }

    /// A template that may name the password.
    pub(crate) fn parsed(text: &str) -> Result<MessageTemplate, String> {
        template(text, ["password".to_owned()].iter())
    }

    fn filled(text: &str, sms: &str) -> String {
        let template = parsed(text).unwrap();
        with_values(sms, |values| values.fill(&template, str::to_owned))
    }

    #[test]
    fn every_word_has_its_value() {
        let all = "{to} {to_digits} {from} {message_id} {subject_id} {valid_minutes} {parts} {coding} \
                   {{{password}}}";
        assert_eq!(
            filled(all, "Homme õhtul"),
            "+37255500001 37255500001 Nordkraft 0000000000007 4711 90 1 2 {a&b}"
        );
        assert_eq!(
            filled("{text}{coding}", "{to}"),
            "{to}0",
            "values are no templates"
        );
    }

    #[test]
    fn what_is_unknown_is_named() {
        for hint in ["`{too}` is unknown", "`{to}`", "`{password}`", "`{route}`"] {
            let error = parsed("{too}").unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
        assert!(is_free("password") && !is_free("text") && !is_free("a b"));
        assert!(!is_free("message_id"));
    }
}
