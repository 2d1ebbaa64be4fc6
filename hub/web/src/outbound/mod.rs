//! Requests to a partner's server.

mod access;
mod answer;
mod auth;
mod build;
mod check;
mod client;
mod oauth;
mod server;
mod url_template;
mod verdict;

pub use answer::{Answer, bounded, plain, reason};
pub use auth::{Auth, HeaderSecret, OAuth2ClientCredentials};
pub use build::ClientOptions;
pub use check::Probe;
pub use client::{NoAnswer, WebClient, request_body};
pub use server::WebServer;
pub use url_template::{UrlTemplate, encoded};
pub use verdict::{Verdict, is_about_the_message, retry_after, verdict};
