//! The life of a work order: which status may follow which.
//!
//! The statuses are the milestones of the meter-exchange life that partners exchange; what lies
//! between (contacting, accepted, on site ...) is folded into the milestone before it. Partners
//! leave milestones out, so any later one may follow an order that is not begun.

use hub_model::{WorkOrderAction, WorkOrderStatus};

use WorkOrderStatus::{
    Aborted, Assigned, Cancelled, Completed, Created, Enroute, Paused, Planned, Scheduled, Started,
};

/// A status that may not follow the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an order that is {} cannot become {}, only {}",
    from.as_str(), to.as_str(), followers(*from)
)]
pub struct RefusedTransition {
    /// Where the order stands.
    pub from: WorkOrderStatus,
    /// Where it was to go.
    pub to: WorkOrderStatus,
}

/// Whether `to` may follow `from`. A status never follows itself: that is no step.
///
/// - Before work begins an order may be planned back and forth, begun, finished or cancelled.
/// - Work that has begun is paused, completed or aborted, never cancelled: the technician wins.
/// - An aborted order may be planned again (follow-up visit).
/// - Completed and cancelled orders stay so.
#[must_use]
pub const fn may_follow(from: WorkOrderStatus, to: WorkOrderStatus) -> bool {
    match from {
        Created => !matches!(to, Created | Paused),
        Planned => !matches!(to, Created | Planned | Paused),
        Scheduled => !matches!(to, Created | Scheduled | Paused),
        Assigned => !matches!(to, Created | Assigned | Paused),
        Enroute => !matches!(to, Created | Enroute | Paused),
        Started => matches!(to, Paused | Completed | Aborted),
        Paused => matches!(to, Started | Completed | Aborted),
        Aborted => matches!(to, Planned | Scheduled | Assigned),
        Completed | Cancelled => false,
    }
}

/// Whether nothing may follow.
#[must_use]
pub const fn is_closed(status: WorkOrderStatus) -> bool {
    matches!(status, Completed | Cancelled)
}

/// The action a partner is told of an order that stands at `status`.
#[must_use]
pub const fn action_in(status: WorkOrderStatus) -> WorkOrderAction {
    match status {
        Cancelled => WorkOrderAction::Cancel,
        Completed | Aborted => WorkOrderAction::Report,
        _ => WorkOrderAction::Upsert,
    }
}

/// Where an order stands after all its steps; the first may be any status. `None` without steps.
///
/// # Errors
/// The first step that may not follow the one before it.
pub fn fold(
    steps: impl IntoIterator<Item = WorkOrderStatus>,
) -> Result<Option<WorkOrderStatus>, RefusedTransition> {
    steps.into_iter().try_fold(None, |from, to| match from {
        Some(from) if !may_follow(from, to) => Err(RefusedTransition { from, to }),
        _ => Ok(Some(to)),
    })
}

/// What may follow, in words.
fn followers(from: WorkOrderStatus) -> String {
    let words: Vec<_> = WorkOrderStatus::ALL
        .into_iter()
        .filter(|to| may_follow(from, *to))
        .map(WorkOrderStatus::as_str)
        .collect();
    if words.is_empty() {
        "nothing".into()
    } else {
        words.join(", ")
    }
}
