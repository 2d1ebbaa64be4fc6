//! The sink: a message becomes a mail that the server has taken for each recipient.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Content, Meter, OutgoingMessage, Sent, Sink, SinkError};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::compose::Composer;
use crate::metrics;
use crate::progress::{Progress, Verdict};
use crate::smtp::{Answer, Dialer, Outgoing, Trouble, leave};

/// A connection that rested longer is not used again: the server is about to close it.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Mails over one connection. Exim puts what comes after the tenth aside until it next looks through
/// its queue, half an hour later perhaps (`smtp_accept_queue_per_connection`).
const MAILS_PER_CONNECTION: u32 = 10;

/// When to try again after we were not let in: someone must act first, and servers ban those who
/// insist.
const NOT_LET_IN_PAUSE: Duration = Duration::from_secs(60);

/// When to try again after the server said that it is about to close.
const CLOSING_PAUSE: Duration = Duration::from_secs(10);

/// A configured mail server.
pub(crate) struct MailSink {
    pub(crate) endpoint: String,
    pub(crate) dialer: Dialer,
    pub(crate) composer: Composer,
    pub(crate) largest: u64,
    /// One for each connection, and so for each body in memory.
    pub(crate) slots: Semaphore,
    pub(crate) rested: Mutex<Vec<Rested>>,
    pub(crate) progress: Progress,
    pub(crate) meter: Meter,
}

/// A connection that waits for its next mail.
pub(crate) struct Rested {
    connection: AsyncSmtpConnection,
    since: Instant,
    mails: u32,
}

#[async_trait]
impl Sink for MailSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let bytes = message.content.len();
        if bytes > self.largest {
            let largest = self.largest;
            let reason = format!("its body has {bytes} bytes, and `max_body_bytes` is {largest}");
            return Err(self.refused(reason));
        }
        let slot = self.slots.acquire().await;
        let _slot = slot.map_err(|_| self.unavailable("is being stopped".to_owned(), false))?;
        let body = read(&message.content).await;
        let body = body.map_err(|e| self.unavailable(format!("its body: {e}"), false))?;
        let original = self.composer.original(message, body);
        let original = original.map_err(|r| self.refused(r))?;
        let head = self.composer.head(&original).map_err(|r| self.refused(r))?;
        let mail = self.composer.mail(original, &head);
        let mail = mail.map_err(|r| self.refused(r))?;
        let (id, everyone) = (head.message_id(message), head.recipients());
        let known = self.progress.of(message.message_id, everyone.len()).await;
        let known = known.map_err(|e| self.unavailable(e.to_string(), false))?;
        let recipients = known.pending(everyone);
        let outgoing = Outgoing {
            sender: head.sender(),
            recipients: &recipients,
            mail: &mail,
        };
        let answers = self.hand_over(&outgoing).await;
        let answers = answers.map_err(|trouble| self.error(trouble))?;
        self.count(&answers);
        let verdict = self
            .progress
            .answered(message.message_id, known, &recipients, &answers);
        match verdict.await {
            Verdict::Everyone => Ok(Sent::noted(note(&id, &recipients, &answers))),
            Verdict::Later(reason) => Err(self.unavailable(reason, true)),
            Verdict::Refused(reason) => Err(self.refused(reason)),
        }
    }
}

impl MailSink {
    async fn hand_over(&self, outgoing: &Outgoing<'_>) -> Result<Vec<Answer>, Trouble> {
        let (mut connection, mails) = self.connection().await?;
        let answers = self.dialer.transact(&mut connection, outgoing).await?;
        match mails + 1 < MAILS_PER_CONNECTION {
            true => self.rested().push(Rested {
                connection,
                since: Instant::now(),
                mails: mails + 1,
            }),
            false => drop(tokio::spawn(leave(connection))),
        }
        Ok(answers)
    }

    /// A connection that works, and how many mails went over it.
    async fn connection(&self) -> Result<(AsyncSmtpConnection, u32), Trouble> {
        loop {
            let rested = self.rested().pop();
            let Some(mut rested) = rested else {
                return Ok((self.connect().await?, 0));
            };
            if rested.since.elapsed() >= LONGEST_REST {
                tokio::spawn(leave(rested.connection));
            } else if self.dialer.is_alive(&mut rested.connection).await? {
                return Ok((rested.connection, rested.mails));
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let connected = self.dialer.connect().await;
        match &connected {
            Ok(_) => self.meter.count(metrics::CONNECTIONS, 1),
            Err(Trouble::NotLetIn(_)) => self.meter.count(metrics::NOT_LET_IN, 1),
            Err(_) => {}
        }
        connected
    }

    fn count(&self, answers: &[Answer]) {
        for answer in answers {
            match answer {
                Answer::Accepted(_) => {}
                Answer::Later(_) => self.meter.count(metrics::PUT_OFF, 1),
                Answer::Never(_) => self.meter.count(metrics::REFUSED, 1),
            }
        }
    }

    fn rested(&self) -> std::sync::MutexGuard<'_, Vec<Rested>> {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unavailable(&self, reason: String, answered: bool) -> SinkError {
        SinkError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason,
            retry_after: None,
            answered,
        }
    }

    fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        }
    }

    fn error(&self, trouble: Trouble) -> SinkError {
        error(&self.endpoint, trouble)
    }
}

/// What trouble with the server means for a message: it is tried again, whatever it is.
pub(crate) fn error(endpoint: &str, trouble: Trouble) -> SinkError {
    let (reason, retry_after) = match trouble {
        Trouble::Busy(_) => {
            return SinkError::Busy {
                endpoint: endpoint.to_owned(),
                retry_after: Some(CLOSING_PAUSE),
            };
        }
        Trouble::Silent(reason) => (reason, None),
        Trouble::NotLetIn(reason) => (reason, Some(NOT_LET_IN_PAUSE)),
    };
    SinkError::Unavailable {
        endpoint: endpoint.to_owned(),
        reason,
        retry_after,
        answered: false,
    }
}

/// `<id> accepted for a@x, b@x: 250 OK id=1abc`.
fn note(id: &str, recipients: &[lettre::Address], answers: &[Answer]) -> String {
    let names: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    match answers.first() {
        Some(Answer::Accepted(words)) => format!("{id} accepted for {}: {words}", names.join(", ")),
        _ => format!("{id} accepted before"),
    }
}

/// The whole body: it is encoded as one piece.
async fn read(content: &Content) -> io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(usize::try_from(content.len()).unwrap_or_default());
    content.reader().read_to_end(&mut body).await?;
    Ok(body)
}
