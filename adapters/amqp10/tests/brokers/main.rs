//! The adapter against real brokers, two engines that nobody here wrote: RabbitMQ with its plugin
//! `rabbitmq_amqp1_0`, and Apache Qpid Proton's example broker. Both of `deploy/test-services`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod interop;
mod nested;
mod proton;
mod refusals;
mod rig;
mod sink;
mod source;
mod unroutable;
mod wire;
