//! WS-Security: who sends, by the user name token of the SOAP header (OASIS Username Token Profile
//! 1.1), and ours in what we send.

mod denied;
mod gate;
mod nonces;
mod token;

pub(crate) use denied::{Denied, METRICS};
pub(crate) use gate::Gate;
pub(crate) use nonces::Nonces;
pub(crate) use token::{OwnToken, digest};
