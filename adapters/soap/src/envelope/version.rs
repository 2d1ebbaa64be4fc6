//! The two versions of SOAP, and where they differ.

use crate::names::{SOAP11, SOAP12};

/// A version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// 1.1: `text/xml`, `SOAPAction`, faults with HTTP status 500.
    V11,
    /// 1.2: `application/soap+xml` with the action as a parameter, faults with 400 or 500.
    V12,
}

impl Version {
    /// The version whose envelopes are in this namespace.
    pub(crate) fn of_namespace(namespace: &str) -> Option<Self> {
        match namespace {
            SOAP11 => Some(Self::V11),
            SOAP12 => Some(Self::V12),
            _ => None,
        }
    }

    /// The version that a media type means, before the envelope is seen: to answer in.
    pub(crate) fn of_media_type(media_type: &str) -> Self {
        match media_type
            .to_ascii_lowercase()
            .contains("application/soap+xml")
        {
            true => Self::V12,
            false => Self::V11,
        }
    }

    pub(crate) const fn namespace(self) -> &'static str {
        match self {
            Self::V11 => SOAP11,
            Self::V12 => SOAP12,
        }
    }

    /// Media type of envelopes, without an action.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml; charset=utf-8",
            Self::V12 => "application/soap+xml; charset=utf-8",
        }
    }
}
