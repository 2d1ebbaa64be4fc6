//! The adapter against a real Mosquitto: `deploy/test-services`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod rig;
mod sink;
mod source;
mod throughput;
mod wire;
