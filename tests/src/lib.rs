//! What whole-hub tests share, and tests of adapters may borrow.

pub mod conformance;
pub mod faults;
