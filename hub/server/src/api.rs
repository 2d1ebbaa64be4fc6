//! What the hub serves over HTTP: import (behind the doors of the sources), the status of a message, health.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use hub_core::{MessageId, Shared};
use hub_store::messages::{MessageView, Store};
use hub_web::{ClientCertificate, Doors, Problem};
use serde_json::json;

use crate::engine::SourceOwners;

/// Findings shown with a status; `meterhub message show` has all.
const MAX_FINDINGS: usize = 100;
/// Deliveries shown with a status.
const MAX_DELIVERIES: usize = 100;
/// Pause that who asks whether the hub is ready is asked for, in seconds.
const READY_PAUSE_SECONDS: u64 = 1;

#[derive(Clone)]
struct Api {
    store: Store,
    doors: Arc<Doors>,
    owners: Arc<SourceOwners>,
}

/// All routes of the hub's HTTP address.
/// `operators`: what is only for those who run the hub.
pub(crate) fn router(store: &Store, shared: &Shared, operators: Router) -> Router {
    let api = Api {
        store: store.clone(),
        doors: shared.get(),
        owners: shared.get(),
    };
    Router::new()
        .route("/api/v1/messages/{source}/{id}", get(status))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .with_state(api)
        .merge(hub_web::router(shared))
        .merge(operators)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
}

async fn unknown_path(uri: Uri) -> Response {
    let detail = "messages are posted to /api/v1/messages/SOURCE; their status is at \
                  /api/v1/messages/SOURCE/ID";
    let title = "There is nothing at this path";
    Problem::new(StatusCode::NOT_FOUND, "unknown-path", title, detail).response(uri.path())
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!("{method} is not possible here; send a GET");
    let title = "This path is only read";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", title, detail).response(uri.path())
}

/// Ready when a partner who posts now is served: the store answers, and no HTTP source is still on
/// its way (at start-up, when a changed configuration is taken over, and from the moment the hub
/// stops). Nothing else counts: sources that poll a partner, sinks, and an HTTP source that cannot
/// be opened are matters of that partner, and no reason to keep all others from being served.
async fn ready(State(api): State<Api>, uri: Uri) -> Response {
    let awaited = api.doors.awaited();
    if !awaited.is_empty() {
        let detail = format!("not connected yet: {}", awaited.join(", "));
        let title = "The hub is starting or stopping";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", title, detail)
            .retry_after(READY_PAUSE_SECONDS)
            .response(uri.path());
    }
    match api.store.is_idle().await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => no_store().response(uri.path()),
    }
}

/// Where a message stands, for the partner that sent it.
async fn status(
    State(api): State<Api>,
    Path((source, id)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    certificate: Option<Extension<ClientCertificate>>,
) -> Response {
    let certificate = certificate.as_ref().map(|Extension(shown)| shown);
    if let Err(refusal) = api.doors.authorize(&source, &headers, &uri, certificate) {
        return refusal;
    }
    let Ok(id) = id.parse::<MessageId>() else {
        return no_message().response(uri.path());
    };
    match api.store.message(id).await {
        // A message of another source, or of another enterprise, is not found, whoever asks.
        Ok(Some(message))
            if message.source == source && api.owners.is(&source, &message.enterprise) =>
        {
            match describe(&api.store, &message).await {
                Ok(body) => Json(body).into_response(),
                Err(_) => no_store().response(uri.path()),
            }
        }
        Ok(_) => no_message().response(uri.path()),
        Err(_) => no_store().response(uri.path()),
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

fn no_message() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-message",
        "There is no such message",
        "this source has no message of this id",
    )
}

fn no_store() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "store",
        "The store does not answer",
        "ask again later",
    )
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use adapter_http::HttpSourceConfig;
    use axum::http::header;
    use hub_core::files::OsFiles;
    use hub_core::{AdapterContext, SourceConfig as _, SystemClock};
    use hub_store::sqlite::SqliteOptions;

    use super::*;

    #[tokio::test]
    async fn whatever_is_asked_wrongly_is_answered_with_a_problem_document() {
        let folder = tempfile::tempdir().unwrap();
        let (files, clock) = (Arc::new(OsFiles), Arc::new(SystemClock));
        let store = Store::open(folder.path(), 1, SqliteOptions::default(), files, clock);
        let router = router(&store.await.unwrap(), &Shared::default(), Router::new());
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

    #[tokio::test]
    async fn the_hub_is_ready_when_no_http_source_is_on_its_way() {
        let folder = tempfile::tempdir().unwrap();
        let (files, clock) = (Arc::new(OsFiles), Arc::new(SystemClock));
        let store = Store::open(folder.path(), 1, SqliteOptions::default(), files, clock);
        let shared = Shared::default();
        let api = Api {
            store: store.await.unwrap(),
            doors: shared.get(),
            owners: shared.get(),
        };
        let uri = Uri::from_static("/health/ready");
        let status = async || ready(State(api.clone()), uri.clone()).await.status();
        assert_eq!(status().await, 200, "no source is configured");
        api.doors.expect(["erp".to_owned(), "broken".to_owned()]);
        assert_eq!(status().await, 503);

        let connect = async |name: &str, config: &str| {
            let config: HttpSourceConfig = toml::from_str(config).unwrap();
            let context = AdapterContext {
                shared: shared.clone(),
                ..AdapterContext::alone(name, "north", folder.path())
            };
            config.connect(&context).await
        };
        let source = connect("erp", "insecure_allow_anonymous = true").await;
        let erp = source.unwrap();
        assert_eq!(status().await, 503, "the other one is on its way");
        let missing = "bearer = [\"file:missing\"]";
        assert!(connect("broken", missing).await.is_err());
        assert_eq!(status().await, 200, "its partner alone has to wait");
        drop(erp);
        assert_eq!(status().await, 503, "the hub stops, or changes over");
    }
}
