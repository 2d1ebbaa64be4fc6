//! Listens in on the wire between the adapter and a broker: which delivery got which answer.
//!
//! Frames (part 2 of the standard, section 2.3): length, offset, type, channel, performative,
//! payload. Each side begins with protocol headers of 8 bytes, `AMQP` and four numbers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use fe2o3_amqp::frames::amqp::{FrameBody, FrameDecoder};
use fe2o3_amqp::types::definitions::Role;
use fe2o3_amqp::types::messaging::DeliveryState;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::codec::Decoder;

const TYPE_AMQP: u8 = 0;

#[derive(Default)]
struct Log {
    /// Payloads of first transfers, in their order, with connection and delivery-id. A source has one
    /// session on its connection.
    delivered: Vec<(u32, u32, Vec<u8>)>,
    answers: HashMap<(u32, u32), DeliveryState>,
}

/// A relay to the broker that remembers deliveries and answers.
pub(crate) struct Wire {
    pub(crate) address: String,
    log: Arc<Mutex<Log>>,
    relay: JoinHandle<()>,
}

impl Wire {
    pub(crate) async fn to(broker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Log::default()));
        let (broker, kept) = (broker.to_owned(), log.clone());
        let relay = tokio::spawn(async move {
            for connection in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                let (log, broker) = (kept.clone(), broker.clone());
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(broker).await {
                        relay(client, server, connection, log).await;
                    }
                });
            }
        });
        Self {
            address,
            log,
            relay,
        }
    }

    /// The answer to the last delivery whose content holds this text; `None` if it has none yet.
    pub(crate) fn answer(&self, name: &str) -> Option<DeliveryState> {
        let log = self.log.lock().unwrap();
        let holds = |content: &[u8]| content.windows(name.len()).any(|w| w == name.as_bytes());
        let mut last = log
            .delivered
            .iter()
            .rev()
            .filter(|(_, _, content)| holds(content));
        let (connection, id, _) = last.next()?;
        log.answers.get(&(*connection, *id)).cloned()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    connection: u32,
    log: Arc<Mutex<Log>>,
) {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let seen = log.clone();
    let down = pass(from_server, to_client, move |body| {
        if let FrameBody::Transfer {
            performative,
            payload,
        } = body
            && let Some(id) = performative.delivery_id
        {
            let content = payload.to_vec();
            let mut log = seen.lock().unwrap();
            log.delivered.push((connection, id, content));
        }
    });
    let up = pass(from_client, to_server, move |body| {
        if let FrameBody::Disposition(answer) = body
            && answer.role == Role::Receiver
            && let Some(state) = answer.state
        {
            let mut log = log.lock().unwrap();
            for id in answer.first..=answer.last.unwrap_or(answer.first) {
                log.answers.insert((connection, id), state.clone());
            }
        }
    });
    // Whichever side ends first ends the other.
    tokio::select! { _ = down => {}, _ = up => {} }
}

/// Passes frames on and shows each before it goes.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut look: impl FnMut(FrameBody),
) -> std::io::Result<()> {
    loop {
        let mut frame = vec![0; 8];
        from.read_exact(&mut frame).await?;
        if !frame.starts_with(b"AMQP") {
            let len = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
            frame.resize(len, 0);
            from.read_exact(&mut frame[8..]).await?;
            if frame[5] == TYPE_AMQP {
                let mut content = BytesMut::from(&frame[4..]);
                let decoded = FrameDecoder {}.decode(&mut content).unwrap();
                if let Some(frame) = decoded {
                    look(frame.body);
                }
            }
        }
        to.write_all(&frame).await?;
    }
}
