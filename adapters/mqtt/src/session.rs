//! Our half of a source's session with the broker.
//!
//! By the protocol (MQTT 5, 4.1) a client's session is what it has sent and is not acknowledged, and
//! what it has received with QoS 2. A source sends nothing of that kind and subscribes with QoS 1:
//! its half is always empty, whatever process had it before.

use std::future::ready;

use rumqttc::{
    PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey,
};

/// Requests of ours that may be under way: only the subscription is.
pub(crate) const REQUESTS_IN_FLIGHT: u16 = 8;

type Answer<'a, T> =
    std::pin::Pin<Box<dyn std::future::Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// Remembers nothing, because there is nothing.
#[derive(Debug)]
pub(crate) struct EmptySession {
    pub(crate) expiry_seconds: u32,
}

impl SessionStore for EmptySession {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(self.expiry_seconds),
            outgoing_inflight_upper_limit: Some(REQUESTS_IN_FLIGHT),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(ready(Ok(Some(session))))
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }
}
