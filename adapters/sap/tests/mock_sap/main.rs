//! Against mock-sap of `deploy/test-services`: an imitation of an SAP system that others made.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod idoc;
mod odata_sink;
mod odata_source;
mod rig;
mod secrets;
mod tls;
