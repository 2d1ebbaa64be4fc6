//! The adapter against a real Exim and a real Dovecot: `deploy/test-services`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod post;
mod sink;
mod source;
mod throughput;
mod wire;
