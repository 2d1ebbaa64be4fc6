//! What is not sent, and where not to.

use hub_core::SinkError;

use crate::rig::{Services, TNS, document, get, taken};

#[tokio::test]
async fn an_answer_goes_only_where_it_may() {
    let Some(services) = Services::find().await else {
        return;
    };
    let config = format!(
        "server = {{ url = 'http://127.0.0.1:9/nobody' }}\nreply_to_origins = ['{}']\n\
         addressing = true\nbase64_element = '{{{TNS}}}PutDocument/content'",
        services.spyne
    );
    let config: adapter_soap::SoapSinkConfig = toml::from_str(&config).unwrap();
    let sink = hub_core::SinkConfig::connect(&config, &services.context())
        .await
        .unwrap();
    let to = |address: &str| {
        let mut message = document("an answer");
        message.headers = vec![("reply-to".to_owned(), address.to_owned())];
        message
    };
    sink.send(&to(&format!("{}/soap11", services.spyne)))
        .await
        .unwrap();
    assert_eq!(taken(&services.spyne).await.len(), 1);
    for address in [
        &format!("{}/store", services.npm),
        "http://169.254.169.254/latest",
        &services
            .spyne
            .replace("http://", "http://user@evil.example/"),
        "file:///etc/passwd",
        "queue.of.replies",
    ] {
        let refused = sink.send(&to(address)).await;
        let Err(SinkError::Refused { answer, .. }) = refused else {
            panic!("{address}: {refused:?}");
        };
        assert!(answer.contains("reply_to_origins"), "{answer}");
    }
    let elsewhere = sink.send(&document("no answer")).await;
    assert!(
        matches!(elsewhere, Err(SinkError::Unavailable { .. })),
        "{elsewhere:?}"
    );
    assert_eq!(taken(&services.spyne).await, []);
}

#[tokio::test]
async fn what_would_break_the_envelope_is_not_sent() {
    let Some(services) = Services::find().await else {
        return;
    };
    let sink = services
        .sink(&format!("server = {{ url = '{}/soap11' }}", services.spyne))
        .await;
    for text in [
        "a;b\n",
        "<a>",
        "<a/></soap:Body><x/>",
        "<!DOCTYPE a><a/>",
        "<a>&b;</a>",
    ] {
        let refused = sink.send(&document(text)).await;
        let Err(SinkError::Refused { answer, .. }) = refused else {
            panic!("{text}: {refused:?}");
        };
        assert!(answer.contains("cannot stand in an envelope"), "{answer}");
    }
}

#[tokio::test]
async fn faults_are_told_apart() {
    let Some(services) = Services::find().await else {
        return;
    };
    for (path, version) in [("/soap11", "1.1"), ("/soap12", "1.2")] {
        let config = format!(
            "version = '{version}'\nserver = {{ url = '{}{path}' }}\n\
             base64_element = '{{{TNS}}}PutDocument/content'",
            services.spyne
        );
        let sink = services.sink(&config).await;
        get(&format!("{}/control?refuse=bad&fail=later", services.spyne)).await;
        let refused = sink.send(&document("bad")).await;
        let Err(SinkError::Refused { answer, .. }) = refused else {
            panic!("{version}: {refused:?}");
        };
        assert!(answer.contains("this is never taken"), "{answer}");
        let later = sink.send(&document("later")).await;
        let Err(SinkError::Unavailable {
            answered, reason, ..
        }) = later
        else {
            panic!("{version}: {later:?}");
        };
        assert!(answered && reason.contains("not today"), "{reason}");
    }
    // A page, not a service: its 200 is no yes.
    let sink = services
        .sink(&format!("server = {{ url = '{}/health' }}", services.spyne))
        .await;
    let page = sink.send(&document("<a/>")).await;
    let Err(SinkError::Unavailable { reason, .. }) = page else {
        panic!("{page:?}");
    };
    assert!(reason.contains("no SOAP"), "{reason}");
}
