//! The source: subscribes and offers what comes.

use std::sync::Arc;

use async_trait::async_trait;
use hub_broker::{Next, Returns};
use hub_core::{
    AdapterContext, Arrival, Body, IncomingMessage, Receipt, Settlement, Source, SourceError,
};
use rumqttc::{Publish, QoS, RetainForwardRule, SubscribeFilterInput, SubscribeReasonCode};
use tokio::time::{Instant, timeout};

use crate::config::{MqttSourceConfig, Retained};
use crate::identity::Recogniser;
use crate::inbox::{Inbox, inbox};
use crate::link::{Endpoint, Kept, Link, Session};
use crate::properties::{incoming_headers, media_type, name};
use crate::receipt::{Held, MqttReceipt};
use crate::rejected::RejectedTopic;

/// Room for topic and properties in a packet, in bytes.
const PACKET_OVERHEAD: u64 = 256 * 1024;

/// Topics that are subscribed to.
pub(crate) struct MqttSource {
    inbox: Inbox,
    window: usize,
    /// Messages that may wait for their next offer.
    room: usize,
    largest: u64,
    recogniser: Recogniser,
    shared: Arc<Shared>,
}

/// What receipts need of their source.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) rejected: Option<RejectedTopic>,
    /// Kept unacknowledged: the protocol has no way to give one back. A connection that ends gives all
    /// of them back to the broker.
    pub(crate) returns: Returns<Held>,
    /// So that what is settled last can still be answered.
    pub(crate) link: Link,
}

impl MqttSource {
    /// Connects, takes up the session and subscribes.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn start(
        endpoint: &Endpoint,
        config: &MqttSourceConfig,
        context: &AdapterContext,
        rejected: Option<RejectedTopic>,
    ) -> Result<Self, String> {
        let room = receive_maximum(config.window);
        let (feed, inbox) = inbox(context.name.clone(), usize::from(room));
        let session = Session::kept(config.client_id.clone(), kept(config));
        let link = Link::open(endpoint, &session, Some(feed)).await?;
        tell_what_is_kept(&link, config, &context.name);
        subscribe(&link, config).await?;
        Ok(Self {
            inbox,
            window: usize::from(config.window),
            room: usize::from(room),
            largest: config.max_message_bytes,
            recogniser: Recogniser::new(config.identity, config.id_property.clone(), context),
            shared: Arc::new(Shared {
                name: context.name.clone(),
                rejected,
                returns: Returns::default(),
                link,
            }),
        })
    }

    /// Takes in a message, unless it can never be accepted.
    fn take(&self, publish: Publish) -> Option<Arrival> {
        let key = self.recogniser.key(&publish);
        let bytes = publish.payload.len() as u64;
        let held = Held { publish, key };
        if bytes <= self.largest {
            return Some(self.offer(held));
        }
        let largest = self.largest;
        let reason = format!("it has {bytes} bytes, and `max_message_bytes` is {largest}");
        let receipt = Box::new(MqttReceipt::new(held, self.shared.clone()));
        // `receive` may be dropped at any time; this must not be.
        tokio::spawn(async move { receipt.settle(Settlement::Reject { reason }).await });
        None
    }

    fn disconnected(&self) -> SourceError {
        SourceError::Disconnected {
            endpoint: self.shared.name.clone(),
            reason: self.shared.link.end(),
        }
    }

    fn offer(&self, held: Held) -> Arrival {
        let publish = &held.publish;
        let message = IncomingMessage {
            name: name(publish),
            headers: incoming_headers(publish),
            media_type: media_type(publish),
            business_key: Some(held.key.clone()),
            body: Body::Bytes(publish.payload.clone()),
            reports: Vec::new(),
        };
        Arrival::new(
            message,
            Box::new(MqttReceipt::new(held, self.shared.clone())),
        )
    }
}

#[async_trait]
impl Source for MqttSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            // What is still in memory could not be answered any more: the broker offers it again.
            if !self.shared.link.is_connected() {
                return Err(self.disconnected());
            }
            let due = match self.shared.returns.next(Instant::now()) {
                Next::Due(held) => return Ok(self.offer(*held)),
                Next::Later(due) => Some(due),
                Next::None => None,
            };
            let next_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let has_room = self.shared.returns.len() < self.room;
            let publish = tokio::select! {
                () = next_due => continue,
                () = self.shared.returns.changed() => continue,
                () = self.shared.link.ended() => continue,
                publish = self.inbox.next(), if has_room => publish,
            };
            let publish = publish.ok_or_else(|| self.disconnected())?;
            if let Some(arrival) = self.take(publish) {
                return Ok(arrival);
            }
        }
    }

    fn window(&self) -> usize {
        self.window
    }
}

/// Messages that wait for their next offer have room beside those under way, so that they hold up
/// nobody; unless order is wished for: then they must.
fn receive_maximum(window: u16) -> u16 {
    match window {
        1 => 1,
        window => window.saturating_mul(2),
    }
}

fn kept(config: &MqttSourceConfig) -> Kept {
    let largest = config.max_message_bytes * 2 + PACKET_OVERHEAD;
    Kept {
        expiry_seconds: config.session_expiry_seconds,
        receive_maximum: receive_maximum(config.window),
        largest_packet: u32::try_from(largest).unwrap_or(u32::MAX),
    }
}

/// What an operator should know of the session, good or bad.
fn tell_what_is_kept(link: &Link, config: &MqttSourceConfig, source: &str) {
    let asked = config.session_expiry_seconds;
    let granted = link.properties().and_then(|p| p.session_expiry_interval);
    if let Some(granted) = granted.filter(|granted| *granted < asked) {
        tracing::warn!(
            source,
            asked_seconds = asked,
            granted_seconds = granted,
            "the broker keeps messages for us for a shorter time than configured"
        );
    }
    if !link.session_was_kept() {
        tracing::warn!(source, client_id = %config.client_id, "the broker has no session of ours and begins one; what was published before is lost to us");
    }
}

fn retain_rule(retained: Retained) -> RetainForwardRule {
    match retained {
        Retained::Once => RetainForwardRule::OnNewSubscribe,
        Retained::Always => RetainForwardRule::OnEverySubscribe,
        Retained::Never => RetainForwardRule::Never,
    }
}

async fn subscribe(link: &Link, config: &MqttSourceConfig) -> Result<(), String> {
    let filter = |topic: &String| {
        SubscribeFilterInput::new(topic.clone(), QoS::AtLeastOnce)
            .retain_forward_rule(retain_rule(config.retained))
    };
    let filters: Vec<_> = config.topics.iter().map(filter).collect();
    let asking = async {
        let asked = link.client().subscribe_many_tracked(filters).await;
        let notice = asked.map_err(|_| link.end())?;
        notice
            .wait_async()
            .await
            .map_err(|error| match link.is_connected() {
                true => error.to_string(),
                false => link.end(),
            })
    };
    let patience = config.answer_timeout();
    let Ok(answer) = timeout(patience, asking).await else {
        return Err(format!(
            "the broker did not answer the subscription within {patience:?}"
        ));
    };
    let codes = answer?.return_codes;
    for (topic, code) in config.topics.iter().zip(&codes) {
        match code {
            SubscribeReasonCode::Success(QoS::AtMostOnce) => {
                return Err(format!(
                    "the broker grants only QoS 0 for `{topic}`: messages would be lost"
                ));
            }
            SubscribeReasonCode::Success(_) => {}
            refused => return Err(format!("the broker refuses `{topic}`: {refused:?}")),
        }
    }
    match codes.len() == config.topics.len() {
        true => Ok(()),
        false => Err("the broker did not answer for each topic".to_owned()),
    }
}
