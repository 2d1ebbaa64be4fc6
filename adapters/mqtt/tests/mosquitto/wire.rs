//! Listens in on the wire between the adapter and the broker: which message was acknowledged.
//!
//! Packets (MQTT 5, 2.1): type and flags, remaining length, contents. Only PUBLISH of QoS 1 from the
//! broker and PUBACK to it are understood; the rest passes by.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;

#[derive(Default)]
struct Log {
    /// Whole packets in the order of delivery, with connection and packet identifier.
    delivered: Vec<(u32, u16, Vec<u8>)>,
    /// Places in `delivered`.
    acknowledged: HashSet<usize>,
}

/// A relay to the broker that remembers messages and acknowledgements.
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

    /// Whether the last message that holds this text was acknowledged.
    pub(crate) fn acknowledged(&self, name: &str) -> bool {
        let log = self.log.lock().unwrap();
        let holds = |packet: &[u8]| packet.windows(name.len()).any(|w| w == name.as_bytes());
        let last = log.delivered.iter().rposition(|(_, _, p)| holds(p));
        last.is_some_and(|place| log.acknowledged.contains(&place))
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
    let down = pass(from_server, to_client, move |first, contents| {
        let (kind, qos) = (first >> 4, (first >> 1) & 3);
        if kind == PUBLISH && qos == 1 {
            let id_at = 2 + usize::from(number(contents));
            let id = number(&contents[id_at..]);
            let mut log = seen.lock().unwrap();
            log.delivered.push((connection, id, contents.to_vec()));
        }
    });
    let up = pass(from_client, to_server, move |first, contents| {
        if first >> 4 == PUBACK {
            let id = number(contents);
            let mut log = log.lock().unwrap();
            let mut delivered = log.delivered.iter();
            let place = delivered.rposition(|(c, i, _)| (*c, *i) == (connection, id));
            log.acknowledged.insert(place.unwrap());
        }
    });
    // Whichever side ends first ends the other.
    tokio::select! { _ = down => {}, _ = up => {} }
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// Passes packets on and shows each before it goes.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut look: impl FnMut(u8, &[u8]),
) -> std::io::Result<()> {
    loop {
        let first = from.read_u8().await?;
        let mut packet = vec![first];
        let mut remaining = 0;
        for shift in [0, 7, 14, 21] {
            let byte = from.read_u8().await?;
            packet.push(byte);
            remaining |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let begin = packet.len();
        packet.resize(begin + remaining, 0);
        from.read_exact(&mut packet[begin..]).await?;
        look(first, &packet[begin..]);
        to.write_all(&packet).await?;
    }
}
