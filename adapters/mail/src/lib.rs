//! Mail: out by SMTP as a sink, in from a mailbox by IMAP as a source.
//!
//! A message counts as sent once the server has taken it for every recipient; a mail is moved away
//! only once all its parts are committed. Who is told, what a work order looks like, and whether a
//! sender is who it says, are not this crate's business.
//!
//! # Traps of the libraries, and what is done here
//!
//! - *lettre's pool sends a mail to all recipients or to none*: the first refusal ends it. `smtp`
//!   asks for them one by one on a connection of its own, and `progress` remembers who has it.
//! - *lettre's feature `tokio1-rustls-tls` brings ring*; `tokio1-rustls` with `aws-lc-rs` does not.
//! - *lettre has no time limit of its own on answers*, and ends a failed command with another one.
//!   All is within limits here.
//! - *lettre sends bytes that look like a text as they are*, bare line feeds included, though its
//!   documentation says base64. A body is in base64 here, always.
//! - *async-imap leaves a command that is dropped in the middle of its answer*. `mailbox` gives such
//!   a connection up.
//! - *async-imap traces passwords and mails*. Nobody hears it here.
//! - *mail-parser turns text attachments into UTF-8*, losing bytes that are none, and nests as deep
//!   as the mail does, which ends the process when it is dropped. `mime` walks the tree itself.

mod compose;
mod config;
mod letter;
mod mailbox;
mod metrics;
mod mime;
mod progress;
mod receipt;
mod settle;
mod sink;
mod sms;
mod smtp;
mod source;
mod tls;

pub use config::{BodyPlace, Login, MailSinkConfig, MailboxSourceConfig, Security, Server, Take};
