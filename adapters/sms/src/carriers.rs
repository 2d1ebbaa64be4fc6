//! Which account carries a message: by the beginning of the recipient's number.

use std::sync::Arc;

use crate::account::BoundAccount;
use crate::address::display;
use crate::pdu::Address;

/// Most digits of a prefix: an international number has no more.
const LONGEST_PREFIX: usize = 15;

/// An account to send from, and the sender that telephones show.
pub(crate) struct Carrier {
    pub(crate) account: Arc<BoundAccount>,
    pub(crate) sender: Address,
}

/// The accounts of a sink.
pub(crate) struct Carriers {
    main: Carrier,
    /// The longest prefix first.
    by_prefix: Vec<(String, Arc<Carrier>)>,
}

impl Carriers {
    pub(crate) fn new(main: Carrier, mut by_prefix: Vec<(String, Arc<Carrier>)>) -> Self {
        by_prefix.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self { main, by_prefix }
    }

    /// The one for this recipient.
    pub(crate) fn carrier(&self, to: &Address) -> &Carrier {
        let number = display(to);
        let fits = |(prefix, _): &&(String, Arc<Carrier>)| number.starts_with(prefix.as_str());
        self.by_prefix
            .iter()
            .find(fits)
            .map_or(&self.main, |(_, carrier)| carrier)
    }

    /// Whether there is a choice.
    pub(crate) fn are_several(&self) -> bool {
        !self.by_prefix.is_empty()
    }
}

/// Whether a text is the beginning of an international number.
///
/// # Errors
/// What would be valid.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), String> {
    let digits = prefix.strip_prefix('+').unwrap_or_default();
    let is_prefix =
        (1..=LONGEST_PREFIX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_prefix
        .then_some(())
        .ok_or_else(|| format!("`{prefix}` is no prefix, expected such as `+372`"))
}
