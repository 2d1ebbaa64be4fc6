//! One attempt to deliver: gets the body together, sends it, and says what that means.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use hub_core::{Content, OutgoingMessage, Piece, RetryPolicy, Sent, SinkError};
use hub_model::Instant;
use hub_store::StoreError;
use hub_store::messages::{DeliveryBody, DeliveryOutcome, PendingDelivery};
use tokio::io::AsyncWriteExt;

use super::Hub;
use super::outlet::Outlet;
use super::steady::later;

/// Longest answer of an endpoint that is kept.
const MAX_NOTE_CHARS: usize = 500;

/// Longest attempt, whatever the sink's own limits are: a safety net against one that hangs (a file
/// system that went away), for it keeps its lane, and one of the endpoint's parallel attempts.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(15 * 60);
/// A large body may take a second longer per this many bytes.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// What an attempt means for the endpoint as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EndpointHealth {
    /// It answered: it took the message, or refused it.
    Answered,
    /// It did not.
    Silent { pause: Option<Duration> },
    /// It wants a pause.
    Busy { pause: Option<Duration> },
    /// It was not asked: the trouble is our own.
    Unknown,
}

/// Why a delivery was not taken.
#[derive(Debug)]
pub(super) enum NotSent {
    /// Its body could not be had from the store.
    Store(StoreError),
    /// The sink is not set up yet, for this reason.
    NotSetUp(String),
    /// The sink could not send it.
    Sink(SinkError),
    /// The sink panicked: a defect of ours.
    Panicked,
}

impl From<StoreError> for NotSent {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sends one delivery to a sink of this name.
pub(super) async fn attempt(
    hub: &Hub,
    name: &str,
    outlet: &Outlet,
    delivery: &PendingDelivery,
) -> Result<Sent, NotSent> {
    let sink = outlet.sink().map_err(NotSent::NotSetUp)?;
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
        headers: delivery.headers.clone(),
        content: body(hub, delivery).await?,
    };
    let limit = longest(message.content.len());
    within(limit, name, sink.send(&message)).await
}

/// How long an attempt may take that sends this many bytes.
fn longest(bytes: u64) -> Duration {
    LONGEST_ATTEMPT + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
}

/// What came of sending. A sink that panics, or gives no answer for so long, is given up.
async fn within(
    limit: Duration,
    name: &str,
    sending: impl Future<Output = Result<Sent, SinkError>>,
) -> Result<Sent, NotSent> {
    let caught = AssertUnwindSafe(sending).catch_unwind();
    match tokio::time::timeout(limit, caught).await {
        Ok(Ok(sent)) => sent.map_err(NotSent::Sink),
        Ok(Err(_)) => Err(NotSent::Panicked),
        Err(_) => Err(NotSent::Sink(SinkError::Unavailable {
            endpoint: format!("sink `{name}`"),
            reason: format!(
                "the attempt was given up after {} s without an outcome",
                limit.as_secs()
            ),
            retry_after: None,
            answered: false,
        })),
    }
}

/// What an attempt that failed, or did not, means for the delivery and for its endpoint.
pub(super) fn judge(
    result: Result<Sent, NotSent>,
    delivery: &PendingDelivery,
    policy: RetryPolicy,
    was_probe: bool,
    now: Instant,
    random: u64,
) -> (DeliveryOutcome, EndpointHealth) {
    let again = |note: String, asked: Option<Duration>, counts: bool| {
        if counts && delivery.attempts + 1 >= policy.attempts {
            return DeliveryOutcome::Parked { note };
        }
        let own = hub_core::Backoff::from(policy).pause(delivery.attempts + 1, random);
        let due = later(now, own.max(asked.unwrap_or_default()));
        DeliveryOutcome::Failed { note, due, counts }
    };
    let problem = match result {
        Ok(sent) => {
            let outcome = DeliveryOutcome::Delivered {
                note: shortened(sent.note),
                references: sent.references,
            };
            return (outcome, EndpointHealth::Answered);
        }
        Err(NotSent::Store(problem)) => {
            let note = shortened(format!("the hub's own store has trouble: {problem}"));
            return (again(note, None, false), EndpointHealth::Unknown);
        }
        Err(NotSent::NotSetUp(problem)) => {
            let note = shortened(format!("the sink cannot be set up: {problem}"));
            let health = EndpointHealth::Silent { pause: None };
            return (again(note, None, false), health);
        }
        Err(NotSent::Panicked) => {
            let note =
                "the sink failed on its own account; this is a defect of Meterhub".to_owned();
            return (again(note, None, true), EndpointHealth::Unknown);
        }
        Err(NotSent::Sink(problem)) => problem,
    };
    let note = shortened(problem.to_string());
    match problem {
        SinkError::Refused { .. } => (DeliveryOutcome::Parked { note }, EndpointHealth::Answered),
        SinkError::Busy { retry_after, .. } => {
            let health = EndpointHealth::Busy { pause: retry_after };
            (again(note, retry_after, false), health)
        }
        SinkError::Unavailable {
            retry_after,
            answered,
            ..
        } => {
            // An endpoint that is known to be down says nothing about the message that probes it,
            // unless it answered to that very message.
            let counts = answered || !was_probe;
            let health = EndpointHealth::Silent { pause: retry_after };
            (again(note, retry_after, counts), health)
        }
    }
}

/// A delivery is done with: what was put together for it is not needed any more.
pub(super) async fn forget(hub: &Hub, delivery: &PendingDelivery) {
    if matches!(delivery.body, DeliveryBody::Parts { .. }) {
        let _ = tokio::fs::remove_file(assembled_path(hub, delivery)).await;
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
        DeliveryBody::Stored { id } => Content::bytes(hub.store.body(*id).await?),
        DeliveryBody::File { path, len } => Content(vec![Piece::File {
            path: path.clone(),
            len: *len,
        }]),
        DeliveryBody::Parts { document } => assemble(hub, delivery, *document).await?,
    })
}

/// Folder of documents put together from their parts. The store keeps the parts, so that all of it
/// may be lost at any time; it is cleared at start-up.
pub(crate) fn assembled_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("outgoing")
}

fn assembled_path(hub: &Hub, delivery: &PendingDelivery) -> PathBuf {
    assembled_folder(&hub.config.hub.data_dir).join(delivery.id.to_string())
}

/// Puts the parts of a document together in a file, one part in memory at a time, unless an
/// earlier attempt did.
async fn assemble(
    hub: &Hub,
    delivery: &PendingDelivery,
    document: i64,
) -> Result<Content, StoreError> {
    let path = assembled_path(hub, delivery);
    let len = hub.store.parts_len(document).await?;
    let there = tokio::fs::metadata(&path)
        .await
        .is_ok_and(|file| file.len() == len);
    if !there {
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let mut file = tokio::io::BufWriter::new(tokio::fs::File::create(&path).await?);
        let mut number = i64::MIN;
        while let Some((found, bytes)) = hub.store.part(document, number).await? {
            file.write_all(&bytes).await?;
            number = found;
        }
        file.flush().await?;
    }
    Ok(Content(vec![Piece::File { path, len }]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use hub_core::MessageId;

    const NOW: Instant = Instant::from_seconds(1_000);
    const POLICY: RetryPolicy = RetryPolicy {
        initial_milliseconds: 1_000,
        max_seconds: 60,
        attempts: 3,
    };

    pub(in super::super) fn delivery(attempts: u32) -> PendingDelivery {
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
            headers: Vec::new(),
            body: DeliveryBody::Bytes(bytes::Bytes::new()),
        }
    }

    fn unavailable(retry_after: Option<Duration>, answered: bool) -> Result<Sent, NotSent> {
        Err(NotSent::Sink(SinkError::Unavailable {
            endpoint: "e".into(),
            reason: "r".into(),
            retry_after,
            answered,
        }))
    }

    fn silent(retry_after: Option<Duration>) -> Result<Sent, NotSent> {
        unavailable(retry_after, false)
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
    fn a_message_that_always_gets_a_bad_answer_is_parked_though_the_endpoint_is_probed() {
        let (outcome, _) = judge(unavailable(None, true), &delivery(2), POLICY, true, NOW, 0);
        assert!(matches!(outcome, DeliveryOutcome::Parked { .. }));
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_given_up_and_the_endpoint_is_not_answering() {
        let given_up = within(Duration::ZERO, "archive", std::future::pending()).await;
        let (outcome, health) = judge(given_up, &delivery(0), POLICY, false, NOW, 0);
        assert_eq!(health, EndpointHealth::Silent { pause: None });
        let DeliveryOutcome::Failed { note, counts, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(counts && note.contains("`archive`") && note.contains("given up"));
        let sent = Ok(Sent::noted("ok"));
        let sent = within(LONGEST_ATTEMPT, "archive", std::future::ready(sent)).await;
        assert_eq!(sent.unwrap().note, "ok");
    }

    #[test]
    fn a_large_body_has_longer() {
        assert_eq!(longest(0), LONGEST_ATTEMPT);
        let gigabyte = longest(1024 * 1024 * 1024);
        assert_eq!(gigabyte, LONGEST_ATTEMPT + Duration::from_secs(65_536));
    }

    #[test]
    fn trouble_of_our_own_is_not_blamed_on_the_endpoint() {
        let full = Err(NotSent::Store(StoreError::Database("disk full".into())));
        let (outcome, health) = judge(full, &delivery(2), POLICY, false, NOW, 0);
        assert!(matches!(
            outcome,
            DeliveryOutcome::Failed { counts: false, .. }
        ));
        assert_eq!(health, EndpointHealth::Unknown);
    }

    #[test]
    fn a_sink_that_is_not_set_up_costs_no_attempt_and_is_silent() {
        let missing = Err(NotSent::NotSetUp("no such file".into()));
        let (outcome, health) = judge(missing, &delivery(2), POLICY, false, NOW, 0);
        let DeliveryOutcome::Failed { note, counts, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(!counts && note.contains("no such file"));
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
        let refused = Err(NotSent::Sink(SinkError::Refused {
            endpoint: "e".into(),
            answer: "400".into(),
        }));
        let (outcome, health) = judge(refused, &delivery(0), POLICY, false, NOW, 0);
        assert!(matches!(outcome, DeliveryOutcome::Parked { .. }));
        assert_eq!(health, EndpointHealth::Answered);
    }
}
