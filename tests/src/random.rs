//! Numbers that look random and are always the same for one seed (Steele's SplitMix64), so that a
//! failure can be replayed.

/// A generator. Two of one seed yield the same numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for one part of a test, so that parts do not disturb each other.
    #[must_use]
    pub fn branch(&self, part: u64) -> Self {
        let mut branch = Self(self.0 ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93));
        branch.next_number();
        branch
    }

    /// The next number.
    pub const fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of a range that is not empty.
    pub fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next_number() % (range.end - range.start).max(1)
    }

    /// True once in `times`, on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.within(0..times) == 0
    }
}

/// The seed of this run: `METERHUB_SEED`, or one of its own. Printed, so that a failure can be
/// replayed.
#[must_use]
pub fn seed_of_run() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let given = std::env::var("METERHUB_SEED").ok();
    let seed = given.and_then(|text| text.trim().parse().ok());
    let drawn = || {
        std::collections::hash_map::RandomState::new()
            .build_hasher()
            .finish()
            >> 32
    };
    let seed = seed.unwrap_or_else(drawn);
    eprintln!("METERHUB_SEED={seed}");
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_always_yields_the_same() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.within(10..20)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
        assert!(numbers(7).iter().all(|n| (10..20).contains(n)));
        let random = Random::new(7);
        assert_ne!(
            random.branch(1).next_number(),
            random.branch(2).next_number()
        );
    }
}
