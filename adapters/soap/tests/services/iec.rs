//! Messages of IEC 61968-100, validated by spyne against its schema; its replies judged.

use hub_core::{Content, Piece, SinkError};

use crate::rig::{Services, TNS, document, get, taken};

const READINGS: &str =
    "<?xml version=\"1.0\"?>\n<r:MeterReadings xmlns:r='urn:r'><r:v>1</r:v></r:MeterReadings>";

fn config(services: &Services, verb: &str, more: &str) -> String {
    format!(
        "{more}\nserver = {{ url = '{}/soap11' }}\n\
         iec = {{ element = '{{{TNS}}}CreatedMeterReadings', namespace = '{TNS}', verb = '{verb}', \
         noun = 'MeterReadings' }}",
        services.spyne
    )
}

#[tokio::test]
async fn a_message_is_valid_and_its_reply_counts() {
    let Some(services) = Services::find().await else {
        return;
    };
    let message = document(READINGS);
    for (result, more, expected) in [
        ("OK", "", Ok("Reply OK 0.0 because OK")),
        ("PARTIAL", "", Err("refused")),
        (
            "PARTIAL",
            "accept_partial = true",
            Ok("Reply PARTIAL 0.2 because PARTIAL"),
        ),
        ("FAILED", "", Err("refused")),
        ("FAILED", "retry_codes = ['5']", Err("again")),
        ("FAILED", "retry_codes = ['5.1']", Err("again")),
        ("FAILED", "retry_codes = ['5.10', '1']", Err("refused")),
    ] {
        get(&format!("{}/control?result={result}", services.spyne)).await;
        let sink = services.sink(&config(&services, "created", more)).await;
        let found = match &sink.send(&message).await {
            Ok(sent) => Ok(sent.note.clone()),
            Err(SinkError::Refused { answer, .. }) => {
                assert!(answer.contains(&format!("because {result}")), "{answer}");
                Err("refused")
            }
            Err(SinkError::Unavailable { answered: true, .. }) => Err("again"),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(
            found.as_deref().map_err(|e| *e),
            expected,
            "{result} {more}"
        );
        let taken = taken(&services.spyne).await;
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].0, message.message_id.to_string());
        let body = String::from_utf8_lossy(&taken[0].1);
        assert!(
            body.contains("<r:MeterReadings") && !body.contains("<?xml"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_its_schema_forbids_is_refused() {
    let Some(services) = Services::find().await else {
        return;
    };
    let sink = services.sink(&config(&services, "execute", "")).await;
    let refused = sink.send(&document(READINGS)).await;
    let Err(SinkError::Refused { answer, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(answer.contains("SchemaValidationError"), "{answer}");
    assert_eq!(taken(&services.spyne).await, []);
}

#[tokio::test]
async fn a_large_document_is_streamed_from_its_file() {
    let Some(services) = Services::find().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.xml");
    let text = format!("\u{feff}<d>{}</d>", "<v>1</v>".repeat(1_000_000));
    std::fs::write(&path, &text).unwrap();
    let mut message = document("");
    message.content = Content(vec![Piece::File {
        path,
        len: text.len() as u64,
    }]);
    let sink = services.sink(&config(&services, "created", "")).await;
    sink.send(&message).await.unwrap();
    let taken = taken(&services.spyne).await;
    assert!(taken[0].1.len() > 8_000_000, "{}", taken[0].1.len());
}
