//! The source: looks for mails, offers their parts, and takes back what was not accepted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Arrival, Body, IncomingMessage, Source, SourceError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::letter::{Letter, LetterHead, NotTaken, Rules};
use crate::mailbox::{Problem, Uid};
use crate::receipt::PartReceipt;
use crate::settle::Office;

/// Pause before a mail that could not be moved away is looked at again.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

/// Most mails in trouble that are remembered; beyond, they are tried at every look.
const AVOIDED_MAILS: usize = 10_000;

/// What a source and its receipts share.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) office: Office,
    pub(crate) changed: Notify,
    desk: Mutex<Desk>,
}

/// Mails under way.
#[derive(Default)]
pub(crate) struct Desk {
    /// At most as many as the window is wide: they are in memory.
    open: BTreeMap<Uid, OpenMail>,
    avoid: HashMap<Uid, Instant>,
}

/// A mail whose parts are being offered.
struct OpenMail {
    letter: Arc<Letter>,
    states: Vec<PartState>,
}

/// Where a part stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum PartState {
    Waiting(Instant),
    Offered,
    Accepted,
    Rejected(String),
}

/// What a mail's parts, all settled, mean for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused(String),
}

impl Shared {
    pub(crate) fn new(name: String, office: Office) -> Self {
        Self {
            name,
            office,
            changed: Notify::new(),
            desk: Mutex::default(),
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Offers a part again after a pause.
    pub(crate) fn give_back(&self, uid: Uid, part: usize, pause: Duration) {
        self.set(uid, part, PartState::Waiting(Instant::now() + pause));
        self.changed.notify_one();
    }

    fn set(&self, uid: Uid, part: usize, state: PartState) {
        if let Some(mail) = self.desk().open.get_mut(&uid)
            && let Some(place) = mail.states.get_mut(part)
        {
            *place = state;
        }
    }

    /// Takes in how a part was settled. Once all parts of its mail are, the mail is moved.
    pub(crate) async fn settled(&self, uid: Uid, part: usize, rejected: Option<String>) {
        let state = rejected.map_or(PartState::Accepted, PartState::Rejected);
        self.set(uid, part, state);
        let finished = self.desk().open.get(&uid).and_then(OpenMail::finished);
        let Some((outcome, head)) = finished else {
            self.changed.notify_one();
            return;
        };
        // It stays on the desk until it is moved, so that it is not offered meanwhile.
        let moved = self.office.settle(uid, &head, &outcome).await;
        let mut desk = self.desk();
        desk.open.remove(&uid);
        if let Err(problem) = moved {
            tracing::error!(source = %self.name, %problem, pause_seconds = TROUBLE_PAUSE.as_secs(), "settled mail cannot be moved away; its parts will be recognised as resends");
            desk.avoid(uid);
        }
        drop(desk);
        self.changed.notify_one();
    }
}

impl OpenMail {
    fn finished(&self) -> Option<(Outcome, LetterHead)> {
        let mut reasons = Vec::new();
        for (state, part) in self.states.iter().zip(&self.letter.parts) {
            match state {
                PartState::Waiting(_) | PartState::Offered => return None,
                PartState::Accepted => {}
                PartState::Rejected(reason) => reasons.push(format!("{}: {reason}", part.name)),
            }
        }
        let outcome = match reasons.is_empty() {
            true => Outcome::Done,
            false => Outcome::Refused(reasons.join("\n")),
        };
        Some((outcome, self.letter.head.clone()))
    }
}

impl Desk {
    fn avoid(&mut self, uid: Uid) {
        if self.avoid.len() < AVOIDED_MAILS {
            self.avoid.insert(uid, Instant::now() + TROUBLE_PAUSE);
        }
    }

    /// The next part to offer, or when one is due.
    fn next_part(&mut self, now: Instant) -> Result<(Uid, usize, Arc<Letter>), Option<Instant>> {
        let mut earliest: Option<Instant> = None;
        for (uid, mail) in &mut self.open {
            for (index, state) in mail.states.iter_mut().enumerate() {
                match state {
                    PartState::Waiting(due) if *due <= now => {
                        *state = PartState::Offered;
                        return Ok((*uid, index, mail.letter.clone()));
                    }
                    PartState::Waiting(due) => {
                        earliest = Some(earliest.map_or(*due, |other| other.min(*due)));
                    }
                    _ => {}
                }
            }
        }
        Err(earliest)
    }
}

/// How fast a source goes, and what it takes.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub(crate) poll: Duration,
    pub(crate) window: usize,
    pub(crate) largest: u64,
    pub(crate) rules: Rules,
}

/// A connected mailbox.
pub(crate) struct MailboxSource {
    manner: Arc<Manner>,
    shared: Arc<Shared>,
    candidates: VecDeque<Uid>,
    next_look: Instant,
    /// Kept here while it runs, so that a dropped `receive` loses nothing.
    job: Option<Job>,
}

type Job = Pin<Box<dyn Future<Output = Result<Done, Problem>> + Send>>;

/// What a job brings.
enum Done {
    Looked(Vec<Uid>),
    Waited,
    Read(Uid, Box<Letter>),
    /// Gone, or refused already.
    Nothing,
    /// It should be elsewhere, and the server does not move it.
    Stuck(Uid, Problem),
}

/// What `receive` does next.
enum Next {
    Offer(Arrival),
    Work(Job),
    Wait(Instant),
}

impl MailboxSource {
    pub(crate) fn new(shared: Shared, manner: Manner) -> Self {
        Self {
            manner: Arc::new(manner),
            shared: Arc::new(shared),
            candidates: VecDeque::new(),
            next_look: Instant::now(),
            job: None,
        }
    }

    fn next(&mut self, now: Instant) -> Next {
        let mut desk = self.shared.desk();
        let due = match desk.next_part(now) {
            Ok((uid, part, letter)) => {
                drop(desk);
                return Next::Offer(self.offer(uid, part, &letter));
            }
            Err(due) => due,
        };
        desk.avoid.retain(|_, until| *until > now);
        if desk.open.len() < self.manner.window {
            while let Some(uid) = self.candidates.pop_front() {
                if !desk.open.contains_key(&uid) && !desk.avoid.contains_key(&uid) {
                    let job = read(self.shared.clone(), self.manner.clone(), uid);
                    return Next::Work(Box::pin(job));
                }
            }
        }
        let is_idle = desk.open.is_empty();
        drop(desk);
        let shared = self.shared.clone();
        if now >= self.next_look {
            return Next::Work(Box::pin(async move {
                shared.office.mailbox.list().await.map(Done::Looked)
            }));
        }
        if is_idle {
            let pause = self.next_look - now;
            return Next::Work(Box::pin(async move {
                shared
                    .office
                    .mailbox
                    .wait(pause)
                    .await
                    .map(|()| Done::Waited)
            }));
        }
        Next::Wait(due.map_or(self.next_look, |due| due.min(self.next_look)))
    }

    /// Takes in what a job brought.
    fn take(&mut self, done: Result<Done, Problem>) -> Result<(), SourceError> {
        match done.map_err(|problem| disconnected(&self.shared.name, &problem))? {
            Done::Looked(uids) => {
                self.candidates = uids.into();
                self.next_look = Instant::now() + self.manner.poll;
            }
            Done::Waited => self.next_look = Instant::now(),
            Done::Nothing => {}
            Done::Stuck(uid, problem) => {
                tracing::error!(source = %self.shared.name, %problem, pause_seconds = TROUBLE_PAUSE.as_secs(), "refused mail cannot be moved away");
                self.shared.desk().avoid(uid);
            }
            Done::Read(uid, letter) => {
                let now = Instant::now();
                let states = vec![PartState::Waiting(now); letter.parts.len()];
                let letter = Arc::new(*letter);
                self.shared
                    .desk()
                    .open
                    .insert(uid, OpenMail { letter, states });
            }
        }
        Ok(())
    }

    fn offer(&self, uid: Uid, index: usize, letter: &Letter) -> Arrival {
        let part = &letter.parts[index];
        let mut headers = letter.headers.clone();
        headers.push(("part".to_owned(), part.number.to_string()));
        let message = IncomingMessage {
            name: part.name.clone(),
            headers,
            media_type: Some(part.media_type.clone()),
            business_key: Some(part.key.clone()),
            body: Body::Bytes(part.content.clone()),
            reports: Vec::new(),
        };
        let receipt = PartReceipt::new(uid, index, self.shared.clone());
        Arrival::new(message, Box::new(receipt))
    }
}

/// Fetches and reads a mail. One that is not to be taken is moved away at once.
async fn read(shared: Arc<Shared>, manner: Arc<Manner>, uid: Uid) -> Result<Done, Problem> {
    let (mailbox, largest) = (&shared.office.mailbox, manner.largest);
    let Some(size) = mailbox.size(uid).await? else {
        return Ok(Done::Nothing);
    };
    let too_large = |size: u64| NotTaken {
        head: LetterHead::default(),
        reason: format!("it has {size} bytes, and `max_mail_bytes` is {largest}"),
    };
    if size > largest {
        return refuse(&shared, uid, too_large(size)).await;
    }
    // One byte more shows a size that was not true.
    let Some(mail) = mailbox.fetch(uid, largest + 1).await? else {
        return Ok(Done::Nothing);
    };
    let bytes = mail.len() as u64;
    if bytes > largest {
        return refuse(&shared, uid, too_large(bytes)).await;
    }
    let reading = tokio::task::spawn_blocking(move || Letter::read(&mail, &manner.rules));
    let letter = reading.await.map_err(|e| Problem::Lost(e.to_string()))?;
    match letter {
        Ok(letter) => Ok(Done::Read(uid, Box::new(letter))),
        Err(not_taken) => refuse(&shared, uid, not_taken).await,
    }
}

async fn refuse(shared: &Shared, uid: Uid, not_taken: NotTaken) -> Result<Done, Problem> {
    let NotTaken { head, reason } = not_taken;
    tracing::warn!(source = %shared.name, uid, reason, "mail is not taken");
    let outcome = Outcome::Refused(reason);
    match shared.office.settle(uid, &head, &outcome).await {
        Ok(()) => Ok(Done::Nothing),
        Err(problem @ Problem::No(_)) => Ok(Done::Stuck(uid, problem)),
        Err(lost) => Err(lost),
    }
}

#[async_trait]
impl Source for MailboxSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            if let Some(job) = &mut self.job {
                let done = job.await;
                self.job = None;
                self.take(done)?;
            }
            match self.next(Instant::now()) {
                Next::Offer(arrival) => return Ok(arrival),
                Next::Work(job) => self.job = Some(job),
                Next::Wait(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.shared.changed.notified() => {}
                },
            }
        }
    }

    fn window(&self) -> usize {
        self.manner.window
    }
}

pub(crate) fn disconnected(endpoint: &str, problem: &Problem) -> SourceError {
    SourceError::Disconnected {
        endpoint: endpoint.to_owned(),
        reason: problem.to_string(),
    }
}
