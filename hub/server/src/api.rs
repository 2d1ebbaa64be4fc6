//! What the hub serves over HTTP: import (by the http adapter), the status of a message, health.

use std::sync::Arc;

use adapter_http::HttpInbox;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hub_core::{MessageId, Shared};
use hub_store::messages::{MessageView, Store};
use serde_json::json;

/// Findings shown with a status; `meterhub message show` has all.
const MAX_FINDINGS: usize = 100;
/// Deliveries shown with a status.
const MAX_DELIVERIES: usize = 100;

#[derive(Clone)]
struct Api {
    store: Store,
    inbox: Arc<HttpInbox>,
}

/// All routes of the hub's HTTP address.
pub(crate) fn router(store: &Store, shared: &Shared) -> Router {
    let api = Api {
        store: store.clone(),
        inbox: shared.get(),
    };
    Router::new()
        .route("/api/v1/messages/{source}/{id}", get(status))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .with_state(api)
        .merge(adapter_http::router(shared))
}

/// Ready when the store answers.
async fn ready(State(api): State<Api>) -> Response {
    match api.store.is_idle().await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
    }
}

/// Where a message stands, for the partner that sent it.
async fn status(
    State(api): State<Api>,
    Path((source, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = api.inbox.authorize(&source, &headers) {
        return refusal;
    }
    let Ok(id) = id.parse::<MessageId>() else {
        return problem(StatusCode::NOT_FOUND, "there is no message of this id");
    };
    match api.store.message(id).await {
        // A message of another source is not found, whoever asks.
        Ok(Some(message)) if message.source == source => match describe(&api.store, &message).await
        {
            Ok(body) => Json(body).into_response(),
            Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
        },
        Ok(_) => problem(StatusCode::NOT_FOUND, "there is no message of this id"),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
    }
}

async fn describe(
    store: &Store,
    message: &MessageView,
) -> Result<serde_json::Value, hub_store::StoreError> {
    let findings = store.findings(message.id, MAX_FINDINGS).await?;
    let deliveries = store.deliveries_of(message.id, MAX_DELIVERIES).await?;
    let mut body = crate::operate::message_json(message);
    body["findings_list"] = findings.iter().map(crate::operate::finding_json).collect();
    // A partner learns that its message went on, not to whom.
    body["deliveries"] = deliveries
        .iter()
        .map(|delivery| json!({ "state": delivery.state.as_str() }))
        .collect();
    Ok(body)
}

/// A problem document (RFC 9457).
fn problem(status: StatusCode, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}
