//! Meterhub, the integration hub of a smart-metering service provider: configuration, command
//! line and wiring. The binary `meterhub` is a thin wrapper around [`cli::main`].
//!
//! - [`config`] reads and checks the configuration folder.
//! - [`adapters`] and [`formats`] list what this hub can run.
//! - [`pipeline`] decodes large payloads on all cores, in order.
//! - [`cli`] is the command line.

#![warn(missing_docs)]

pub mod adapters;
pub mod api;
pub mod cli;
pub mod config;
pub mod engine;
pub mod formats;
mod listener;
mod metrics;
pub mod operate;
mod operators;
pub mod payload;
pub mod pipeline;
pub mod reference;
pub mod service;
