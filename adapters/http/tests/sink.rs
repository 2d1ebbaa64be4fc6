//! The HTTP sink against real servers on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapter_http::HttpSinkConfig;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hub_core::files::OsFiles;
use hub_core::{
    AdapterContext, Content, ManualClock, MessageId, OutgoingMessage, Piece, Sink, SinkConfig,
    SinkError,
};
use meterhub_tests::conformance;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A request as the server saw it.
#[derive(Clone)]
struct Seen {
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// What the server does next; when nothing is planned, it answers 200.
enum Plan {
    Answer(
        StatusCode,
        &'static [(&'static str, &'static str)],
        &'static str,
    ),
    /// Takes the message and never says so.
    Silence,
}

#[derive(Default)]
struct Server {
    seen: Mutex<Vec<Seen>>,
    plan: Mutex<VecDeque<Plan>>,
}

impl Server {
    async fn start() -> (Arc<Self>, String) {
        let server = Arc::new(Self::default());
        let app = Router::new().fallback(serve).with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (server, url)
    }

    fn plan(&self, plan: Plan) {
        self.plan.lock().unwrap().push_back(plan);
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|s| s.uri.path() == path).count()
    }
}

async fn serve(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let uri = parts.uri.clone();
    server.seen.lock().unwrap().push(Seen {
        uri: parts.uri,
        headers: parts.headers,
        body,
    });
    if uri.path() == "/token" {
        let count = server.count("/token");
        let json = format!(r#"{{"access_token":"token-{count}","expires_in":3600}}"#);
        return json.into_response();
    }
    let plan = server.plan.lock().unwrap().pop_front();
    match plan {
        None => StatusCode::OK.into_response(),
        Some(Plan::Answer(status, headers, text)) => {
            let mut response = (status, text).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        }
        Some(Plan::Silence) => std::future::pending().await,
    }
}

struct Fixture {
    base: TempDir,
    context: AdapterContext,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("secret"), "s3cret").unwrap();
        let mut context = conformance::context("billing", base.path(), Arc::new(OsFiles));
        let clock = Arc::new(ManualClock::at("2026-03-29T00:15:00Z".parse().unwrap()));
        context.clock = clock.clone();
        Self {
            base,
            context,
            clock,
        }
    }

    async fn sink(&self, url: &str, options: &str) -> Box<dyn Sink> {
        let config: HttpSinkConfig = toml::from_str(&format!("url = '{url}'\n{options}")).unwrap();
        assert_eq!(config.validate(), []);
        config.connect(&self.context).await.unwrap()
    }
}

fn message(content: Content) -> OutgoingMessage {
    OutgoingMessage {
        message_id: MessageId(4_711),
        correlation_id: MessageId(7),
        enterprise: "nord".into(),
        route: "readings".into(),
        source_name: "in.xml".into(),
        subject: "meter:7/8".into(),
        created: "2026-03-29T00:15:00Z".parse().unwrap(),
        attempt: 1,
        media_type: "application/json".into(),
        extension: "json".into(),
        headers: vec![
            ("x-batch".into(), "12".into()),
            ("x-http-method-override".into(), "DELETE".into()),
            ("x-api-key".into(), "stolen".into()),
            ("authorization".into(), "stolen".into()),
            ("content-length".into(), "1".into()),
            ("not a header".into(), "x".into()),
        ],
        content,
    }
}

#[tokio::test]
async fn a_message_carries_its_ids_and_nothing_of_others() {
    let (server, url) = Server::start().await;
    let fixture = Fixture::new();
    let options = "method = 'PUT'\nauth = { header = { name = 'X-Api-Key', value = 'file:secret' } }\nheaders = { X-Sender = 'nord' }\npass_headers = ['X-Batch']";
    let sink = fixture
        .sink(&format!("{url}/in/{{subject}}?id={{message_id}}"), options)
        .await;
    server.plan(Plan::Answer(
        StatusCode::CREATED,
        &[("location", "/r/1")],
        "",
    ));
    let sent = sink.send(&message(Content::bytes("{}"))).await.unwrap();
    assert_eq!(sent.note, "201 Created, /r/1");

    let seen = server.seen().remove(0);
    let id = MessageId(4_711).to_string();
    assert_eq!(seen.uri.to_string(), format!("/in/meter%3A7%2F8?id={id}"));
    for (name, value) in [
        ("idempotency-key", id.as_str()),
        ("x-message-id", &id),
        ("x-correlation-id", &MessageId(7).to_string()),
        ("content-type", "application/json"),
        ("content-length", "2"),
        ("x-api-key", "s3cret"),
        ("x-sender", "nord"),
        ("x-batch", "12"),
    ] {
        assert_eq!(seen.headers[name], value, "{name}");
    }
    for others in ["authorization", "x-http-method-override"] {
        assert!(!seen.headers.contains_key(others), "{others}");
    }
    let keys: Vec<_> = seen.headers.get_all("x-api-key").iter().collect();
    assert_eq!(keys, ["s3cret"]);
    assert_eq!(seen.body, "{}");
}

#[tokio::test]
async fn files_are_streamed_with_their_length() {
    let (server, url) = Server::start().await;
    let fixture = Fixture::new();
    let path = fixture.base.path().join("piece");
    std::fs::write(&path, vec![b'x'; 3_000_000]).unwrap();
    let content = Content(vec![
        Piece::Bytes(Bytes::from_static(b"head")),
        Piece::File {
            path,
            len: 3_000_000,
        },
    ]);
    let sink = fixture
        .sink(&url, "auth = { bearer = 'file:secret' }")
        .await;
    sink.send(&message(content)).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(seen.headers["content-length"], "3000004");
    assert!(!seen.headers.contains_key("transfer-encoding"));
    assert_eq!(seen.headers["authorization"], "Bearer s3cret");
    assert_eq!(seen.body.len(), 3_000_004);
    assert!(seen.body.starts_with(b"headx"));
}

#[tokio::test]
async fn answers_are_judged() {
    let (server, url) = Server::start().await;
    let fixture = Fixture::new();
    let sink = fixture.sink(&url, "accept_statuses = [409]").await;
    let answer = async |status: u16, headers, text| {
        let status = StatusCode::from_u16(status).unwrap();
        server.plan(Plan::Answer(status, headers, text));
        sink.send(&message(Content::bytes("x"))).await
    };
    assert!(answer(409, &[], "").await.is_ok());
    let seconds = |s| Some(Duration::from_secs(s));

    let busy = answer(429, &[("retry-after", "7")], "").await;
    assert!(matches!(busy, Err(SinkError::Busy { retry_after, .. }) if retry_after == seconds(7)));

    let date = &[("retry-after", "Sun, 29 Mar 2026 00:16:00 GMT")];
    let down = answer(503, date, "").await;
    assert!(
        matches!(down, Err(SinkError::Unavailable { retry_after, answered: false, .. }) if retry_after == seconds(60))
    );

    let denied = answer(401, &[], "no\r\nsuch user").await;
    assert!(
        matches!(denied, Err(SinkError::Unavailable { reason, answered: false, .. }) if reason.contains("401") && reason.contains("no such user"))
    );

    let broken = answer(500, &[], "").await;
    assert!(matches!(
        broken,
        Err(SinkError::Unavailable { answered: true, .. })
    ));

    let moved = answer(302, &[("location", "/elsewhere")], "").await;
    assert!(matches!(moved, Err(SinkError::Unavailable { reason, .. }) if reason.contains("302")));
    assert_eq!(server.count("/elsewhere"), 0, "redirects are not followed");

    let refused = answer(422, &[], "unknown meter `7`\0\n\n  at line 3").await;
    let Err(SinkError::Refused { endpoint, answer }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(endpoint, "billing");
    assert_eq!(
        answer,
        "422 Unprocessable Entity unknown meter `7` at line 3"
    );
}

#[tokio::test]
async fn only_redirects_that_keep_the_request_are_followed_and_only_if_wanted() {
    let (server, url) = Server::start().await;
    let fixture = Fixture::new();
    let sink = fixture
        .sink(&format!("{url}/a"), "follow_redirects = true")
        .await;
    server.plan(Plan::Answer(
        StatusCode::TEMPORARY_REDIRECT,
        &[("location", "/b")],
        "",
    ));
    sink.send(&message(Content::bytes("x"))).await.unwrap();
    assert_eq!((server.count("/a"), server.count("/b")), (1, 1));
    assert_eq!(server.seen()[1].body, "x");
    server.plan(Plan::Answer(StatusCode::FOUND, &[("location", "/b")], ""));
    assert!(sink.send(&message(Content::bytes("x"))).await.is_err());
    assert_eq!(server.count("/b"), 1, "a GET there would be no delivery");
}

#[tokio::test]
async fn a_server_that_takes_a_message_and_says_nothing_gets_it_again_under_its_id() {
    let (server, url) = Server::start().await;
    let fixture = Fixture::new();
    let sink = fixture.sink(&url, "timeout_seconds = 1").await;
    server.plan(Plan::Silence);
    let silent = sink.send(&message(Content::bytes("x"))).await;
    assert!(
        matches!(
            silent,
            Err(SinkError::Unavailable {
                answered: false,
                ..
            })
        ),
        "{silent:?}"
    );
    sink.send(&OutgoingMessage {
        attempt: 2,
        ..message(Content::bytes("x"))
    })
    .await
    .unwrap();
    let keys: Vec<_> = server
        .seen()
        .iter()
        .map(|s| s.headers["idempotency-key"].clone())
        .collect();
    assert!(keys.len() == 2 && keys[0] == keys[1]);
}

#[tokio::test]
async fn nobody_there_or_no_http_is_unavailable() {
    let fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/?secret=1", listener.local_addr().unwrap());
    let sink = fixture.sink(&url, "").await;
    let hanging_up = tokio::spawn(async move {
        // Takes the connection and closes it; then nobody listens any more.
        drop(listener.accept().await.unwrap());
    });
    for _ in 0..2 {
        let result = sink.send(&message(Content::bytes("x"))).await;
        let Err(SinkError::Unavailable { reason, .. }) = result else {
            panic!("{result:?}")
        };
        assert!(!reason.contains("secret"), "{reason}");
    }
    hanging_up.await.unwrap();
    let config: HttpSinkConfig = toml::from_str(&format!("url = '{url}'")).unwrap();
    assert!(config.check(&fixture.context).await.is_err());
}

#[tokio::test]
async fn a_check_asks_and_sends_nothing() {
    let fixture = Fixture::new();
    let (server, url) = Server::start().await;
    let config = |more: &str| -> HttpSinkConfig {
        let auth = "auth = { bearer = 'file:secret' }";
        toml::from_str(&format!("url = '{url}/in/{{message_id}}'\n{auth}\n{more}")).unwrap()
    };
    let quiet = config("check_method = 'none'");
    quiet.check(&fixture.context).await.unwrap();
    assert_eq!(server.seen().len(), 0, "only connected to");
    server.plan(Plan::Answer(StatusCode::NOT_FOUND, &[], ""));
    config("").check(&fixture.context).await.unwrap();
    let elsewhere = config("check_method = 'GET'\ncheck_path = '/health'");
    server.plan(Plan::Answer(StatusCode::NOT_FOUND, &[], "no such page"));
    let error = elsewhere.check(&fixture.context).await.unwrap_err();
    let said = format!("GET {url}/health` was answered 404 Not Found (no such page)");
    assert!(error.to_string().contains(&said), "{error}");
    let seen = server.seen();
    let paths: Vec<&str> = seen.iter().map(|seen| seen.uri.path()).collect();
    assert_eq!(paths, ["/in/", "/health"]);
    for one in seen {
        assert!(one.body.is_empty() && one.headers.contains_key("authorization"));
        assert!(!one.headers.contains_key("idempotency-key"));
    }
}

fn oauth(url: &str) -> String {
    format!(
        "auth = {{ oauth2 = {{ token_url = '{url}/token', client_id = 'hub', client_secret = 'file:secret', scope = 'write' }} }}"
    )
}

#[tokio::test]
async fn one_token_serves_all_until_it_expires_or_is_revoked() {
    let (server, url) = Server::start().await;
    let fixture = Fixture::new();
    let sink: Arc<dyn Sink> = fixture
        .sink(&format!("{url}/in"), &oauth(&url))
        .await
        .into();
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let sink = sink.clone();
            tokio::spawn(async move { sink.send(&message(Content::bytes("x"))).await })
        })
        .collect();
    for send in sends {
        send.await.unwrap().unwrap();
    }
    assert_eq!((server.count("/token"), server.count("/in")), (1, 20));
    let asked = server
        .seen()
        .into_iter()
        .find(|s| s.uri.path() == "/token")
        .unwrap();
    assert_eq!(asked.body, "grant_type=client_credentials&scope=write");
    assert_eq!(asked.headers["authorization"], "Basic aHViOnMzY3JldA==");

    fixture.clock.advance_seconds(3_569);
    sink.send(&message(Content::bytes("x"))).await.unwrap();
    assert_eq!(server.count("/token"), 1);
    fixture.clock.advance_seconds(2);
    sink.send(&message(Content::bytes("x"))).await.unwrap();
    assert_eq!(
        server.count("/token"),
        2,
        "renewed half a minute before it expires"
    );

    server.plan(Plan::Answer(StatusCode::UNAUTHORIZED, &[], "revoked"));
    sink.send(&message(Content::bytes("x"))).await.unwrap();
    assert_eq!(server.count("/token"), 3);
    assert_eq!(
        server.seen().last().unwrap().headers["authorization"],
        "Bearer token-3"
    );

    for _ in 0..2 {
        server.plan(Plan::Answer(StatusCode::UNAUTHORIZED, &[], "no"));
    }
    let denied = sink.send(&message(Content::bytes("x"))).await;
    assert!(
        matches!(denied, Err(SinkError::Unavailable { .. })),
        "{denied:?}"
    );
    assert_eq!(server.count("/token"), 4, "renewed once, not for ever");
}

#[tokio::test]
async fn a_token_that_is_not_granted_is_told_without_the_secret() {
    let fixture = Fixture::new();
    let app = Router::new().fallback(async |body: String| {
        let json = format!(
            r#"{{"error":"invalid_client","error_description":"who is hub?","echo":"{body}"}}"#
        );
        (StatusCode::BAD_REQUEST, json)
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let sink = fixture.sink(&url, &oauth(&url)).await;
    let result = sink.send(&message(Content::bytes("x"))).await;
    let Err(SinkError::Unavailable { reason, .. }) = result else {
        panic!("{result:?}")
    };
    assert!(reason.contains("invalid_client who is hub?"), "{reason}");
    assert!(!reason.contains("s3cret"), "{reason}");
}
