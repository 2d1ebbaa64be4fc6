//! The mapping file of a template, checked.

use std::sync::Arc;

use hub_model::{RecordKind, Zone};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Deserialize;
use toml::Spanned;

use crate::{local, trial};

/// The one name in the environment of a file.
pub(crate) const DOCUMENT: &str = "document";

/// A mapping file of the format `template`, ready to write documents.
#[derive(Debug, Clone)]
pub struct TemplateFile {
    pub(crate) record: RecordKind,
    pub(crate) media_type: String,
    pub(crate) extension: String,
    pub(crate) environment: Arc<Environment<'static>>,
}

/// How what is printed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// As JSON: texts in quotes.
    Json,
    /// With the characters of HTML and XML escaped.
    Html,
    /// As it is.
    None,
}

/// Why a mapping file is no template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct TemplateError {
    /// Line of the file, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would be valid.
    pub reason: String,
}

impl TemplateError {
    fn at(text: &str, byte: usize, reason: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            reason: reason.into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    record: Spanned<String>,
    media_type: String,
    extension: String,
    escape: Escape,
    document: Spanned<String>,
}

/// The words for kinds of records, as a mapping file has them.
const RECORDS: [(&str, RecordKind); 5] = [
    ("readings", RecordKind::Readings),
    ("work_order", RecordKind::WorkOrder),
    ("end_device", RecordKind::EndDevice),
    ("usage_point", RecordKind::UsagePoint),
    ("end_device_event", RecordKind::EndDeviceEvent),
];

impl TemplateFile {
    /// Steps that a template may take for one record: a template that loops by mistake ends.
    pub const MOST_STEPS: u64 = 1_000_000;
    /// Largest document in bytes.
    pub const LARGEST_DOCUMENT: usize = 4 * 1024 * 1024;

    /// Reads a mapping file; `zone` is the enterprise's.
    ///
    /// # Errors
    /// It is not TOML, has unknown keys, or its template is not one.
    pub fn load(text: &str, zone: &Zone) -> Result<Self, TemplateError> {
        let wire: Wire = toml::from_str(text).map_err(|error| {
            let byte = error.span().map_or(0, |span| span.start);
            TemplateError::at(text, byte, error.message())
        })?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(Self::MOST_STEPS));
        let escape = wire.escape;
        environment.set_auto_escape_callback(move |_| match escape {
            Escape::Json => AutoEscape::Json,
            Escape::Html => AutoEscape::Html,
            Escape::None => AutoEscape::None,
        });
        environment.add_filter("local", local::filter(zone));
        let document = wire.document.get_ref().clone();
        environment
            .add_template_owned(DOCUMENT, document)
            .and_then(|()| trial::run(&environment))
            .map_err(|error| in_document(text, &wire.document, &error))?;
        let record = record(text, &wire.record)?;
        if let Some(reason) = trial::unknown_field(&environment, record) {
            let byte = wire.document.span().start;
            return Err(TemplateError::at(text, byte, reason));
        }
        Ok(Self {
            record,
            media_type: wire.media_type,
            extension: wire.extension,
            environment: Arc::new(environment),
        })
    }
}

fn record(text: &str, word: &Spanned<String>) -> Result<RecordKind, TemplateError> {
    let known = RECORDS.iter().find(|(name, _)| name == word.get_ref());
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        let valid = RECORDS.map(|(name, _)| name).join(", ");
        let reason = format!(
            "unknown record `{}`, expected one of {valid}",
            word.get_ref()
        );
        TemplateError::at(text, word.span().start, reason)
    })
}

/// An error of the template at its place in the file. In a text of several lines the first line
/// begins after the quotes and their line end.
fn in_document(text: &str, document: &Spanned<String>, error: &minijinja::Error) -> TemplateError {
    let begin = document.span().start;
    let rest = text.get(begin..).unwrap_or_default();
    let quotes = rest.len() - rest.trim_start_matches(['\'', '"']).len();
    let after = rest.get(quotes..).unwrap_or_default();
    let line_end = match after {
        after if after.starts_with("\r\n") => 2,
        after if after.starts_with('\n') => 1,
        _ => 0,
    };
    let first = TemplateError::at(text, begin + quotes + line_end, "").line;
    TemplateError {
        line: first + error.line().unwrap_or(1).saturating_sub(1),
        column: 1,
        reason: format!("`document`: {}", words(error)),
    }
}

/// What is wrong in a template's own words.
pub(crate) fn words(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> TemplateError {
        TemplateFile::load(text, &Zone::utc()).unwrap_err()
    }

    const HEAD: &str =
        "record = 'work_order'\nmedia_type = 'text/plain'\nextension = 'txt'\nescape = 'none'\n";

    #[test]
    fn a_wrong_template_is_told_with_its_line() {
        let found = error(&format!("{HEAD}document = '''\nfirst\n{{% if %}}\n'''\n"));
        assert_eq!(found.line, 7, "{found}");
        assert!(found.reason.contains("syntax error"), "{found}");
        let found = error(&format!("{HEAD}document = '{{{{ a | no_such }}}}'\n"));
        assert_eq!(found.line, 5, "{found}");
        assert!(found.reason.contains("no_such"), "{found}");
    }

    #[test]
    fn words_that_are_unknown_are_named_with_those_that_are_valid() {
        let found = error(&format!(
            "{}document = ''",
            HEAD.replace("work_order", "order")
        ));
        assert_eq!((found.line, found.column), (1, 10), "{found}");
        assert!(found.reason.contains("work_order, end_device"), "{found}");
        let found = error(&format!("{HEAD}document = '{{{{ custommer_phone }}}}'"));
        assert_eq!(found.line, 5, "{found}");
        assert!(
            found.reason.contains("`custommer_phone`") && found.reason.contains("customer_phone,"),
            "{found}"
        );
        let found = error(&format!("{HEAD}document = ''\ncolour = 'red'"));
        assert_eq!(found.line, 6, "{found}");
    }
}
