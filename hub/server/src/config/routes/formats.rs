//! The format of a route, and its mapping file.

use std::sync::Arc;

use crate::config::document::Section;
use crate::config::load::Loader;
use crate::config::mappings;
use crate::config::problem::{Problem, SourceText};
use crate::config::suggest::{did_you_mean, expected, proposal};
use crate::config::tables::Word;
use crate::formats::{Format, FormatError};

pub(super) fn format<'f>(
    loader: &mut Loader<'f>,
    section: &Section<'_>,
    word: &Word,
    valid: &[&str],
) -> Option<&'f Format> {
    let name = word.get_ref();
    if valid.contains(&name.as_str()) {
        return loader.formats.get(name);
    }
    let how = match (loader.formats.get(name), section.kind) {
        (Some(_), "inbound") => "cannot be read",
        (Some(_), _) => "cannot be written",
        (None, _) => "is unknown",
    };
    let list = expected(valid.iter().copied(), "");
    let message = format!("{}: format `{name}` {how}, {list}", section.title());
    let help = did_you_mean(name, valid.iter().copied());
    loader
        .problems
        .push(Problem::error(section.at(word.span()), message).with_help(help));
    None
}

/// The mapping file of a route; the outer `None` says that a problem was reported.
pub(super) fn mapping(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Format,
    name: &Word,
    mapping: Option<&Word>,
) -> Option<Option<Arc<SourceText>>> {
    match (format.needs_mapping, mapping) {
        (false, word) => {
            no_mapping(loader, section, name, word);
            Some(None)
        }
        (true, Some(word)) => {
            let at = section.at(word.span());
            let title = section.title();
            let file = loader
                .mappings
                .get(&title, word.get_ref(), at, &mut loader.problems)?;
            Some(Some(file))
        }
        (true, None) => {
            let message = format!(
                "{}: format `{}` needs a mapping file, expected `mapping = \"NAME\"` for `mappings/NAME.toml`",
                section.title(),
                name.get_ref()
            );
            loader
                .problems
                .push(Problem::error(section.at(name.span()), message));
            None
        }
    }
}

pub(super) fn no_mapping(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Word,
    mapping: Option<&Word>,
) {
    if let Some(word) = mapping {
        let message = format!(
            "{}: format `{}` takes no mapping file",
            section.title(),
            format.get_ref()
        );
        loader
            .problems
            .push(Problem::error(section.at(word.span()), message));
    }
}

pub(super) fn format_error(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Word,
    mapping: Option<&Arc<SourceText>>,
    error: FormatError,
) {
    let problem = match (&error, mapping) {
        (
            FormatError::Mapping {
                line,
                column,
                reason,
            },
            Some(file),
        ) => Problem::error(
            Some(mappings::place(file, *line, *column)),
            format!("mapping of {}: {reason}", section.title()),
        )
        .with_help(proposal(reason)),
        _ => Problem::error(
            section.at(format.span()),
            format!("{}: {error}", section.title()),
        ),
    };
    // Two routes may use one mapping: its errors are reported once.
    let same = |known: &Problem| known.location == problem.location && mapping.is_some();
    if !loader.problems.iter().any(same) {
        loader.problems.push(problem);
    }
}
