//! Where messages go that can never be accepted, with the reason.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};

use crate::properties::PERSISTENT;
use crate::publisher::{Address, NotPublished, Publisher};

/// Longest reason sent with a message, in characters.
const LONGEST_REASON: usize = 1_000;

/// Header with the reason.
const REASON: &str = "x-meterhub-reason";
/// Header with the name of our source.
const SOURCE: &str = "x-meterhub-source";
/// Header with the queue that the message was in.
const QUEUE: &str = "x-meterhub-queue";

/// The dead-letter exchange of a source, on a connection of its own: a broker that is full blocks
/// connections that publish, and the acknowledgements of the source must not wait for that.
pub(crate) struct DeadLetters {
    publisher: Publisher,
    address: Address,
}

impl DeadLetters {
    pub(crate) fn new(publisher: Publisher, address: Address) -> Self {
        Self { publisher, address }
    }

    /// Returns once the broker has the message there, with its reason.
    ///
    /// # Errors
    /// Why not; the message is still in its queue.
    pub(crate) async fn bury(
        &self,
        properties: BasicProperties,
        body: Bytes,
        origin: &Origin<'_>,
        reason: &str,
    ) -> Result<(), String> {
        let properties = with_reason(properties, origin, reason);
        let published = self.publisher.publish(&self.address, properties, body);
        published.await.map_err(|problem| {
            let address = &self.address;
            match problem {
                NotPublished::Unavailable(reason) | NotPublished::Refused(reason) => reason,
                NotPublished::Unroutable(reason) => format!("no queue takes it; {reason}"),
                NotPublished::Blocked => "the broker is full".to_owned(),
                NotPublished::NotKept => format!("{address} could not keep it"),
            }
        })
    }
}

/// Where a message came from.
pub(crate) struct Origin<'a> {
    pub(crate) source: &'a str,
    pub(crate) queue: &'a str,
}

fn with_reason(properties: BasicProperties, origin: &Origin<'_>, reason: &str) -> BasicProperties {
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let mut headers = properties.headers().clone().unwrap_or_default();
    put(&mut headers, REASON, &reason);
    put(&mut headers, SOURCE, origin.source);
    put(&mut headers, QUEUE, origin.queue);
    kept(&properties).with_headers(headers)
}

/// The properties that a message keeps. Not its expiration: here it waits for people. Not its user
/// id: the broker would compare it with ours.
fn kept(from: &BasicProperties) -> BasicProperties {
    let mut to = BasicProperties::default().with_delivery_mode(PERSISTENT);
    macro_rules! keep {
        ($property:ident, $with:ident) => {
            if let Some(value) = from.$property() {
                to = to.$with(value.clone());
            }
        };
    }
    keep!(message_id, with_message_id);
    keep!(correlation_id, with_correlation_id);
    keep!(content_type, with_content_type);
    keep!(content_encoding, with_content_encoding);
    keep!(reply_to, with_reply_to);
    keep!(kind, with_type);
    keep!(app_id, with_app_id);
    keep!(timestamp, with_timestamp);
    keep!(priority, with_priority);
    to
}

fn put(headers: &mut FieldTable, name: &'static str, value: &str) {
    headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
}
