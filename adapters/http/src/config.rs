//! Configuration of HTTP sources and sinks.

mod sink;
mod source;

pub use sink::{Auth, HeaderSecret, HttpSinkConfig, Method, OAuth2ClientCredentials};
pub use source::{BasicCredential, HttpSourceConfig};
