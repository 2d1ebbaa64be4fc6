//! What a check says of a server: for each thing that may be wrong, what and where.
//!
//! Certificates are tried where there are some, with `meterhub check` itself (tests/check_connect).

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, post};
use hub_core::AdapterContext;
use hub_web::{ClientOptions, Probe, WebServer};
use reqwest::Method;
use tempfile::TempDir;
use tokio::net::TcpListener;

const AUTHORIZATION: &str = "Bearer t0ken";

/// A partner's server, and who we are there.
struct Partner {
    base: TempDir,
    url: String,
}

impl Partner {
    async fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("right"), "t0ken").unwrap();
        std::fs::write(base.path().join("wrong"), "guess").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let known = |headers: HeaderMap| async move {
            match headers.get(header::AUTHORIZATION) {
                Some(value) if value == AUTHORIZATION => StatusCode::NO_CONTENT.into_response(),
                _ => (StatusCode::UNAUTHORIZED, "who\r\nare you?").into_response(),
            }
        };
        let moved = (StatusCode::FOUND, [(header::LOCATION, "/login")]);
        let token = r#"{"access_token":"t0ken","expires_in":60}"#;
        let app = Router::new()
            .route("/in", any(known))
            .route("/forbidden", any(StatusCode::FORBIDDEN))
            .route("/moved", any(moved))
            .route("/down", any(StatusCode::BAD_GATEWAY))
            .route("/odd", any(StatusCode::INTERNAL_SERVER_ERROR))
            .route("/post", post(StatusCode::NO_CONTENT))
            .route("/token", any(token));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, url }
    }

    /// What is said of a server, `ok` if it is well.
    async fn said(&self, server: &str, probe: Option<Probe>) -> String {
        let server: WebServer = toml::from_str(server).unwrap();
        let context = AdapterContext::alone("erp", "north", self.base.path());
        let checked = server.check(ClientOptions::default(), probe.as_ref(), &context);
        match checked.await {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn server(&self, more: &str) -> String {
        format!("url = '{}/in'\ntimeout_seconds = 1\n{more}", self.url)
    }
}

fn head(path: &str) -> Option<Probe> {
    Some(Probe::new(Method::HEAD, path))
}

#[tokio::test]
async fn an_answer_says_what_is_wrong() {
    let partner = Partner::new().await;
    let (right, wrong) = (
        "auth = { bearer = 'file:right' }",
        "auth = { bearer = 'file:wrong' }",
    );
    for (auth, path, expected) in [
        (right, "", &["ok"][..]),
        (right, "/post", &["ok"]),
        (right, "/odd", &["ok"]),
        (
            wrong,
            "",
            &["401 Unauthorized", "our credentials are refused", "`auth`"],
        ),
        ("", "", &["401 Unauthorized", "none are given"]),
        (right, "/forbidden", &["403 Forbidden", "may not do this"]),
        (
            right,
            "/nowhere",
            &["404 Not Found", "nothing at this path"],
        ),
        (right, "/moved", &["302 Found", "leads to `/login`"]),
        (
            right,
            "/down",
            &["502 Bad Gateway", "does not reach the server behind it"],
        ),
    ] {
        let said = partner.said(&partner.server(auth), head(path)).await;
        assert!(
            expected.iter().all(|words| said.contains(words)),
            "{path}: {said}"
        );
        let asked = format!("`HEAD {}{path}", partner.url);
        assert!(said == "ok" || said.contains(&asked), "{asked}: {said}");
    }
    let words = partner
        .said(&partner.server(wrong), Some(Probe::new(Method::GET, "")))
        .await;
    assert!(words.contains("(who are you?)"), "{words}");
    let absent = Probe::new(Method::HEAD, "/nowhere").may_be_absent(true);
    assert_eq!(
        partner.said(&partner.server(right), Some(absent)).await,
        "ok"
    );
}

#[tokio::test]
async fn without_a_request_the_connection_and_the_token_are_tried() {
    let partner = Partner::new().await;
    assert_eq!(partner.said(&partner.server(""), None).await, "ok");
    let token = |path: &str| {
        partner.server(&format!(
            "auth = {{ oauth2 = {{ token_url = '{}{path}', client_id = 'hub', client_secret = 'file:right' }} }}",
            partner.url
        ))
    };
    assert_eq!(partner.said(&token("/token"), head("")).await, "ok");
    let said = partner.said(&token("/down"), None).await;
    assert!(said.contains("/down` answered 502"), "{said}");
    let said = partner.said(
        "url = 'http://127.0.0.1:1'\nauth = { bearer = 'env:NOT_THERE' }",
        None,
    );
    assert!(said.await.contains("`NOT_THERE` is not set"));
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_from_who_is_not_known() {
    let partner = Partner::new().await;
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let address = partner.url.trim_start_matches("http://");
    for (server, expected) in [
        (
            format!("url = 'http://{closed}/in'"),
            &["Connection refused", "no connection to `http://127"][..],
        ),
        (
            "url = 'https://nowhere.invalid/in'".to_owned(),
            &["the name `nowhere.invalid` is not known here"],
        ),
        (
            format!("url = 'https://{address}/in'"),
            &["no connection to `https://127", "does not speak TLS"],
        ),
        (
            format!("url = 'https://erp.example/in'\nproxy = 'http://{closed}'"),
            &[
                "no connection to `https://erp.example`",
                "Connection refused",
            ],
        ),
    ] {
        for probe in [None, head("/in")] {
            let said = partner.said(&server, probe).await;
            assert!(
                expected.iter().all(|words| said.contains(words)),
                "{server}: {said}"
            );
        }
    }
}

/// Takes connections, and says nothing.
#[tokio::test]
async fn silence_is_not_waited_for() {
    let partner = Partner::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let server = format!("url = 'http://{address}'\ntimeout_seconds = 1");
    assert_eq!(partner.said(&server, None).await, "ok");
    let said = partner.said(&server, head("/in")).await;
    assert!(
        said.contains("`HEAD http://127") && said.contains("timed out"),
        "{said}"
    );
    let server = format!("url = 'https://{address}'\nconnect_timeout_seconds = 1");
    let said = partner.said(&server, None).await;
    assert!(
        said.contains("no connection to `https://127") && said.contains("within 1 s"),
        "{said}"
    );
}
