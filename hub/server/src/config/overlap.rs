//! Finds sources that would take each other's files, and sinks that would feed a source.

use std::path::{Component, Path, PathBuf};

use toml::de::DeValue;

use super::document::Section;
use super::load::Loader;
use super::problem::Problem;

/// The kind of adapter that watches folders.
const FILE: &str = "file";

/// A folder that an endpoint watches or fills.
struct Folder<'l> {
    section: &'l Section<'l>,
    path: PathBuf,
    span: std::ops::Range<usize>,
    /// Whether folders below it are watched too.
    deep: bool,
}

impl Folder<'_> {
    fn watches(&self, other: &Path) -> bool {
        self.path == other || (self.deep && other.starts_with(&self.path))
    }
}

/// Reports folders that two sources watch, and warns of sinks that write where a source takes.
pub(super) fn file_sources(loader: &mut Loader<'_>) {
    let sections = loader.sections;
    // Only the paths as written count: a link to a folder is another folder here.
    let sources: Vec<Folder<'_>> = sections
        .sources
        .values()
        .filter_map(|s| folder(s, loader.dir))
        .collect();
    let sinks: Vec<Folder<'_>> = sections
        .sinks
        .values()
        .filter_map(|s| folder(s, loader.dir))
        .collect();
    for (index, source) in sources.iter().enumerate() {
        for other in &sources[..index] {
            if source.watches(&other.path) || other.watches(&source.path) {
                let message = format!(
                    "{}: `path` overlaps with that of {}: both would take the same files",
                    source.section.title(),
                    other.section.title()
                );
                let at = source.section.at(source.span.clone());
                loader.problems.push(Problem::error(at, message));
            }
        }
        for sink in sinks.iter().filter(|sink| source.watches(&sink.path)) {
            let message = format!(
                "{}: writes into the folder that {} watches, so its files come back in",
                sink.section.title(),
                source.section.title()
            );
            let at = sink.section.at(sink.span.clone());
            loader.problems.push(Problem::warning(at, message));
        }
    }
}

fn folder<'l>(section: &'l Section<'l>, dir: &Path) -> Option<Folder<'l>> {
    let DeValue::Table(table) = section.table.get(FILE)?.get_ref() else {
        return None;
    };
    let path = table.get("path")?;
    Some(Folder {
        section,
        path: normal(&dir.join(path.get_ref().as_str()?)),
        span: path.span(),
        deep: table
            .get("recursive")
            .and_then(|value| value.get_ref().as_bool())
            .unwrap_or(false),
    })
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_dots() {
        assert_eq!(normal(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(normal(Path::new("config/drop/")), Path::new("config/drop"));
    }
}
