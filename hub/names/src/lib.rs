//! Names, for every adapter: texts made of a template and the message, and for those whose messages
//! are files which names are messages, when a file is complete, which comes first, and what an
//! outgoing file is called. Touches no file.

mod destination;
mod filter;
pub mod fit;
mod message_template;
mod numbered;
mod pickup;
mod template;

pub use destination::{Covers, Destination, covers_text};
pub use filter::{Filter, PatternError, is_hidden};
pub use message_template::MessageTemplate;
pub use numbered::numbered;
pub use pickup::{Complete, OnExisting, Order};
pub use template::Template;
