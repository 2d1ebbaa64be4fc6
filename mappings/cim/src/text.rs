//! Texts of findings.

/// Longest stretch of a partner's text that a finding quotes, in characters.
const QUOTED_CHARS: usize = 60;

/// A partner's text in backticks, shortened, control characters made visible.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(QUOTED_CHARS) + 5);
    out.push('`');
    for (i, c) in text.chars().enumerate() {
        if i == QUOTED_CHARS {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// The beginning of a library's message, which may quote the document at length.
pub(crate) fn shortened(message: &str) -> String {
    message.chars().take(4 * QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_strange_texts_are_tamed() {
        assert_eq!(quoted("1,5"), "`1,5`");
        assert_eq!(quoted("a\u{0}\n"), "`a\\u{0}\\n`");
        assert_eq!(quoted(&"ä".repeat(100)).chars().count(), 63);
    }
}
