//! The adapter against a real RabbitMQ: `deploy/test-services`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod left_overs;
mod operator;
mod rig;
mod silence;
mod sink;
mod source;
mod throughput;
mod tls;
mod wire;
