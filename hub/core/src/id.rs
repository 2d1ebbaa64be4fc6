//! Message ids: sortable by time, one number in the database, 13 characters for people.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};

use hub_model::Instant;

/// Identifies a message or a delivery for ever. Ids made later are larger.
///
/// 41 bits of milliseconds since 2020, 10 bits of node, 12 bits of sequence; printed in
/// Crockford's base 32 (no I, L, O, U), 13 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub i64);

/// The text is not a message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a message id, expected 13 characters such as `01J8Q2X5ZK7VM`")]
pub struct MessageIdError(pub String);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 13;

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; LENGTH];
        let mut rest = self.0.cast_unsigned();
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        let bad = || MessageIdError(text.chars().take(40).collect());
        if text.len() != LENGTH {
            return Err(bad());
        }
        let mut value: u64 = 0;
        for c in text.bytes() {
            let digit = ALPHABET
                .iter()
                .position(|a| *a == c.to_ascii_uppercase())
                .ok_or_else(bad)?;
            value = value
                .checked_mul(32)
                .and_then(|v| v.checked_add(digit as u64))
                .ok_or_else(bad)?;
        }
        Ok(Self(i64::try_from(value).map_err(|_| bad())?))
    }
}

/// 2020-01-01T00:00:00Z in milliseconds.
const EPOCH_MILLIS: i64 = 1_577_836_800_000;
const NODE_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;

/// Makes ids that only grow, also when the clock jumps back.
#[derive(Debug)]
pub struct IdGenerator {
    node: i64,
    /// Milliseconds and sequence of the last id, shifted as in the id without its node.
    last: AtomicI64,
}

impl IdGenerator {
    /// For a node number of 0 to 1023. `newest` is the newest id in the store, so that ids go on
    /// growing even if the clock was set back meanwhile.
    #[must_use]
    pub const fn new(node: u16, newest: Option<MessageId>) -> Self {
        let last = match newest {
            // The next millisecond: another node number within the same one could be smaller.
            Some(MessageId(id)) => (((id >> (NODE_BITS + SEQUENCE_BITS)) + 1) << SEQUENCE_BITS) - 1,
            None => 0,
        };
        Self {
            node: (node & ((1 << NODE_BITS) - 1)) as i64,
            last: AtomicI64::new(last),
        }
    }

    /// The next id. More than 4096 in one millisecond borrow from the next.
    #[must_use]
    pub fn next(&self, now: Instant) -> MessageId {
        let floor = (now.micros().div_euclid(1_000) - EPOCH_MILLIS).max(0) << SEQUENCE_BITS;
        let advance = |last: i64| Some(floor.max(last + 1));
        let previous = self
            .last
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, advance)
            .unwrap_or_else(|last| last);
        let ticket = floor.max(previous + 1);
        let (millis, sequence) = (ticket >> SEQUENCE_BITS, ticket & ((1 << SEQUENCE_BITS) - 1));
        MessageId((((millis << NODE_BITS) | self.node) << SEQUENCE_BITS) | sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_goes_back() {
        let ids = IdGenerator::new(7, None);
        let now = Instant::from_seconds(1_800_000_000);
        let mut last = ids.next(now);
        for i in 0..10_000 {
            let next = ids.next(now.plus_seconds(if i % 2 == 0 { -3_600 } else { 0 }));
            assert!(next > last);
            last = next;
        }
        let restarted = IdGenerator::new(0, Some(last));
        assert!(restarted.next(now.plus_seconds(-100_000)) > last);
    }

    #[test]
    fn prints_what_it_reads() {
        let id = IdGenerator::new(1023, None).next(Instant::from_seconds(1_800_000_000));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        assert!("".parse::<MessageId>().is_err());
        assert!("ZZZZZZZZZZZZZ".parse::<MessageId>().is_err());
    }
}
