//! The mapping files of a configuration: `mappings/<name>.toml`, read when a route names them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{toml_names, valid_name};
use super::problem::{Location, Problem, SourceText};
use super::segments;
use super::suggest::{did_you_mean, expected};
use super::text::read_text;

/// The folder of mapping files below the configuration folder.
const FOLDER: &str = "mappings";

/// Mapping files by name; those that a route names are read once.
pub(crate) struct Mappings {
    folder: PathBuf,
    names: BTreeSet<String>,
    read: BTreeMap<String, Option<Arc<SourceText>>>,
    segments: Option<Arc<Vec<(String, String)>>>,
}

impl Mappings {
    /// Looks what files there are. A folder that is not there has none.
    pub(crate) fn list(dir: &Path) -> Self {
        let folder = dir.join(FOLDER);
        let names = toml_names(&folder).unwrap_or_default();
        Self {
            folder,
            names: names
                .iter()
                .filter_map(|name| name.strip_suffix(".toml"))
                .map(ToOwned::to_owned)
                .collect(),
            read: BTreeMap::new(),
            segments: None,
        }
    }

    /// Name and text of the segment definitions beside the mapping files, read once.
    pub(crate) fn segments(&mut self, problems: &mut Vec<Problem>) -> Arc<Vec<(String, String)>> {
        let folder = &self.folder;
        let known = self.segments.get_or_insert_with(|| {
            let files = segments::beside(folder).unwrap_or_else(|(name, error)| {
                let file = format!("{FOLDER}/{}/{name}", segments::FOLDER);
                problems.push(Problem::error(
                    None,
                    format!("cannot read `{file}`: {error}"),
                ));
                Vec::new()
            });
            Arc::new(files)
        });
        Arc::clone(known)
    }

    /// The text of a mapping file that a route (its `title`) names at `at`.
    pub(crate) fn get(
        &mut self,
        title: &str,
        name: &str,
        at: Option<Location>,
        problems: &mut Vec<Problem>,
    ) -> Option<Arc<SourceText>> {
        if !self.names.contains(name) || !valid_name(name) {
            let valid = || self.names.iter().map(String::as_str);
            let list = expected(valid(), "there is no mapping file yet");
            let message =
                format!("{title}: unknown mapping `{name}` (`{FOLDER}/{name}.toml`), {list}");
            problems.push(Problem::error(at, message).with_help(did_you_mean(name, valid())));
            return None;
        }
        if let Some(known) = self.read.get(name) {
            return known.clone();
        }
        let path = self.folder.join(format!("{name}.toml"));
        let text = match read_text(&path) {
            Ok(text) => Some(Arc::new(SourceText {
                name: format!("{FOLDER}/{name}.toml"),
                text,
            })),
            Err(error) => {
                let message = format!("cannot read `{FOLDER}/{name}.toml`: {error}");
                problems.push(Problem::error(at, message));
                None
            }
        };
        self.read.insert(name.to_owned(), text.clone());
        text
    }

    /// Warns of files that no route names.
    pub(crate) fn unused(&self, problems: &mut Vec<Problem>) {
        for name in self
            .names
            .iter()
            .filter(|name| !self.read.contains_key(*name))
        {
            let message = format!("`{FOLDER}/{name}.toml` is not used by any route");
            problems.push(Problem::warning(None, message));
        }
    }
}

/// The byte at a line and column (both from 1, columns in characters), as an empty span; the
/// end of the text where there is no such place.
pub(crate) fn place(file: &Arc<SourceText>, line: usize, column: usize) -> Location {
    let text = &file.text;
    let line_start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = text[line_start..].lines().next().unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(at, _)| at);
    // To the end of the word or value, so that there is something to underline.
    let end = rest[within..]
        .find([' ', '=', ',', ']', '}', '#'])
        .map_or(rest.len(), |len| within + len.max(1));
    Location {
        file: Arc::clone(file),
        span: line_start + within..line_start + end.max(within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_column_become_the_word_that_stands_there() {
        let file = Arc::new(SourceText {
            name: "m".into(),
            text: "ä = 1\nöö x = 2\n".into(),
        });
        let found = place(&file, 2, 4);
        assert_eq!(&file.text[found.span.clone()], "x");
        assert_eq!(found.line_and_column(), (2, 4));
        assert_eq!(place(&file, 99, 1).span, file.text.len()..file.text.len());
    }
}
