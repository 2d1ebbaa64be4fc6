//! The stand-in.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hub_core::files::OsFiles;
use hub_core::{AdapterContext, Content, OutgoingMessage};
use meterhub_tests::conformance;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A planned answer: status, headers, body. `None`: takes the request and never answers.
pub(crate) type Plan = Option<(u16, Vec<(&'static str, String)>, String)>;

#[derive(Default)]
pub(crate) struct System {
    /// Tokens by the cookie of their session.
    sessions: Mutex<HashMap<String, String>>,
    next: AtomicUsize,
    /// Sessions that were opened.
    pub(crate) opened: AtomicUsize,
    pub(crate) plan: Mutex<VecDeque<Plan>>,
    /// Pages by path and query.
    pub(crate) pages: Mutex<HashMap<String, String>>,
    pub(crate) seen: Mutex<Vec<(Uri, HeaderMap)>>,
    pub(crate) url: Mutex<String>,
}

impl System {
    pub(crate) async fn start() -> (Arc<Self>, TempDir, AdapterContext) {
        let system = Arc::new(Self::default());
        let app = Router::new().fallback(serve).with_state(system.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *system.url.lock().unwrap() = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let base = tempfile::tempdir().unwrap();
        let context = conformance::context("s4", base.path(), Arc::new(OsFiles));
        (system, base, context)
    }

    pub(crate) fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    /// All sessions end.
    pub(crate) fn forget_sessions(&self) {
        self.sessions.lock().unwrap().clear();
    }

    pub(crate) fn plan(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        let plan = Some((status, headers, body.to_owned()));
        self.plan.lock().unwrap().push_back(plan);
    }

    pub(crate) fn page(&self, path: &str, body: &str) {
        self.pages
            .lock()
            .unwrap()
            .insert(path.to_owned(), body.to_owned());
    }

    fn open(&self) -> Response {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        let (cookie, token) = (format!("session-{number}"), format!("token-{number}"));
        self.sessions
            .lock()
            .unwrap()
            .insert(cookie.clone(), token.clone());
        let mut response = StatusCode::OK.into_response();
        let headers = response.headers_mut();
        headers.insert("x-csrf-token", HeaderValue::try_from(token).unwrap());
        for cookie in [
            format!("SAP_SESSIONID_S4D_100={cookie}; path=/; HttpOnly"),
            "sap-usercontext=sap-client=100; path=/".to_owned(),
        ] {
            headers.append("set-cookie", HeaderValue::try_from(cookie).unwrap());
        }
        response
    }

    fn has_session(&self, headers: &HeaderMap) -> bool {
        let text = |name| {
            headers
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
                .unwrap_or("")
        };
        let cookie = text("cookie")
            .split("; ")
            .find_map(|c| c.strip_prefix("SAP_SESSIONID_S4D_100="));
        let sessions = self.sessions.lock().unwrap();
        cookie
            .and_then(|c| sessions.get(c))
            .is_some_and(|token| token == text("x-csrf-token"))
    }
}

async fn serve(State(system): State<Arc<System>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let _ = axum::body::to_bytes(body, 1 << 20).await;
    let headers = &parts.headers;
    if headers
        .get("x-csrf-token")
        .is_some_and(|token| token == "Fetch")
    {
        return system.open();
    }
    if parts.method == "GET" {
        let path = parts.uri.path_and_query().unwrap().as_str().to_owned();
        system
            .seen
            .lock()
            .unwrap()
            .push((parts.uri.clone(), parts.headers.clone()));
        let page = system.pages.lock().unwrap().get(&path).cloned();
        return match page {
            Some(page) => ([("content-type", "application/json")], page).into_response(),
            None => (StatusCode::GONE, path).into_response(),
        };
    }
    if parts.uri.path() != "/open" && !system.has_session(headers) {
        return (StatusCode::FORBIDDEN, [("x-csrf-token", "Required")]).into_response();
    }
    system
        .seen
        .lock()
        .unwrap()
        .push((parts.uri.clone(), parts.headers.clone()));
    let plan = system.plan.lock().unwrap().pop_front();
    match plan {
        None => StatusCode::CREATED.into_response(),
        Some(None) => std::future::pending().await,
        Some(Some((status, headers, body))) => {
            let mut response = body.into_response();
            response.headers_mut().remove("content-type");
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response
                    .headers_mut()
                    .insert(name, HeaderValue::try_from(value).unwrap());
            }
            response
        }
    }
}

pub(crate) fn message(number: u64) -> OutgoingMessage {
    OutgoingMessage {
        content: Content::bytes("{}".as_bytes()),
        media_type: "application/json".into(),
        ..conformance::message(number, "x")
    }
}
