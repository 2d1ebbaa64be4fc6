//! What can happen to the estate: the events that routes subscribe to.

use std::fmt;

/// A kind of event. Its word is what a route names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// A work order became known.
    WorkOrderCreated,
    /// A known work order says something else now.
    WorkOrderChanged,
    /// A work order was withdrawn.
    WorkOrderCancelled,
    /// A work order was done as asked.
    WorkOrderCompleted,
    /// A work order was begun and not done.
    WorkOrderAborted,
    /// A device became known.
    EndDeviceCreated,
    /// A known device says something else now.
    EndDeviceChanged,
    /// A usage point became known.
    UsagePointCreated,
    /// A known usage point says something else now.
    UsagePointChanged,
    /// Readings came that were new, or other than before.
    MeterReadingsAccepted,
    /// A device reported something not reported before.
    EndDeviceEventCreated,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::WorkOrderCreated,
        Self::WorkOrderChanged,
        Self::WorkOrderCancelled,
        Self::WorkOrderCompleted,
        Self::WorkOrderAborted,
        Self::EndDeviceCreated,
        Self::EndDeviceChanged,
        Self::UsagePointCreated,
        Self::UsagePointChanged,
        Self::MeterReadingsAccepted,
        Self::EndDeviceEventCreated,
    ];

    /// The word by which routes know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkOrderCreated => "work_order.created",
            Self::WorkOrderChanged => "work_order.changed",
            Self::WorkOrderCancelled => "work_order.cancelled",
            Self::WorkOrderCompleted => "work_order.completed",
            Self::WorkOrderAborted => "work_order.aborted",
            Self::EndDeviceCreated => "end_device.created",
            Self::EndDeviceChanged => "end_device.changed",
            Self::UsagePointCreated => "usage_point.created",
            Self::UsagePointChanged => "usage_point.changed",
            Self::MeterReadingsAccepted => "meter_readings.accepted",
            Self::EndDeviceEventCreated => "end_device_event.created",
        }
    }

    /// From its word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_read_back() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::named(kind.as_str()), Some(kind));
        }
        assert_eq!(EventKind::named("work_order.exploded"), None);
    }
}
