//! The table of figures: what the hub did, the bar, and the machine's own limit beside it.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::Outcome;
use crate::options::Options;

/// Which of the tables in docs/BENCHMARKS.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// (a) to (f): the hub beside what the machine can do.
    Hub,
    /// (g): each adapter beside its client library.
    Adapters,
}

impl Part {
    /// Marks between which the table stands.
    const fn marks(self) -> [&'static str; 2] {
        match self {
            Self::Hub => [
                "<!-- figures: written by `bench --write` -->",
                "<!-- end of figures -->",
            ],
            Self::Adapters => [
                "<!-- adapters: written by `bench --write` -->",
                "<!-- end of adapters -->",
            ],
        }
    }

    const fn head(self) -> [&'static str; 6] {
        match self {
            Self::Hub => ["", "Figure", "Bar", "Met", "Limit of this machine", "Ratio"],
            Self::Adapters => ["", "With the hub", "Bar", "Met", "Without a hub", "Ratio"],
        }
    }

    /// What is said of the last columns.
    const fn beside(self) -> &'static str {
        match self {
            Self::Hub => "the machine's own limit was measured in turn with it",
            Self::Adapters => "with the hub and without it in turn",
        }
    }
}

/// Says on stderr what is being done.
pub(crate) fn progress(what: &str) {
    eprintln!("bench: {what}");
}

/// What one thing measured several times came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a run.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle run; the lower one of two.
    pub(crate) fn median(&self) -> f64 {
        self.0
            .get(self.0.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or(f64::NAN)
    }

    fn shown(&self, unit: Unit) -> String {
        let middle = unit.shown(self.median());
        match (self.0.first(), self.0.last()) {
            (Some(low), Some(high)) if self.0.len() > 1 => {
                format!("{middle} ({}–{})", unit.number(*low), unit.number(*high))
            }
            _ => middle,
        }
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut samples = Self::default();
        values.into_iter().for_each(|value| samples.push(value));
        samples
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Readings, messages, commits a second.
    PerSecond(&'static str),
    /// Seconds, shown as milliseconds.
    Seconds,
    /// Bytes, shown as mebibytes.
    Bytes,
}

impl Unit {
    fn number(self, value: f64) -> String {
        match self {
            Self::PerSecond(_) => grouped(value),
            Self::Seconds if value < 0.01 => format!("{:.1}", value * 1e3),
            Self::Seconds => grouped(value * 1e3),
            Self::Bytes => format!("{:.0}", value / 1_048_576.0),
        }
    }

    fn shown(self, value: f64) -> String {
        let number = self.number(value);
        match self {
            Self::PerSecond(what) => format!("{number} {what}/s"),
            Self::Seconds => format!("{number} ms"),
            Self::Bytes => format!("{number} MiB"),
        }
    }
}

/// A whole number with its thousands set apart; three digits that count are enough.
fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bar {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// This share of the limit beside it, or more.
    ShareOfLimit(f64),
    /// It is reported only.
    None,
}

impl Bar {
    fn shown(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(value) => format!("≥ {}", unit.number(value)),
            Self::AtMost(value) => format!("≤ {}", unit.number(value)),
            Self::ShareOfLimit(share) => format!("≥ {:.0} %", share * 100.0),
            Self::None => "–".to_owned(),
        }
    }

    fn met(self, value: f64, limit: Option<f64>) -> &'static str {
        match self {
            Self::AtLeast(bar) if value >= bar => "yes",
            Self::AtMost(bar) if value <= bar => "yes",
            Self::ShareOfLimit(share) if limit.is_some_and(|limit| value >= limit * share) => "yes",
            Self::None => "",
            _ => "**no**",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What was measured, with the letter of the benchmark.
    pub(crate) what: String,
    /// What it came to.
    pub(crate) figure: Samples,
    /// In what.
    pub(crate) unit: Unit,
    /// What it must reach.
    pub(crate) bar: Bar,
    /// What the machine did beside it, in the same unit, and how that is called.
    pub(crate) limit: Option<(String, Samples)>,
}

impl Line {
    fn row(&self) -> [String; 6] {
        let figure = self.figure.median();
        let limit_figure = self.limit.as_ref().map(|(_, samples)| samples.median());
        let (limit, ratio) = match &self.limit {
            Some((name, samples)) => {
                let ratio = format!("{:.2}", figure / samples.median());
                (format!("{}: {}", name, samples.shown(self.unit)), ratio)
            }
            None => ("–".to_owned(), "–".to_owned()),
        };
        [
            self.what.clone(),
            self.figure.shown(self.unit),
            self.bar.shown(self.unit),
            self.bar.met(figure, limit_figure).to_owned(),
            limit,
            ratio,
        ]
    }
}

/// All figures of a run.
pub(crate) struct Report {
    part: Part,
    machine: String,
    runs: usize,
    quick: bool,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Report {
    /// No figures yet.
    pub(crate) fn new(part: Part, machine: String, options: &Options) -> Self {
        Self {
            part,
            machine,
            runs: options.runs(),
            quick: options.quick,
            lines: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a line and says it.
    pub(crate) fn add(&mut self, line: Line) {
        progress(&line.row().join(" | "));
        self.lines.push(line);
    }

    /// Adds what stands below the table, and says it.
    pub(crate) fn note(&mut self, note: String) {
        progress(&note);
        self.notes.push(note);
    }

    /// The table with the facts of the machine.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.machine);
        let runs = match self.runs {
            1 => "One run each".to_owned(),
            runs => format!("Median of {runs} runs (lowest–highest)"),
        };
        let size = if self.quick {
            ", at a tenth of the size (`--quick`)"
        } else {
            ""
        };
        let _ = writeln!(text, "{runs}{size}; {}.\n", self.part.beside());
        let head = self.part.head();
        let rows = [head.map(ToOwned::to_owned)]
            .into_iter()
            .chain(self.lines.iter().map(Line::row));
        text.push_str(&aligned(&rows.collect::<Vec<_>>()));
        for note in &self.notes {
            let _ = write!(text, "\n- {note}");
        }
        text.push('\n');
        text
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.notes.is_empty()
    }

    /// Puts the table between its marks in docs/BENCHMARKS.md.
    ///
    /// # Errors
    /// The marks are not there, or the disk refuses.
    pub(crate) fn write_into_docs(&self) -> Outcome<()> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md");
        let text = std::fs::read_to_string(&path)?;
        let [begin, end] = self.part.marks();
        let found = text
            .split_once(begin)
            .and_then(|(head, rest)| Some((head, rest.split_once(end)?.1)));
        let missing = || format!("`{}` has no `{begin}` or `{end}`", path.display());
        let (head, tail) = found.ok_or_else(missing)?;
        let table = self.markdown();
        std::fs::write(&path, format!("{head}{begin}\n\n{table}\n{end}{tail}"))?;
        Ok(())
    }
}

/// A markdown table that can be read as it is.
fn aligned(rows: &[[String; 6]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| {
                let _ = write!(text, "|{}", "-".repeat(width + 2));
            });
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts_and_the_range_is_shown() {
        let samples: Samples = [3.0, 1.0, 2.0].into_iter().collect();
        assert_eq!(samples.median(), 2.0);
        let million: Samples = [1_234_567.0, 1_000_000.0, 999.0].into_iter().collect();
        assert_eq!(
            million.shown(Unit::PerSecond("readings")),
            "1,000,000 readings/s (999–1,234,567)"
        );
        assert_eq!(Unit::Seconds.shown(0.0042), "4.2 ms");
        assert_eq!(Unit::Bytes.shown(1_048_576.0 * 20.0), "20 MiB");
    }

    #[test]
    fn a_line_says_whether_the_bar_is_met_and_how_near_the_limit_it_is() {
        let line = Line {
            what: "a".into(),
            figure: [50.0].into_iter().collect(),
            unit: Unit::PerSecond("x"),
            bar: Bar::AtLeast(60.0),
            limit: Some(("bare".into(), [100.0].into_iter().collect())),
        };
        let expected = ["a", "50 x/s", "≥ 60", "**no**", "bare: 100 x/s", "0.50"];
        assert_eq!(line.row(), expected);
        assert_eq!(Bar::AtMost(60.0).met(50.0, None), "yes");
        let share = Bar::ShareOfLimit(0.5);
        assert_eq!(
            (share.met(50.0, Some(100.0)), share.met(49.0, Some(100.0))),
            ("yes", "**no**")
        );
        assert_eq!(share.shown(Unit::PerSecond("MB")), "≥ 50 %");
    }
}
