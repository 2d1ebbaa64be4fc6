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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joining::{Joining, Part};
    use crate::pdu::{HEADER_BYTES, Tlv, tag};
    use tokio::io::{AsyncReadExt, DuplexStream};
    use tokio::time::Instant;

    /// The message centre's side, for what the simulator cannot be made to send.
    struct Centre(DuplexStream);

    impl Centre {
        fn begin() -> (Arc<Session>, Self) {
            let toml = "server = 'localhost:1'\nsystem_id = 'hub'\npassword = 'env:P'";
            let account: Account = toml::from_str(toml).unwrap();
            let (ours, theirs) = tokio::io::duplex(4_096);
            (
                Arc::new(Session::start(Box::new(ours), &account)),
                Self(theirs),
            )
        }

        async fn send(&mut self, pdu: Pdu) {
            self.0.write_all(&pdu.encode().unwrap()).await.unwrap();
        }

        async fn deliver(&mut self, sequence: u32, message: ShortMessage) {
            let body = Body::DeliverSm(Box::new(message));
            self.send(Pdu::request(sequence, body)).await;
        }

        async fn read(&mut self) -> Pdu {
            let mut unit = vec![0; HEADER_BYTES];
            self.0.read_exact(&mut unit).await.unwrap();
            let length = u32::from_be_bytes(unit[..4].try_into().unwrap());
            unit.resize(length as usize, 0);
            self.0.read_exact(&mut unit[HEADER_BYTES..]).await.unwrap();
            Pdu::decode(&unit).unwrap()
        }

        /// The next answer to a message: its sequence number and status.
        async fn answer(&mut self) -> (u32, u32) {
            let pdu = self.read().await;
            assert_eq!(pdu.body, Body::DeliverSmResp);
            (pdu.sequence, pdu.status)
        }
    }

    fn part(number: u8, of: u8, text: &str) -> ShortMessage {
        let mut short_message = vec![5, 0, 3, 17, of, number];
        short_message.extend_from_slice(text.as_bytes());
        ShortMessage {
            esm_class: 0x40,
            short_message,
            ..ShortMessage::default()
        }
    }

    async fn next(session: &Session) -> Inbound {
        session.next_inbound().await.unwrap()
    }

    #[tokio::test]
    async fn answers_find_their_requests_in_any_order() {
        let (session, mut centre) = Centre::begin();
        let submit = || session.submit(ShortMessage::default());
        let serve = async {
            let (first, second) = (centre.read().await, centre.read().await);
            for (sequence, id) in [(second.sequence, "second"), (first.sequence, "first")] {
                let message_id = id.to_owned();
                centre
                    .send(Pdu::request(sequence, Body::SubmitSmResp { message_id }))
                    .await;
            }
        };
        let (first, second, ()) = tokio::join!(submit(), submit(), serve);
        let id = |answer: Result<Pdu, NoAnswer>| match answer.unwrap().body {
            Body::SubmitSmResp { message_id } => message_id,
            body => panic!("{body:?}"),
        };
        assert_eq!(
            (id(first), id(second)),
            ("first".to_owned(), "second".to_owned())
        );
        assert!(session.wire.waiting().is_empty());
    }

    #[tokio::test]
    async fn parts_are_joined_in_their_order_and_answered_together() {
        let (session, mut centre) = Centre::begin();
        let mut joining = Joining::new(Duration::from_secs(5));
        let now = Instant::now();
        centre.deliver(1, part(2, 3, "b")).await;
        centre.deliver(2, part(3, 3, "c")).await;
        // The message centre sends one again.
        centre.deliver(3, part(2, 3, "b")).await;
        centre.deliver(4, part(1, 3, "a")).await;
        for _ in 0..3 {
            assert!(joining.take(next(&session).await, now).is_none());
        }
        let piece = joining.take(next(&session).await, now).unwrap();
        assert_eq!((piece.octets.as_slice(), piece.part), (&b"abc"[..], None));
        assert_eq!(joining.deadline(), None);
        for answer in piece.answers {
            assert!(answer.give(status::OK).await);
        }
        let mut answered = Vec::new();
        for _ in 0..4 {
            answered.push(centre.answer().await);
        }
        answered.sort_unstable();
        assert_eq!(answered, [(1, 0), (2, 0), (3, 0), (4, 0)]);
    }

    #[tokio::test]
    async fn parts_whose_others_stay_away_are_offered_one_by_one() {
        let (session, mut centre) = Centre::begin();
        let mut joining = Joining::new(Duration::from_secs(5));
        let now = Instant::now();
        let mut sar = ShortMessage {
            short_message: b"c".to_vec(),
            ..ShortMessage::default()
        };
        sar.tlvs = vec![
            Tlv::short(tag::SAR_MSG_REF_NUM, 17),
            Tlv::octet(tag::SAR_TOTAL_SEGMENTS, 3),
            Tlv::octet(tag::SAR_SEGMENT_SEQNUM, 3),
        ];
        centre.deliver(1, sar).await;
        centre.deliver(2, part(1, 3, "a")).await;
        for _ in 0..2 {
            assert!(joining.take(next(&session).await, now).is_none());
        }
        assert!(joining.expired(now).is_empty());
        let deadline = joining.deadline().unwrap();
        let found: Vec<_> = joining
            .expired(deadline)
            .into_iter()
            .map(|piece| (piece.part, piece.octets))
            .collect();
        let part = |number| {
            Some(Part {
                reference: 17,
                number,
                of: 3,
            })
        };
        assert_eq!(found, [(part(1), b"a".to_vec()), (part(3), b"c".to_vec())]);
        // Dropped, so declined.
        assert_eq!(centre.answer().await.1, status::TEMPORARY_APPLICATION_ERROR);
        assert_eq!(centre.answer().await.1, status::TEMPORARY_APPLICATION_ERROR);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_answered_and_the_rest_goes_on() {
        let (session, mut centre) = Centre::begin();
        let broken = [0, 0, 0, 18, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, b'x', 1];
        centre.0.write_all(&broken).await.unwrap();
        assert_eq!(
            centre.answer().await,
            (9, status::PERMANENT_APPLICATION_ERROR)
        );
        centre.send(Pdu::request(10, Body::Other(0x0102))).await;
        let nack = centre.read().await;
        assert_eq!((nack.sequence, nack.body), (10, Body::GenericNack));
        centre.send(Pdu::request(11, Body::EnquireLink)).await;
        assert_eq!(centre.read().await.body, Body::EnquireLinkResp);
        // An address in Latin-1, as some write their names.
        let mut named = part(1, 1, "a");
        named.source.digits = "Nordkräft".to_owned();
        centre.deliver(12, named).await;
        assert_eq!(next(&session).await.message.source.digits, "Nordkräft");
        centre.0.write_all(&[0; HEADER_BYTES]).await.unwrap();
        session.wire.ended.cancelled().await;
        assert_eq!(session.reason(), "what it sent is not SMPP");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_source_a_message_waits_and_is_declined() {
        let (session, mut centre) = Centre::begin();
        let declining = tokio::spawn(decline_without_source(Arc::downgrade(&session)));
        let claim = session.claim().unwrap();
        assert!(session.claim().is_none());
        drop(claim);
        centre.deliver(1, part(1, 1, "a")).await;
        assert_eq!(
            centre.answer_amid_enquiries().await,
            (1, status::TEMPORARY_APPLICATION_ERROR)
        );
        drop(session);
        declining.await.unwrap();
    }

    impl Centre {
        async fn answer_amid_enquiries(&mut self) -> (u32, u32) {
            loop {
                let pdu = self.read().await;
                match pdu.body {
                    Body::DeliverSmResp => return (pdu.sequence, pdu.status),
                    _ => {
                        self.send(Pdu::request(pdu.sequence, Body::EnquireLinkResp))
                            .await
                    }
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_message_centre_is_noticed() {
        let (session, mut centre) = Centre::begin();
        assert_eq!(centre.read().await.body, Body::EnquireLink);
        session.wire.ended.cancelled().await;
        assert!(
            session.reason().contains("enquire_link"),
            "{}",
            session.reason()
        );
        assert!(matches!(
            session.request(Body::EnquireLink).await,
            Err(NoAnswer::Ended(_))
        ));
    }

    #[tokio::test]
    async fn a_session_that_nobody_uses_says_good_bye() {
        let (session, mut centre) = Centre::begin();
        drop(session);
        let unbind = centre.read().await;
        assert_eq!(unbind.body, Body::Unbind);
        centre
            .send(Pdu::request(unbind.sequence, Body::UnbindResp))
            .await;
        assert_eq!(centre.0.read(&mut [0]).await.unwrap(), 0, "and hangs up");
    }
}
