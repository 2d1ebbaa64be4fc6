//! SOAP envelopes on their way in: what stands where, and the content as a stream.

mod input;
mod outline;
mod reader;
#[cfg(test)]
mod tests;
mod trouble;
mod version;

pub(crate) use input::{Chunks, Input};
pub(crate) use outline::{Outline, Output, Plan};
pub(crate) use reader::{Envelope, read_whole};
pub(crate) use trouble::Trouble;
pub(crate) use version::Version;
