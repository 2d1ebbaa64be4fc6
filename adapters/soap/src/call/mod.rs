//! Calls of ours: the envelope around a document, and what an answer to it means.

mod check;
mod document;
mod envelope;
mod judge;
mod package;
mod sink;

pub(crate) use check::check;
pub(crate) use sink::SoapSink;
