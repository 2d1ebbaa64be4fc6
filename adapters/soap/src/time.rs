//! Times as web services write them.

use hub_model::Instant;

/// `2026-03-29T00:15:00Z`, with a fraction if there is one.
pub(crate) fn written(at: Instant) -> String {
    at.to_string()
}

/// Reads an `xs:dateTime` with a zone.
///
/// # Errors
/// It is none, or has no zone.
pub(crate) fn read(text: &str) -> Result<Instant, String> {
    let text = text.trim();
    text.parse::<Instant>().map_err(|_| {
        format!(
            "`{}` is no time with a zone",
            text.chars().take(40).collect::<String>()
        )
    })
}
