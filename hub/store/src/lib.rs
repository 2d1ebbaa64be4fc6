//! The store: messages with their trace, and the estate, on one database.
//!
//! SQL is written once, in a form that SQLite and PostgreSQL both run (`?1` placeholders, upserts,
//! partial indexes); a database is an implementation of [`db::Database`]. Knows no format and no
//! transport.

pub mod content;
pub mod db;
mod endpoint_state;
mod error;
pub mod estate;
pub mod messages;
mod schema;
pub mod sqlite;

pub use endpoint_state::EndpointState;
pub use error::StoreError;
