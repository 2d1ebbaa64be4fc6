//! The content of a message as a stream of bytes, whatever it was wrapped in.

mod inflate;
mod inline;
mod stream;

pub(crate) use inline::Inline;
pub(crate) use stream::{Broken, Content, as_body};

/// Most bytes of an envelope that has binary parts beside it: it is held until they come. Without its
/// parts a document is small.
pub(crate) const MAX_ENVELOPE_WITH_PARTS: usize = 8 * 1024 * 1024;

/// Most bytes of parts that are held because they come in another order than the document names
/// them.
pub(crate) const MAX_HELD_PARTS: usize = 8 * 1024 * 1024;
