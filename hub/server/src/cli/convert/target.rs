//! Where the converted records go: standard output, or a new file that appears when it is whole.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Where the records go.
pub(super) enum Target {
    /// Standard output.
    Stdout,
    /// A file under a temporary name beside its final one.
    File {
        /// The file.
        part: Option<NamedTempFile>,
        /// Its name in the end.
        path: PathBuf,
    },
}

impl Target {
    /// Standard output if there is no path.
    ///
    /// # Errors
    /// `AlreadyExists`, or the folder cannot be written to.
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Stdout);
        };
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        Ok(Self::File {
            part: Some(part_in(folder.unwrap_or(Path::new(".")))?),
            path: path.to_owned(),
        })
    }

    /// Whether people see it as it is written.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Stdout) && io::stdout().is_terminal()
    }

    /// Writes bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().write_all(bytes),
            Self::File {
                part: Some(part), ..
            } => part.write_all(bytes),
            Self::File { part: None, .. } => Ok(()),
        }
    }

    /// All is written: gives the file its name, never replacing another.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().flush(),
            Self::File { part, path } => match part.take() {
                Some(part) => part
                    .persist_noclobber(path)
                    .map(drop)
                    .map_err(|error| error.error),
                None => Ok(()),
            },
        }
    }
}

/// A temporary file that others may read as they may any other new file: temporary files are
/// private by default, and this one becomes the result.
fn part_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}
