//! Why an envelope cannot be read.

use std::io;

use crate::xml::{Name, XmlFault};

/// What is wrong with an envelope, or with getting it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// It did not come to its end, is too large, not gzip ...: the transport says.
    #[error("{0}")]
    Transport(#[from] io::Error),
    /// Its XML.
    #[error("{0}")]
    Xml(#[from] XmlFault),
    /// It is in no version of SOAP.
    #[error("the root is {0}, expected `Envelope` of SOAP 1.1 or 1.2")]
    Version(Name),
    /// It is a document, but not what a message must be.
    #[error("{0}")]
    Structure(String),
}

impl Trouble {
    /// Whether the message is wrong, not the way it came: it must not come again as it is.
    pub(crate) fn is_of_sender(&self) -> bool {
        match self {
            Self::Transport(error) => error.kind() == io::ErrorKind::InvalidData,
            _ => true,
        }
    }

    pub(crate) fn structure(what: impl Into<String>) -> Self {
        Self::Structure(what.into())
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Transport(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other.to_string()),
        }
    }
}
