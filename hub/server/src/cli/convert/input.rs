//! The file to convert, or standard input spooled to a temporary file: decoders read twice.

use std::io;
use std::path::Path;

use hub_model::mapping::Payload;
use tempfile::NamedTempFile;

use crate::payload::{FilePayload, Watched};

/// What is converted.
pub(super) struct Input {
    /// Its bytes.
    pub(super) payload: Watched<FilePayload>,
    /// Its name in findings.
    pub(super) shown: String,
    /// Removed when the conversion ends.
    _spool: Option<NamedTempFile>,
}

impl Input {
    /// Opens a file; `-` is standard input, read to its end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path != Path::new("-") {
            let kind = std::fs::metadata(path)?.file_type();
            if !kind.is_file() && !kind.is_dir() {
                return Err(io::Error::other(
                    "it is no regular file, and is read twice; pipe it in, with `-` as the file",
                ));
            }
            return Ok(Self {
                payload: Watched::new(FilePayload::open(path)?),
                shown: path.display().to_string(),
                _spool: None,
            });
        }
        let mut spool = NamedTempFile::new()?;
        io::copy(&mut io::stdin().lock(), &mut spool)?;
        Ok(Self {
            payload: Watched::new(FilePayload::open(spool.path())?),
            shown: "stdin".to_owned(),
            _spool: Some(spool),
        })
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.payload.len()
    }
}
