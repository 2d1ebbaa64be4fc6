//! A text in the parts that it is sent in, or paid for.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::{Segments, gsm7, segments, transliterate};

/// What becomes of a text with characters that GSM 03.38 has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotInGsm7 {
    /// It goes in UCS-2: all characters, fewer in each part.
    #[default]
    Ucs2,
    /// They are written with those that it has (`ê` as `e`); UCS-2 if that is not possible.
    Transliterate,
    /// It is refused.
    Reject,
}

/// How texts are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutting {
    pub(crate) not_in_gsm7: NotInGsm7,
    pub(crate) max_segments: u8,
}

impl Cutting {
    /// The text as it is sent, and its parts.
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub(crate) fn cut<'a>(&self, text: &'a str) -> Result<(Cow<'a, str>, Segments), String> {
        let missing = || text.chars().find(|c| gsm7::septets(*c).is_none());
        let text = match self.not_in_gsm7 {
            NotInGsm7::Ucs2 => Cow::Borrowed(text),
            NotInGsm7::Transliterate => match missing() {
                Some(_) => Cow::Owned(transliterate(text)),
                None => Cow::Borrowed(text),
            },
            NotInGsm7::Reject => match missing() {
                Some(character) => {
                    return Err(format!(
                        "`text` holds `{character}`, which GSM 03.38 has not, and `not_in_gsm7` \
                         is \"reject\""
                    ));
                }
                None => Cow::Borrowed(text),
            },
        };
        match segments(&text, self.max_segments) {
            Ok(cut) => Ok((text, cut)),
            Err(error) => Err(error.to_string()),
        }
    }
}
