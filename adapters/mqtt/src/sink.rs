//! The sink: a message becomes an acknowledged publish.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_broker::{Bodies, read};
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_names::{Destination, fit};

use crate::config::NoSubscriber;
use crate::properties::{FixedProperties, outgoing};
use crate::publisher::{NotPublished, Outgoing, Publisher};
use crate::topics::check_topic;

/// Pause that we ask for when a quota is used up; the broker does not say how long it will be.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// A configured topic.
pub(crate) struct MqttSink {
    endpoint: String,
    publisher: Publisher,
    shape: Shape,
    bodies: Bodies,
}

/// What becomes of a message.
pub(crate) struct Shape {
    pub(crate) topic: Destination,
    pub(crate) fixed: FixedProperties,
    pub(crate) retain: bool,
    pub(crate) no_subscriber: NoSubscriber,
    pub(crate) largest: u64,
}

impl MqttSink {
    pub(crate) fn new(endpoint: String, publisher: Publisher, shape: Shape) -> Self {
        Self {
            endpoint,
            publisher,
            shape,
            bodies: Bodies::default(),
        }
    }

    fn unavailable(&self, reason: String, answered: bool) -> SinkError {
        SinkError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason,
            retry_after: None,
            answered,
        }
    }

    fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        }
    }

    /// Trouble with the topic: the endpoint's, if all messages have the one, else the message's.
    fn topic_trouble(&self, reason: String) -> SinkError {
        match self.shape.topic.is_fixed() {
            true => self.unavailable(reason, false),
            false => self.refused(reason),
        }
    }

    fn error(&self, problem: NotPublished, topic: &str) -> SinkError {
        match problem {
            NotPublished::Unavailable(reason) | NotPublished::Ended(reason) => {
                self.unavailable(reason, false)
            }
            NotPublished::NoSubscriber => {
                self.topic_trouble(format!("nobody subscribes to `{topic}`"))
            }
            NotPublished::Forbidden(reason) => self.topic_trouble(format!("`{topic}`: {reason}")),
            NotPublished::NotKept(reason) => self.unavailable(reason, true),
            NotPublished::Refused(answer) => self.refused(answer),
            NotPublished::Busy => SinkError::Busy {
                endpoint: self.endpoint.clone(),
                retry_after: Some(BUSY_PAUSE),
            },
        }
    }

    /// All of a message but its body.
    fn shaped(&self, message: &OutgoingMessage) -> Result<Outgoing, String> {
        let topic = self.shape.topic.of(message, fit::topic_level)?;
        check_topic(&topic).map_err(|reason| format!("its topic {reason}"))?;
        Ok(Outgoing {
            topic,
            body: Bytes::new(),
            properties: outgoing(message, &self.shape.fixed)?,
            retain: self.shape.retain,
        })
    }
}

#[async_trait]
impl Sink for MqttSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let bytes = message.content.len();
        let largest = self.shape.largest;
        if bytes > largest {
            return Err(self.refused(format!(
                "it has {bytes} bytes, and `max_message_bytes` is {largest}"
            )));
        }
        let mut outgoing = self.shaped(message).map_err(|r| self.refused(r))?;
        let topic = outgoing.topic.clone();
        let room = self.bodies.room(bytes).await;
        let body = read(&message.content).await;
        outgoing.body = body.map_err(|e| self.unavailable(format!("its body: {e}"), false))?;
        let published = self.publisher.publish(outgoing).await;
        drop(room);
        let note = match published {
            Ok(()) => format!("acknowledged, topic `{topic}`"),
            Err(NotPublished::NoSubscriber) if self.shape.no_subscriber == NoSubscriber::Accept => {
                format!("acknowledged, topic `{topic}`, nobody subscribes to it")
            }
            Err(problem) => return Err(self.error(problem, &topic)),
        };
        Ok(Sent::noted(note))
    }
}
