//! Work orders: their life, and what an incoming order means against the known one.

mod content;
mod decide;
mod life;

pub use content::fingerprint;
pub use decide::{Change, Decision, Known, Objection, Step, Unknown, decide};
pub use life::{RefusedTransition, action_in, fold, is_closed, may_follow};

#[cfg(test)]
mod tests;
