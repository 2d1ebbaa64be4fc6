//! Turns a line that serde refused into a finding that names the field.

use hub_model::{Finding, Place};
use serde::Deserialize;
use serde_json::error::Category;

/// Longest reason that is kept: serde quotes names from the line.
const MAX_REASON_CHARS: usize = 600;

/// Reads the line again, this time keeping the path of the field, and says what is wrong with it.
pub(crate) fn line<'a, T: Deserialize<'a>>(line: &'a [u8], place: &Place) -> Finding {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => (String::from("."), deserializer.end().err()),
        Err(error) => (error.path().to_string(), Some(error.into_inner())),
    };
    let Some(error) = error else {
        // Not reached: the line was refused a moment ago, and reading it is deterministic.
        return Finding::error("bad_json", place.clone(), "the line cannot be read");
    };
    let code = match error.classify() {
        Category::Data => "bad_value",
        Category::Syntax | Category::Eof | Category::Io => "bad_json",
    };
    let finding = Finding::error(code, place.clone(), reason(&error));
    match path.as_str() {
        "." | "?" | "" => finding,
        path => finding.in_field(path.chars().take(200).collect::<String>()),
    }
}

/// serde's words, with the column of the line instead of "line 1 column n".
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&position).unwrap_or(&text);
    let shown: String = text.chars().take(MAX_REASON_CHARS).collect();
    if error.column() == 0 {
        return shown;
    }
    format!("{shown} (column {})", error.column())
}
