//! IDocs over HTTP: posted to SAP's XML port, and taken from it.

mod answer;
mod control;
mod door;
mod sink;

pub(crate) use answer::is_logon;
pub(crate) use door::IdocDoor;
pub(crate) use sink::IdocSink;
