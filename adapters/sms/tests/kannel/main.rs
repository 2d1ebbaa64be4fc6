//! The HTTP halves against Kannel, a gateway that nobody here wrote; behind it is the simulated
//! message centre, which says what Kannel made of our requests.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod callbacks;
mod laws;
mod rig;
mod sink;
