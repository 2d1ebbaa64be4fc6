//! Through a proxy that asks who we are.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::any;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::AdapterContext;
use hub_web::{ClientOptions, Probe, WebServer};
use reqwest::Method;
use tokio::net::TcpListener;

/// With all that a URL could not hold as it is.
const PASSWORD: &str = "p@ss:w/rd%20#?ä";

/// How many requests said who they are.
type Known = Arc<AtomicUsize>;

/// A proxy that answers itself, to who says who they are. Returns its address.
async fn proxy() -> (String, Known) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = |State(known): State<Known>, headers: HeaderMap| async move {
        let right = BASE64_STANDARD.encode(format!("hub-north:{PASSWORD}"));
        match headers.get(header::PROXY_AUTHORIZATION) {
            Some(shown) if shown.as_bytes() == format!("Basic {right}").as_bytes() => {
                known.fetch_add(1, Ordering::SeqCst);
                StatusCode::NO_CONTENT
            }
            _ => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    };
    let known = Known::default();
    let app = Router::new()
        .fallback(any(answer))
        .with_state(Arc::clone(&known));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, known)
}

#[tokio::test]
async fn a_proxy_is_told_who_we_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("right"), PASSWORD).unwrap();
    std::fs::write(folder.path().join("wrong"), "guess").unwrap();
    let (proxy, known) = proxy().await;
    let context = AdapterContext::alone("erp", "north", folder.path());
    let asked = async |url: &str, auth: &str| {
        let server = format!("url = '{url}'\nproxy = '{proxy}'\n{auth}");
        let server: WebServer = toml::from_str(&server).unwrap();
        let probe = Probe::new(Method::HEAD, "");
        let checked = server.check(ClientOptions::default(), Some(&probe), &context);
        checked.await.err().map(|error| error.to_string())
    };
    let auth =
        |file: &str| format!("proxy_auth = {{ user = 'hub-north', password = 'file:{file}' }}");
    let plain = "http://127.0.0.1:9/in";
    assert_eq!(asked(plain, &auth("right")).await, None);
    assert_eq!(known.load(Ordering::SeqCst), 1);
    for (auth, word) in [
        (auth("wrong"), "407"),
        (String::new(), "407"),
        (auth("none"), "`proxy_auth`: secret file `none`"),
    ] {
        let problem = asked(plain, &auth).await.unwrap();
        assert!(problem.contains(word), "{auth}: {problem}");
    }
    assert_eq!(known.load(Ordering::SeqCst), 1);
    // Of a tunnel it is told as well. Nobody speaks TLS at its other end.
    let problem = asked("https://127.0.0.1:9/in", &auth("right")).await;
    assert!(problem.is_some());
    assert_eq!(known.load(Ordering::SeqCst), 2, "{problem:?}");
}
