//! The whole hub as its partners and operators see it: the built binary, real files, real sockets.

mod answers;
mod command_line;
mod configuration;
mod deliveries;
mod fall_over;
mod findings;
mod formats;
mod identity;
mod resume;
mod tenancy;
mod world;
