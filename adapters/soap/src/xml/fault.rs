//! What is wrong with a document, as far as this crate looks.

use crate::limits::{MAX_DEPTH, MAX_NAMESPACES, MAX_TAG_BYTES};

/// Why bytes are not a document that can be carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlFault {
    /// SOAP forbids it, and expanding entities is how XML bombs work.
    #[error("a document type definition is not allowed in a SOAP message (at byte {at})")]
    Dtd { at: u64 },
    /// Nobody may declare one, so it is none of the five that XML knows.
    #[error("the entity `&{name};` is not known (at byte {at}); `&amp;` or `&#38;` would be")]
    Entity { name: String, at: u64 },
    /// A nesting bomb, or a mistake.
    #[error("elements are nested more than {MAX_DEPTH} deep (at byte {at})")]
    TooDeep { at: u64 },
    /// A tag without end.
    #[error("a tag is longer than {MAX_TAG_BYTES} bytes (at byte {at})")]
    TagTooLong { at: u64 },
    /// More declarations than any document has.
    #[error("more than {MAX_NAMESPACES} namespaces are declared")]
    Namespaces,
    /// Not well-formed.
    #[error("the XML is not well-formed: {what} (at byte {at})")]
    IllFormed { what: String, at: u64 },
    /// The bytes end before the document does.
    #[error("the XML was cut off: {open} elements are still open at its end")]
    CutOff { open: usize },
    /// Characters that are not what the document says they are.
    #[error("the characters are not {encoding}")]
    Characters { encoding: &'static str },
    /// An encoding that nobody knows.
    #[error("the encoding `{0}` is not known; `utf-8` would be")]
    Encoding(String),
}
