//! Which names in a watched folder are messages at all.

use std::ffi::OsStr;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern cannot be read.
pub type PatternError = globset::Error;

/// Decides by name alone; whether a file is complete is another question.
#[derive(Debug)]
pub struct Filter {
    include: GlobSet,
    exclude: GlobSet,
    temp_prefixes: Vec<String>,
    temp_suffixes: Vec<String>,
}

impl Filter {
    /// A pattern without `/` is matched against the name in every folder, one with `/` against
    /// the path below the watched folder.
    ///
    /// # Errors
    /// A pattern cannot be read.
    pub fn new(
        include: &[String],
        exclude: &[String],
        temp_prefixes: Vec<String>,
        temp_suffixes: Vec<String>,
    ) -> Result<Self, PatternError> {
        Ok(Self {
            include: globs(include)?,
            exclude: globs(exclude)?,
            temp_prefixes,
            temp_suffixes,
        })
    }

    /// Whether a file of this path, relative to the watched folder, is to be taken.
    #[must_use]
    pub fn takes(&self, relative: &Path) -> bool {
        relative
            .file_name()
            .is_some_and(|name| !self.is_temporary(name))
            && self.include.is_match(relative)
            && !self.exclude.is_match(relative)
    }

    fn is_temporary(&self, name: &OsStr) -> bool {
        let name = name.as_encoded_bytes();
        is_hidden(name)
            || self
                .temp_prefixes
                .iter()
                .any(|p| name.starts_with(p.as_bytes()))
            || self
                .temp_suffixes
                .iter()
                .any(|s| name.ends_with(s.as_bytes()))
    }
}

/// Hidden files and folders, ours among them, are never messages.
#[must_use]
pub fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

fn globs(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let anywhere = if pattern.contains('/') { "" } else { "**/" };
        set.add(
            GlobBuilder::new(&format!("{anywhere}{pattern}"))
                .literal_separator(true)
                .build()?,
        );
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let (prefixes, suffixes) = (owned(&["~"]), owned(&[".part", ".tmp"]));
        Filter::new(&owned(include), &owned(exclude), prefixes, suffixes).unwrap()
    }

    #[test]
    fn patterns_match_names_anywhere_and_paths_from_the_top() {
        let filter = filter(&["*.xml", "north/*.csv"], &["draft*"]);
        for (path, taken) in [
            ("a.xml", true),
            ("deep/er/a.xml", true),
            ("north/a.csv", true),
            ("south/a.csv", false),
            ("north/deep/a.csv", false),
            ("draft-1.xml", false),
            ("deep/draft-1.xml", false),
            ("a.txt", false),
        ] {
            assert_eq!(filter.takes(Path::new(path)), taken, "{path}");
        }
    }

    #[test]
    fn hidden_and_unfinished_files_are_no_messages() {
        let filter = filter(&["*"], &[]);
        for name in [".hidden", "a.xml.part", "a.tmp", "~a.xml"] {
            assert!(!filter.takes(Path::new(name)), "{name}");
        }
        assert!(filter.takes(Path::new("a.xml")));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_a_name() {
        use std::os::unix::ffi::OsStrExt;
        let name = OsStr::from_bytes(b"z\xe4hler.csv");
        assert!(filter(&["*.csv"], &[]).takes(Path::new(name)));
    }
}
