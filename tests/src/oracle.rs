//! The oracle: knows what was sent, looks at what the hub kept and what its partners received,
//! and names every breach of the conservation law.
//!
//! - Every acknowledged message is in the store exactly once, and nothing else is.
//! - Every record of it is applied, exactly as it was sent, or rejected with a finding.
//! - Every delivery it causes exists exactly once, under one constant id, and was received at
//!   least once with one constant content, or is parked, visibly.
//! - Within a lane the first receipts come in the order of the changes.
//!
//! Pure: whoever uses it gathers the [`History`].

mod deliveries;
mod messages;

use std::collections::BTreeSet;

/// Something a message says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// A reading.
    Reading {
        /// The meter's id.
        meter: String,
        /// Microseconds since 1970 UTC.
        at: i64,
        /// The exact value as the hub writes it.
        value: String,
    },
    /// A revision of a work order.
    Order {
        /// Its number.
        number: String,
        /// Its revision: each is higher than the one sent before.
        revision: i64,
    },
}

/// A message that a partner sent until it was acknowledged.
#[derive(Debug, Clone)]
pub struct SentMessage {
    /// The source it was sent to.
    pub source: String,
    /// Its key, or the SHA-256 of its content in hexadecimal where it has none.
    pub identity: String,
    /// The id that its sender was told, if the transport tells one.
    pub told: Option<String>,
    /// What it says.
    pub facts: Vec<Fact>,
    /// Records of it that cannot be understood.
    pub rejected: u64,
}

/// A message as the store has it.
#[derive(Debug, Clone)]
pub struct KeptMessage {
    /// Its id.
    pub id: String,
    /// The source it came from.
    pub source: String,
    /// Its key, or the SHA-256 of its content.
    pub identity: String,
    /// The word for its state.
    pub state: String,
    /// Records in it.
    pub records: u64,
    /// Records applied.
    pub applied: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Records that its findings account for.
    pub rejected_by_findings: u64,
}

/// A delivery as the store has it.
#[derive(Debug, Clone)]
pub struct KeptDelivery {
    /// Its constant id.
    pub id: String,
    /// The message that caused it.
    pub message_id: String,
    /// The route that made it.
    pub route: String,
    /// Where it goes.
    pub endpoint: String,
    /// The business object it is about.
    pub subject: String,
    /// The word for its state.
    pub state: String,
}

/// What a partner received, once for each time. In the order of their arrival.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The endpoint it arrived at.
    pub endpoint: String,
    /// The id it carried.
    pub id: String,
    /// A fingerprint of its bytes.
    pub hash: String,
    /// What it says.
    pub facts: Vec<Fact>,
}

/// What a route tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Each order in a delivery of its own.
    Orders,
    /// All readings of a message in one delivery.
    Readings,
}

/// An outbound route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// What it tells.
    pub tells: Tells,
    /// To whom.
    pub endpoints: Vec<String>,
}

/// All that happened.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The outbound routes.
    pub routes: Vec<Route>,
    /// What was sent.
    pub sent: Vec<SentMessage>,
    /// The messages in the store.
    pub messages: Vec<KeptMessage>,
    /// The deliveries in the store.
    pub deliveries: Vec<KeptDelivery>,
    /// What the estate says: all readings, and each order with its newest revision.
    pub estate: Vec<Fact>,
    /// What partners received.
    pub receipts: Vec<Receipt>,
}

/// Violations named of one kind; more are counted.
const MOST_NAMED: usize = 10;

/// Every breach of the law, in words; none if it holds.
#[must_use]
pub fn violations(history: &History) -> Vec<String> {
    let mut found = messages::kept_exactly_once(history);
    found.extend(messages::every_record_accounted_for(history));
    found.extend(messages::estate_is_what_was_sent(history));
    found.extend(deliveries::made_exactly_once(history));
    found.extend(deliveries::received_or_parked(history));
    found.extend(deliveries::one_id_one_content(history));
    found.extend(deliveries::say_what_was_sent(history));
    found.extend(deliveries::lanes_keep_their_order(history));
    found
}

/// Panics with every violation, if there are any.
///
/// # Panics
/// The law is broken.
pub fn assert_conserved(history: &History) {
    let found = violations(history);
    assert!(
        found.is_empty(),
        "the conservation law is broken:\n- {}",
        found.join("\n- ")
    );
}

/// Names what is in one set and not in the other.
fn differences<T: Ord + std::fmt::Debug>(
    what: &str,
    expected: &BTreeSet<T>,
    found: &BTreeSet<T>,
) -> Vec<String> {
    let mut named = shortened(&format!("{what} is lost"), expected.difference(found));
    named.extend(shortened(
        &format!("{what} is foreign"),
        found.difference(expected),
    ));
    named
}

fn shortened<T: std::fmt::Debug>(what: &str, which: impl Iterator<Item = T>) -> Vec<String> {
    let mut named = Vec::new();
    let mut more = 0;
    for one in which {
        match named.len() < MOST_NAMED {
            true => named.push(format!("{what}: {one:?}")),
            false => more += 1,
        }
    }
    if more > 0 {
        named.push(format!("{what}: and {more} more"));
    }
    named
}

#[cfg(test)]
mod tests;
