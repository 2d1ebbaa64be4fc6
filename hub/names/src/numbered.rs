//! The next name for a file whose name is taken.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// `report.csv` numbered 2 is `report-2.csv`.
#[must_use]
pub fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
