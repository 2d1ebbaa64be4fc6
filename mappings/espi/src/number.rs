//! Integers of elements, with words for what is wrong with them.

use std::str::FromStr;

use crate::xml::shortened;

/// Reads an integer of an element.
///
/// # Errors
/// The reason, with the offending text and what would be valid.
pub(crate) fn integer<T: FromStr>(text: &str, valid: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("`{}` is not {valid}", shortened(text)))
}
