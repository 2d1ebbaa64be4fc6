//! The partner's server: takes every request, counts the different messages, says 200. Lean for
//! the same reason as the sender.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use crate::Outcome;
use crate::load::{header, message_len};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// Longest wait for all messages.
const PATIENCE: Duration = Duration::from_secs(300);

/// What has arrived.
#[derive(Debug, Default)]
struct Arrived {
    ids: HashSet<Vec<u8>>,
    /// Messages that came more than once are counted here too.
    requests: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// A running server. Its thread ends with the program, or when it is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    arrived: Arc<Mutex<Arrived>>,
    stop: Arc<Notify>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Receiver {
    /// Listens on an address; port 0 is any.
    ///
    /// # Errors
    /// It is not free.
    pub(crate) fn start(address: SocketAddr) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (arrived, stop) = (Arc::<Mutex<Arrived>>::default(), Arc::<Notify>::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (shared, stopped) = (arrived.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            runtime.block_on(LocalSet::new().run_until(async {
                tokio::select! {
                    () = stopped.notified() => {}
                    () = accept(listener, shared) => {}
                }
            }));
        });
        Ok(Self {
            address,
            arrived,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for so many different messages. Returns when the last of them came.
    ///
    /// # Errors
    /// They do not come.
    pub(crate) async fn last_of(&self, count: u64) -> Outcome<Instant> {
        let what = format!("{count} messages");
        self.until(&what, |arrived| {
            (arrived.ids.len() as u64 >= count).then_some(arrived.last)?
        })
        .await
    }

    /// Waits for the first message. Returns when it came.
    ///
    /// # Errors
    /// None comes.
    pub(crate) async fn first(&self) -> Outcome<Instant> {
        self.until("the first message", |arrived| arrived.first)
            .await
    }

    /// Requests beyond one for each message.
    pub(crate) fn repeated(&self) -> u64 {
        let arrived = lock(&self.arrived);
        arrived.requests - arrived.ids.len() as u64
    }

    async fn until(
        &self,
        what: &str,
        look: impl Fn(&Arrived) -> Option<Instant>,
    ) -> Outcome<Instant> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look(&lock(&self.arrived)) {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                let (ids, requests) = (lock(&self.arrived).ids.len(), lock(&self.arrived).requests);
                return Err(format!(
                    "waited in vain for {what}: {ids} came in {requests} requests"
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(arrived: &Mutex<Arrived>) -> MutexGuard<'_, Arrived> {
    arrived.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: std::net::TcpListener, arrived: Arc<Mutex<Arrived>>) {
    let listener = TcpListener::from_std(listener).expect("a listener that does not block");
    let arrived = Rc::new(arrived);
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let arrived = arrived.clone();
            tokio::task::spawn_local(async move {
                // An error is the sender's end.
                let _ = serve(stream, &arrived).await;
            });
        }
    }
}

async fn serve(mut stream: TcpStream, arrived: &Mutex<Arrived>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(4_096);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(whole) = message_len(&buffer).filter(|whole| buffer.len() >= *whole) {
            note(&mut lock(arrived), &buffer[..whole]);
            buffer.drain(..whole);
            stream.write_all(ANSWER).await?;
        }
    }
}

fn note(arrived: &mut Arrived, request: &[u8]) {
    let now = Instant::now();
    arrived.requests += 1;
    arrived.first.get_or_insert(now);
    let id = header(request, b"x-message-id:").unwrap_or_default();
    if !arrived.ids.contains(id) {
        arrived.ids.insert(id.to_vec());
        arrived.last = Some(now);
    }
}
