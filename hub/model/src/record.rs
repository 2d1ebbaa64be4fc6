//! What a decoder yields.

use crate::{EndDevice, EndDeviceEvent, ReadingBlock, UsagePoint, WorkOrder};

/// One canonical record.
#[expect(
    clippy::large_enum_variant,
    reason = "readings are nearly all records; a box each would only cost"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Readings; counts as as many records as it has readings.
    Readings(ReadingBlock),
    /// A work order.
    WorkOrder(Box<WorkOrder>),
    /// A device.
    EndDevice(Box<EndDevice>),
    /// A usage point with its site.
    UsagePoint(Box<UsagePoint>),
    /// A device event.
    EndDeviceEvent(Box<EndDeviceEvent>),
}

/// Kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// See [`Record::Readings`].
    Readings,
    /// See [`Record::WorkOrder`].
    WorkOrder,
    /// See [`Record::EndDevice`].
    EndDevice,
    /// See [`Record::UsagePoint`].
    UsagePoint,
    /// See [`Record::EndDeviceEvent`].
    EndDeviceEvent,
}

impl Record {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Readings(_) => RecordKind::Readings,
            Self::WorkOrder(_) => RecordKind::WorkOrder,
            Self::EndDevice(_) => RecordKind::EndDevice,
            Self::UsagePoint(_) => RecordKind::UsagePoint,
            Self::EndDeviceEvent(_) => RecordKind::EndDeviceEvent,
        }
    }

    /// How many records it counts for: each reading is one.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match self {
            Self::Readings(block) => block.readings.len() as u64,
            _ => 1,
        }
    }
}
