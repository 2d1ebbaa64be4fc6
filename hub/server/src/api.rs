//! What the hub serves over HTTP: import (by the http adapter), the status of a message, health.

use std::sync::Arc;

use adapter_http::HttpInbox;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
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
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
}

async fn unknown_path(uri: Uri) -> Response {
    let detail = "messages are posted to /api/v1/messages/SOURCE; their status is at \
                  /api/v1/messages/SOURCE/ID";
    Problem {
        status: StatusCode::NOT_FOUND,
        kind: "unknown-path",
        title: "There is nothing at this path",
        detail,
    }
    .response(&uri)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    Problem {
        status: StatusCode::METHOD_NOT_ALLOWED,
        kind: "method",
        title: "This path is only read",
        detail: &format!("{method} is not possible here; send a GET"),
    }
    .response(&uri)
}

/// Ready when the store answers.
async fn ready(State(api): State<Api>, uri: Uri) -> Response {
    match api.store.is_idle().await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => NO_STORE.response(&uri),
    }
}

/// Where a message stands, for the partner that sent it.
async fn status(
    State(api): State<Api>,
    Path((source, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = api.inbox.authorize(&source, &headers) {
        return refusal;
    }
    let Ok(id) = id.parse::<MessageId>() else {
        return NO_MESSAGE.response(&uri);
    };
    match api.store.message(id).await {
        // A message of another source is not found, whoever asks.
        Ok(Some(message)) if message.source == source => match describe(&api.store, &message).await
        {
            Ok(body) => Json(body).into_response(),
            Err(_) => NO_STORE.response(&uri),
        },
        Ok(_) => NO_MESSAGE.response(&uri),
        Err(_) => NO_STORE.response(&uri),
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

/// A problem document (RFC 9457), of the types that the http adapter answers with too.
struct Problem<'a> {
    status: StatusCode,
    /// Ends the `type` URN.
    kind: &'a str,
    title: &'a str,
    detail: &'a str,
}

const NO_MESSAGE: Problem<'_> = Problem {
    status: StatusCode::NOT_FOUND,
    kind: "unknown-message",
    title: "There is no such message",
    detail: "this source has no message of this id",
};

const NO_STORE: Problem<'_> = Problem {
    status: StatusCode::SERVICE_UNAVAILABLE,
    kind: "store",
    title: "The store does not answer",
    detail: "ask again later",
};

impl Problem<'_> {
    /// The answer to a request for this path. The query stays out: it may hold secrets.
    fn response(&self, uri: &Uri) -> Response {
        let body = json!({
            "type": format!("urn:meterhub:problem:{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": uri.path(),
        });
        let json = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, json, body.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use hub_core::SystemClock;
    use hub_core::files::OsFiles;
    use hub_store::sqlite::SqliteOptions;

    use super::*;

    #[tokio::test]
    async fn whatever_is_asked_wrongly_is_answered_with_a_problem_document() {
        let folder = tempfile::tempdir().unwrap();
        let (files, clock) = (Arc::new(OsFiles), Arc::new(SystemClock));
        let store = Store::open(folder.path(), 1, SqliteOptions::default(), files, clock);
        let router = router(&store.await.unwrap(), &Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        let client = reqwest::Client::new();
        for (method, path, status, kind) in [
            ("GET", "/", 404, "unknown-path"),
            ("GET", "/api/v2/messages?token=x", 404, "unknown-path"),
            ("POST", "/health/ready", 405, "method"),
            ("PUT", "/api/v1/messages/in/1", 405, "method"),
            ("GET", "/api/v1/messages/in", 405, "method"),
            ("GET", "/api/v1/messages/in/1", 404, "unknown-source"),
        ] {
            let url = format!("{base}{path}");
            let request = client.request(method.parse().unwrap(), url);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{method} {path}");
            let media_type = answer.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(media_type, "application/problem+json", "{method} {path}");
            assert_eq!(status == 405, answer.headers().contains_key(header::ALLOW));
            let body: serde_json::Value =
                serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            assert_eq!(body["type"], format!("urn:meterhub:problem:{kind}"));
            assert!(!body["instance"].as_str().unwrap().contains("token"));
        }
    }
}
