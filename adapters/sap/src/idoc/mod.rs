//! IDocs over HTTP: posted to SAP's XML port, and taken from it.

mod answer;
mod control;
mod door;
mod reference;
mod report;
mod rules;
mod sent;
mod sink;

pub(crate) use answer::is_logon;
pub(crate) use door::IdocDoor;
pub use rules::Means;
pub(crate) use rules::Rule;
pub(crate) use sink::IdocSink;
