//! Takes an element out of a document as a document of its own.

use super::cutter::name_of;
use super::{Piece, Scope, XmlFault};

/// Writes the pieces of one element. The namespaces that are in force around it are declared on it,
/// so that every name, and every name in a value (`xsi:type`), keeps its meaning.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    /// What was written and not taken yet.
    pub(crate) bytes: Vec<u8>,
}

impl Carry {
    /// The start tag of the element itself, which `scope` has entered at `depth`.
    pub(crate) fn root(&mut self, raw: &[u8], scope: &Scope, depth: usize) {
        let (name, rest) = raw.split_at(1 + name_of(raw).len());
        self.bytes.extend_from_slice(name);
        self.bytes
            .extend_from_slice(scope.inherited(depth).as_bytes());
        self.bytes.extend_from_slice(rest);
    }

    /// Anything in it, and its end.
    pub(crate) fn piece(&mut self, piece: Piece<'_>) {
        self.bytes.extend_from_slice(piece.raw());
    }

    /// The same, of which no more than `limit` bytes are held.
    ///
    /// # Errors
    /// It is longer.
    pub(crate) fn piece_within(&mut self, piece: Piece<'_>, limit: usize) -> Result<(), XmlFault> {
        if self.bytes.len() + piece.raw().len() > limit {
            let what = format!("a header is longer than {limit} bytes");
            return Err(XmlFault::IllFormed { what, at: 0 });
        }
        self.piece(piece);
        Ok(())
    }
}
