//! The formats this hub can read and write, by name.
//!
//! A new format is one line in [`formats`]. How a format works is the business of its crate.

use std::collections::BTreeMap;
use std::sync::Arc;

use hub_model::Zone;
use hub_model::mapping::{Answer, Decode, Encode};
use mapping_cim::{CimAnswer, CimEncoder, CimNamespace};
use mapping_idoc::{Definition, IdocDecoder, IdocEncoder, IdocMapping};
use mapping_tabular::{Mapping, MappingError};
use mapping_template::{TemplateEncoder, TemplateError, TemplateFile};
use sha2::{Digest, Sha256};

/// The version of the hub, and so of its decoders.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every format this hub can run.
#[must_use]
pub fn formats() -> Formats {
    Formats::default()
        .reads("cim", mapping_cim::CimDecoder::new)
        .writes("cim", || CimEncoder::new(CimNamespace::Year2011))
        .tells("cim", CimAnswer::new(CimNamespace::Year2011))
        .reads("espi", mapping_espi::EspiDecoder::new)
        .reads_with_mapping("idoc", |setup| {
            Ok(IdocDecoder::new(&setup.load_idoc()?, &setup.zone))
        })
        .writes_with_mapping("idoc", |setup| {
            IdocEncoder::new(&setup.load_idoc()?, &setup.zone).ok_or(FormatError::NothingWritten)
        })
        .reads("json", |_| mapping_json::JsonDecoder::new())
        .writes("json", mapping_json::JsonEncoder::new)
        .tells("json", mapping_json::JsonAnswer)
        .reads_table("csv", mapping_csv::CsvDecoder::new)
        .writes_table("csv", mapping_csv::CsvEncoder::new)
        .writes_with_mapping("template", |setup| {
            Ok(TemplateEncoder::new(setup.load_template()?))
        })
        .reads_table("xlsx", mapping_xlsx::XlsxDecoder::new)
}

/// What a decoder or encoder is made from.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The zone in which local times are meant.
    pub zone: Zone,
    /// Text of the mapping file, for formats that need one.
    pub mapping: Option<&'a str>,
    /// Names and texts of the segment definitions that the mapping file asks for.
    segments: Vec<Definition<'a>>,
}

impl<'a> Setup<'a> {
    /// With the text of a mapping file, for formats that need one.
    #[must_use]
    pub const fn new(zone: Zone, mapping: Option<&'a str>) -> Self {
        Self {
            zone,
            mapping,
            segments: Vec::new(),
        }
    }

    /// With those of these segment definitions (name and text) that the mapping file asks for.
    #[must_use]
    pub fn with_segments(mut self, files: &'a [(String, String)]) -> Self {
        if let (Some(text), false) = (self.mapping, files.is_empty()) {
            let asked = mapping_idoc::asked_definitions(text);
            let named = files.iter().filter(|(name, _)| asked.contains(name));
            let definition = |(name, text): &'a (String, String)| Definition { name, text };
            self.segments = named.map(definition).collect();
        }
        self
    }

    /// What a decoder of this format is made of, as a number. Two decoders with the same one yield
    /// the same records of the same bytes, one by one: how far a message was decoded by the first
    /// says where the second may go on. The version of the hub counts too, since what it yields of
    /// a file may be mended; what a route tolerates does not, since it only judges what was yielded.
    #[must_use]
    pub fn decoder_fingerprint(&self, format: &str) -> i64 {
        self.fingerprint(&[format, VERSION])
    }

    /// What an encoder of this format is made of, as a number. What two encoders with the same one
    /// wrote may stand in one document. The version of the hub does not count: a newer one mends how
    /// a record is written, but documents keep their layout.
    #[must_use]
    pub fn encoder_fingerprint(&self, format: &str) -> i64 {
        self.fingerprint(&[format])
    }

    fn fingerprint(&self, of: &[&str]) -> i64 {
        let (zone, mapping) = (self.zone.name(), self.mapping.unwrap_or_default());
        let mut digest = Sha256::new();
        let segments = self.segments.iter().flat_map(|file| [file.name, file.text]);
        let all = of.iter().copied().chain([zone.as_str(), mapping]);
        for part in all.chain(segments) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let hash: [u8; 32] = digest.finalize().into();
        i64::from_le_bytes([
            hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
        ])
    }

    fn load(&self) -> Result<Arc<Mapping>, FormatError> {
        let text = self.mapping.ok_or(FormatError::NoMapping)?;
        Ok(Arc::new(Mapping::load(text)?))
    }

    fn load_template(&self) -> Result<TemplateFile, FormatError> {
        let text = self.mapping.ok_or(FormatError::NoMapping)?;
        Ok(TemplateFile::load(text, &self.zone)?)
    }

    fn load_idoc(&self) -> Result<IdocMapping, FormatError> {
        let text = self.mapping.ok_or(FormatError::NoMapping)?;
        Ok(IdocMapping::load(text, &self.segments)?)
    }
}

/// Why a decoder or encoder cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The mapping file has an error.
    #[error("line {line}, column {column}: {reason}")]
    Mapping {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what would be valid.
        reason: String,
    },
    /// The format describes its files in a mapping file, and none is given.
    #[error("the format needs a mapping file")]
    NoMapping,
    /// The mapping file only says how messages are read.
    #[error("the mapping file does not say how records are written: no message has a `write`")]
    NothingWritten,
}

impl From<TemplateError> for FormatError {
    fn from(error: TemplateError) -> Self {
        Self::Mapping {
            line: error.line,
            column: error.column,
            reason: error.reason,
        }
    }
}

impl From<MappingError> for FormatError {
    fn from(error: MappingError) -> Self {
        Self::Mapping {
            line: error.line,
            column: error.column,
            reason: error.reason,
        }
    }
}

type Make<T> = Box<dyn Fn(&Setup<'_>) -> Result<Arc<T>, FormatError> + Send + Sync>;

/// One format.
#[derive(Default)]
pub struct Format {
    /// Whether a mapping file describes it.
    pub needs_mapping: bool,
    decoder: Option<Make<dyn Decode>>,
    answer: Option<Arc<dyn Answer>>,
    encoder: Option<Make<dyn Encode>>,
}

impl Format {
    /// What writes its answers; `None` if it has none.
    #[must_use]
    pub fn answers(&self) -> Option<Arc<dyn Answer>> {
        self.answer.clone()
    }

    /// Makes what reads it; `None` if it cannot be read.
    ///
    /// # Errors
    /// The mapping file is missing or wrong.
    pub fn decoder(&self, setup: &Setup<'_>) -> Option<Result<Arc<dyn Decode>, FormatError>> {
        self.decoder.as_ref().map(|make| make(setup))
    }

    /// Makes what writes it; `None` if it cannot be written.
    ///
    /// # Errors
    /// The mapping file is missing or wrong.
    pub fn encoder(&self, setup: &Setup<'_>) -> Option<Result<Arc<dyn Encode>, FormatError>> {
        self.encoder.as_ref().map(|make| make(setup))
    }
}

/// Formats by name.
#[derive(Default)]
pub struct Formats(BTreeMap<&'static str, Format>);

impl Formats {
    /// A format by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Format> {
        self.0.get(name)
    }

    /// Names of the formats that can be read.
    pub fn readable(&self) -> impl Iterator<Item = &'static str> + '_ {
        let readable = |(_, format): &(&&str, &Format)| format.decoder.is_some();
        self.0.iter().filter(readable).map(|(name, _)| *name)
    }

    /// Names of the formats that can be written.
    pub fn writable(&self) -> impl Iterator<Item = &'static str> + '_ {
        let writable = |(_, format): &(&&str, &Format)| format.encoder.is_some();
        self.0.iter().filter(writable).map(|(name, _)| *name)
    }

    /// Names of the formats that have answers.
    pub fn answering(&self) -> impl Iterator<Item = &'static str> + '_ {
        let answering = |(_, format): &(&&str, &Format)| format.answer.is_some();
        self.0.iter().filter(answering).map(|(name, _)| *name)
    }

    /// Adds the answers of a format: what tells a sender what became of its message.
    #[must_use]
    pub fn tells(mut self, name: &'static str, answer: impl Answer + 'static) -> Self {
        self.0.entry(name).or_default().answer = Some(Arc::new(answer));
        self
    }

    /// Adds a format that is read without a mapping file.
    #[must_use]
    pub fn reads<D: Decode + 'static>(
        mut self,
        name: &'static str,
        make: impl Fn(Zone) -> D + Send + Sync + 'static,
    ) -> Self {
        let make: Make<dyn Decode> = Box::new(move |setup| Ok(Arc::new(make(setup.zone.clone()))));
        self.0.entry(name).or_default().decoder = Some(make);
        self
    }

    /// Adds a format that is written without a mapping file.
    #[must_use]
    pub fn writes<E: Encode + 'static>(
        mut self,
        name: &'static str,
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        let make: Make<dyn Encode> = Box::new(move |_| Ok(Arc::new(make())));
        self.0.entry(name).or_default().encoder = Some(make);
        self
    }

    /// Adds a format that is read by a mapping file of its own kind.
    #[must_use]
    pub fn reads_with_mapping<D: Decode + 'static>(
        mut self,
        name: &'static str,
        make: impl Fn(&Setup<'_>) -> Result<D, FormatError> + Send + Sync + 'static,
    ) -> Self {
        let make: Make<dyn Decode> = Box::new(move |setup| Ok(Arc::new(make(setup)?)));
        let format = self.0.entry(name).or_default();
        format.needs_mapping = true;
        format.decoder = Some(make);
        self
    }

    /// Adds a format that is written by a mapping file of its own kind.
    #[must_use]
    pub fn writes_with_mapping<E: Encode + 'static>(
        mut self,
        name: &'static str,
        make: impl Fn(&Setup<'_>) -> Result<E, FormatError> + Send + Sync + 'static,
    ) -> Self {
        let make: Make<dyn Encode> = Box::new(move |setup| Ok(Arc::new(make(setup)?)));
        let format = self.0.entry(name).or_default();
        format.needs_mapping = true;
        format.encoder = Some(make);
        self
    }

    /// Adds a format that is read by a mapping file for tables.
    #[must_use]
    pub fn reads_table<D: Decode + 'static>(
        self,
        name: &'static str,
        make: impl Fn(Arc<Mapping>, Zone) -> D + Send + Sync + 'static,
    ) -> Self {
        self.reads_with_mapping(name, move |setup| {
            Ok(make(setup.load()?, setup.zone.clone()))
        })
    }

    /// Adds a format that is written by a mapping file for tables.
    #[must_use]
    pub fn writes_table<E: Encode + 'static>(
        self,
        name: &'static str,
        make: impl Fn(Arc<Mapping>, Zone) -> E + Send + Sync + 'static,
    ) -> Self {
        self.writes_with_mapping(name, move |setup| {
            Ok(make(setup.load()?, setup.zone.clone()))
        })
    }
}
