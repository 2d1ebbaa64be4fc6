//! The rules of the business, as pure functions: what an incoming record means against what is
//! known. No I/O, no clock, no database; the store keeps what is decided here.

mod device;
mod event;
mod merge;
mod usage_point;
pub mod work_order;

pub use device::merge_device;
pub use event::EventKind;
pub use merge::{Arrival, Merged};
pub use usage_point::merge_usage_point;
