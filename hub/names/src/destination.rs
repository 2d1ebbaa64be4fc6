//! Where the messages of a sink go: to a place made of a template, or, being answers, to where the
//! sender of the request wants its answer (EIP Return Address).
//!
//! A sender must not choose any place there is: what may be chosen is configured.

use hub_core::{ConfigProblem, OutgoingMessage};

use crate::MessageTemplate;

/// The template that stands for the place where an answer is wanted.
const REPLY_TO: &str = "{reply_to}";
/// The header that names this place.
const HEADER: &str = "reply-to";
/// The key of the configuration that limits it.
const TARGETS: &str = "reply_to_targets";
/// Most characters repeated of a place that somebody else has written.
const LONGEST_SHOWN: usize = 200;

/// Whether a pattern of `reply_to_targets` covers a place.
pub type Covers = fn(&str, &str) -> bool;

/// A configured destination.
#[derive(Debug, Clone)]
pub struct Destination(To);

#[derive(Debug, Clone)]
enum To {
    Template(MessageTemplate),
    ReplyTo {
        targets: Vec<String>,
        covers: Covers,
    },
}

impl Destination {
    /// Reads a template, or `{reply_to}` alone with patterns of the places where answers may go.
    ///
    /// # Errors
    /// What is wrong with the value of `key` or of `reply_to_targets`.
    pub fn parse(
        key: &str,
        template: &str,
        targets: &[String],
        covers: Covers,
    ) -> Result<Self, ConfigProblem> {
        if template == REPLY_TO {
            if targets.is_empty() {
                let reason = format!("is empty: nothing is allowed for `{key} = \"{REPLY_TO}\"`");
                return Err(ConfigProblem::error(TARGETS, reason));
            }
            let targets = targets.to_vec();
            return Ok(Self(To::ReplyTo { targets, covers }));
        }
        if template.contains(REPLY_TO) {
            let reason = format!("has `{REPLY_TO}` beside other text: it stands alone");
            return Err(ConfigProblem::error(key, reason));
        }
        if !targets.is_empty() {
            let reason = format!("is of use with `{key} = \"{REPLY_TO}\"` only");
            return Err(ConfigProblem::error(TARGETS, reason));
        }
        match MessageTemplate::parse(template) {
            Ok(template) => Ok(Self(To::Template(template))),
            Err(reason) => {
                let reason = format!("{reason}; for answers `{REPLY_TO}`, alone");
                Err(ConfigProblem::error(key, reason))
            }
        }
    }

    /// Whether all messages go to the one place.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        matches!(&self.0, To::Template(template) if template.is_fixed())
    }

    /// Whether messages go to where their header `reply-to` says. It does not say then where answers
    /// to them go.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        matches!(&self.0, To::ReplyTo { .. })
    }

    /// Where a message goes. The template's values go through `fit`, as in
    /// [`MessageTemplate::fill`].
    ///
    /// # Errors
    /// No answer to it is wanted, or at a place that is not allowed.
    pub fn of(
        &self,
        message: &OutgoingMessage,
        fit: impl Fn(&str) -> String,
    ) -> Result<String, String> {
        match &self.0 {
            To::Template(template) => Ok(template.fill(message, fit)),
            To::ReplyTo { targets, covers } => {
                let wanted = reply_to(message)?;
                match targets.iter().any(|pattern| covers(pattern, wanted)) {
                    true => Ok(wanted.to_owned()),
                    false => Err(not_allowed(wanted)),
                }
            }
        }
    }
}

fn reply_to(message: &OutgoingMessage) -> Result<&str, String> {
    let mut named = message.headers.iter();
    let named = named.find(|(name, _)| name.eq_ignore_ascii_case(HEADER));
    let value = named.map(|(_, value)| value.as_str());
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("it names no place for its answer: the request had no `{HEADER}`"))
}

fn not_allowed(wanted: &str) -> String {
    let printable = wanted.chars().filter(|c| !c.is_control());
    let shown: String = printable.take(LONGEST_SHOWN).collect();
    format!("the answer is wanted at `{shown}`, which is not among `{TARGETS}`")
}

/// Whether a pattern covers a text: `*` stands for any characters, or none.
#[must_use]
pub fn covers_text(pattern: &str, text: &str) -> bool {
    let Some((head, pattern)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut middle = pattern.split('*');
    // `split` gives one part at least.
    let tail = middle.next_back().unwrap_or_default();
    for part in middle {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_template::tests::message;

    fn parse(template: &str, targets: &[&str]) -> Result<Destination, ConfigProblem> {
        let targets: Vec<_> = targets.iter().map(|t| (*t).to_owned()).collect();
        Destination::parse("routing_key", template, &targets, covers_text)
    }

    fn wanted(at: &str) -> OutgoingMessage {
        OutgoingMessage {
            headers: vec![("Reply-To".into(), at.into())],
            ..message()
        }
    }

    #[test]
    fn an_answer_goes_where_it_is_wanted_if_it_may() {
        let destination = parse("{reply_to}", &["answers.*", "north"]).unwrap();
        assert!(destination.is_reply() && !destination.is_fixed());
        let to = |message: &OutgoingMessage| destination.of(message, |_| "no template".into());
        assert_eq!(to(&wanted("answers.7")).unwrap(), "answers.7");
        assert_eq!(to(&wanted("north")).unwrap(), "north");
        let refused = to(&wanted("orders\n")).unwrap_err();
        assert!(refused.contains("`orders`, which is not among `reply_to_targets`"));
        for nowhere in [message(), wanted("")] {
            assert!(to(&nowhere).unwrap_err().contains("no `reply-to`"));
        }
    }

    #[test]
    fn a_template_is_filled_whatever_answers_are_wanted() {
        let destination = parse("north/{subject}", &[]).unwrap();
        assert!(!destination.is_reply() && !destination.is_fixed());
        let fit = |value: &str| value.replace(':', "_");
        let to = destination.of(&wanted("elsewhere"), fit).unwrap();
        assert_eq!(to, "north/work_order_4711");
        assert!(parse("north", &[]).unwrap().is_fixed());
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_said() {
        for (template, targets, key) in [
            ("{reply_to}", &[][..], "reply_to_targets"),
            ("x.{reply_to}", &["a"], "routing_key"),
            ("x", &["a"], "reply_to_targets"),
            ("{what}", &[], "routing_key"),
        ] {
            let problem = parse(template, targets).unwrap_err();
            assert_eq!(problem.key, key, "{problem}");
        }
        let unknown = parse("{what}", &[]).unwrap_err().reason;
        assert!(unknown.contains("`{subject}`") && unknown.contains("`{reply_to}`"));
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "a.b/c", true),
            ("a*", "ba", false),
            ("*.answers", "north.answers", true),
            ("*.answers", "north.answers.2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(covers_text(pattern, text), expected, "{pattern} {text}");
        }
    }
}
