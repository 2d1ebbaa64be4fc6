//! AWS-LC in the place of OpenSSL below libssh2: its headers at build time (see `build.rs`), its
//! library when linked. Only what libssh2's bindings ask for.

// Links them.
use aws_lc_sys as _;
use libz_sys as _;

/// AWS-LC needs no initialisation.
pub const fn init() {}
