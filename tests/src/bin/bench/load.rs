//! The sender: keep-alive HTTP/1.1 connections, one request at a time each, on one thread. It
//! shares the cores with the hub, so it does the least a client can.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::Outcome;

/// Longest answer.
const MAX_ANSWER_BYTES: usize = 16 * 1024;
/// Pause before a message is sent again that could not be taken.
const AGAIN: Duration = Duration::from_millis(2);

/// What to send.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// To whom.
    pub(crate) address: SocketAddr,
    /// The path of the request.
    pub(crate) path: String,
    /// How many messages.
    pub(crate) count: u64,
    /// Over how many connections at once.
    pub(crate) connections: usize,
    /// Writes the body of a message; every one is different.
    pub(crate) body: fn(u64, &mut Vec<u8>),
}

/// What was sent, and answered with 202.
#[derive(Debug)]
pub(crate) struct Sent {
    /// When the first request began.
    pub(crate) begun: Instant,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// From request to answer, sorted.
    latencies: Vec<Duration>,
}

impl Sent {
    /// The latency that so many in a hundred stay below.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

impl Load {
    /// Sends everything from a thread of its own.
    ///
    /// # Errors
    /// A connection broke, or an answer was not 202.
    pub(crate) async fn send(self) -> Outcome<Sent> {
        let sending =
            tokio::task::spawn_blocking(move || self.run().map_err(|problem| problem.to_string()));
        Ok(sending.await??)
    }

    fn run(self) -> Outcome<Sent> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let latencies = Rc::new(RefCell::new(Vec::with_capacity(usize::try_from(
            self.count,
        )?)));
        let (load, next) = (Rc::new(self), Rc::new(Cell::new(0)));
        let begun = Instant::now();
        runtime.block_on(LocalSet::new().run_until(async {
            let connection = |_| {
                let (load, next, latencies) = (load.clone(), next.clone(), latencies.clone());
                tokio::task::spawn_local(async move { load.connection(&next, &latencies).await })
            };
            let connections: Vec<_> = (0..load.connections).map(connection).collect();
            for connection in connections {
                connection.await??;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        }))?;
        let took = begun.elapsed();
        let mut latencies = latencies.take();
        latencies.sort_unstable();
        Ok(Sent {
            begun,
            took,
            latencies,
        })
    }

    async fn connection(
        &self,
        next: &Cell<u64>,
        latencies: &RefCell<Vec<Duration>>,
    ) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut request, mut body, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let number = next.get();
            if number == self.count {
                return Ok(());
            }
            next.set(number + 1);
            body.clear();
            (self.body)(number, &mut body);
            request.clear();
            self.request(&body, &mut request);
            let mut begun = Instant::now();
            stream.write_all(&request).await?;
            while !read_accepted(&mut stream, &mut answer).await? {
                // The hub is ready, but this source not yet connected.
                tokio::time::sleep(AGAIN).await;
                begun = Instant::now();
                stream.write_all(&request).await?;
            }
            latencies.borrow_mut().push(begun.elapsed());
        }
    }

    fn request(&self, body: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"POST ");
        out.extend_from_slice(self.path.as_bytes());
        out.extend_from_slice(
            b" HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: ",
        );
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }
}

/// Reads one answer: whether it is 202, or 503.
async fn read_accepted(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<bool> {
    answer.clear();
    let whole = loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(whole) = message_len(answer)
            && answer.len() >= whole
        {
            break whole;
        }
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(std::io::Error::other("the answer is too long"));
        }
    };
    match answer.get(..12) {
        Some(b"HTTP/1.1 202") if answer.len() == whole => return Ok(true),
        Some(b"HTTP/1.1 503") if answer.len() == whole => return Ok(false),
        _ => {}
    }
    let text = String::from_utf8_lossy(answer).into_owned();
    Err(std::io::Error::other(format!("not accepted: {text}")))
}

/// Length of head and body, once the whole head is there.
pub(crate) fn message_len(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    Some(head + header(&bytes[..head], b"content-length:").map_or(0, number))
}

/// The value of a header, whose name is given in small letters with its colon.
pub(crate) fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines
        .find(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name))?;
    Some(line[name.len()..].trim_ascii())
}

fn number(digits: &[u8]) -> usize {
    digits.iter().fold(0, |sum: usize, digit| {
        sum.saturating_mul(10)
            .saturating_add(usize::from(digit.wrapping_sub(b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_its_head_says() {
        assert_eq!(
            message_len(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n"),
            None
        );
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(message_len(head), Some(head.len() + 12));
        assert_eq!(message_len(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(header(head, b"content-length:"), Some(b"12".as_slice()));
        assert_eq!(header(head, b"x-message-id:"), None);
    }
}
