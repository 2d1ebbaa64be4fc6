//! Problems of a configuration: what is wrong, where in which file, and what would be valid.
//! Shown to people as snippets of the source, to programs as JSON.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents, ThemeCharacters, ThemeStyles,
};
use serde_json::json;

/// A file of the configuration, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path below the configuration folder.
    pub name: String,
    /// What stands in it. Values that may be secrets are masked before a problem is shown.
    pub text: String,
}

/// A stretch of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: Arc<SourceText>,
    /// Bytes of its text.
    pub span: Range<usize>,
}

impl Location {
    /// Line and column, both from 1; columns count characters.
    #[must_use]
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self
            .file
            .text
            .get(..self.span.start)
            .unwrap_or(&self.file.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column();
        write!(f, "{}:{line}:{column}", self.file.name)
    }
}

/// One thing wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Only worth a warning: the hub runs with it.
    pub warning: bool,
    /// What is wrong and what would be valid.
    pub message: String,
    /// A proposal.
    pub help: Option<String>,
    /// Where, unless it is about the folder as a whole.
    pub location: Option<Location>,
}

impl Problem {
    /// An error.
    pub(crate) fn error(location: Option<Location>, message: impl Into<String>) -> Self {
        Self {
            warning: false,
            message: message.into(),
            help: None,
            location,
        }
    }

    /// A warning.
    pub(crate) fn warning(location: Option<Location>, message: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::error(location, message)
        }
    }

    /// Adds a proposal, if there is one.
    pub(crate) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    fn to_json(&self) -> serde_json::Value {
        let place = self.location.as_ref().map(Location::line_and_column);
        json!({
            "severity": if self.warning { "warning" } else { "error" },
            "message": self.message,
            "help": self.help,
            "file": self.location.as_ref().map(|l| &l.file.name),
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.warning {
            true => miette::Severity::Warning,
            false => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let location = self.location.as_ref()?;
        Some(&*location.file)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.location.as_ref()?.span.clone();
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}

impl SourceCode for SourceText {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

/// A configuration that cannot be used: all its problems, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.0.iter().filter(|p| !p.warning);
        match errors.clone().count() {
            1 => f.write_str("the configuration has 1 error")?,
            count => write!(f, "the configuration has {count} errors")?,
        }
        match errors.next() {
            Some(first) => write!(f, ", the first: {first}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// How problems are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drawing {
    /// With terminal colours.
    pub colours: bool,
    /// Width to wrap at; `None` wraps nothing.
    pub width: Option<usize>,
}

/// Draws problems for people, each with its snippet.
#[must_use]
pub fn render(problems: &[Problem], drawing: Drawing) -> String {
    let theme = GraphicalTheme {
        characters: ThemeCharacters::unicode(),
        styles: match drawing.colours {
            true => ThemeStyles::ansi(),
            false => ThemeStyles::none(),
        },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_wrap_lines(drawing.width.is_some())
        .with_width(drawing.width.unwrap_or(200))
        .without_syntax_highlighting();
    let mut out = String::new();
    for problem in problems {
        // Writing to a string cannot fail, and a span outside the text draws no snippet.
        if handler.render_report(&mut out, problem).is_err() {
            out.push_str(&problem.message);
        }
        out.push('\n');
    }
    out
}

/// The same for programs: `{"errors": 1, "warnings": 0, "problems": [...]}`.
#[must_use]
pub fn to_json(problems: &[Problem]) -> serde_json::Value {
    let warnings = problems.iter().filter(|p| p.warning).count();
    json!({
        "errors": problems.len() - warnings,
        "warnings": warnings,
        "problems": problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
    })
}
