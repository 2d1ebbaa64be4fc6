//! The HTTP source behind a real listener on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use adapter_http::HttpSourceConfig;
use async_trait::async_trait;
use hub_core::files::OsFiles;
use hub_core::{AdapterContext, Body, MessageId, Settlement, Source, SourceConfig};
use hub_web::{Doors, router};
use meterhub_tests::conformance::{self, Partner, Told, accepted, open, receive};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A hub's listener, and a partner that knows the token.
struct Hub {
    _base: TempDir,
    context: AdapterContext,
    options: &'static str,
    address: SocketAddr,
    client: Client,
    requests: HashMap<String, JoinHandle<Response>>,
}

impl Hub {
    async fn new(options: &'static str) -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("token"), "t0ken\n").unwrap();
        let context = conformance::context("hes north", base.path(), Arc::new(OsFiles));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(&context.shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            _base: base,
            context,
            options,
            address,
            client: Client::builder().no_proxy().build().unwrap(),
            requests: HashMap::new(),
        }
    }

    async fn source(&self) -> Box<dyn Source> {
        let config = format!("bearer = ['file:token']\n{}", self.options);
        let config: HttpSourceConfig = toml::from_str(&config).unwrap();
        config.check(&self.context).await.unwrap();
        config.connect(&self.context).await.unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/api/v1/messages/hes%20north", self.address)
    }

    fn post(&self) -> RequestBuilder {
        self.client.post(self.url()).bearer_auth("t0ken")
    }

    /// Sends in the background: the answer comes once the message is settled.
    fn go(&self, request: RequestBuilder) -> JoinHandle<Response> {
        tokio::spawn(async move { request.send().await.unwrap() })
    }

    async fn raw(&self, request: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = "POST /api/v1/messages/hes%20north HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer t0ken\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream
    }
}

#[async_trait]
impl Partner for Hub {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.source().await
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let request = self.post().header("x-filename", name).body(body.to_vec());
        self.requests.insert(name.to_owned(), self.go(request));
    }

    async fn send_again(&mut self, name: &str, body: &[u8]) {
        self.send(name, body).await;
    }

    async fn told(&mut self, name: &str) -> Told {
        match self.requests.remove(name).unwrap().await.unwrap().status() {
            StatusCode::ACCEPTED => Told::Yes,
            StatusCode::SERVICE_UNAVAILABLE => Told::Later,
            StatusCode::UNPROCESSABLE_ENTITY => Told::Never,
            other => panic!("{other}"),
        }
    }
}

/// The problem document of an answer, checked for its form.
async fn problem(answer: Response) -> Value {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status);
    for field in ["type", "title", "detail", "instance"] {
        assert!(!problem[field].as_str().unwrap().is_empty(), "{field}");
    }
    problem
}

async fn answer_text(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn conforms() {
    conformance::source(&mut Hub::new("").await).await;
    conformance::source(&mut Hub::new("max_in_flight = 1").await).await;
}

#[tokio::test]
async fn a_yes_names_the_message_and_where_its_status_is() {
    let hub = Hub::new("").await;
    let mut source = hub.source().await;
    let request = hub
        .post()
        .header("content-type", "application/xml; charset=utf-8")
        .header("idempotency-key", "4711")
        .header("content-disposition", "attachment; filename=\"a.xml\"")
        .header("x-correlation-id", "c-1")
        .header("cookie", "secret")
        .body("<a/>");
    let answer = hub.go(request);
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert_eq!(message.name, "a.xml");
    assert_eq!(
        message.media_type.as_deref(),
        Some("application/xml; charset=utf-8")
    );
    assert_eq!(message.business_key.as_deref(), Some("4711"));
    assert_eq!(
        message.headers,
        [("x-correlation-id".to_owned(), "c-1".to_owned())]
    );
    assert!(matches!(message.body, Body::Bytes(b) if b == "<a/>"));
    let message_id = MessageId(99);
    let duplicate = true;
    receipt
        .settle(Settlement::Accepted {
            message_id,
            duplicate,
        })
        .await;

    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let url = format!("/api/v1/messages/hes%20north/{message_id}");
    assert_eq!(answer.headers()["location"], url.as_str());
    let json: Value = answer.json().await.unwrap();
    let expected = serde_json::json!({
        "message_id": message_id.to_string(), "duplicate": true, "status_url": url,
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn every_no_is_a_problem_that_says_what_would_be_valid() {
    let hub =
        Hub::new("media_types = ['text/csv']\nmax_body_bytes = 10\nrequire_idempotency_key = true")
            .await;
    let _source = hub.source().await;
    let good = || {
        hub.post()
            .header("content-type", "text/csv")
            .header("idempotency-key", "1")
    };
    let with_type = |value| {
        hub.post()
            .header("idempotency-key", "1")
            .header("content-type", value)
    };
    for (request, status, hint) in [
        (hub.client.post(hub.url()), 401, "Authorization"),
        (
            hub.client.post(hub.url()).bearer_auth("wrong"),
            401,
            "Authorization",
        ),
        (hub.client.get(hub.url()), 405, "POST"),
        (with_type("application/json"), 415, "text/csv"),
        (good().header("content-encoding", "br"), 415, "gzip"),
        (
            hub.post().header("content-type", "text/csv"),
            400,
            "1 to 255",
        ),
        (
            hub.post()
                .header("content-type", "text/csv")
                .header("idempotency-key", "x".repeat(256)),
            400,
            "1 to 255",
        ),
        (good().body("12345678901"), 413, "at most 10 bytes"),
        (
            good().header("content-encoding", "gzip").body("no gzip"),
            400,
            "gzip",
        ),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{hint}");
        match status {
            401 => assert_eq!(
                answer.headers()["www-authenticate"],
                "Bearer realm=\"meterhub\""
            ),
            405 => assert_eq!(answer.headers()["allow"], "POST"),
            _ => {}
        }
        let detail = problem(answer).await["detail"].to_string();
        assert!(detail.contains(hint), "{status}: {detail}");
    }
}

#[tokio::test]
async fn an_unknown_source_learns_nothing_of_others() {
    let hub = Hub::new("").await;
    let source = hub.source().await;
    let unknown = format!("http://{}/api/v1/messages/other", hub.address);
    let answer = hub
        .client
        .post(&unknown)
        .bearer_auth("t0ken")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(!problem(answer).await.to_string().contains("hes"));
    drop(source);
    let gone = hub.post().body("x").send().await.unwrap();
    assert_eq!(
        gone.status(),
        StatusCode::NOT_FOUND,
        "a source that is not connected is not there"
    );
}

#[tokio::test]
async fn a_configured_source_that_is_not_connected_asks_for_patience() {
    let hub = Hub::new("").await;
    let inbox = hub.context.shared.get::<Doors>();
    inbox.expect(["hes north".to_owned()]);
    let early = hub.post().body("x").send().await.unwrap();
    assert_eq!(early.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(early.headers().contains_key("retry-after"));
    inbox.expect([]);
    let gone = hub.post().body("x").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn settlements_have_their_status() {
    let hub = Hub::new("").await;
    let mut source = hub.source().await;
    let answer = hub.go(hub.post().body("x"));
    let (_, _, settle) = open(source.as_mut()).await;
    let reason = "key `1` belongs to other content".to_owned();
    settle(Settlement::Reject { reason }).await;
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        problem(answer).await["detail"]
            .to_string()
            .contains("other content")
    );

    let answer = hub.go(hub.post().body("x"));
    let (_, _, settle) = open(source.as_mut()).await;
    let after = std::time::Duration::from_millis(2_500);
    settle(Settlement::Retry { after }).await;
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "3");
    problem(answer).await;
}

#[tokio::test]
async fn a_full_window_and_a_rate_limit_ask_for_a_pause() {
    let hub = Hub::new("max_in_flight = 1").await;
    let mut source = hub.source().await;
    let first = hub.go(hub.post().body("1"));
    let (_, _, settle) = open(source.as_mut()).await;
    let second = hub.post().body("2").send().await.unwrap();
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(second.headers()["retry-after"], "2");
    problem(second).await;
    settle(accepted()).await;
    assert_eq!(first.await.unwrap().status(), StatusCode::ACCEPTED);

    // The test's clock stands still, so the bucket never fills again.
    let hub = Hub::new("rate_limit = { per_second = 1 }").await;
    let mut source = hub.source().await;
    let first = hub.go(hub.post().body("1"));
    let (_, _, settle) = open(source.as_mut()).await;
    settle(accepted()).await;
    assert_eq!(first.await.unwrap().status(), StatusCode::ACCEPTED);
    let second = hub.post().body("2").send().await.unwrap();
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.headers()["retry-after"], "1");
    problem(second).await;
}

#[tokio::test]
async fn a_large_body_is_a_stream() {
    let hub = Hub::new("").await;
    let mut source = hub.source().await;
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    let answer = hub.go(hub.post().body(body.clone()));
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert!(matches!(message.body, Body::Stream(_)));
    assert!(conformance::read(message.body).await.unwrap() == body);
    receipt.settle(accepted()).await;
    assert_eq!(answer.await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn gzip_is_unpacked_within_bounds() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let hub = Hub::new("").await;
    let mut source = hub.source().await;
    let post = |body| hub.go(hub.post().header("content-encoding", "gzip").body(body));
    let text: Vec<u8> = (0..100_000u32)
        .flat_map(|i| i.to_string().into_bytes())
        .collect();
    for text in [&text[..], b"small", b""] {
        let answer = post(gzip(text));
        let (_, body, settle) = open(source.as_mut()).await;
        assert!(body == text);
        settle(accepted()).await;
        assert_eq!(answer.await.unwrap().status(), StatusCode::ACCEPTED);
    }

    let answer = post(gzip(&vec![0; 20_000_000]));
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(
        problem(answer).await["detail"]
            .to_string()
            .contains("200 times")
    );
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_no_message() {
    let hub = Hub::new("max_body_bytes = 100000").await;
    let mut source = hub.source().await;
    let mut stream = hub
        .raw(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        .await;
    let chunk = format!("{:x}\r\n{}\r\n", 50_000, "x".repeat(50_000));
    for _ in 0..3 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert!(conformance::read(message.body).await.is_err());
    drop(receipt);
    let mut text = vec![0; 12];
    stream.read_exact(&mut text).await.unwrap();
    assert_eq!(text, b"HTTP/1.1 413");
}

#[tokio::test]
async fn an_upload_that_is_cut_off_is_no_message() {
    let hub = Hub::new("").await;
    let mut source = hub.source().await;
    // Small: refused before it is offered. The length is a lie.
    let mut small = hub.raw(b"Content-Length: 100\r\n\r\n0123456789").await;
    small.shutdown().await.unwrap();
    let text = answer_text(small).await;
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 400"),
        "{text}"
    );

    // Large: offered as a stream, which ends in an error.
    let mut large = hub.raw(b"Content-Length: 500000\r\n\r\n").await;
    large.write_all(&vec![b'x'; 200_000]).await.unwrap();
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    large.shutdown().await.unwrap();
    drop(large);
    assert!(conformance::read(message.body).await.is_err());
    drop(receipt);

    // The next is not disturbed.
    let answer = hub.go(hub.post().header("x-filename", "whole").body("x"));
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "whole");
    settle(accepted()).await;
    assert_eq!(answer.await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_goes_quiet_is_told_so() {
    let hub = Hub::new("idle_timeout_seconds = 5").await;
    let _source = hub.source().await;
    let stream = hub
        .raw(b"Content-Length: 100\r\nConnection: close\r\n\r\n012")
        .await;
    assert!(answer_text(stream).await.starts_with("HTTP/1.1 408"));
}

/// A byte now and then is no message on its way: it would hold a place for ever.
#[tokio::test(start_paused = true)]
async fn a_sender_that_drips_is_told_so() {
    let hub = Hub::new("idle_timeout_seconds = 5").await;
    let _source = hub.source().await;
    let mut stream = hub
        .raw(b"Content-Length: 100\r\nConnection: close\r\n\r\n")
        .await;
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        if stream.write_all(b"x").await.is_err() {
            break;
        }
    }
    assert!(answer_text(stream).await.starts_with("HTTP/1.1 408"));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_commit_in_time_says_try_again() {
    let hub = Hub::new("request_timeout_seconds = 5\nidle_timeout_seconds = 3600").await;
    let mut source = hub.source().await;
    let stream = hub
        .raw(b"Content-Length: 1\r\nConnection: close\r\n\r\nx")
        .await;
    let arrival = receive(source.as_mut()).await;
    let text = answer_text(stream).await.to_ascii_lowercase();
    assert!(
        text.starts_with("http/1.1 503") && text.contains("retry-after: 2"),
        "{text}"
    );
    drop(arrival);
}

#[tokio::test]
async fn a_client_that_goes_away_keeps_its_place_until_it_is_settled() {
    let hub = Hub::new("max_in_flight = 1").await;
    let mut source = hub.source().await;
    let stream = hub.raw(b"Content-Length: 1\r\n\r\nx").await;
    let (_, _, settle) = open(source.as_mut()).await;
    drop(stream);
    let busy = hub.post().body("2").send().await.unwrap();
    assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
    settle(accepted()).await;
    let next = hub.go(hub.post().body("3"));
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body, b"3");
    settle(accepted()).await;
    assert_eq!(next.await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_missing_or_empty_secret_is_not_connected() {
    let hub = Hub::new("").await;
    std::fs::write(hub.context.base_dir.join("empty"), "\n").unwrap();
    for (secret, hint) in [("file:nowhere", "nowhere"), ("file:empty", "empty")] {
        let config: HttpSourceConfig = toml::from_str(&format!("bearer = ['{secret}']")).unwrap();
        let error = config
            .connect(&hub.context)
            .await
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(hint) && error.contains("hes north"),
            "{error}"
        );
    }
}
