//! What every adapter that speaks HTTP shares. Knows HTTP, and no partner's protocol.
//!
//! - **Outbound**: [`WebServer`] is a partner's server in the configuration (address, credentials,
//!   certificates, time-outs), [`WebClient`] the client made of it, [`WebServer::check`] tries it with a
//!   [`Probe`], [`Answer`] and [`verdict`] what
//!   its answers mean for a message, [`UrlTemplate`] a URL made of a message.
//! - **Inbound**: [`Doors`] are the sources behind the hub's one listener. An adapter opens a door
//!   ([`DoorConfig::open`]) of one [`Family`] of paths, with a [`Handler`] that makes messages of
//!   requests and answers of settlements. Credentials, rate, room, bounds of bodies, the wait for the
//!   commit, and who is told what while a source is not connected are the same for all.
//!   [`router`] is what the hub mounts.

mod inbound;
mod outbound;
mod problem;

pub use inbound::{
    Accepted, BasicCredential, BehindTls, CALLBACKS, CertificateRule, ClientCertificate,
    DoorConfig, Doors, Family, Handler, MESSAGES, OpenDoor, PostedBody, Reply, SOAP, Taken, router,
};
pub use outbound::{
    Answer, Auth, ClientOptions, HeaderSecret, NoAnswer, OAuth2ClientCredentials, Probe,
    UrlTemplate, Verdict, WebClient, WebServer, bounded, encoded, is_about_the_message, plain,
    reason, request_body, retry_after, verdict,
};
pub use problem::Problem;
