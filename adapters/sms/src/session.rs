//! One bind: requests and their answers by sequence number, what the message centre sends us, and the
//! watch over the link.

mod inbound;
mod run;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use crate::config::Account;
use crate::link::Stream;
use crate::pdu::{Body, Pdu, ShortMessage, TooLong};

pub(crate) use inbound::{Answer, Inbound};

/// Messages to us that wait for a source to take them. Above it the message centre is told to try
/// again later; it waits for our answers in a window of its own, which is smaller.
const INBOUND_WAITING: usize = 1_000;

/// Units that wait to be written. Larger only costs memory: the writer has a time limit.
const OUTBOUND_WAITING: usize = 256;

/// How long messages to us wait for a source, where there is none: one may be about to connect.
const WAIT_FOR_SOURCE: Duration = Duration::from_secs(10);

/// Sequence numbers go from 1 to this: SMPP 3.4, 3.2.
const LAST_SEQUENCE: u32 = 0x7FFF_FFFF;

/// A session with the message centre. Dropped, it unbinds.
pub(crate) struct Session {
    wire: Arc<Wire>,
    inbound: tokio::sync::Mutex<mpsc::Receiver<Inbound>>,
    _stop: DropGuard,
}

/// What the session's task shares with those who use it.
pub(crate) struct Wire {
    out: mpsc::Sender<Vec<u8>>,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Pdu>>>,
    last_sequence: AtomicU32,
    window: Semaphore,
    answer_timeout: Duration,
    has_source: AtomicBool,
    /// No more requests; the connection may still be open for a good-bye.
    ended: CancellationToken,
    /// The connection is closed.
    over: CancellationToken,
    reason: OnceLock<String>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// The session ended, for this reason.
    Ended(String),
    /// None came in time.
    TimedOut(Duration),
    /// All of the window was taken for as long as an answer may take.
    WindowFull,
    /// It could not be written.
    TooLong(TooLong),
}

impl Session {
    /// Takes over a fresh connection; nothing is sent yet.
    pub(crate) fn start(stream: Box<dyn Stream>, account: &Account) -> Self {
        let (out, to_write) = mpsc::channel(OUTBOUND_WAITING);
        let (arrived, inbound) = mpsc::channel(INBOUND_WAITING);
        let stop = CancellationToken::new();
        let wire = Arc::new(Wire {
            out,
            waiting: Mutex::default(),
            last_sequence: AtomicU32::new(0),
            window: Semaphore::new(usize::from(account.window)),
            answer_timeout: account.answer_timeout(),
            has_source: AtomicBool::new(false),
            ended: CancellationToken::new(),
            over: CancellationToken::new(),
            reason: OnceLock::new(),
        });
        let enquire_link = account.enquire_link();
        let task = run::run(
            wire.clone(),
            stream,
            to_write,
            arrived,
            enquire_link,
            stop.clone(),
        );
        drop(tokio::spawn(task));
        Self {
            wire,
            inbound: tokio::sync::Mutex::new(inbound),
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.wire.ended.is_cancelled()
    }

    /// Cancelled once the connection is closed.
    pub(crate) fn over(&self) -> CancellationToken {
        self.wire.over.clone()
    }

    /// Why it ended.
    pub(crate) fn reason(&self) -> String {
        self.wire.reason()
    }

    /// Sends a request, outside the window, and waits for its answer.
    pub(crate) async fn request(&self, body: Body) -> Result<Pdu, NoAnswer> {
        self.wire.request(body, self.wire.answer_timeout).await
    }

    /// Submits a message within the window.
    pub(crate) async fn submit(&self, message: ShortMessage) -> Result<Pdu, NoAnswer> {
        let patience = self.wire.answer_timeout;
        let permit = timeout(patience, self.wire.window.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(NoAnswer::WindowFull);
        };
        self.request(Body::SubmitSm(Box::new(message))).await
    }

    /// The next message to us; `None` once the session has ended. Cancel-safe.
    pub(crate) async fn next_inbound(&self) -> Option<Inbound> {
        self.inbound.lock().await.recv().await
    }

    /// Makes the caller the one source of this session.
    pub(crate) fn claim(&self) -> Option<SourceClaim> {
        let before = self.wire.has_source.swap(true, Ordering::AcqRel);
        (!before).then(|| SourceClaim(self.wire.clone()))
    }

    /// Declines what nobody takes, for as long as there is no source.
    pub(crate) fn decline_unclaimed(&self) {
        if self.wire.has_source.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut inbound) = self.inbound.try_lock() else {
            return;
        };
        // Dropping one declines it.
        while inbound.try_recv().is_ok() {}
    }
}

/// Being the source of a session; dropped, another may be.
pub(crate) struct SourceClaim(Arc<Wire>);

impl Drop for SourceClaim {
    fn drop(&mut self) {
        self.0.has_source.store(false, Ordering::Release);
    }
}

impl Wire {
    async fn request(&self, body: Body, patience: Duration) -> Result<Pdu, NoAnswer> {
        let sequence = self.next_sequence();
        let unit = Pdu::request(sequence, body).encode();
        let unit = unit.map_err(NoAnswer::TooLong)?;
        let (answered, answer) = oneshot::channel();
        self.waiting().insert(sequence, answered);
        let _forget = ForgetAtEnd(self, sequence);
        let exchange = async {
            self.out.send(unit).await.ok()?;
            answer.await.ok()
        };
        tokio::select! {
            biased;
            answer = timeout(patience, exchange) => match answer {
                Ok(Some(pdu)) => Ok(pdu),
                Ok(None) => Err(NoAnswer::Ended(self.reason())),
                Err(_) => Err(NoAnswer::TimedOut(patience)),
            },
            () = self.ended.cancelled() => Err(NoAnswer::Ended(self.reason())),
        }
    }

    fn next_sequence(&self) -> u32 {
        let next = |last: u32| Some(if last >= LAST_SEQUENCE { 1 } else { last + 1 });
        let last = self
            .last_sequence
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .unwrap_or_default();
        next(last).unwrap_or(1)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Pdu>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reason: &str) {
        // The first reason counts.
        let _ = self.reason.set(reason.to_owned());
        self.ended.cancel();
    }

    fn reason(&self) -> String {
        self.reason.get().cloned().unwrap_or_default()
    }

    fn answered(&self, pdu: Pdu) {
        match self.waiting().remove(&pdu.sequence) {
            // Nobody waits any more: the sender was stopped.
            Some(waiting) => drop(waiting.send(pdu)),
            None => debug!(
                sequence = pdu.sequence,
                "an answer came too late, or to nothing"
            ),
        }
    }

    async fn write(&self, unit: Vec<u8>) {
        // Closed means that the session ends, which is told elsewhere.
        let _ = self.out.send(unit).await;
    }
}

/// A request that is given up must not stay on the list.
struct ForgetAtEnd<'a>(&'a Wire, u32);

impl Drop for ForgetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.waiting().remove(&self.1);
    }
}

/// Declines, again and again, what comes while there is no source; ends with the session.
pub(crate) async fn decline_without_source(session: std::sync::Weak<Session>) {
    loop {
        sleep(WAIT_FOR_SOURCE).await;
        match session.upgrade() {
            Some(session) if session.is_alive() => session.decline_unclaimed(),
            _ => return,
        }
    }
}
