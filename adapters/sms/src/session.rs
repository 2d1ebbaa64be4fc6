//! One bind: requests and their answers by sequence number, what the message centre sends us, and the
//! watch over the link.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use crate::config::Account;
use crate::link::Stream;
use crate::pdu::{Body, LONGEST_PDU, Malformed, Pdu, ShortMessage, TooLong, status};

/// Messages to us that wait for a source to take them. Above it the message centre is told to try
/// again later; it waits for our answers in a window of its own, which is smaller.
const INBOUND_WAITING: usize = 1_000;

/// Units that wait to be written. Larger only costs memory: the writer has a time limit.
const OUTBOUND_WAITING: usize = 256;

/// How long messages to us wait for a source, where there is none: one may be about to connect.
const WAIT_FOR_SOURCE: Duration = Duration::from_secs(10);

/// How long an `unbind` may take, ours or theirs.
const GOODBYE: Duration = Duration::from_secs(2);

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
    ended: CancellationToken,
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
            reason: OnceLock::new(),
        });
        let enquire_link = account.enquire_link();
        let task = run(
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

/// A message to us, which must be answered. Dropped, the message centre is told to try again later.
pub(crate) struct Inbound {
    pub(crate) message: ShortMessage,
    answer: Answer,
}

impl Inbound {
    /// The message, and the duty to answer it.
    pub(crate) fn into_parts(self) -> (ShortMessage, Answer) {
        (self.message, self.answer)
    }
}

/// The duty to answer one message to us.
pub(crate) struct Answer {
    wire: Arc<Wire>,
    sequence: u32,
    given: bool,
}

impl Answer {
    /// Gives it. Whether the session was still there to carry it.
    pub(crate) async fn give(mut self, status: u32) -> bool {
        self.given = true;
        let unit = self.unit(status);
        !self.wire.ended.is_cancelled() && self.wire.out.send(unit).await.is_ok()
    }

    fn unit(&self, status: u32) -> Vec<u8> {
        respond(self.sequence, status, Body::DeliverSmResp)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.given {
            let unit = self.unit(status::TEMPORARY_APPLICATION_ERROR);
            // A full or closed queue: no answer is no yes either.
            let _ = self.wire.out.try_send(unit);
        }
    }
}

/// A response in octets. Ours have no texts that could be too long.
fn respond(sequence: u32, status: u32, body: Body) -> Vec<u8> {
    let pdu = Pdu {
        status,
        sequence,
        body,
    };
    pdu.encode().unwrap_or_default()
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

/// Runs the session until it ends, for whatever reason comes first.
async fn run(
    wire: Arc<Wire>,
    stream: Box<dyn Stream>,
    to_write: mpsc::Receiver<Vec<u8>>,
    arrived: mpsc::Sender<Inbound>,
    enquire_link: Duration,
    stop: CancellationToken,
) {
    let (read, write) = tokio::io::split(stream);
    let reason = tokio::select! {
        reason = read_all(&wire, read, &arrived) => reason,
        reason = write_all(write, to_write, wire.answer_timeout) => reason,
        reason = watch(&wire, enquire_link) => reason,
        reason = leave(&wire, &stop) => reason,
    };
    wire.end(&reason);
}

/// Writes what is queued.
async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut units: mpsc::Receiver<Vec<u8>>,
    patience: Duration,
) -> String {
    while let Some(unit) = units.recv().await {
        let written = async {
            write.write_all(&unit).await?;
            write.flush().await
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("it took nothing for {patience:?}"),
        }
    }
    "it is not used any more".to_owned()
}

/// Asks whether the other side is there.
async fn watch(wire: &Wire, pause: Duration) -> String {
    loop {
        sleep(pause).await;
        if let Err(NoAnswer::TimedOut(patience)) =
            wire.request(Body::EnquireLink, wire.answer_timeout).await
        {
            return format!("it did not answer enquire_link within {patience:?}");
        }
    }
}

/// Says good-bye once nobody uses the session any more.
async fn leave(wire: &Wire, stop: &CancellationToken) -> String {
    stop.cancelled().await;
    // It ends here, whatever the message centre says.
    let _ = wire.request(Body::Unbind, GOODBYE).await;
    "it is not used any more".to_owned()
}

/// Reads what comes.
async fn read_all(
    wire: &Arc<Wire>,
    read: impl AsyncRead + Unpin,
    arrived: &mpsc::Sender<Inbound>,
) -> String {
    let codec = LengthDelimitedCodec::builder()
        .num_skip(0)
        .max_frame_length(LONGEST_PDU)
        .new_codec();
    let mut units = FramedRead::new(read, codec);
    while let Some(unit) = units.next().await {
        let unit = match unit {
            Ok(unit) => unit,
            Err(error) => return error.to_string(),
        };
        match Pdu::decode(&unit) {
            Ok(pdu) if pdu.body == Body::Unbind => {
                let reason = "the message centre ended the session (unbind)";
                wire.end(reason);
                wire.write(respond(pdu.sequence, status::OK, Body::UnbindResp))
                    .await;
                // Until it is written and the other side hangs up.
                let _ = timeout(GOODBYE, units.next()).await;
                return reason.to_owned();
            }
            Ok(pdu) => take(wire, pdu, arrived).await,
            Err(error) if error.sequence == 0 => return "what it sent is not SMPP".to_owned(),
            Err(error) => decline(wire, &error).await,
        }
    }
    "the message centre closed the connection".to_owned()
}

async fn take(wire: &Arc<Wire>, pdu: Pdu, arrived: &mpsc::Sender<Inbound>) {
    let sequence = pdu.sequence;
    match pdu.body {
        Body::EnquireLink => {
            wire.write(respond(sequence, status::OK, Body::EnquireLinkResp))
                .await
        }
        Body::DeliverSm(message) => {
            let answer = Answer {
                wire: wire.clone(),
                sequence,
                given: false,
            };
            let message = *message;
            // No room, or no session: dropped, it is declined.
            drop(arrived.try_send(Inbound { message, answer }));
        }
        Body::BindResp { .. }
        | Body::SubmitSmResp { .. }
        | Body::DeliverSmResp
        | Body::EnquireLinkResp
        | Body::UnbindResp
        | Body::GenericNack => wire.answered(pdu),
        // A response to what we never asked.
        Body::Other(command) if command >= 0x8000_0000 => {}
        Body::Other(_) | Body::Bind(_) | Body::SubmitSm(_) | Body::Unbind => {
            let unit = respond(sequence, status::INVALID_COMMAND, Body::GenericNack);
            wire.write(unit).await;
        }
    }
}

/// Answers what cannot be read.
async fn decline(wire: &Wire, error: &Malformed) {
    warn!(%error, "the message centre sent what cannot be read");
    if error.is_delivery() {
        let never = status::PERMANENT_APPLICATION_ERROR;
        wire.write(respond(error.sequence, never, Body::DeliverSmResp))
            .await;
    } else if error.is_request() {
        let unit = respond(error.sequence, status::INVALID_COMMAND, Body::GenericNack);
        wire.write(unit).await;
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
