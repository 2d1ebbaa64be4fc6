//! How results look: colours, tables, numbers, problems.

use std::io::{self, IsTerminal, Write};

use serde_json::json;

use super::{Common, Exit};
use crate::config::{self, Drawing, Problem};

/// Colours that say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Something failed.
    Red,
    /// Worth a look.
    Yellow,
    /// All is well.
    Green,
    /// Headings.
    Bold,
}

/// Colours a text for standard error, if it is a terminal that wants colours.
pub(crate) fn paint_error(text: &str, paint: Paint) -> String {
    painted(text, paint, io::stderr().is_terminal())
}

/// Colours a text for standard output, if it is a terminal that wants colours.
pub(crate) fn paint(text: &str, paint: Paint) -> String {
    painted(text, paint, io::stdout().is_terminal())
}

fn painted(text: &str, paint: Paint, terminal: bool) -> String {
    if !terminal || !colours_wanted() {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Red => "31",
        Paint::Yellow => "33",
        Paint::Green => "32",
        Paint::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// <https://no-color.org>: set and not empty means no colours.
fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Reports that a command cannot go on.
pub(crate) fn fail(common: &Common, exit: Exit, message: &str) -> Exit {
    match common.json {
        true => eprintln!("{}", json!({ "error": message })),
        false => eprintln!("{}: {message}", paint_error("error", Paint::Red)),
    }
    exit
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Draws problems on standard error, for people.
pub(crate) fn problems(problems: &[Problem]) {
    let terminal = io::stderr().is_terminal();
    let drawing = Drawing {
        colours: terminal && colours_wanted(),
        width: terminal.then(terminal_width),
    };
    eprint!("{}", config::render(problems, drawing));
}

fn terminal_width() -> usize {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(100, |(width, _)| usize::from(width.0))
}

/// Prints a line on standard output. A reader that went away is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// A table with its columns aligned; the last one is not padded.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head[column].chars().count())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut out = paint(&line(&mut head.iter().copied()), Paint::Bold);
    for row in rows {
        out.push('\n');
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

/// "1,234,567".
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "1 finding", "2 findings".
pub(crate) fn count(number: u64, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {one}{s}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(count(1, "finding"), "1 finding");
        assert_eq!(count(1_000, "record"), "1,000 records");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["north-hes".to_owned(), "file".to_owned(), "ok".to_owned()],
            vec!["ä".to_owned(), "http".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["NAME", "KIND", "STATE"], &rows),
            "NAME       KIND  STATE\nnorth-hes  file  ok\nä          http"
        );
    }
}
