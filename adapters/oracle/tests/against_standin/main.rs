//! The Oracle kinds against the stand-in (`tests/standin`).

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

#[path = "../standin/mod.rs"]
mod standin;

mod fbdi;
mod jobs;
mod ords;
mod rig;
mod txeventq;
