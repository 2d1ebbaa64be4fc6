//! HTTP as a source (partners post messages to the hub) and as a sink (the hub posts messages).
//!
//! The hub owns the one listener; [`router`] is what it mounts, and connected sources register
//! themselves behind it. A 202 is sent only once the message is committed. The status resource
//! that the 202 points at (`GET /api/v1/messages/{source}/{id}`) is the hub's, not this crate's.
//!
//! What the sink makes of a server's answer is one table, [`verdict`].

mod body;
mod client;
mod config;
mod credentials;
mod gunzip;
mod inbox;
mod oauth;
mod problem;
mod receive;
mod request;
mod sink;
mod source;
mod url_template;
mod verdict;

pub use config::{
    Auth, BasicCredential, HeaderSecret, HttpSinkConfig, HttpSourceConfig, Method,
    OAuth2ClientCredentials,
};
pub use inbox::HttpInbox;
pub use problem::Problem;
pub use receive::router;
pub use verdict::{Verdict, verdict};
