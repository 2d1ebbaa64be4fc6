//! The SOAP source behind a real listener on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod answers;
mod bounds;
mod conformance;
mod large;
mod parts;
mod rig;
mod security;
mod zeep;
