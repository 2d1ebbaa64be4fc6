//! Publishes messages with QoS 1 and tells what became of each.
//!
//! Used by the sink and, for rejected messages, by the source. Connects by itself, again if need be,
//! and not in a storm.

use std::time::Duration;

use bytes::Bytes;
use hub_broker::Reconnecting;
use rumqttc::{
    PubAck, PubAckReason, Publish, PublishNoticeError, PublishOptions, PublishProperties,
    PublishResult, QoS,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::link::{Endpoint, Link, Session};
use crate::metrics;

/// A message to publish.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) body: Bytes,
    pub(crate) properties: PublishProperties,
    pub(crate) retain: bool,
}

/// Why a message was not published.
#[derive(Debug)]
pub(crate) enum NotPublished {
    /// No connection, or no answer: nobody knows what became of the message.
    Unavailable(String),
    /// The broker ended the connection instead of an answer.
    Ended(String),
    /// The broker has it, and nobody subscribes to the topic.
    NoSubscriber,
    /// We must not publish to the topic.
    Forbidden(String),
    /// The broker will never take it.
    Refused(String),
    /// The broker could not take it, and does not say that it never will; or it ended the connection
    /// when this was the only message.
    NotKept(String),
    /// A quota is used up.
    Busy,
}

/// Publishes to one broker.
pub(crate) struct Publisher {
    endpoint: Endpoint,
    session: Session,
    /// Longest wait for the broker's yes.
    patience: Duration,
    slots: Semaphore,
    most_in_flight: u16,
    connection: Reconnecting<Link>,
}

impl Publisher {
    /// Connects when it first publishes.
    pub(crate) fn new(
        endpoint: Endpoint,
        client_id: String,
        patience: Duration,
        most_in_flight: u16,
    ) -> Self {
        Self {
            endpoint,
            session: Session::sending(client_id, most_in_flight),
            patience,
            slots: Semaphore::new(usize::from(most_in_flight)),
            most_in_flight,
            connection: Reconnecting::default(),
        }
    }

    /// Returns once the broker has acknowledged the message and has it for somebody.
    ///
    /// # Errors
    /// The kind says what the broker made of it.
    pub(crate) async fn publish(&self, outgoing: Outgoing) -> Result<(), NotPublished> {
        let Ok(_slot) = timeout(self.patience, self.slots.acquire()).await else {
            let reason = format!("no other message was answered within {:?}", self.patience);
            return Err(NotPublished::Unavailable(reason));
        };
        let link = self.link().await.map_err(NotPublished::Unavailable)?;
        fits(&link, &outgoing).map_err(NotPublished::Refused)?;
        let begun_alone = self.is_alone();
        let told = match timeout(self.patience, publish_on(&link, outgoing)).await {
            Err(_) => {
                let reason = format!("no answer within {:?}", self.patience);
                link.cut(&reason);
                Err(NotPublished::Unavailable(reason))
            }
            // Perhaps over this very message: it must not stop others for ever.
            Ok(Err(NotPublished::Ended(reason))) if begun_alone && self.is_alone() => {
                Err(NotPublished::NotKept(reason))
            }
            Ok(answer) => answer,
        };
        match &told {
            Err(NotPublished::NoSubscriber) => self.endpoint.meter.count(metrics::NO_SUBSCRIBER, 1),
            Err(NotPublished::Busy) => self.endpoint.meter.count(metrics::OVER_QUOTA, 1),
            _ => {}
        }
        told
    }

    /// Whether no other message is in flight.
    fn is_alone(&self) -> bool {
        self.slots.available_permits() + 1 == usize::from(self.most_in_flight)
    }

    /// The connection; a new one if there is none.
    async fn link(&self) -> Result<Link, String> {
        let open = Link::open(&self.endpoint, &self.session, None);
        self.connection.get(Link::is_connected, open).await
    }
}

/// Whether the broker takes packets of this size; a larger one would end the connection.
fn fits(link: &Link, outgoing: &Outgoing) -> Result<(), String> {
    let Some(largest) = link.properties().and_then(|p| p.max_packet_size) else {
        return Ok(());
    };
    let properties = Some(outgoing.properties.clone());
    let topic = outgoing.topic.clone();
    let mut packet = Publish::new(topic, QoS::AtLeastOnce, outgoing.body.clone(), properties);
    // Any will do: it counts for the size.
    packet.pkid = 1;
    let size = packet.size();
    match u32::try_from(size).is_ok_and(|size| size <= largest) {
        true => Ok(()),
        false => Err(format!(
            "its packet has {size} bytes, and the broker takes at most {largest}"
        )),
    }
}

async fn publish_on(link: &Link, outgoing: Outgoing) -> Result<(), NotPublished> {
    let options = PublishOptions::at_least_once()
        .retain(outgoing.retain)
        .properties(outgoing.properties);
    let topic = outgoing.topic;
    let asked = link.client().publish_tracked(topic, outgoing.body, options);
    let Ok(notice) = asked.await else {
        return Err(NotPublished::Ended(link.end()));
    };
    match notice.wait_async().await {
        Ok(PublishResult::Qos1(answer)) => verdict(&answer),
        Ok(other) => Err(NotPublished::Unavailable(format!(
            "an answer that was not asked for: {other:?}"
        ))),
        Err(error @ PublishNoticeError::RetainNotSupported) => {
            Err(NotPublished::Refused(error.to_string()))
        }
        Err(PublishNoticeError::Recv) => Err(NotPublished::Ended(link.end())),
        Err(error) => Err(NotPublished::Unavailable(error.to_string())),
    }
}

/// What an acknowledgement says (MQTT 5, 3.4.2.1).
fn verdict(answer: &PubAck) -> Result<(), NotPublished> {
    let properties = answer.properties.as_ref();
    let text = properties.and_then(|p| p.reason_string.as_deref());
    let reason = format!("{:?} {}", answer.reason, text.unwrap_or_default());
    let reason = reason.trim_end().to_owned();
    Err(match answer.reason {
        PubAckReason::Success => return Ok(()),
        PubAckReason::NoMatchingSubscribers => NotPublished::NoSubscriber,
        PubAckReason::NotAuthorized | PubAckReason::TopicNameInvalid => {
            NotPublished::Forbidden(reason)
        }
        PubAckReason::PayloadFormatInvalid => NotPublished::Refused(reason),
        PubAckReason::QuotaExceeded => NotPublished::Busy,
        PubAckReason::PacketIdentifierInUse => NotPublished::Unavailable(reason),
        PubAckReason::UnspecifiedError | PubAckReason::ImplementationSpecificError => {
            NotPublished::NotKept(reason)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_consequence() {
        let answered = |reason| {
            let mut answer = PubAck::new(1, None);
            answer.reason = reason;
            verdict(&answer)
        };
        assert!(answered(PubAckReason::Success).is_ok());
        let failed = |reason| answered(reason).unwrap_err();
        assert!(matches!(
            failed(PubAckReason::NoMatchingSubscribers),
            NotPublished::NoSubscriber
        ));
        assert!(matches!(
            failed(PubAckReason::NotAuthorized),
            NotPublished::Forbidden(reason) if reason == "NotAuthorized"
        ));
        assert!(matches!(
            failed(PubAckReason::PayloadFormatInvalid),
            NotPublished::Refused(_)
        ));
        assert!(matches!(
            failed(PubAckReason::QuotaExceeded),
            NotPublished::Busy
        ));
        assert!(matches!(
            failed(PubAckReason::UnspecifiedError),
            NotPublished::NotKept(_)
        ));
    }
}
