//! What is wrong with a mapping file, and where.

/// A mapping file cannot be used: where, what, and what would be valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct MappingError {
    /// Line of the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would be valid.
    pub reason: String,
}

impl MappingError {
    /// An error at a byte of the file.
    #[must_use]
    pub fn at(text: &str, byte: usize, reason: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: reason.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_not_bytes() {
        let text = "a\nöö x";
        let byte = text.find('x').unwrap();
        let error = MappingError::at(text, byte, "no");
        assert_eq!((error.line, error.column), (2, 4));
        assert_eq!(MappingError::at(text, 999, "no").line, 2);
    }
}
