//! Answers that say whether somebody wants texts at all: `STOP`, `START`.

use std::sync::Arc;

use hub_core::{AdapterContext, Clock, Meter, StateStore};

use crate::memory::opt_out::{self, OptOutError};
use crate::metrics;

/// The words of a source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    stop: Vec<String>,
    start: Vec<String>,
}

impl Words {
    pub(crate) fn new(stop: &[String], start: &[String]) -> Self {
        let plain = |words: &[String]| words.iter().map(|word| plain(word)).collect();
        Self {
            stop: plain(stop),
            start: plain(start),
        }
    }

    /// Whether a text is one of the words, and nothing else: `Stop.` is, `Stop by at nine` is not.
    /// `Some(true)`: wants texts again.
    fn wants_texts(&self, text: &str) -> Option<bool> {
        let text = plain(text);
        if self.stop.contains(&text) {
            return Some(false);
        }
        self.start.contains(&text).then_some(true)
    }
}

/// Letters and digits in lower case, words apart by one space.
fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join(" ")
}

/// Whether what can be compared is left of a word.
pub(crate) fn is_word(word: &str) -> bool {
    !plain(word).is_empty()
}

/// Hears what people want, and puts it on the enterprise's list.
#[derive(Clone)]
pub(crate) struct Wishes {
    words: Words,
    state: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    meter: Meter,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    number: String,
    wants_texts: bool,
    /// By what, for who looks at the list.
    by: String,
}

impl Wishes {
    pub(crate) fn new(words: Words, context: &AdapterContext) -> Self {
        Self {
            words,
            state: context.state.clone(),
            clock: context.clock.clone(),
            meter: context.meter.clone(),
        }
    }

    /// What a text wants, if anything.
    pub(crate) fn heard(&self, from: &str, to: &str, text: &str) -> Option<Wish> {
        let wants_texts = self.words.wants_texts(text)?;
        Some(Wish {
            number: from.to_owned(),
            wants_texts,
            by: format!("`{}` to {to}", plain(text).to_uppercase()),
        })
    }

    /// Keeps it, on disk when it returns.
    ///
    /// # Errors
    /// The store refused, in words.
    pub(crate) async fn keep(&self, wish: &Wish) -> Result<(), String> {
        let state = self.state.as_ref();
        let number = &wish.number;
        let kept = match wish.wants_texts {
            true => opt_out::remove(state, number).await,
            false => opt_out::add(state, number, &wish.by, self.clock.now()).await,
        };
        match kept {
            Ok(true) => self.meter.count(metrics::OPT_OUTS, 1),
            // As it was. Or the sender has no number: nothing can be sent there anyway.
            Ok(false) | Err(OptOutError::NoNumber(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_alone() {
        let list = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let words = Words::new(&list(&["STOP", "Stop all", "LÕPETA"]), &list(&["START"]));
        for (text, expected) in [
            ("STOP", Some(false)),
            (" stop.\n", Some(false)),
            ("\"Stop\"!", Some(false)),
            ("stop   ALL", Some(false)),
            ("lõpeta", Some(false)),
            ("Start", Some(true)),
            ("Stop by at nine", None),
            ("unstoppable", None),
            ("", None),
        ] {
            assert_eq!(words.wants_texts(text), expected, "{text}");
        }
    }
}
