//! Pages that the server cuts.

use adapter_sap::SapODataSourceConfig;
use hub_core::{Source, SourceConfig, SourceError};
use meterhub_tests::conformance::{accepted, read, receive};

use crate::system::System;

const FIRST: &str = "/service/Set?sap-client=100";

fn config(system: &System, more: &str) -> SapODataSourceConfig {
    let url = system.url();
    let toml = format!(
        "version = 'v2'\npath = '/service/Set'\nclient = '100'\nchanges = true\npoll_seconds = 1\n\
         server = {{ url = '{url}', timeout_seconds = 2 }}\n{more}"
    );
    let config: SapODataSourceConfig = toml::from_str(&toml).unwrap();
    assert_eq!(config.validate(), []);
    config
}

fn page(row: &str, link: &str) -> String {
    format!(r#"{{"d":{{"results":[{{"Id":"{row}"}}],{link}}}}}"#)
}

/// The body of the next page, accepted.
async fn next(source: &mut dyn Source) -> String {
    let (message, receipt) = receive(source).await.into_parts();
    let body = read(message.body).await.unwrap();
    receipt.settle(accepted()).await;
    String::from_utf8(body).unwrap()
}

fn row(id: &str) -> String {
    format!(r#"{{"d":{{"results":[{{"Id":"{id}"}}]}}}}"#)
}

#[tokio::test]
async fn pages_are_followed_and_remembered_one_by_one() {
    let (system, _base, context) = System::start().await;
    let url = system.url();
    // A link may be whole, and lack the client.
    system.page(
        FIRST,
        &page(
            "1",
            &format!(r#""__next":"{url}/service/Set?$skiptoken=2""#),
        ),
    );
    system.page(
        "/service/Set?$skiptoken=2&sap-client=100",
        &page("2", r#""__next":"Set?$skiptoken=3""#),
    );
    system.page(
        "/service/Set?$skiptoken=3&sap-client=100",
        &page("3", r#""__delta":"Set?!deltatoken=D1""#),
    );
    let config = config(&system, "");
    let mut source = config.connect(&context).await.unwrap();
    assert_eq!(next(source.as_mut()).await, row("1"));
    // Offered, but not accepted: it comes again.
    drop(receive(source.as_mut()).await);
    drop(source);
    let mut source = config.connect(&context).await.unwrap();
    assert_eq!(next(source.as_mut()).await, row("2"));
    assert_eq!(next(source.as_mut()).await, row("3"));
    system.page(
        "/service/Set?!deltatoken=D1&sap-client=100",
        &page("4", r#""__delta":"Set?!deltatoken=D2""#),
    );
    drop(source);
    let mut source = config.connect(&context).await.unwrap();
    assert_eq!(next(source.as_mut()).await, row("4"));
    // D2 is not known any more: the set is read from its start.
    assert_eq!(next(source.as_mut()).await, row("1"));
    let seen = system.seen.lock().unwrap();
    assert!(
        seen.iter()
            .all(|(_, headers)| headers["prefer"] == "odata.track-changes")
    );
}

#[tokio::test]
async fn a_link_to_another_server_is_not_followed() {
    let (system, _base, context) = System::start().await;
    system.page(
        FIRST,
        &page(
            "1",
            r#""__next":"http://intern.example:8000/service/Set?$skiptoken=2""#,
        ),
    );
    system.page(
        "/service/Set?$skiptoken=2&sap-client=100",
        &page("2", r#""__delta":"x""#),
    );
    let refused = config(&system, "").connect(&context).await.err().unwrap();
    let SourceError::Disconnected { reason, .. } = refused;
    assert!(
        reason.contains("intern.example:8000") && reason.contains("links_keep_server"),
        "{reason}"
    );
    let config = config(&system, "links_keep_server = true");
    let mut source = config.connect(&context).await.unwrap();
    assert_eq!(next(source.as_mut()).await, row("1"));
    assert_eq!(next(source.as_mut()).await, row("2"));
}

#[tokio::test]
async fn a_service_without_changes_says_what_would_do() {
    let (system, _base, context) = System::start().await;
    system.page(FIRST, r#"{"d":{"results":[{"Id":"1"}]}}"#);
    let error = config(&system, "").connect(&context).await.err().unwrap();
    assert!(error.to_string().contains("does not track them"), "{error}");
}
