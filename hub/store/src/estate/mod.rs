//! The estate: enterprises, usage points, devices, work orders, readings and events.
//!
//! Every row belongs to an enterprise and every function takes it, so that one client's data
//! cannot reach another. Functions work within the caller's transaction ([`Tx`](crate::db::Tx)):
//! what a message changes, its findings and its checkpoint are committed together.
//!
//! [`Applier`] applies canonical records; the modules below read what it kept. What a record means
//! against what is known is decided in `hub-domain`.

mod applier;
pub mod device_events;
pub mod devices;
mod effect;
pub mod enterprise;
mod ids;
mod json;
mod lineage;
mod names;
mod place;
pub mod readings;
mod scope;
mod subjects;
mod totals;
pub mod usage_points;
pub mod work_orders;

pub use applier::Applier;
pub use enterprise::{Enterprise, EnterpriseId};
pub use scope::{Event, Outcome, Scope, UnknownPolicy};
pub use totals::{EstateCounts, estate_counts};
