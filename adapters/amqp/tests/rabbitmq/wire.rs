//! Listens in on the wire between the adapter and the broker: which delivery got which answer.
//!
//! Frames (AMQP 0-9-1, 2.3.5): type, channel, length, payload, end mark. Of methods, only those of
//! class 60 (basic) about deliveries are understood; the rest passes by.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long the protocol's own header is that a client begins with.
const PROTOCOL_HEADER: usize = 8;
const FRAME_METHOD: u8 = 1;
const FRAME_HEADER: u8 = 2;
const CLASS_BASIC: u16 = 60;
const DELIVER: u16 = 60;
const ACK: u16 = 80;
const REJECT: u16 = 90;
const NACK: u16 = 120;

/// An answer to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Ack,
    /// `reject` or `nack`, with or without the wish to have it again.
    No {
        requeue: bool,
    },
}

#[derive(Default)]
struct Log {
    /// Raw content headers, in the order of delivery, with connection and tag.
    delivered: Vec<(u32, u64, Vec<u8>)>,
    answers: HashMap<(u32, u64), Answer>,
}

impl Log {
    fn note(&mut self, connection: u32, tag: u64, multiple: bool, answer: Answer) {
        self.answers.insert((connection, tag), answer);
        if multiple {
            let earlier = self
                .delivered
                .iter()
                .filter(|(c, t, _)| *c == connection && *t < tag);
            for (_, tag, _) in earlier {
                self.answers.entry((connection, *tag)).or_insert(answer);
            }
        }
    }
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

    /// The answer to the last delivery whose header holds this text; `None` if it has none yet.
    pub(crate) fn answer(&self, name: &str) -> Option<Answer> {
        let log = self.log.lock().unwrap();
        let holds = |header: &[u8]| header.windows(name.len()).any(|w| w == name.as_bytes());
        let mut last = log
            .delivered
            .iter()
            .rev()
            .filter(|(_, _, header)| holds(header));
        let (connection, tag, _) = last.next()?;
        log.answers.get(&(*connection, *tag)).copied()
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
    let mut tag = 0;
    let seen = log.clone();
    let down = pass(from_server, to_client, 0, move |kind, payload| {
        let mut log = seen.lock().unwrap();
        match (kind, method(kind, payload)) {
            (_, Some((DELIVER, arguments))) => {
                let name_len = usize::from(arguments[0]);
                tag = number(&arguments[1 + name_len..]);
            }
            (FRAME_HEADER, _) => log.delivered.push((connection, tag, payload.to_vec())),
            _ => {}
        }
    });
    let up = pass(
        from_client,
        to_server,
        PROTOCOL_HEADER,
        move |kind, payload| {
            let Some((method, arguments)) = method(kind, payload) else {
                return;
            };
            let answer = match method {
                ACK => Answer::Ack,
                REJECT => no(arguments[8] & 1),
                NACK => no(arguments[8] & 2),
                _ => return,
            };
            let multiple = method == ACK && arguments[8] & 1 != 0;
            log.lock()
                .unwrap()
                .note(connection, number(arguments), multiple, answer);
        },
    );
    // Whichever side ends first ends the other.
    tokio::select! { _ = down => {}, _ = up => {} }
}

fn no(bit: u8) -> Answer {
    Answer::No { requeue: bit != 0 }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().unwrap())
}

/// Number and arguments of a method of class basic.
fn method(kind: u8, payload: &[u8]) -> Option<(u16, &[u8])> {
    let class = u16::from_be_bytes(payload.get(..2)?.try_into().ok()?);
    let method = u16::from_be_bytes(payload.get(2..4)?.try_into().ok()?);
    (kind == FRAME_METHOD && class == CLASS_BASIC).then(|| (method, &payload[4..]))
}

/// Passes frames on and shows each before it goes.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    unframed: usize,
    mut look: impl FnMut(u8, &[u8]),
) -> std::io::Result<()> {
    let mut begin = vec![0; unframed];
    from.read_exact(&mut begin).await?;
    to.write_all(&begin).await?;
    loop {
        let mut frame = vec![0; 7];
        from.read_exact(&mut frame).await?;
        let len = u32::from_be_bytes(frame[3..7].try_into().unwrap()) as usize;
        frame.resize(7 + len + 1, 0);
        from.read_exact(&mut frame[7..]).await?;
        look(frame[0], &frame[7..7 + len]);
        to.write_all(&frame).await?;
    }
}
