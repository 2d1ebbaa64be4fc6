//! What tells a message from one that was seen before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hub_core::AdapterContext;
use rumqttc::Publish;
use sha2::{Digest, Sha256};

use crate::config::Identity;
use crate::properties::user_property;
use crate::text::{hex, text_or_hex};

/// Longest id that is kept as it is, in bytes. A longer one is kept as its hash.
const LONGEST_ID: usize = 255;

/// Gives each message the key by which the store knows it again.
pub(crate) struct Recogniser {
    rule: Identity,
    id_property: String,
    seen: Arc<Seen>,
    context: AdapterContext,
}

/// Keys given to messages of a session, by packet identifier: at most 65,535. They outlive a
/// connection, so that what the broker delivers again after its loss is recognised.
#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<u16, (Hash, String)>>);

/// The keys of all sources of the hub, by the source's name.
#[derive(Default)]
struct AllSeen(Mutex<HashMap<String, Arc<Seen>>>);

type Hash = [u8; 32];

impl Recogniser {
    pub(crate) fn new(rule: Identity, id_property: String, context: &AdapterContext) -> Self {
        let all = context.shared.get::<AllSeen>();
        let mut sources = all.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = sources.entry(context.name.clone()).or_default().clone();
        Self {
            rule,
            id_property,
            seen,
            context: context.clone(),
        }
    }

    /// The key of a message that was just delivered.
    pub(crate) fn key(&self, publish: &Publish) -> String {
        if let Some(id) = user_property(publish, &self.id_property).filter(|id| !id.is_empty()) {
            return bounded(id.to_owned());
        }
        match self.rule {
            Identity::Content => content_key(publish),
            Identity::CorrelationData => {
                let properties = publish.properties.as_ref();
                let data = properties.and_then(|p| p.correlation_data.as_ref());
                match data.filter(|data| !data.is_empty()) {
                    Some(data) => bounded(text_or_hex(data)),
                    None => content_key(publish),
                }
            }
            Identity::Each => self.key_of_this(publish),
        }
    }

    /// A key of its own, unless the broker delivers again what has one.
    fn key_of_this(&self, publish: &Publish) -> String {
        let hash = hash(publish);
        let mut seen = self.seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&publish.pkid) {
            Some((before, key)) if publish.dup && *before == hash => key.clone(),
            _ => {
                let key = self.fresh_key();
                seen.insert(publish.pkid, (hash, key.clone()));
                key
            }
        }
    }

    fn fresh_key(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (now, process) = (self.context.clock.now().micros(), std::process::id());
        format!("each:{now}-{process}-{number}")
    }
}

fn content_key(publish: &Publish) -> String {
    format!("content:{}", hex(&hash(publish)))
}

/// Of topic and content: two meters may send equal bytes.
fn hash(publish: &Publish) -> Hash {
    let mut hash = Sha256::new();
    hash.update((publish.topic.len() as u64).to_be_bytes());
    hash.update(&publish.topic);
    hash.update(&publish.payload);
    hash.finalize().into()
}

fn bounded(id: String) -> String {
    match id.len() > LONGEST_ID {
        true => format!("id:{}", hex(&Sha256::digest(id.as_bytes()))),
        false => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::files::OsFiles;
    use meterhub_tests::conformance;
    use rumqttc::{PublishProperties, QoS};

    fn recogniser(rule: Identity) -> Recogniser {
        let context = conformance::context("s", std::path::Path::new("."), Arc::new(OsFiles));
        Recogniser::new(rule, "message-id".into(), &context)
    }

    fn publish(topic: &str, body: &str, pkid: u16) -> Publish {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, body.to_owned(), None);
        publish.pkid = pkid;
        publish
    }

    #[test]
    fn the_senders_id_goes_before_every_rule() {
        for rule in [Identity::Content, Identity::CorrelationData, Identity::Each] {
            let mut with_id = publish("a", "1", 1);
            with_id.properties = Some(PublishProperties {
                correlation_data: Some("c".into()),
                user_properties: vec![("message-id".into(), "7".into())],
                ..PublishProperties::default()
            });
            assert_eq!(recogniser(rule).key(&with_id), "7");
        }
        let long = bounded("x".repeat(300));
        assert!(long.starts_with("id:") && long.len() < LONGEST_ID);
    }

    #[test]
    fn content_is_topic_and_bytes() {
        let content = recogniser(Identity::Content);
        let key = content.key(&publish("a", "12.5", 1));
        assert_eq!(key, content.key(&publish("a", "12.5", 2)));
        assert_ne!(key, content.key(&publish("b", "12.5", 1)));
        assert_ne!(key, content.key(&publish("a1", "2.5", 1)));
    }

    #[test]
    fn correlation_data_is_an_id_if_there_is_some() {
        let rule = recogniser(Identity::CorrelationData);
        let mut with_data = publish("a", "1", 1);
        with_data.properties = Some(PublishProperties {
            correlation_data: Some(vec![0xff].into()),
            ..PublishProperties::default()
        });
        assert_eq!(rule.key(&with_data), "hex:ff");
        assert!(rule.key(&publish("a", "1", 1)).starts_with("content:"));
    }

    #[test]
    fn each_is_its_own_unless_delivered_again() {
        let each = recogniser(Identity::Each);
        let first = each.key(&publish("a", "12.5", 1));
        let mut again = publish("a", "12.5", 1);
        again.dup = true;
        assert_eq!(first, each.key(&again));
        // The packet identifier is used again: the broker has got the acknowledgement.
        let second = each.key(&publish("a", "12.5", 1));
        assert_ne!(first, second);
        again.payload = "13".into();
        assert_ne!(second, each.key(&again));
    }
}
