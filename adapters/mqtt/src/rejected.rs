//! Where messages go that can never be accepted, with the reason.

use rumqttc::{Publish, PublishProperties};

use crate::properties::topic;
use crate::publisher::{NotPublished, Outgoing, Publisher};
use crate::text::check_text;

/// Longest reason sent with a message, in characters.
const LONGEST_REASON: usize = 1_000;

/// User property with the reason.
const REASON: &str = "x-meterhub-reason";
/// User property with the name of our source.
const SOURCE: &str = "x-meterhub-source";
/// User property with the topic that the message came from.
const TOPIC: &str = "x-meterhub-topic";

/// The topic for rejected messages of a source, on a connection of its own.
pub(crate) struct RejectedTopic {
    publisher: Publisher,
    topic: String,
}

impl RejectedTopic {
    pub(crate) fn new(publisher: Publisher, topic: String) -> Self {
        Self { publisher, topic }
    }

    /// Returns once the broker has the message for somebody, with its reason.
    ///
    /// # Errors
    /// Why not; the message is not acknowledged.
    pub(crate) async fn publish(
        &self,
        publish: &Publish,
        source: &str,
        reason: &str,
    ) -> Result<(), String> {
        let outgoing = Outgoing {
            topic: self.topic.clone(),
            body: publish.payload.clone(),
            properties: with_reason(publish, source, reason),
            retain: false,
        };
        let topic = &self.topic;
        let published = self.publisher.publish(outgoing).await;
        published.map_err(|problem| match problem {
            NotPublished::NoSubscriber => format!("nobody subscribes to `{topic}`"),
            NotPublished::Unavailable(reason)
            | NotPublished::Ended(reason)
            | NotPublished::Forbidden(reason)
            | NotPublished::Refused(reason)
            | NotPublished::NotKept(reason) => format!("`{topic}`: {reason}"),
            NotPublished::Busy => format!("`{topic}`: the broker is busy"),
        })
    }
}

/// All that the sender said, and the reason; but no expiry: here it waits for people.
fn with_reason(publish: &Publish, source: &str, reason: &str) -> PublishProperties {
    let reason: String = reason.chars().take(LONGEST_REASON).collect();
    let reason = reason.replace(char::is_control, " ");
    let mut properties = publish.properties.clone().unwrap_or_default();
    properties.message_expiry_interval = None;
    properties.topic_alias = None;
    properties.subscription_identifiers.clear();
    let sendable =
        |(name, value): &(String, String)| check_text(name).is_ok() && check_text(value).is_ok();
    properties.user_properties.retain(sendable);
    properties.user_properties.extend([
        (REASON.to_owned(), reason),
        (SOURCE.to_owned(), source.to_owned()),
        (TOPIC.to_owned(), topic(publish)),
    ]);
    properties
}
