//! Finds the segment that a path means, seen from the segment that a record comes from.
//!
//! The segment itself and what is below it comes first, then what is above it and around it. What
//! belongs to another occurrence of the same segment, or of one above it, is never seen: the item
//! two of an order does not get the text of item one.

use rustc_hash::FxHashMap;

use crate::definition::Definitions;
use crate::idoc::Idoc;
use crate::path::{SegmentPath, Step};

/// Finds segments of one IDoc.
pub(crate) struct Finder<'i> {
    idoc: &'i Idoc,
    definitions: &'i Definitions,
    /// What a column finds around a segment: by column, the segment, and the kind of the one below
    /// it that we come from. Without this, a long list of items would be searched once an item.
    around: FxHashMap<(usize, Option<u32>, u32), Option<u32>>,
}

impl<'i> Finder<'i> {
    pub(crate) fn new(idoc: &'i Idoc, definitions: &'i Definitions) -> Self {
        Self {
            idoc,
            definitions,
            around: FxHashMap::default(),
        }
    }

    /// All segments that a path means, in document order.
    pub(crate) fn all(&self, path: &SegmentPath) -> Vec<u32> {
        let (Some(first), Some(last)) = (path.steps.first(), path.steps.last()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for &at in self.idoc.positions(first.segment, 0, self.idoc.len()) {
            if path.steps.len() == 1 {
                found.extend(self.passes(at, last).then_some(at));
            } else if self.passes(at, first) {
                self.below(at, &path.steps[1..], &mut |node| {
                    found.push(node);
                    false
                });
            }
        }
        found
    }

    /// The segment that the path of a column means, seen from `scope`; `None` as scope is the
    /// whole IDoc.
    pub(crate) fn one(
        &mut self,
        column: usize,
        path: &SegmentPath,
        scope: Option<u32>,
    ) -> Option<u32> {
        let Some(scope) = scope else {
            return self.first_in(path, 0, self.idoc.len(), None);
        };
        let own = self.first_in(path, scope, self.idoc.after(scope), Some(scope));
        if own.is_some() {
            return own;
        }
        let mut inner = scope;
        loop {
            let outer = self.idoc.parent(inner);
            let key = (column, outer, self.idoc.kind(inner));
            let found = match self.around.get(&key) {
                Some(known) => *known,
                None => {
                    let (from, to) = match outer {
                        Some(outer) => (outer, self.idoc.after(outer)),
                        None => (0, self.idoc.len()),
                    };
                    let found = self.first_in(path, from, to, Some(scope));
                    self.around.insert(key, found);
                    found
                }
            };
            match (found, outer) {
                (Some(found), _) => return Some(found),
                (None, Some(outer)) => inner = outer,
                (None, None) => return None,
            }
        }
    }

    /// The first segment of a stretch that the path means and that can be seen from `scope`.
    fn first_in(&self, path: &SegmentPath, from: u32, to: u32, scope: Option<u32>) -> Option<u32> {
        let first = path.steps.first()?;
        for &at in self.idoc.positions(first.segment, from, to) {
            if !self.passes(at, first) || !self.is_visible(at, scope) {
                continue;
            }
            if path.steps.len() == 1 {
                return Some(at);
            }
            let mut found = None;
            self.below(at, &path.steps[1..], &mut |node| {
                found = Some(node);
                true
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Calls `each` with the segments that the further steps lead to, until it says that it has
    /// enough. True then.
    fn below(&self, node: u32, steps: &[Step], each: &mut dyn FnMut(u32) -> bool) -> bool {
        let Some((step, rest)) = steps.split_first() else {
            return each(node);
        };
        let children = self
            .idoc
            .positions(step.segment, node + 1, self.idoc.after(node));
        children.iter().any(|&child| {
            self.idoc.parent(child) == Some(node)
                && self.passes(child, step)
                && self.below(child, rest, each)
        })
    }

    fn passes(&self, node: u32, step: &Step) -> bool {
        let value = |field| self.idoc.value(self.definitions, node, field);
        step.tests
            .iter()
            .all(|test| value(test.field) == test.value)
    }

    /// Whether a segment belongs to no other occurrence of what `scope` is or stands below.
    fn is_visible(&self, node: u32, scope: Option<u32>) -> bool {
        let Some(scope) = scope else {
            return true;
        };
        let mut at = Some(node);
        while let Some(inner) = at {
            let mut of_scope = Some(scope);
            while let Some(chain) = of_scope {
                if chain != inner && self.idoc.kind(chain) == self.idoc.kind(inner) {
                    return false;
                }
                if chain == inner {
                    // From here on both have the same segments above them.
                    return true;
                }
                of_scope = self.idoc.parent(chain);
            }
            at = self.idoc.parent(inner);
        }
        true
    }
}
