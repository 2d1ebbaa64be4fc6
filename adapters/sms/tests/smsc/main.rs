//! The adapter against an SMSC: the simulator of `deploy/test-services`, whose SMPP is not ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod memory;
mod rig;
mod sink;
mod sink_laws;
mod source;
mod source_laws;
mod tap;
