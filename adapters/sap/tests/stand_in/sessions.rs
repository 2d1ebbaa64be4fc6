//! A token belongs to the session whose cookies it came with.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use adapter_sap::SapODataSinkConfig;
use hub_core::{AdapterContext, Sink, SinkConfig, SinkError};
use tokio::task::JoinSet;

use crate::system::{System, message};

async fn sink(system: &System, context: &AdapterContext, more: &str) -> Box<dyn Sink> {
    let url = system.url();
    let toml = format!(
        "version = 'v4'\npath = '/service/Set'\nserver = {{ url = '{url}', timeout_seconds = 1 }}\n{more}"
    );
    let config: SapODataSinkConfig = toml::from_str(&toml).unwrap();
    assert_eq!(config.validate(), []);
    config.connect(context).await.unwrap()
}

#[tokio::test]
async fn a_session_serves_many_and_is_renewed_once_for_all() {
    let (system, _base, context) = System::start().await;
    let sink: Arc<dyn Sink> = sink(&system, &context, "").await.into();
    for round in 1..=3 {
        let mut sends = JoinSet::new();
        for number in 0..50 {
            let sink = sink.clone();
            sends.spawn(async move { sink.send(&message(number)).await });
        }
        while let Some(sent) = sends.join_next().await {
            sent.unwrap().unwrap();
        }
        assert_eq!(system.opened.load(Ordering::Relaxed), round);
        system.forget_sessions();
    }
}

#[tokio::test]
async fn a_server_that_takes_no_token_is_not_asked_for_ever() {
    let (system, _base, context) = System::start().await;
    let sink = sink(&system, &context, "").await;
    for _ in 0..2 {
        system.plan(
            403,
            &[("x-csrf-token", "Required")],
            "CSRF token validation failed",
        );
    }
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(
        matches!(
            error,
            SinkError::Unavailable {
                answered: false,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("CSRF token validation failed"),
        "{error}"
    );
    assert_eq!(system.opened.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn none_is_fetched_where_none_is_needed() {
    let (system, _base, context) = System::start().await;
    let sink = sink(&system, &context, "csrf_path = ''").await;
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(error.to_string().contains("403"), "{error}");
    assert_eq!(system.opened.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_repetition_says_that_it_is_one() {
    let (system, _base, context) = System::start().await;
    let sink = sink(&system, &context, "repeatable = true").await;
    system.plan.lock().unwrap().push_back(None);
    let mut message = message(7);
    let error = sink.send(&message).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    message.attempt = 2;
    system.plan(201, &[("repeatability-result", "accepted")], "");
    let sent = sink.send(&message).await.unwrap();
    assert_eq!(sent.note, "201 Created; repeatable");
    let seen = system.seen.lock().unwrap();
    let [first, second] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    for name in [
        "repeatability-request-id",
        "repeatability-first-sent",
        "x-message-id",
    ] {
        assert_eq!(first.1[name], second.1[name], "{name}");
    }
}
