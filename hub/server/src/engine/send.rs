//! One attempt to deliver: gets the body together, sends it, and says what that means.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hub_core::{Content, OutgoingMessage, Piece, RetryPolicy, Sink, SinkError};
use hub_model::Instant;
use hub_store::StoreError;
use hub_store::messages::{DeliveryBody, DeliveryOutcome, PendingDelivery};
use tokio::io::AsyncWriteExt;

use super::Hub;
use super::steady::later;

/// Longest answer of an endpoint that is kept.
const MAX_NOTE_CHARS: usize = 500;

/// What an attempt means for the endpoint as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EndpointHealth {
    /// It answered: it took the message, or refused it.
    Answered,
    /// It did not.
    Silent { pause: Option<Duration> },
    /// It wants a pause.
    Busy { pause: Option<Duration> },
}

/// Sends one delivery.
pub(super) async fn attempt(
    hub: &Hub,
    sink: &Arc<dyn Sink>,
    delivery: &PendingDelivery,
) -> Result<String, SinkError> {
    let content = match body(hub, delivery).await {
        Ok(content) => content,
        Err(problem) => {
            let endpoint = "the store".to_owned();
            return Err(SinkError::Unavailable {
                endpoint,
                reason: problem.to_string(),
                retry_after: None,
                answered: false,
            });
        }
    };
    let message = OutgoingMessage {
        message_id: delivery.id,
        correlation_id: delivery.message_id,
        enterprise: delivery.enterprise.clone(),
        route: delivery.route.clone(),
        source_name: delivery.source_name.clone(),
        subject: delivery.subject.clone(),
        created: delivery.created,
        attempt: delivery.attempts + 1,
        media_type: delivery.media_type.clone(),
        extension: delivery.extension.clone(),
        headers: Vec::new(),
        content,
    };
    let sent = sink.send(&message).await;
    if sent.is_ok() && matches!(delivery.body, DeliveryBody::Parts { .. }) {
        let _ = tokio::fs::remove_file(assembled_path(hub, delivery)).await;
    }
    sent.map(|sent| sent.note)
}

/// What an attempt that failed, or did not, means for the delivery and for its endpoint.
pub(super) fn judge(
    result: Result<String, SinkError>,
    delivery: &PendingDelivery,
    policy: RetryPolicy,
    was_probe: bool,
    now: Instant,
    random: u64,
) -> (DeliveryOutcome, EndpointHealth) {
    let problem = match result {
        Ok(note) => {
            return (
                DeliveryOutcome::Delivered {
                    note: shortened(note),
                },
                EndpointHealth::Answered,
            );
        }
        Err(problem) => problem,
    };
    let note = shortened(problem.to_string());
    let pause_of = |asked: Option<Duration>| {
        let own = hub_core::Backoff::from(policy).pause(delivery.attempts + 1, random);
        later(now, own.max(asked.unwrap_or_default()))
    };
    match problem {
        SinkError::Refused { .. } => (DeliveryOutcome::Parked { note }, EndpointHealth::Answered),
        SinkError::Busy { retry_after, .. } => {
            let outcome = DeliveryOutcome::Failed {
                note,
                due: pause_of(retry_after),
                counts: false,
            };
            (outcome, EndpointHealth::Busy { pause: retry_after })
        }
        SinkError::Unavailable { retry_after, .. } => {
            let health = EndpointHealth::Silent { pause: retry_after };
            // An endpoint that is known to be down says nothing about the message that probes it.
            if !was_probe && delivery.attempts + 1 >= policy.attempts {
                return (DeliveryOutcome::Parked { note }, health);
            }
            (
                DeliveryOutcome::Failed {
                    note,
                    due: pause_of(retry_after),
                    counts: !was_probe,
                },
                health,
            )
        }
    }
}

fn shortened(note: String) -> String {
    if note.chars().count() <= MAX_NOTE_CHARS {
        note
    } else {
        note.chars().take(MAX_NOTE_CHARS).collect()
    }
}

async fn body(hub: &Hub, delivery: &PendingDelivery) -> Result<Content, StoreError> {
    Ok(match &delivery.body {
        DeliveryBody::Bytes(bytes) => Content::bytes(bytes.clone()),
        DeliveryBody::File { path, len } => Content(vec![Piece::File {
            path: path.clone(),
            len: *len,
        }]),
        DeliveryBody::Parts { run } => assemble(hub, delivery, *run).await?,
    })
}

fn assembled_path(hub: &Hub, delivery: &PendingDelivery) -> PathBuf {
    hub.config
        .hub
        .data_dir
        .join("outgoing")
        .join(delivery.id.to_string())
}

/// Puts the parts of a document together in a file, one part in memory at a time. The store keeps
/// the parts, so this file may be lost at any time.
async fn assemble(hub: &Hub, delivery: &PendingDelivery, run: i64) -> Result<Content, StoreError> {
    let path = assembled_path(hub, delivery);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(&path).await?);
    let (mut number, mut len) = (i64::MIN, 0);
    while let Some((found, bytes)) = hub
        .store
        .part(delivery.message_id, run, &delivery.route, number)
        .await?
    {
        file.write_all(&bytes).await?;
        number = found;
        len += bytes.len() as u64;
    }
    file.flush().await?;
    Ok(Content(vec![Piece::File { path, len }]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::MessageId;

    const NOW: Instant = Instant::from_seconds(1_000);
    const POLICY: RetryPolicy = RetryPolicy {
        initial_milliseconds: 1_000,
        max_seconds: 60,
        attempts: 3,
    };

    fn delivery(attempts: u32) -> PendingDelivery {
        PendingDelivery {
            id: MessageId(1),
            message_id: MessageId(1),
            enterprise: String::new(),
            route: String::new(),
            lane: 0,
            subject: String::new(),
            source_name: String::new(),
            media_type: String::new(),
            extension: String::new(),
            attempts,
            due: NOW,
            created: NOW,
            is_head: true,
            body: DeliveryBody::Bytes(bytes::Bytes::new()),
        }
    }

    fn silent(retry_after: Option<Duration>) -> Result<String, SinkError> {
        Err(SinkError::Unavailable {
            endpoint: "e".into(),
            reason: "r".into(),
            retry_after,
            answered: false,
        })
    }

    #[test]
    fn a_silent_endpoint_is_tried_again_and_then_the_message_is_parked() {
        let (outcome, _) = judge(silent(None), &delivery(0), POLICY, false, NOW, 0);
        assert!(matches!(outcome, DeliveryOutcome::Failed { counts: true, due, .. } if due > NOW));
        let (outcome, _) = judge(silent(None), &delivery(2), POLICY, false, NOW, 0);
        assert!(matches!(outcome, DeliveryOutcome::Parked { .. }));
    }

    #[test]
    fn a_probe_of_a_dead_endpoint_never_parks_the_message() {
        let (outcome, health) = judge(silent(None), &delivery(2), POLICY, true, NOW, 0);
        assert!(matches!(
            outcome,
            DeliveryOutcome::Failed { counts: false, .. }
        ));
        assert_eq!(health, EndpointHealth::Silent { pause: None });
    }

    #[test]
    fn a_wish_to_wait_is_honoured() {
        let asked = Duration::from_secs(120);
        let (outcome, _) = judge(silent(Some(asked)), &delivery(0), POLICY, false, NOW, 0);
        assert!(
            matches!(outcome, DeliveryOutcome::Failed { due, .. } if due == NOW.plus_seconds(120))
        );
    }

    #[test]
    fn a_refusal_parks_at_once() {
        let refused = Err(SinkError::Refused {
            endpoint: "e".into(),
            answer: "400".into(),
        });
        let (outcome, health) = judge(refused, &delivery(0), POLICY, false, NOW, 0);
        assert!(matches!(outcome, DeliveryOutcome::Parked { .. }));
        assert_eq!(health, EndpointHealth::Answered);
    }
}
