//! The reference: pages about what can be configured, made from the code that reads it, so that they
//! cannot say anything else. Plain Markdown, for a forge and for a terminal.
//!
//! - [`shape`] understands JSON Schemas, [`tables`] writes the keys of one down.
//! - Texts are doc comments: of configuration structs, and of what the catalog of metrics has.

mod adapters;
mod config;
mod formats;
mod markdown;
mod metrics;
mod shape;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use crate::adapters as known_adapters;
use crate::formats as known_formats;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its file below the reference's folder, `adapters/sftp.md` say.
    pub path: String,
    /// Markdown.
    pub text: String,
}

/// Begins each page: nobody should correct it by hand.
const NOTE: &str = "<!-- Made by `meterhub reference` from the code. To change it, change the code's doc comments. -->";

impl Page {
    fn new(path: &str, title: &str, body: &str) -> Self {
        let text = format!("{NOTE}\n\n# {title}\n\n{}\n", body.trim());
        Self {
            path: path.to_owned(),
            text,
        }
    }
}

/// All pages.
#[must_use]
pub fn pages() -> Vec<Page> {
    let registry = known_adapters::adapters();
    let formats = known_formats::formats();
    let mut pages = vec![
        index(&registry, &formats),
        config::page(&registry),
        metrics::page(&registry),
    ];
    pages.extend(adapters::pages(&registry));
    pages.extend(formats::pages(&formats));
    pages
}

/// Writes all pages into a folder, and removes pages there that are no more.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let pages = pages();
    for stale in stale(folder, &pages)? {
        std::fs::remove_file(stale)?;
    }
    let mut written = Vec::new();
    for page in pages {
        let path = folder.join(&page.path);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above)?;
        }
        std::fs::write(&path, page.text)?;
        written.push(path);
    }
    Ok(written)
}

/// Files of an earlier reference that this one has not: they begin with [`NOTE`].
///
/// # Errors
/// The folder cannot be read.
pub fn stale(folder: &Path, pages: &[Page]) -> io::Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for below in [
        folder.to_owned(),
        folder.join("adapters"),
        folder.join("formats"),
    ] {
        let entries = match std::fs::read_dir(&below) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            let is_known = pages.iter().any(|page| folder.join(&page.path) == path);
            if is_page && !is_known && std::fs::read_to_string(&path)?.starts_with(NOTE) {
                stale.push(path);
            }
        }
    }
    Ok(stale)
}

/// The page that leads to all others.
fn index(registry: &hub_core::AdapterRegistry, formats: &known_formats::Formats) -> Page {
    let body = format!(
        "What can be configured, and what the hub tells of itself. Made from the code, so it is what this \
         version does.\n\n\
         - [Configuration](configuration.md): the hub, enterprises, sources, sinks, routes\n\
         - [Metrics](metrics.md): what `GET /metrics` and `meterhub endpoints` tell\n\n\
         ## Adapters\n\n\
         An adapter moves bytes between the hub and a partner: as a source, a sink, or both.\n\n{}\n\
         ## Formats\n\n\
         A format is what the bytes say. Any format goes with any adapter.\n\n{}",
        adapters::overview(registry),
        formats::overview(formats),
    );
    Page::new("README.md", "Reference", &body)
}
