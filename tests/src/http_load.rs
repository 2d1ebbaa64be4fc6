//! A lean HTTP/1.1 client on plain sockets: keep-alive connections that send messages, each under
//! an `Idempotency-Key` of its own, and know which were acknowledged.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest time to wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Longest body of an answer.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
/// Pause before a message is sent again that was not acknowledged.
const AGAIN: Duration = Duration::from_millis(20);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A message to send.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `/api/v1/messages/<source>`.
    pub path: &'a str,
    /// Its `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// Its `Content-Type`.
    pub content_type: &'a str,
    /// `Authorization: Bearer <token>`.
    pub token: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
}

/// A connection that is kept alive, and made anew when it broke.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Not connected yet.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            buffer: Vec::new(),
        }
    }

    /// Gets a resource.
    ///
    /// # Errors
    /// No connection, or no whole answer.
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.exchange(head.as_bytes(), &[]).await
    }

    /// Posts a message.
    ///
    /// # Errors
    /// No connection, or no whole answer: the hub may have it or not.
    pub async fn post(&mut self, message: Message<'_>) -> io::Result<Answer> {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            message.path,
            self.address,
            message.content_type,
            message.body.len()
        );
        if let Some(key) = message.key {
            head.push_str(&format!("Idempotency-Key: {key}\r\n"));
        }
        if let Some(token) = message.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        head.push_str("\r\n");
        self.exchange(head.as_bytes(), message.body).await
    }

    async fn exchange(&mut self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, self.try_exchange(head, body)).await;
        let answer = answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let closes = |answer: &Answer| {
            answer
                .header("connection")
                .is_some_and(|v| v.eq_ignore_ascii_case("close"))
        };
        if !answer.as_ref().is_ok_and(|answer| !closes(answer)) {
            self.stream = None;
            self.buffer.clear();
        }
        answer
    }

    async fn try_exchange(&mut self, head: &[u8], body: &[u8]) -> io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if body.len() <= MAX_HEAD_BYTES {
            // One segment, one system call.
            stream.write_all(&[head, body].concat()).await?;
        } else {
            stream.write_all(head).await?;
            stream.write_all(body).await?;
        }
        read_answer(stream, &mut self.buffer).await
    }
}

/// Reads one answer; what follows it stays in the buffer.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Answer> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > MAX_HEAD_BYTES {
            return Err(invalid("head is too long"));
        }
        fill(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| invalid("no status line"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    let length: usize = match answer.header("content-length") {
        Some(length) => length
            .parse()
            .map_err(|_| invalid("content-length is no number"))?,
        None if status == 204 || status == 304 => 0,
        None => return Err(invalid("an answer without content-length cannot be read")),
    };
    if length > MAX_BODY_BYTES {
        return Err(invalid("body is too long"));
    }
    while buffer.len() < end + length {
        fill(stream, buffer).await?;
    }
    let body = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Ok(Answer { body, ..answer })
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// An acknowledged message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The hub's id of it.
    pub message_id: String,
    /// How often it was sent.
    pub attempts: u32,
    /// From the first byte of the attempt that was acknowledged to the answer.
    pub took: Duration,
}

/// Sends a message until the hub says yes: 202, or 200 for a resend. Whatever else happens (no
/// connection, no answer, 429, 5xx) it is sent again under the same key.
///
/// # Panics
/// The hub refuses it for good, or does not take it within `patience`.
pub async fn send(
    connection: &mut Connection,
    message: Message<'_>,
    patience: Duration,
) -> Acknowledged {
    let begun = Instant::now();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let attempt = Instant::now();
        let answer = connection.post(message).await;
        let took = attempt.elapsed();
        match &answer {
            Ok(answer) if matches!(answer.status, 200 | 202) => {
                let json = answer.json();
                let message_id = json["message_id"].as_str().unwrap_or_default().to_owned();
                assert!(!message_id.is_empty(), "a yes without a message id: {json}");
                return Acknowledged {
                    message_id,
                    attempts,
                    took,
                };
            }
            Ok(answer) if answer.status < 500 && answer.status != 429 => {
                panic!(
                    "{} answered {}: {}",
                    message.path,
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                );
            }
            _ => {}
        }
        assert!(
            begun.elapsed() < patience,
            "{} was not taken within {patience:?}: {answer:?}",
            message.path
        );
        tokio::time::sleep(AGAIN).await;
    }
}

/// Sends many messages over some connections at once; message `n` has the key `<prefix><n>`.
/// Returns what was acknowledged, by number.
///
/// # Panics
/// As [`send`].
pub async fn send_all<B>(
    address: SocketAddr,
    connections: usize,
    path: &str,
    content_type: &str,
    prefix: &str,
    count: usize,
    body: B,
) -> Vec<Acknowledged>
where
    B: Fn(usize) -> Vec<u8> + Send + Sync + Clone + 'static,
{
    let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections.max(1) {
        let (next, body) = (next.clone(), body.clone());
        let (path, content_type, prefix) =
            (path.to_owned(), content_type.to_owned(), prefix.to_owned());
        tasks.spawn(async move {
            let mut connection = Connection::new(address);
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= count {
                    return done;
                }
                let (key, bytes) = (format!("{prefix}{number}"), body(number));
                let message = Message {
                    path: &path,
                    key: Some(&key),
                    content_type: &content_type,
                    token: None,
                    body: &bytes,
                };
                done.push((
                    number,
                    send(&mut connection, message, crate::wait::PATIENCE).await,
                ));
            }
        });
    }
    let mut all = tasks.join_all().await.concat();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter()
        .map(|(_, acknowledged)| acknowledged)
        .collect()
}
