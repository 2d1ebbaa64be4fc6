//! What the SMS endpoints of an enterprise remember over a restart, in the hub's own store.
//!
//! | space | key | what |
//! | --- | --- | --- |
//! | `sms.opt-out` | a number's digits | who wants no texts, since when and by what: [`opt_out`] |
//! | `sms.count` | `day/2026-03-29`, `month/2026-03` | parts and what they cost: [`count`] |
//! | `sms.half-sent` | a message id | parts that were accepted of a text that was not accepted wholly |
//!
//! Names of endpoints have no dot, so these spaces are nobody's own.

pub mod count;
mod half_sent;
mod journal;
mod lookups;
pub mod opt_out;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hub_core::AdapterContext;

pub(crate) use count::{Allowance, Ledger, Limit, NotAllowed};
pub(crate) use half_sent::{AcceptedPart, HalfSent};
pub(crate) use opt_out::OptOuts;

/// The memories of all enterprises: one per hub, shared by sinks, sources and their successors.
#[derive(Default)]
pub(crate) struct Memories(Mutex<HashMap<String, Arc<Memory>>>);

/// What the SMS endpoints of one enterprise remember.
pub(crate) struct Memory {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) half_sent: HalfSent,
    pub(crate) opt_outs: OptOuts,
}

impl Memory {
    /// That of the endpoint's enterprise.
    pub(crate) fn of(context: &AdapterContext) -> Arc<Self> {
        let all = context.shared.get::<Memories>();
        let mut all = all.0.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = all.entry(context.enterprise.clone()).or_insert_with(|| {
            let state = &context.state;
            Arc::new(Self {
                ledger: Arc::new(Ledger::new(state.clone())),
                half_sent: HalfSent::new(state.clone()),
                opt_outs: OptOuts::new(state.clone()),
            })
        });
        memory.clone()
    }
}
