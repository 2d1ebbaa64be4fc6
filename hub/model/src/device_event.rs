//! Events that devices report.

use crate::{Instant, ObjectRef};

/// Something a device reported (CIM `EndDeviceEvent`).
///
/// The type is kept as text: vendors disagree on codes, so what one means is a table per head-end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndDeviceEvent {
    /// The partner's id of the event.
    pub mrid: Option<String>,
    /// The device it happened at.
    pub device: ObjectRef,
    /// The usage point, if named.
    pub usage_point: Option<ObjectRef>,
    /// `EndDeviceEventType` code such as `3.26.0.47`, as it came.
    pub event_type: String,
    /// When it happened.
    pub at: Instant,
    /// Why, in the partner's words.
    pub reason: Option<String>,
    /// How bad, in the partner's words.
    pub severity: Option<String>,
    /// Name and value pairs that came with it (`EndDeviceEventDetails`).
    pub details: Vec<(String, String)>,
}
