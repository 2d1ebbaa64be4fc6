//! The SOAP sink against web services that nobody here wrote: spyne and the npm package `soap`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod conformance;
mod iec;
mod mtom;
mod refusals;
mod rig;
