//! Requests of partners to the hub's one listener.

mod body;
mod certificate;
mod config;
mod credentials;
mod door;
mod doors;
mod family;
mod gunzip;
mod handler;
mod opened;
mod receive;
mod room;

pub use body::PostedBody;
pub use certificate::{BehindTls, CertificateRule, ClientCertificate};
pub use config::DoorConfig;
pub use credentials::BasicCredential;
pub use doors::Doors;
pub use family::{CALLBACKS, Family, MESSAGES, SOAP};
pub use handler::{Accepted, Handler, Reply, Taken};
pub use opened::OpenDoor;
pub use receive::router;
