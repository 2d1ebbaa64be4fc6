//! How results look: colours, tables, numbers, problems.

use std::io::{self, IsTerminal, Write};

use hub_model::Instant;
use serde_json::json;

use super::{Common, Exit};
use crate::config::{self, ConfigErrors, Drawing, Problem};

/// Characters of a line where there is no terminal that says how many it has.
const WIDTH: usize = 100;

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
    size.map_or(WIDTH, |(width, _)| usize::from(width.0))
}

/// Characters of a line on standard output.
pub(crate) fn line_width() -> usize {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map_or(WIDTH, |(width, _)| usize::from(width.0))
}

/// Reports a configuration that cannot be used: the problems and their number on standard error.
pub(crate) fn invalid(common: &Common, errors: &ConfigErrors, exit: Exit) -> Exit {
    if common.json {
        eprintln!("{}", config::to_json(&errors.0));
        return exit;
    }
    problems(&errors.0);
    let warnings = errors.0.iter().filter(|problem| problem.warning).count() as u64;
    let mut summary = count(errors.0.len() as u64 - warnings, "error");
    if warnings > 0 {
        summary = format!("{summary}, {}", count(warnings, "warning"));
    }
    let dir = common.config.display().to_string();
    eprintln!("{}: {summary}", paint_error(&dir, Paint::Red));
    exit
}

/// `2026-03-29T00:15:07Z`.
pub(crate) fn seconds(at: Instant) -> String {
    Instant::from_seconds(at.seconds()).to_string()
}

/// `2026-03-29T00:15:07.250Z`, always as wide.
pub(crate) fn milliseconds(at: Instant) -> String {
    let text = seconds(at);
    let fraction = at.micros().rem_euclid(1_000_000) / 1_000;
    format!("{}.{fraction:03}Z", text.trim_end_matches('Z'))
}

/// A text that fits into so many characters, its end cut off if need be.
pub(crate) fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// Lines of at most `width` characters, broken at blanks; a longer word stands alone.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A text after what stands on its line already, wrapped below itself.
pub(crate) fn hanging(start: &str, text: &str, width: usize) -> String {
    let indent = start.chars().count();
    let mut lines = wrapped(text, width.saturating_sub(indent).max(20)).into_iter();
    let mut out = format!("{start}{}", lines.next().unwrap_or_default());
    for line in lines {
        out.push('\n');
        out.push_str(&" ".repeat(indent));
        out.push_str(&line);
    }
    out
}

/// [`table`] whose last column is cut so that lines fit into `width`; it keeps 20 characters.
pub(crate) fn fitting_table(head: &[&str], rows: &[Vec<String>], width: usize) -> String {
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let head = head[column].chars().count();
        cells
            .map(|cell| cell.chars().count())
            .fold(head, usize::max)
    };
    let before: usize = (0..head.len() - 1).map(|column| widest(column) + 2).sum();
    let mut rows = rows.to_vec();
    for row in &mut rows {
        if let Some(last) = row.get_mut(head.len() - 1) {
            // A line break of a partner's answer would break the table.
            let line = last.split_whitespace().collect::<Vec<_>>().join(" ");
            *last = cut(&line, width.saturating_sub(before).max(20));
        }
    }
    table(head, &rows)
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
    fn long_reasons_are_broken_at_blanks() {
        assert_eq!(
            wrapped("one two three four", 9),
            ["one two", "three", "four"]
        );
        assert_eq!(wrapped("", 9), Vec::<String>::new());
        assert_eq!(wrapped("unbreakable", 4), ["unbreakable"]);
        assert_eq!(
            hanging("at: ", "one two three four five", 24),
            "at: one two three four\n    five"
        );
    }

    #[test]
    fn a_long_last_column_is_cut() {
        let rows = [vec!["a".to_owned(), format!("no\n{}", "x".repeat(90))]];
        let table = fitting_table(&["ID", "REASON"], &rows, 30);
        assert_eq!(table, format!("ID  REASON\na   no {}…", "x".repeat(22)));
    }

    #[test]
    fn times_say_their_zone_and_are_as_wide_as_each_other() {
        for (text, to_seconds, to_milliseconds) in [
            (
                "2026-03-29T00:15:07Z",
                "2026-03-29T00:15:07Z",
                "2026-03-29T00:15:07.000Z",
            ),
            (
                "2026-03-29T00:15:07.25Z",
                "2026-03-29T00:15:07Z",
                "2026-03-29T00:15:07.250Z",
            ),
            (
                "1969-12-31T23:59:59.9999Z",
                "1969-12-31T23:59:59Z",
                "1969-12-31T23:59:59.999Z",
            ),
        ] {
            let at = text.parse().unwrap();
            assert_eq!(seconds(at), to_seconds);
            assert_eq!(milliseconds(at), to_milliseconds);
        }
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
