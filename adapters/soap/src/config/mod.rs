//! Configuration of both directions.

mod sink;
mod source;

pub(crate) use sink::nested;
pub use sink::{Attachments, SinkEnvelope, SoapCheck, SoapSinkConfig, SoapUser, SoapVersion};
pub use source::{
    Answer, BusinessKey, ContentOf, Mtom, Operation, PasswordKind, SoapSourceConfig, Style,
    WsSecurity, WsUser,
};
pub(crate) use source::{is_ncname, qualified};
