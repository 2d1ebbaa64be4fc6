//! Answers that are made for people.

use adapter_sap::SapIdocSinkConfig;
use hub_core::{Content, OutgoingMessage, Sink, SinkConfig, SinkError};
use tempfile::TempDir;

use crate::system::{System, message};

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

async fn port() -> (std::sync::Arc<System>, TempDir, Box<dyn Sink>) {
    port_with("").await
}

async fn port_with(more: &str) -> (std::sync::Arc<System>, TempDir, Box<dyn Sink>) {
    let (system, base, context) = System::start().await;
    let url = system.url();
    let toml = format!("path = '/open'\nserver = {{ url = '{url}', timeout_seconds = 2 }}\n{more}");
    let config: SapIdocSinkConfig = toml::from_str(&toml).unwrap();
    let sink = config.connect(&context).await.unwrap();
    (system, base, sink)
}

#[tokio::test]
async fn silence_with_200_is_a_yes() {
    let (system, _base, sink) = port().await;
    system.plan(200, &[], "");
    let sent = sink.send(&message(1)).await.unwrap();
    assert_eq!((sent.note.as_str(), sent.references.len()), ("200 OK", 0));
}

#[tokio::test]
async fn a_short_dump_is_a_readable_note() {
    let (system, _base, sink) = port().await;
    let page = format!(
        "<!DOCTYPE html><html><head><title>Application Server Error</title><style>{}</style></head><body>\
         <h2>500 SAP Internal Server Error</h2><p>ERROR: Division by 0 (termination: RABAX_STATE)</p></body></html>",
        "body { color: #000 }".repeat(1_000)
    );
    system.plan(500, &[HTML], &page);
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(
        matches!(error, SinkError::Unavailable { answered: true, .. }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "s4 is not answering: it answered 500 Internal Server Error Application Server Error 500 SAP Internal \
         Server Error ERROR: Division by 0 (termination: RABAX_STATE)"
    );
}

#[tokio::test]
async fn a_page_with_200_is_no_yes() {
    let (system, _base, sink) = port().await;
    system.plan(
        200,
        &[HTML],
        "<html><title>Logon</title><input type=\"password\"></html>",
    );
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
    assert!(error.to_string().contains("logon"), "{error}");
    system.plan(
        200,
        &[HTML],
        "<html><title>Gateway</title>Planned maintenance</html>",
    );
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(
        matches!(error, SinkError::Unavailable { answered: true, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("Planned maintenance"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_read_only_so_far() {
    let (system, _base, sink) = port().await;
    system.plan(400, &[], &"x".repeat(8 << 20));
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(
        error.to_string().len() < 1_000,
        "{}",
        error.to_string().len()
    );
}

#[tokio::test]
async fn silence_is_waited_for_only_so_long() {
    let (system, _base, sink) = port().await;
    system.plan.lock().unwrap().push_back(None);
    let begun = tokio::time::Instant::now();
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
    assert!(begun.elapsed().as_secs() < 5);
}

#[tokio::test]
async fn what_answers_mean_can_be_configured() {
    let rules = "answers = [{ body = 'already', means = 'accepted' }, \
                 { statuses = [200], body = '^busy', means = 'retry' }, { body = '^no', means = 'refused' }]";
    let (system, _base, sink) = port_with(rules).await;
    system.plan(409, &[], "was posted already");
    let sent = sink.send(&message(1)).await.unwrap();
    assert_eq!(sent.note, "409 Conflict: was posted already");
    system.plan(200, &[], "busy, come again");
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(
        matches!(error, SinkError::Unavailable { answered: true, .. }),
        "{error:?}"
    );
    system.plan(500, &[], "no such port");
    let error = sink.send(&message(1)).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error:?}");
    system.plan(200, &[], "processed=1 errors=0");
    sink.send(&message(1)).await.unwrap();
}

#[tokio::test]
async fn an_idoc_with_our_number_is_known_by_it() {
    let (system, _base, sink) = port().await;
    let idoc = |number: &str| {
        let text = format!(
            "<A><IDOC BEGIN=\"1\"><EDI_DC40><DOCNUM>{number}</DOCNUM><RCVPRN>S4DCLNT100</RCVPRN></EDI_DC40>\
             </IDOC></A>"
        );
        OutgoingMessage {
            content: Content::bytes(text.into_bytes()),
            ..message(1)
        }
    };
    let answer = "<DOCNUM>0000000000000815</DOCNUM>";
    for (number, expected) in [
        ("0000000000004711", "IDoc to S4DCLNT100 4711"),
        ("", "IDoc at S4DCLNT100 815"),
    ] {
        system.plan(200, &[], answer);
        let sent = sink.send(&idoc(number)).await.unwrap();
        assert_eq!(sent.references, [expected]);
    }
}
