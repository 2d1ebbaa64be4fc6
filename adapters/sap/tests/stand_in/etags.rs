//! A change by the state of an entity is sent only if that state was read.

use adapter_sap::SapODataSinkConfig;
use hub_core::{SinkConfig, SinkError};

use crate::system::{System, message};

#[tokio::test]
async fn an_entity_whose_state_is_not_read_is_not_changed() {
    let (system, _base, context) = System::start().await;
    let url = system.url();
    let toml = format!(
        "version = 'v4'\npath = '/service/Set'\nmethod = 'PATCH'\nif_match = 'fetched'\n\
         server = {{ url = '{url}', timeout_seconds = 5 }}"
    );
    let config: SapODataSinkConfig = toml::from_str(&toml).unwrap();
    let sink = config.connect(&context).await.unwrap();
    let entity =
        |bytes: usize| format!(r#"{{"text":"{}","@odata.etag":"W/1"}}"#, "x".repeat(bytes));
    let changes = || {
        let seen = system.seen.lock().unwrap();
        seen.iter()
            .filter_map(|(_, headers)| headers.get("if-match").cloned())
            .count()
    };
    // Larger than what is read of other answers.
    system.page("/service/Set", &entity(200_000));
    sink.send(&message(1)).await.unwrap();
    assert_eq!(changes(), 1);

    system.page("/service/Set", &entity(2_000_000));
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("not sent"), "{error}");

    system.page("/service/Set", r#"{"text":"cut o"#);
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(
        matches!(error, SinkError::Unavailable { answered: true, .. }),
        "{error}"
    );
    assert_eq!(changes(), 1);
    let posts = system.seen.lock().unwrap();
    let unconditional = posts
        .iter()
        .filter(|(_, headers)| headers.contains_key("x-message-id"))
        .count();
    assert_eq!(unconditional, 1, "and none without a condition");
}
