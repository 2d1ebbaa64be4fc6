//! The small typed parts of messages, by yaserde.
//!
//! They are read from what [`crate::xml::normalised`] writes, so one set of namespaces will do for
//! every partner's. Streams never come here.

pub(crate) mod codes;
mod fault;
mod header;
mod iec;

pub(crate) use fault::{Told, fault};
pub(crate) use header::{SoapHeader, UsernameToken, soap_header};
pub(crate) use iec::{ErrorPart, IecHeader, Reply, iec_header, reply_in, written};

use yaserde::YaDeserialize;

use crate::envelope::Trouble;

/// Reads a normalised part.
///
/// # Errors
/// It is not what it must be; says so in yaserde's words.
fn read<T: YaDeserialize>(what: &str, text: &str) -> Result<T, Trouble> {
    yaserde::de::from_str(text)
        .map_err(|error| Trouble::structure(format!("{what} cannot be read: {error}")))
}
