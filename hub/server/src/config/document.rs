//! The files of a configuration folder, cut into named tables: `[source.north-hes]` and its like.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Location, Problem, SourceText};
use super::suggest::{did_you_mean, expected};
use super::text::read_text;

/// A table with a name of its own.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    /// `source`, `sink` ...
    pub(crate) kind: &'static str,
    /// Its name; empty for `[hub]`.
    pub(crate) name: String,
    /// The file it stands in.
    pub(crate) file: &'a Arc<SourceText>,
    /// Where its name stands.
    pub(crate) span: Range<usize>,
    /// What stands in it.
    pub(crate) table: DeTable<'a>,
}

impl<'a> Section<'a> {
    /// "source `north-hes`".
    pub(crate) fn title(&self) -> String {
        match self.name.as_str() {
            "" => format!("`[{}]`", self.kind),
            name => format!("{} `{name}`", self.kind),
        }
    }

    /// A place in this section's file.
    pub(crate) fn at(&self, span: Range<usize>) -> Option<Location> {
        Some(Location {
            file: Arc::clone(self.file),
            span,
        })
    }

    /// The place of its name.
    pub(crate) fn here(&self) -> Option<Location> {
        self.at(self.span.clone())
    }

    /// Place and value of an entry.
    pub(crate) fn entry(&self, key: &str) -> Option<(Range<usize>, &Spanned<DeValue<'a>>)> {
        let (key, value) = self.table.get_key_value(key)?;
        Some((key.span(), value))
    }
}

/// All tables of all files by kind and name.
#[derive(Debug, Default)]
pub(crate) struct Sections<'a> {
    pub(crate) hub: Option<Section<'a>>,
    pub(crate) enterprises: BTreeMap<String, Section<'a>>,
    pub(crate) sources: BTreeMap<String, Section<'a>>,
    pub(crate) sinks: BTreeMap<String, Section<'a>>,
    pub(crate) inbound: BTreeMap<String, Section<'a>>,
    pub(crate) outbound: BTreeMap<String, Section<'a>>,
}

/// Kinds of tables with names.
const KINDS: [&str; 5] = ["enterprise", "source", "sink", "inbound", "outbound"];

/// Longest name of a table. It becomes part of file names and rows.
const MAX_NAME: usize = 64;

impl<'a> Sections<'a> {
    fn of_kind(&mut self, kind: &str) -> &mut BTreeMap<String, Section<'a>> {
        match kind {
            "enterprise" => &mut self.enterprises,
            "source" => &mut self.sources,
            "sink" => &mut self.sinks,
            "inbound" => &mut self.inbound,
            _ => &mut self.outbound,
        }
    }
}

/// Reads the files directly in `dir` whose names end in `.toml`, in the order of their names.
pub(crate) fn read_files(dir: &Path, problems: &mut Vec<Problem>) -> Vec<Arc<SourceText>> {
    let names = match toml_names(dir) {
        Ok(names) => names,
        Err(error) => {
            let message = format!(
                "cannot read the configuration folder `{}`: {error}",
                dir.display()
            );
            problems.push(Problem::error(None, message).with_help(Some(INIT.to_owned())));
            return Vec::new();
        }
    };
    if names.is_empty() {
        let message = format!(
            "no `*.toml` file in the configuration folder `{}`",
            dir.display()
        );
        problems.push(Problem::error(None, message).with_help(Some(INIT.to_owned())));
    }
    let mut files = Vec::new();
    for name in names {
        match read_text(&dir.join(&name)) {
            Ok(text) => files.push(Arc::new(SourceText { name, text })),
            Err(error) => {
                problems.push(Problem::error(
                    None,
                    format!("cannot read `{name}`: {error}"),
                ));
            }
        }
    }
    files
}

const INIT: &str = "`meterhub init DIR` writes a configuration to start from";

/// Names of the `*.toml` files directly in a folder, sorted.
pub(crate) fn toml_names(dir: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".toml") && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Parses the files and sorts their tables. Returns whether all files could be parsed: if not,
/// a reference to a name that is not there may be the fault of the broken file.
pub(crate) fn sections<'a>(
    files: &'a [Arc<SourceText>],
    problems: &mut Vec<Problem>,
) -> (Sections<'a>, bool) {
    let mut sections = Sections::default();
    let mut whole = true;
    for file in files {
        match DeTable::parse(&file.text) {
            Ok(table) => sort(file, table.into_inner(), &mut sections, problems),
            Err(_) => {
                whole = false;
                problems.extend(syntax_errors(file));
            }
        }
    }
    (sections, whole)
}

fn syntax_errors(file: &Arc<SourceText>) -> Vec<Problem> {
    let (_, errors) = DeTable::parse_recoverable(&file.text);
    let problem = |error: &toml::de::Error| {
        let location = error.span().map(|span| Location {
            file: Arc::clone(file),
            span,
        });
        Problem::error(location, format!("not TOML: {}", error.message()))
    };
    errors.iter().map(problem).collect()
}

fn sort<'a>(
    file: &'a Arc<SourceText>,
    table: DeTable<'a>,
    sections: &mut Sections<'a>,
    problems: &mut Vec<Problem>,
) {
    for (key, value) in table {
        let at = Location {
            file: Arc::clone(file),
            span: key.span(),
        };
        let kind = KINDS.into_iter().find(|kind| *kind == key.get_ref());
        match (kind, value.into_inner()) {
            (Some(kind), DeValue::Table(named)) => {
                for (name, value) in named {
                    add(kind, file, &name, value.into_inner(), sections, problems);
                }
            }
            (None, DeValue::Table(table)) if key.get_ref() == "hub" => {
                add_hub(file, key.span(), table, sections, problems);
            }
            (Some(_), _) => problems.push(Problem::error(
                Some(at),
                format!("`{0}` is not a table, expected `[{0}.NAME]`", key.get_ref()),
            )),
            (None, _) if key.get_ref() == "hub" => {
                problems.push(Problem::error(
                    Some(at),
                    "`hub` is not a table, expected `[hub]`",
                ));
            }
            (None, _) => problems.push(unknown_table(at, key.get_ref())),
        }
    }
}

fn unknown_table(at: Location, name: &str) -> Problem {
    let valid = || std::iter::once("hub").chain(KINDS);
    let message = format!("unknown table `{name}`, {}", expected(valid(), ""));
    Problem::error(Some(at), message).with_help(did_you_mean(name, valid()))
}

fn add_hub<'a>(
    file: &'a Arc<SourceText>,
    span: Range<usize>,
    table: DeTable<'a>,
    sections: &mut Sections<'a>,
    problems: &mut Vec<Problem>,
) {
    let section = Section {
        kind: "hub",
        name: String::new(),
        file,
        span,
        table,
    };
    match &sections.hub {
        Some(first) => problems.push(twice(&section, first)),
        None => sections.hub = Some(section),
    }
}

fn add<'a>(
    kind: &'static str,
    file: &'a Arc<SourceText>,
    name: &Spanned<std::borrow::Cow<'a, str>>,
    value: DeValue<'a>,
    sections: &mut Sections<'a>,
    problems: &mut Vec<Problem>,
) {
    let DeValue::Table(table) = value else {
        let at = Location {
            file: Arc::clone(file),
            span: name.span(),
        };
        let message = format!(
            "`{kind}.{0}` is not a table, expected `[{kind}.{0}]`",
            name.get_ref()
        );
        problems.push(Problem::error(Some(at), message));
        return;
    };
    let section = Section {
        kind,
        name: name.get_ref().to_string(),
        file,
        span: name.span(),
        table,
    };
    if !valid_name(&section.name) {
        problems.push(Problem::error(
            section.here(),
            format!(
                "{}: a name has 1 to {MAX_NAME} of `a` to `z`, `0` to `9` and `-`, and does not begin with `-`",
                section.title()
            ),
        ));
    }
    match sections.of_kind(kind).entry(section.name.clone()) {
        std::collections::btree_map::Entry::Occupied(first) => {
            problems.push(twice(&section, first.get()));
        }
        std::collections::btree_map::Entry::Vacant(free) => {
            free.insert(section);
        }
    }
}

fn twice(second: &Section<'_>, first: &Section<'_>) -> Problem {
    let place = first.here().map(|at| at.to_string()).unwrap_or_default();
    Problem::error(
        second.here(),
        format!("{} is defined twice, first at {place}", second.title()),
    )
}

/// Whether a name may be used for a table or a mapping file.
pub(crate) fn valid_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths_and_urls() {
        for good in ["a", "north-hes", "0", &"x".repeat(64)] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a/b", "..", "ä", &"x".repeat(65)] {
            assert!(!valid_name(bad), "{bad}");
        }
    }
}
