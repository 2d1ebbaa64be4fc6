//! Finding an entry of a palette again.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Up to this many entries are looked through one by one.
const SHORT: usize = 8;

/// Gives entries of one palette their index. Most palettes have few entries, and looking at each
/// is quickest; where every reading has a quality of its own that would take minutes for a day of
/// seconds, so long ones are looked up in a map.
#[derive(Debug)]
pub(super) struct Indexer<T> {
    /// The entries up to `mapped`; empty while the palette is short.
    map: FxHashMap<T, usize>,
    mapped: usize,
}

impl<T> Default for Indexer<T> {
    fn default() -> Self {
        Self {
            map: FxHashMap::default(),
            mapped: 0,
        }
    }
}

impl<T: Eq + Hash + Clone> Indexer<T> {
    /// The index of `item` in `palette`, adding it if it is new. Always of the same palette, which
    /// nobody else may shorten or change; it may have had entries before.
    pub(super) fn index(&mut self, palette: &mut Vec<T>, item: &T) -> u32 {
        let index = self.find(palette, item).unwrap_or_else(|| {
            palette.push(item.clone());
            palette.len() - 1
        });
        u32::try_from(index).expect("a palette has at most one entry a reading, and few days")
    }

    fn find(&mut self, palette: &[T], item: &T) -> Option<usize> {
        if palette.len() <= SHORT {
            return palette.iter().position(|known| known == item);
        }
        for (index, entry) in palette.iter().enumerate().skip(self.mapped) {
            self.map.entry(entry.clone()).or_insert(index);
        }
        self.mapped = palette.len();
        self.map.get(item).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::*;

    thread_local! {
        static COMPARED: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts how often two of it are compared.
    #[derive(Debug, Clone)]
    struct Counted(usize);

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            COMPARED.set(COMPARED.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted {}

    impl Hash for Counted {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn fifty_thousand_different_entries_are_not_compared_with_each_other() {
        const ENTRIES: usize = 50_000;
        let (mut palette, mut indexer) = (Vec::new(), Indexer::default());
        for pass in 0..2 {
            for entry in 0..ENTRIES {
                let index = indexer.index(&mut palette, &Counted(entry));
                assert_eq!(index as usize, entry, "pass {pass}");
            }
        }
        assert_eq!(palette.len(), ENTRIES);
        let compared = COMPARED.get();
        assert!(compared < 10 * ENTRIES, "{compared} comparisons");
    }

    #[test]
    fn entries_from_before_are_found_and_the_first_of_equal_ones_counts() {
        let mut palette: Vec<u32> = (0..20).chain(5..10).collect();
        let mut indexer = Indexer::default();
        assert_eq!(indexer.index(&mut palette, &7), 7);
        assert_eq!(indexer.index(&mut palette, &99), 25);
        assert_eq!(indexer.index(&mut palette, &99), 25);
        assert_eq!(palette.len(), 26);
    }
}
