//! Segment definitions of IDocs, which mapping files ask for by name: `segments/<name>.toml` beside
//! the mapping files.

use std::io;
use std::path::Path;

use super::document::toml_names;
use super::text::read_text;

/// The folder of definition files below that of mapping files.
pub(crate) const FOLDER: &str = "segments";

/// Name and text of each definition file beside the mapping files of a folder. None if there is no
/// such folder.
///
/// # Errors
/// The name of the file that cannot be read, and why.
pub(crate) fn beside(mappings: &Path) -> Result<Vec<(String, String)>, (String, io::Error)> {
    let folder = mappings.join(FOLDER);
    let mut files = Vec::new();
    for name in toml_names(&folder).unwrap_or_default() {
        let text = read_text(&folder.join(&name)).map_err(|error| (name.clone(), error))?;
        files.push((name.trim_end_matches(".toml").to_owned(), text));
    }
    Ok(files)
}
