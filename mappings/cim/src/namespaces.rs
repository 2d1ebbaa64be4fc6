//! Which prefix means which namespace, as far as that matters to us.
//!
//! Lighter than a full resolver: a prefix is resolved once and remembered until a declaration
//! comes or goes, so the elements of millions of readings cost one short comparison each.

use crate::limits::MAX_NAMESPACES;
use crate::wire::{self, Vocabulary};

/// Longest namespace that findings quote.
const QUOTED_BYTES: usize = 120;

/// One `xmlns` attribute in force.
#[derive(Debug, Clone)]
struct Declaration {
    /// Depth of the element that carries it.
    depth: usize,
    prefix: Box<[u8]>,
    vocabulary: Vocabulary,
    /// The namespace itself, shortened, for findings.
    uri: Box<str>,
}

/// The declarations in force at one place of a document.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespaces {
    declared: Vec<Declaration>,
    /// One more namespace that counts as a profile.
    extra: Option<Box<str>>,
    /// The prefix resolved last.
    recent: Option<(Box<[u8]>, Vocabulary)>,
}

impl Namespaces {
    pub(crate) fn new(extra: Option<&str>) -> Self {
        Self {
            extra: extra.map(Into::into),
            ..Self::default()
        }
    }

    /// Adds a declaration of the element at `depth`. False: there are too many.
    pub(crate) fn declare(&mut self, depth: usize, prefix: &[u8], uri: &str) -> bool {
        self.recent = None;
        self.declared.push(Declaration {
            depth,
            prefix: prefix.into(),
            vocabulary: wire::vocabulary(uri, self.extra.as_deref()),
            uri: shortened(uri).into(),
        });
        self.declared.len() <= MAX_NAMESPACES
    }

    /// Forgets what the element at `depth` declared.
    #[inline]
    pub(crate) fn leave(&mut self, depth: usize) {
        while self.declared.last().is_some_and(|d| d.depth >= depth) {
            self.declared.pop();
            self.recent = None;
        }
    }

    /// What a prefix (empty for none) means here.
    #[inline]
    pub(crate) fn resolve(&mut self, prefix: &[u8]) -> Vocabulary {
        if let Some((known, vocabulary)) = &self.recent
            && known.len() == prefix.len()
            && (prefix.is_empty() || **known == *prefix)
        {
            return *vocabulary;
        }
        let vocabulary = self
            .find(prefix)
            .map_or(Vocabulary::Foreign, |d| d.vocabulary);
        self.recent = Some((prefix.into(), vocabulary));
        vocabulary
    }

    /// The namespace of a prefix, for findings.
    pub(crate) fn uri(&self, prefix: &[u8]) -> Option<&str> {
        self.find(prefix).map(|d| &*d.uri)
    }

    fn find(&self, prefix: &[u8]) -> Option<&Declaration> {
        self.declared.iter().rev().find(|d| *d.prefix == *prefix)
    }

    /// What is in force for an element at `depth`, its own declarations aside, as the ground of a
    /// document of its own.
    pub(crate) fn around(&self, depth: usize) -> Self {
        let mut ground = self.clone();
        ground.recent = None;
        ground.declared.retain(|d| d.depth < depth);
        for declaration in &mut ground.declared {
            declaration.depth = 0;
        }
        ground
    }
}

fn shortened(uri: &str) -> &str {
    let mut end = uri.len().min(QUOTED_BYTES);
    while !uri.is_char_boundary(end) {
        end -= 1;
    }
    &uri[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_declarations_hide_outer_ones_until_left() {
        let mut names = Namespaces::new(None);
        assert!(names.declare(1, b"", "http://iec.ch/TC57/2011/MeterReadings#"));
        assert_eq!(names.resolve(b""), Vocabulary::Profile);
        assert!(names.declare(2, b"", "urn:other"));
        assert_eq!(names.resolve(b""), Vocabulary::Foreign);
        assert_eq!(names.uri(b""), Some("urn:other"));
        names.leave(2);
        assert_eq!(names.resolve(b""), Vocabulary::Profile);
        assert_eq!(names.resolve(b"m"), Vocabulary::Foreign);
        names.leave(1);
        assert_eq!(names.resolve(b""), Vocabulary::Foreign);
    }
}
