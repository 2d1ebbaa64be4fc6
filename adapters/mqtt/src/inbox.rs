//! What has come and was not yet offered.
//!
//! The protocol bounds messages of QoS 1 by the receive maximum; a broker that sends more is
//! bounded by the number of packet identifiers. (Mosquitto 2.0.11 does with a session that is resumed: 25
//! acknowledgements, and 230 messages had come although 32 may be open; see its issue 2301.) Messages
//! of QoS 0 it does not bound: here, those that find no room are dropped, as the protocol allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rumqttc::{Publish, QoS};
use tokio::sync::mpsc;

/// One of so many dropped messages is told.
const TOLD_EACH: u64 = 1_000;

/// As many messages of QoS 1 can be open by the protocol. With less room, those that a broker delivers
/// again before it answers the subscription could keep us from reading that answer.
const PACKET_IDENTIFIERS: usize = 65_535;

/// The end that the connection fills.
pub(crate) struct Feed {
    source: String,
    room: usize,
    to: mpsc::Sender<Publish>,
    unsafe_waiting: Arc<AtomicUsize>,
    dropped: AtomicU64,
}

/// The end that is offered.
pub(crate) struct Inbox {
    from: mpsc::Receiver<Publish>,
    unsafe_waiting: Arc<AtomicUsize>,
}

/// For a source, with room for so many messages of each QoS.
pub(crate) fn inbox(source: String, room: usize) -> (Feed, Inbox) {
    let (to, from) = mpsc::channel(room + PACKET_IDENTIFIERS);
    let unsafe_waiting = Arc::new(AtomicUsize::new(0));
    let feed = Feed {
        source,
        room,
        to,
        unsafe_waiting: unsafe_waiting.clone(),
        dropped: AtomicU64::new(0),
    };
    let inbox = Inbox {
        from,
        unsafe_waiting,
    };
    (feed, inbox)
}

impl Feed {
    /// Keeps a message: waits for room if it must be kept, drops it if it may be lost.
    pub(crate) async fn put(&self, publish: Publish) {
        if publish.qos == QoS::AtMostOnce {
            if self.unsafe_waiting.load(Ordering::Relaxed) >= self.room {
                return self.tell_dropped();
            }
            self.unsafe_waiting.fetch_add(1, Ordering::Relaxed);
        }
        // If nobody is there to receive, the broker has it still.
        let _ = self.to.send(publish).await;
    }

    fn tell_dropped(&self) {
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        if dropped % TOLD_EACH == 1 {
            tracing::warn!(source = %self.source, dropped, "messages of QoS 0 come faster than they can be taken, and are dropped; senders should use QoS 1");
        }
    }
}

impl Inbox {
    /// The next message; `None` if the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Publish> {
        let publish = self.from.recv().await?;
        if publish.qos == QoS::AtMostOnce {
            self.unsafe_waiting.fetch_sub(1, Ordering::Relaxed);
        }
        Some(publish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(qos: QoS) -> Publish {
        Publish::new("a", qos, "1", None)
    }

    #[tokio::test]
    async fn only_messages_that_may_be_lost_are_dropped() {
        let (feed, mut inbox) = inbox("s".into(), 3);
        for _ in 0..3 {
            feed.put(publish(QoS::AtMostOnce)).await;
            feed.put(publish(QoS::AtMostOnce)).await;
            feed.put(publish(QoS::AtLeastOnce)).await;
        }
        let one_more = tokio::spawn(async move { feed.put(publish(QoS::AtLeastOnce)).await });
        let mut found = [0, 0];
        while let Some(publish) = inbox.next().await {
            found[publish.qos as usize] += 1;
        }
        one_more.await.unwrap();
        assert_eq!(found, [3, 4], "what must be kept waits for room");
    }
}
