//! Configuration of mail sinks and of mailboxes as sources.

mod server;
mod sink;
mod source;

pub(crate) use server::Endpoint;
pub use server::{Login, Security, Server};
pub use sink::{BodyPlace, MailSinkConfig};
pub use source::{MailboxSourceConfig, Take};
