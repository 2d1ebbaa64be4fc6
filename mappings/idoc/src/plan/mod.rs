//! A mapping file, checked and compiled.

mod layout;
mod message;
mod write;

use std::sync::Arc;

use hub_model::Zone;
use mapping_tabular::{Charset, MappingError};

use crate::definition::{self, CONTROL, Definitions, SegmentFile};
use crate::file::{FileTable, IdocFile};
pub(crate) use message::Message;
pub(crate) use write::{Part, Value, WritePlan};

/// Largest mapping file; far beyond what a person writes.
const MAX_FILE_BYTES: usize = 1 << 20;

/// Byte of the mapping file, and what is wrong there.
type Fault = (usize, String);

/// A mapping file of IDocs, checked, with all its segment definitions.
#[derive(Debug, Clone)]
pub struct IdocMapping {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) file: FileTable,
    pub(crate) zone: Option<Zone>,
    pub(crate) messages: Vec<Message>,
    /// The message that is written, and how.
    pub(crate) write: Option<(usize, WritePlan)>,
}

/// A file of segment definitions of the configuration, by the name under which mapping files ask
/// for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition<'a> {
    /// `zpm` for `mappings/segments/zpm.toml`.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

impl IdocMapping {
    /// Reads, checks and compiles a mapping file, with the definition files that it may ask for
    /// besides those that come with the hub.
    ///
    /// # Errors
    /// The first thing wrong: line, column, what, and what would be valid.
    pub fn load(text: &str, files: &[Definition<'_>]) -> Result<Self, MappingError> {
        if text.len() > MAX_FILE_BYTES {
            let reason = format!("mapping file is longer than {MAX_FILE_BYTES} bytes");
            return Err(MappingError::at(text, 0, reason));
        }
        let file: IdocFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            MappingError::at(text, at, error.message())
        })?;
        let fault = |(at, reason): Fault| MappingError::at(text, at, reason);
        let definitions = definitions(&file, files).map_err(fault)?;
        let mut messages = Vec::new();
        for table in &file.messages {
            messages.push(Message::compile(&file, table, &definitions, text)?);
        }
        let write = write::compile(&file, &messages, &definitions).map_err(fault)?;
        Ok(Self {
            definitions: Arc::new(definitions),
            zone: file.zone.map(|zone| zone.0),
            file: file.file,
            messages,
            write,
        })
    }

    /// Whether it says how records are written.
    #[must_use]
    pub const fn can_write(&self) -> bool {
        self.write.is_some()
    }

    pub(crate) const fn charset(&self) -> Charset {
        self.file.encoding
    }
}

/// The names of the definition files that a mapping file asks for; empty if it cannot be read.
#[must_use]
pub fn asked_definitions(text: &str) -> Vec<String> {
    let file: Result<IdocFile, _> = toml::from_str(text);
    file.map(|file| {
        file.segments
            .into_iter()
            .map(toml::Spanned::into_inner)
            .collect()
    })
    .unwrap_or_default()
}

/// The control record, the files that are asked for, and what the mapping file defines itself.
fn definitions(file: &IdocFile, files: &[Definition<'_>]) -> Result<Definitions, Fault> {
    let mut all = Definitions::default();
    add(&mut all, CONTROL, "control").map_err(|reason| (0, reason))?;
    for name in &file.segments {
        let (at, name) = (name.span().start, name.get_ref().as_str());
        let own = files
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.text);
        let text = own.or_else(|| definition::shipped(name)).ok_or_else(|| {
            let mut known: Vec<&str> = files.iter().map(|file| file.name).collect();
            definition::shipped_names().for_each(|name| known.push(name));
            known.sort_unstable();
            let known = known.join("`, `");
            (
                at,
                format!("no definition file `segments/{name}.toml`, expected one of `{known}`"),
            )
        })?;
        add(&mut all, text, name).map_err(|reason| (at, reason))?;
    }
    for entry in &file.entries {
        let segment = definition::segment(entry)?;
        all.add(segment)
            .map_err(|reason| (entry.span().start, reason))?;
    }
    Ok(all)
}

fn add(all: &mut Definitions, text: &str, name: &str) -> Result<(), String> {
    let of_file = |reason: String| format!("definition file `segments/{name}.toml`: {reason}");
    let file = SegmentFile::parse(text).map_err(|error| of_file(error.to_string()))?;
    for segment in file.segments().map_err(|(_, reason)| of_file(reason))? {
        all.add(segment).map_err(of_file)?;
    }
    Ok(())
}
