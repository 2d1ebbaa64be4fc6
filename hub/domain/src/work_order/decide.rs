//! What an incoming order means against the known one.

use hub_model::{WorkOrder, WorkOrderAction, WorkOrderStatus};

use super::content::fingerprint;
use super::life::{RefusedTransition, is_closed, may_follow};
use crate::EventKind;
use crate::merge::{Arrival, Merge};

/// A known order.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// All that is known; its status is where it stands.
    pub order: WorkOrder,
    /// [`fingerprint`] of the last order or change that was taken, if one came.
    pub content: Option<i64>,
}

/// What to do with a report on an order that nobody sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Refuse it.
    Refuse,
    /// Take the report as the order.
    Create,
}

/// What the incoming order means.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Keep it: it is new, or says something new.
    Take(Box<Change>),
    /// All of it is known already.
    Unchanged,
    /// A newer revision or message was taken before; nothing to do, but worth a warning.
    Superseded(Objection),
    /// It cannot be; an error.
    Refused(Objection),
}

/// What becomes of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The order from now on.
    pub known: Known,
    /// What routes are told: at most `created` and the one that closes the order.
    pub events: Vec<EventKind>,
    /// The fields that changed, of a known order.
    pub fields: Vec<&'static str>,
    /// The step in the order's life, if it took one.
    pub step: Option<Step>,
    /// Something odd that did not keep it from being taken.
    pub remark: Option<Objection>,
}

/// A step in an order's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Where the order stood; `None` for a new one.
    pub from: Option<WorkOrderStatus>,
    /// Where it stands now.
    pub to: WorkOrderStatus,
}

/// What is wrong with an incoming order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Short stable code: `unknown_work_order`, `stale_revision`, `revision_conflict`,
    /// `refused_transition`, `closed_work_order`, `superseded`.
    pub code: &'static str,
    /// The field it is about.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// Decides what `incoming` means.
///
/// - An order or change with a higher revision replaces; with a lower one it is superseded; with
///   an equal one it must say the same as before. Without a revision the one that was accepted
///   last counts.
/// - A cancellation counts from its revision on. A report has no say about the revision; one made
///   for an older revision is taken with a remark, because the work was done.
/// - What is not said stays as it was.
/// - One that was overtaken, and has no revision to go by, adds what is not known yet and takes
///   nothing back. It takes the order no step further unless it completes or cancels it: work that
///   was done stays done.
#[must_use]
pub fn decide(
    known: Option<&Known>,
    incoming: &WorkOrder,
    arrival: Arrival,
    unknown: Unknown,
) -> Decision {
    match (known, incoming.action) {
        (None, WorkOrderAction::Upsert) => create(incoming),
        (None, WorkOrderAction::Report) if unknown == Unknown::Create => create(incoming),
        (None, _) => Decision::Refused(unknown_order(incoming)),
        (Some(known), WorkOrderAction::Upsert) => {
            upsert(known, incoming, by_revision(known, incoming, arrival))
        }
        (Some(known), WorkOrderAction::Cancel) => {
            cancel(known, incoming, by_revision(known, incoming, arrival))
        }
        (Some(known), WorkOrderAction::Report) => report(known, incoming, arrival),
    }
}

/// Revisions say better than arrivals which order is newer, if both have one.
fn by_revision(known: &Known, incoming: &WorkOrder, arrival: Arrival) -> Arrival {
    match known.order.revision.is_some() && incoming.revision.is_some() {
        true => Arrival::Latest,
        false => arrival,
    }
}

fn create(incoming: &WorkOrder) -> Decision {
    let status = incoming.status.unwrap_or(WorkOrderStatus::Created);
    let said = incoming.action == WorkOrderAction::Upsert;
    let mut events = vec![EventKind::WorkOrderCreated];
    events.extend(closing_event(status));
    Decision::Take(Box::new(Change {
        known: Known {
            order: WorkOrder {
                status: Some(status),
                ..incoming.clone()
            },
            content: said.then(|| fingerprint(incoming)),
        },
        events,
        fields: Vec::new(),
        step: Some(Step {
            from: None,
            to: status,
        }),
        remark: None,
    }))
}

fn upsert(known: &Known, incoming: &WorkOrder, arrival: Arrival) -> Decision {
    let content = fingerprint(incoming);
    let same_content = known.content == Some(content);
    match (known.order.revision, incoming.revision) {
        (Some(newest), Some(revision)) if revision < newest => {
            return Decision::Superseded(stale(incoming, revision, newest));
        }
        (Some(newest), Some(revision)) if revision == newest && known.content.is_some() => {
            return if same_content {
                Decision::Unchanged
            } else {
                Decision::Refused(conflict(incoming, revision))
            };
        }
        (_, None) if same_content => return Decision::Unchanged,
        _ => {}
    }
    // `created` is all that many clients ever say; it takes nothing back.
    let status = incoming.status.filter(|s| *s != WorkOrderStatus::Created);
    let mut next = Next::of(known, incoming, arrival, status);
    if arrival == Arrival::Latest || known.content.is_none() {
        next.content = Some(content);
    }
    if incoming.revision.is_some() && incoming.revision != known.order.revision {
        next.order.revision = incoming.revision;
        next.fields.push("revision");
    }
    // An order that was reported on before it came is closed, and still to be told.
    let changes = known.content.is_some() && next.fields.iter().any(|field| *field != "revision");
    if changes && is_closed(standing(known)) && incoming.status != known.order.status {
        return Decision::Refused(closed(known));
    }
    next.decide(known, None)
}

fn cancel(known: &Known, incoming: &WorkOrder, arrival: Arrival) -> Decision {
    if let (Some(newest), Some(revision)) = (known.order.revision, incoming.revision)
        && revision < newest
    {
        return Decision::Superseded(stale(incoming, revision, newest));
    }
    if standing(known) == WorkOrderStatus::Cancelled {
        return Decision::Unchanged;
    }
    let mut next = Next::of(known, incoming, arrival, Some(WorkOrderStatus::Cancelled));
    next.order.revision = incoming.revision.or(known.order.revision);
    next.decide(known, None)
}

fn report(known: &Known, incoming: &WorkOrder, arrival: Arrival) -> Decision {
    let remark = match (known.order.revision, incoming.revision) {
        (Some(newest), Some(revision)) if revision < newest => {
            Some(stale(incoming, revision, newest))
        }
        _ => None,
    };
    Next::of(known, incoming, arrival, incoming.status).decide(known, remark)
}

/// The order as it would be.
struct Next {
    order: WorkOrder,
    content: Option<i64>,
    fields: Vec<&'static str>,
    /// The fields that stay because the incoming order was overtaken.
    kept: Vec<&'static str>,
    status: Option<WorkOrderStatus>,
}

impl Next {
    fn of(
        known: &Known,
        incoming: &WorkOrder,
        arrival: Arrival,
        status: Option<WorkOrderStatus>,
    ) -> Self {
        let mut order = known.order.clone();
        let mut merge = Merge::new(arrival);
        take_fields(&mut merge, &mut order, incoming);
        let mut status = status.filter(|status| *status != standing(known));
        if arrival == Arrival::Overtaken && status.is_some_and(|status| !is_closed(status)) {
            status = None;
            merge.kept.push("status");
        }
        Self {
            order,
            content: known.content,
            fields: merge.changed,
            kept: merge.kept,
            status,
        }
    }

    fn decide(mut self, known: &Known, remark: Option<Objection>) -> Decision {
        let from = standing(known);
        if let Some(to) = self.status {
            if !may_follow(from, to) {
                return Decision::Refused(refused(&self.order, RefusedTransition { from, to }));
            }
            self.order.status = Some(to);
            self.fields.push("status");
        }
        let remark = superseded(&self).or(remark);
        if self.fields.is_empty() {
            return remark.map_or(Decision::Unchanged, Decision::Superseded);
        }
        let told = self.fields.iter().any(|field| *field != "revision");
        let event = self
            .status
            .and_then(closing_event)
            .unwrap_or(EventKind::WorkOrderChanged);
        Decision::Take(Box::new(Change {
            known: Known {
                order: self.order,
                content: self.content,
            },
            events: if told { vec![event] } else { Vec::new() },
            fields: self.fields,
            step: self.status.map(|to| Step {
                from: Some(from),
                to,
            }),
            remark,
        }))
    }
}

/// Takes over what the incoming order says; number, revision, action and status are not its business.
fn take_fields(merge: &mut Merge, order: &mut WorkOrder, incoming: &WorkOrder) {
    merge.take("kind", &mut order.kind, &incoming.kind);
    merge.take("priority", &mut order.priority, &incoming.priority);
    merge.take("usage_point", &mut order.usage_point, &incoming.usage_point);
    merge.take("address", &mut order.address, &incoming.address);
    merge.take("device", &mut order.device, &incoming.device);
    merge.take("new_device", &mut order.new_device, &incoming.new_device);
    merge.take("window", &mut order.window, &incoming.window);
    merge.take("performed", &mut order.performed, &incoming.performed);
    merge.take(
        "customer_name",
        &mut order.customer_name,
        &incoming.customer_name,
    );
    merge.take(
        "customer_phone",
        &mut order.customer_phone,
        &incoming.customer_phone,
    );
    merge.take("comment", &mut order.comment, &incoming.comment);
    merge.take("deviation", &mut order.deviation, &incoming.deviation);
    merge.take_attributes(&mut order.attributes, &incoming.attributes);
}

fn standing(known: &Known) -> WorkOrderStatus {
    known.order.status.unwrap_or(WorkOrderStatus::Created)
}

const fn closing_event(status: WorkOrderStatus) -> Option<EventKind> {
    match status {
        WorkOrderStatus::Completed => Some(EventKind::WorkOrderCompleted),
        WorkOrderStatus::Aborted => Some(EventKind::WorkOrderAborted),
        WorkOrderStatus::Cancelled => Some(EventKind::WorkOrderCancelled),
        _ => None,
    }
}

fn unknown_order(incoming: &WorkOrder) -> Objection {
    Objection {
        code: "unknown_work_order",
        field: "number",
        reason: format!(
            "work order `{}` is not known, so there is nothing to {}; send the order first",
            incoming.number,
            incoming.action.as_str()
        ),
    }
}

fn stale(incoming: &WorkOrder, revision: i64, newest: i64) -> Objection {
    Objection {
        code: "stale_revision",
        field: "revision",
        reason: format!(
            "revision {revision} of work order `{}` is older than revision {newest}, which is known",
            incoming.number
        ),
    }
}

fn superseded(next: &Next) -> Option<Objection> {
    Some(Objection {
        code: "superseded",
        field: next.kept.first()?,
        reason: format!(
            "what is said of {} of work order `{}` was said otherwise by a message that was \
             accepted later; that stays",
            next.kept.join(", "),
            next.order.number
        ),
    })
}

fn conflict(incoming: &WorkOrder, revision: i64) -> Objection {
    Objection {
        code: "revision_conflict",
        field: "revision",
        reason: format!(
            "revision {revision} of work order `{}` came before with other content; \
             a change needs a higher revision",
            incoming.number
        ),
    }
}

fn refused(order: &WorkOrder, transition: RefusedTransition) -> Objection {
    Objection {
        code: "refused_transition",
        field: "status",
        reason: format!("work order `{}`: {transition}", order.number),
    }
}

fn closed(known: &Known) -> Objection {
    Objection {
        code: "closed_work_order",
        field: "number",
        reason: format!(
            "work order `{}` is {} and cannot be changed any more; send a new order",
            known.order.number,
            standing(known).as_str()
        ),
    }
}
