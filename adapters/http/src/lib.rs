//! HTTP as a source (partners post messages to the hub) and as a sink (the hub posts messages).
//!
//! What it shares with every adapter that speaks HTTP is in `hub-web`: the doors of the one listener,
//! credentials, bounds, time-outs. Here is only what a message looks like when it is posted as it is.
//! A 202 is sent only once the message is committed. The status resource that the 202 points at
//! (`GET /api/v1/messages/{source}/{id}`) is the hub's, not this crate's.

mod config;
mod request;
mod sink;
mod source;

pub use config::{CheckMethod, HttpSinkConfig, HttpSourceConfig, Method};
