//! What becomes of a mail once all its parts are settled. Not before: until then it stays where it
//! is, whatever happens to us.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hub_core::Clock;
use lettre::message::{Mailbox as Person, Message};

use crate::letter::LetterHead;
use crate::mailbox::{Mailbox, Problem, Uid};
use crate::source::Outcome;

/// Who writes the notes.
const WRITER: &str = "Meterhub <meterhub@localhost>";

/// Longest reason in a note, in characters.
const LONGEST_REASON: usize = 10_000;

/// A mailbox, and where its mails go.
pub(crate) struct Office {
    pub(crate) mailbox: Mailbox,
    pub(crate) done: String,
    pub(crate) refused: String,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Office {
    /// Moves a mail away, and puts a note with the reason beside a refused one.
    ///
    /// # Errors
    /// It may still be where it was.
    pub(crate) async fn settle(
        &self,
        uid: Uid,
        head: &LetterHead,
        outcome: &Outcome,
    ) -> Result<(), Problem> {
        let reason = match outcome {
            Outcome::Done => return self.mailbox.move_to(uid, &self.done).await,
            Outcome::Refused(reason) => reason,
        };
        self.mailbox.move_to(uid, &self.refused).await?;
        let noted = match self.note(head, reason) {
            Ok(note) => self.mailbox.append(&self.refused, &note).await,
            Err(problem) => Err(Problem::No(problem)),
        };
        if let Err(problem) = noted {
            tracing::warn!(%problem, uid, reason, "no note can be put beside a refused mail");
        }
        Ok(())
    }

    fn note(&self, head: &LetterHead, reason: &str) -> Result<Vec<u8>, String> {
        let person: Person = WRITER.parse().map_err(|_| "the writer's address")?;
        let micros = u64::try_from(self.clock.now().micros()).unwrap_or_default();
        let mut builder = Message::builder()
            .from(person.clone())
            .to(person)
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            .subject(format!("Refused: {}", head.subject));
        if let Some(id) = &head.message_id {
            let id: String = id.chars().filter(char::is_ascii_graphic).collect();
            builder = builder
                .in_reply_to(format!("<{id}>"))
                .references(format!("<{id}>"));
        }
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        let text = format!("The mail was not taken: {reason}\n");
        let note = builder.singlepart(lettre::message::SinglePart::plain(text));
        note.map(|mail| mail.formatted()).map_err(|e| e.to_string())
    }
}
