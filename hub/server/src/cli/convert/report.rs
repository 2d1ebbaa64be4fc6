//! Findings and the summary of a conversion, on standard error.

use std::time::Duration;

use hub_model::{Finding, Severity};
use serde_json::{Value, json};

use super::progress::Progress;
use crate::cli::output::{Paint, count, paint_error};

/// Prints findings as they come: `FILE:LINE: error: in `field`: reason`.
pub(super) struct Report<'a> {
    file: &'a str,
    json: bool,
    /// Print so many; 0 for all.
    most: u64,
    count: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, json: bool, most: u64) -> Self {
        Self {
            file,
            json,
            most,
            count: 0,
        }
    }

    /// How many findings there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Prints a finding.
    pub(super) fn finding(&mut self, finding: &Finding, progress: &Progress) {
        self.count += 1;
        if self.most > 0 && self.count > self.most {
            return;
        }
        self.note(finding, progress);
    }

    /// Prints what is worth knowing and no finding: it is not counted.
    pub(super) fn note(&self, finding: &Finding, progress: &Progress) {
        progress.print(&match self.json {
            true => finding_json(finding).to_string(),
            false => finding_text(self.file, finding),
        });
    }

    /// Prints what was done.
    pub(super) fn summary(&self, records: u64, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        if self.json {
            let summary = json!({ "records": records, "findings": self.count, "seconds": seconds });
            eprintln!("{summary}");
            return;
        }
        let hidden = self.count.saturating_sub(self.most);
        if self.most > 0 && hidden > 0 {
            let more = count(hidden, "more finding");
            eprintln!("... and {more}; `--max-findings 0` prints all");
        }
        eprintln!(
            "{}, {} in {seconds:.1} s",
            count(records, "record"),
            count(self.count, "finding")
        );
    }
}

fn finding_text(file: &str, finding: &Finding) -> String {
    let paint = match finding.severity {
        Severity::Warning => Paint::Yellow,
        Severity::Error | Severity::Fatal => Paint::Red,
    };
    let place = match (&finding.place.sheet, finding.place.line) {
        (None, line) if line > 0 => format!("{file}:{line}"),
        _ if !finding.place.is_known() => file.to_owned(),
        _ => format!("{file}: {}", finding.place),
    };
    let severity = paint_error(finding.severity.as_str(), paint);
    let field = finding
        .field
        .as_ref()
        .map_or_else(String::new, |field| format!(" in `{field}`:"));
    format!("{place}: {severity}:{field} {}", finding.reason)
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.as_str(),
        "code": finding.code,
        "offset": finding.place.offset,
        "line": (finding.place.line > 0).then_some(finding.place.line),
        "sheet": finding.place.sheet.as_deref(),
        "field": finding.field,
        "reason": finding.reason,
        "rejects": finding.rejects,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_model::Place;

    #[test]
    fn findings_read_like_those_of_a_compiler() {
        let finding =
            Finding::error("bad_value", Place::at(99, 12), "`x` is no number").in_field("value");
        assert_eq!(
            finding_text("a.csv", &finding),
            "a.csv:12: error: in `value`: `x` is no number"
        );
        let finding = Finding::warning("odd", Place::at(99, 0), "odd");
        assert_eq!(
            finding_text("a.xml", &finding),
            "a.xml: byte 99: warning: odd"
        );
        let finding = Finding::warning("odd", Place::default(), "odd");
        assert_eq!(finding_text("a.xml", &finding), "a.xml: warning: odd");
    }
}
