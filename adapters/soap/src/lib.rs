//! SOAP as a source (partners call the hub) and as a sink (the hub calls partners).
//!
//! SOAP is the frame here: the message that the hub stores and decodes is what stands in the body.
//!
//! - In: [`envelope`] finds header and content in the bytes as they come, [`security`] says who
//!   sends, [`letterhead`] what the headers say, [`content`] unpacks and puts binary parts in place
//!   ([`mtom`]), [`service`] does it in order; [`answer`] and [`fault`] answer, [`wsdl`] describes.
//! - Out: [`call`] puts the envelope around a document and judges the answer.
//! - [`wire`] has the small typed parts, by yaserde; [`xml`] the little XML that streaming needs.
//!
//! Requests come through the doors of `hub-web`, and calls go out by its client: TLS, HTTP
//! credentials, bounds of bodies and gzip are theirs.

mod answer;
mod call;
mod config;
mod content;
mod envelope;
mod fault;
mod letterhead;
mod limits;
mod mtom;
mod names;
mod security;
mod service;
mod time;
mod wire;
mod wsdl;
mod xml;

pub use config::{
    Answer, Attachments, BusinessKey, ContentOf, Mtom, Operation, PasswordKind, SinkEnvelope,
    SoapCheck, SoapSinkConfig, SoapSourceConfig, SoapUser, SoapVersion, Style, WsSecurity, WsUser,
};
