//! Work orders: what is to be done at a site, and what came of it.

use crate::{Address, Instant, ObjectRef, TimePeriod};

/// One order as a partner sent it (CIM `ServiceOrder` / `Work`, IEC 61968-6).
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOrder {
    /// The client's order number: with the enterprise, the identity of the order.
    pub number: String,
    /// The client's revision; higher replaces lower. `None`: the latest message counts.
    pub revision: Option<i64>,
    /// Whether the partner creates, changes, cancels or reports.
    pub action: WorkOrderAction,
    /// The partner's word for the kind of work: `exchange`, `install`, `remove`, `investigate` ...
    pub kind: Option<String>,
    /// Where the order stands, if the partner says so.
    pub status: Option<WorkOrderStatus>,
    /// 0 (lowest) to 9.
    pub priority: Option<u8>,
    /// The usage point to visit.
    pub usage_point: Option<ObjectRef>,
    /// Where it is.
    pub address: Option<Address>,
    /// The device that is there now (the old one of an exchange).
    pub device: Option<ObjectRef>,
    /// The device to mount (the new one of an exchange).
    pub new_device: Option<ObjectRef>,
    /// When the work may be done.
    pub window: Option<TimePeriod>,
    /// When it was done.
    pub performed: Option<Instant>,
    /// The customer to speak to.
    pub customer_name: Option<String>,
    /// The customer's telephone.
    pub customer_phone: Option<String>,
    /// Instructions, remarks.
    pub comment: Option<String>,
    /// Why it was not done as asked (deviation code).
    pub deviation: Option<String>,
    /// Further properties that a mapping file keeps, name and value.
    pub attributes: Vec<(String, String)>,
}

/// What a partner asks of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WorkOrderAction {
    /// Create it, or change it if it is known.
    #[default]
    Upsert,
    /// Cancel it.
    Cancel,
    /// Report what was done.
    Report,
}

impl WorkOrderAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Upsert, Self::Cancel, Self::Report];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Cancel => "cancel",
            Self::Report => "report",
        }
    }

    /// From our word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkOrderStatus {
    /// Known, nothing planned yet.
    Created,
    /// Planned, waiting for a time or material.
    Planned,
    /// A time is agreed.
    Scheduled,
    /// Someone has it.
    Assigned,
    /// Someone is on the way.
    Enroute,
    /// Work has begun.
    Started,
    /// Work rests.
    Paused,
    /// Done as asked.
    Completed,
    /// Begun and not done; the deviation says why.
    Aborted,
    /// Withdrawn before it began.
    Cancelled,
}

impl WorkOrderStatus {
    /// All of them, in the order of an order's life.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::Planned,
        Self::Scheduled,
        Self::Assigned,
        Self::Enroute,
        Self::Started,
        Self::Paused,
        Self::Completed,
        Self::Aborted,
        Self::Cancelled,
    ];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Planned => "planned",
            Self::Scheduled => "scheduled",
            Self::Assigned => "assigned",
            Self::Enroute => "enroute",
            Self::Started => "started",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
        }
    }

    /// From our word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl WorkOrder {
    /// An order with a number and nothing else.
    #[must_use]
    pub fn new(number: impl Into<String>) -> Self {
        Self {
            number: number.into(),
            revision: None,
            action: WorkOrderAction::Upsert,
            kind: None,
            status: None,
            priority: None,
            usage_point: None,
            address: None,
            device: None,
            new_device: None,
            window: None,
            performed: None,
            customer_name: None,
            customer_phone: None,
            comment: None,
            deviation: None,
            attributes: Vec::new(),
        }
    }
}
