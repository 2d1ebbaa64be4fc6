//! What every adapter of a message broker shares, whatever protocol it speaks: a connection that is
//! opened again when it is lost, messages that wait for their next offer, the bodies in memory at once,
//! the headers that are kept, and checks of configurations. Knows no protocol.

mod bodies;
mod checks;
mod kept;
mod reconnecting;
mod returns;

pub use bodies::{Bodies, read};
pub use checks::{check_range, is_loopback};
pub use kept::{Kept, LONGEST_HEADER, MOST_HEADERS};
pub use reconnecting::Reconnecting;
pub use returns::{Next, Returns};
