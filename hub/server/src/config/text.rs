//! Reading a text file, with the place of what is no text in it.

use std::io;
use std::path::Path;

/// Reads a file of UTF-8.
///
/// # Errors
/// It cannot be read, or is not UTF-8: the message says at which line and byte.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(std::fs::read(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = &bytes[..at];
        let line_start = before
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |n| n + 1);
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "line {line} is not UTF-8: 0x{:02X} at its byte {}; save the file as UTF-8",
                bytes[at],
                at - line_start + 1
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf_8_is_shown_by_line_and_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latin1.toml");
        std::fs::write(&path, b"# a\nx = \"M\xe4rz\"\n").unwrap();
        assert_eq!(
            read_text(&path).unwrap_err().to_string(),
            "line 2 is not UTF-8: 0xE4 at its byte 7; save the file as UTF-8"
        );
        std::fs::write(&path, "ä").unwrap();
        assert_eq!(read_text(&path).unwrap(), "ä");
    }
}
