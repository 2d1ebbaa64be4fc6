//! What operators see of messages, deliveries and readings: as JSON for programs.

use hub_core::Reported;
use hub_store::messages::{
    DeliveryView, FindingView, MessageView, ReportView, ThreadView, TraceView,
};
use serde_json::{Value, json};

/// A message as JSON.
#[must_use]
pub fn message_json(message: &MessageView) -> Value {
    json!({
        "message_id": message.id.to_string(),
        "enterprise": message.enterprise,
        "source": message.source,
        "route": message.route,
        "name": message.name,
        "business_key": message.business_key,
        "size": message.size,
        "content_sha256": message.content_sha256,
        "received": message.received.to_string(),
        "finished": message.finished.map(|at| at.to_string()),
        "state": message.state.as_str(),
        "records": message.records,
        "applied": message.applied,
        "rejected": message.rejected,
        "findings": message.findings,
        "run": message.run,
    })
}

/// A finding as JSON.
#[must_use]
pub fn finding_json(finding: &FindingView) -> Value {
    json!({
        "severity": finding.severity.as_str(),
        "code": finding.code,
        "offset": finding.offset,
        "line": finding.line,
        "sheet": finding.sheet,
        "field": finding.field,
        "reason": finding.reason,
        "rejects": finding.rejects,
    })
}

/// A delivery as JSON.
#[must_use]
pub fn delivery_json(delivery: &DeliveryView) -> Value {
    json!({
        "delivery_id": delivery.id.to_string(),
        "message_id": delivery.message_id.to_string(),
        "enterprise": delivery.enterprise,
        "route": delivery.route,
        "endpoint": delivery.endpoint,
        "subject": delivery.subject,
        "state": delivery.state.as_str(),
        "attempts": delivery.attempts,
        "created": delivery.created.to_string(),
        "finished": delivery.finished.map(|at| at.to_string()),
        "note": delivery.note,
        "reported": delivery.reported.map(Reported::as_str),
    })
}

/// What a partner said of a delivery, as JSON.
#[must_use]
pub fn report_json(report: &ReportView) -> Value {
    let said = report.said.as_ref();
    json!({
        "delivery_id": report.delivery.to_string(),
        "message_id": report.message.to_string(),
        "endpoint": report.endpoint,
        "reference": report.reference,
        "at": said.map(|said| said.at.to_string()),
        "outcome": said.map(|said| said.outcome.as_str()),
        "note": said.map(|said| &said.note),
        "reported_by": said.map(|said| said.by.to_string()),
    })
}

/// One thing that happened in a message's thread, as JSON.
#[must_use]
pub fn thread_json(view: &ThreadView) -> Value {
    json!({
        "at": view.at.to_string(),
        "message_id": view.message.to_string(),
        "delivery_id": view.delivery.map(|id| id.to_string()),
        "subject": view.subject,
        "what": view.what,
    })
}

/// A row of a trace as JSON.
#[must_use]
pub fn trace_json(row: &TraceView) -> Value {
    json!({
        "at": row.at.to_string(),
        "step": row.step.as_str(),
        "delivery_id": row.delivery.map(|id| id.to_string()),
        "note": row.note,
    })
}
