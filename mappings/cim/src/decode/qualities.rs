//! The sets of qualities of one block, numbered as readings refer to them.

use hub_model::{QualitySet, ReadingQuality};
use rustc_hash::FxHashMap;

use crate::limits::MAX_QUALITY_SETS;

/// Above this number of sets a map is cheaper than looking at each.
const LINEAR_SETS: usize = 8;

/// Numbers sets of qualities: 0 is the empty one.
#[derive(Debug)]
pub(super) struct Qualities {
    sets: Vec<QualitySet>,
    map: FxHashMap<QualitySet, u16>,
    recent: u16,
}

impl Qualities {
    pub(super) fn new() -> Self {
        Self {
            sets: vec![Vec::new()],
            map: FxHashMap::default(),
            recent: 0,
        }
    }

    /// The number of a set. New sets beyond [`Self::is_full`] must not be asked for.
    #[inline]
    pub(super) fn index(&mut self, set: &[ReadingQuality]) -> u16 {
        if self.sets[usize::from(self.recent)] != set {
            self.recent = self.find(set).unwrap_or_else(|| self.add(set));
        }
        self.recent
    }

    fn find(&self, set: &[ReadingQuality]) -> Option<u16> {
        if self.map.is_empty() {
            let found = self.sets.iter().position(|known| known == set)?;
            return u16::try_from(found).ok();
        }
        self.map.get(set).copied()
    }

    fn add(&mut self, set: &[ReadingQuality]) -> u16 {
        self.sets.push(set.to_vec());
        if self.sets.len() > LINEAR_SETS && self.map.is_empty() {
            self.map
                .extend((0u16..).zip(&self.sets).map(|(i, s)| (s.clone(), i)));
        }
        let index = u16::try_from(self.sets.len() - 1).unwrap_or(u16::MAX);
        if !self.map.is_empty() {
            self.map.insert(set.to_vec(), index);
        }
        index
    }

    /// Whether the block must be passed on before it takes more sets.
    pub(super) fn is_full(&self) -> bool {
        self.sets.len() >= MAX_QUALITY_SETS
    }

    /// The sets in the order of their numbers.
    pub(super) fn into_sets(self) -> Vec<QualitySet> {
        self.sets
    }
}

/// Whether one of them says that the value is known to be missing.
pub(super) fn known_missing(set: &[ReadingQuality]) -> bool {
    set.iter().any(|quality| quality.code.is_known_missing())
}

#[cfg(test)]
mod tests {
    use hub_model::QualityCode;

    use super::*;

    #[test]
    fn equal_sets_have_one_number_however_many_there_are() {
        let mut qualities = Qualities::new();
        let set = |i: u16| vec![ReadingQuality::of(QualityCode::new(2, 0, i))];
        assert_eq!(qualities.index(&[]), 0);
        for round in 0..2 {
            for i in 0..100 {
                assert_eq!(qualities.index(&set(i)), i + 1, "round {round}");
            }
        }
        assert_eq!(qualities.index(&[]), 0);
        assert_eq!(qualities.into_sets().len(), 101);
    }
}
