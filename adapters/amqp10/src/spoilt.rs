//! Messages that must not be decoded: which, and where in them is what.
//!
//! What comes is looked at byte by byte, and what was found out about a message must reach the one who
//! answers for it. The library is in between, and knows nothing of it; both know the delivery-id.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::nesting::Fault;

/// Most such messages that wait to be answered for: more than a source may have with it. Beyond, the
/// broker sends what nobody asked for.
const MOST: usize = 32_768;

/// A place in a message that cannot be read, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) fault: Fault,
    /// The descriptor of the section, if it got so far.
    pub(crate) section: Option<u64>,
    /// Bytes of the message before it.
    pub(crate) at: u64,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, section, at } = self;
        write!(f, "the message cannot be read: {fault}")?;
        match section.and_then(section_name) {
            Some(name) => write!(f, ", in its section `{name}`, at byte {at}"),
            None => write!(f, ", at byte {at}"),
        }
    }
}

/// Part 3 of the standard, section 3.2.
fn section_name(descriptor: u64) -> Option<&'static str> {
    const FIRST: u64 = 0x70;
    const NAMES: [&str; 9] = [
        "header",
        "delivery-annotations",
        "message-annotations",
        "properties",
        "application-properties",
        "data",
        "amqp-sequence",
        "amqp-value",
        "footer",
    ];
    let index = usize::try_from(descriptor.checked_sub(FIRST)?).ok()?;
    NAMES.get(index).copied()
}

/// Those of a session's messages, by delivery-id. Clones share it. A connection has one session on
/// which messages come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spoilt(Arc<Mutex<HashMap<u32, Spot>>>);

impl Spoilt {
    /// Remembers a message, before the library has all of it.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn add(&self, delivery: u32, spot: Spot) -> Result<(), Fault> {
        let mut spots = self.spots();
        if spots.len() >= MOST {
            return Err(spot.fault);
        }
        spots.insert(delivery, spot);
        Ok(())
    }

    /// Why a message must not be believed, whatever the library makes of it. Says so once.
    pub(crate) fn take(&self, delivery: u32) -> Option<Spot> {
        self.spots().remove(&delivery)
    }

    fn spots(&self) -> MutexGuard<'_, HashMap<u32, Spot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_told() {
        let spot = |section| Spot {
            fault: Fault::TooDeep,
            section,
            at: 17,
        };
        assert_eq!(
            spot(Some(0x72)).to_string(),
            "the message cannot be read: nested more than 64 levels deep, in its section \
             `message-annotations`, at byte 17"
        );
        for unknown in [None, Some(0x6f), Some(0x79), Some(u64::MAX)] {
            let told = spot(unknown).to_string();
            assert!(told.ends_with("levels deep, at byte 17"), "{told}");
        }
    }

    #[test]
    fn they_are_remembered_once_and_not_without_end() {
        let spoilt = Spoilt::default();
        let spot = Spot {
            fault: Fault::TooDeep,
            section: None,
            at: 0,
        };
        for id in 0..u32::try_from(MOST).unwrap() {
            assert_eq!(spoilt.add(id, spot), Ok(()));
        }
        assert_eq!(spoilt.add(u32::MAX, spot), Err(Fault::TooDeep));
        assert_eq!(spoilt.take(1), Some(spot));
        assert_eq!(spoilt.take(1), None);
        assert_eq!(spoilt.add(u32::MAX, spot), Ok(()));
    }
}
