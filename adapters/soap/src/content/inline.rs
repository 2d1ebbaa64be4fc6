//! Binary parts put in place, or one of them taken for the message.

use std::collections::{HashMap, VecDeque};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::{MAX_ENVELOPE_WITH_PARTS, MAX_HELD_PARTS};
use crate::envelope::{Envelope, Input, Output, Trouble};
use crate::mtom::{Multipart, PartHead};

/// A document that is whole, and its parts, which are still coming.
pub(crate) struct Inline {
    document: VecDeque<Output>,
    parts: Box<Multipart>,
    /// Parts that came before their places.
    held: HashMap<String, Bytes>,
    held_bytes: usize,
    /// Bytes that parts in place may still have. One part may be referred to many times.
    room: u64,
    /// A part is being put in place: bytes that make up no group of three yet.
    group: Option<Vec<u8>>,
}

impl Inline {
    /// Reads the envelope to its end. Parts in place will have at most `limit` bytes.
    ///
    /// # Errors
    /// It is not whole, or too large to be held.
    pub(crate) async fn new(mut envelope: Envelope, limit: u64) -> Result<Self, Trouble> {
        let mut document = VecDeque::new();
        let mut size = 0;
        while let Some(output) = envelope.next().await? {
            if let Output::Bytes(bytes) = &output {
                size += bytes.len();
            }
            if size > MAX_ENVELOPE_WITH_PARTS {
                return Err(Trouble::structure(format!(
                    "the envelope has more than {MAX_ENVELOPE_WITH_PARTS} bytes without its parts"
                )));
            }
            document.push_back(output);
        }
        let Input::Part(parts) = envelope.into_input() else {
            return Err(Trouble::structure(
                "the document refers to parts that are not there",
            ));
        };
        Ok(Self {
            document,
            parts,
            held: HashMap::new(),
            held_bytes: 0,
            room: limit,
            group: None,
        })
    }

    /// Goes to the one part that the document refers to.
    ///
    /// # Errors
    /// It refers to none or several, or the part does not come.
    pub(crate) async fn into_attachment(mut self) -> Result<(PartHead, Box<Multipart>), Trouble> {
        let mut ids: Vec<&String> = self.document.iter().filter_map(include).collect();
        ids.dedup();
        let [wanted] = ids.as_slice() else {
            return Err(Trouble::structure(format!(
                "the document refers to {} binary parts, expected one `xop:Include`",
                ids.len()
            )));
        };
        let wanted = (*wanted).clone();
        while let Some(head) = self.parts.next_part().await? {
            if head.id == wanted {
                return Ok((head, self.parts));
            }
        }
        Err(missing(&wanted))
    }

    /// The next bytes of the document with its parts in place.
    ///
    /// # Errors
    /// A part does not come, or the body ends.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(group) = &mut self.group {
                let chunk = self.parts.chunk().await?;
                let ended = chunk.is_none();
                let text = encoded(group, &chunk.unwrap_or_default(), ended);
                if ended {
                    self.group = None;
                }
                if !text.is_empty() {
                    return Ok(Some(text));
                }
                continue;
            }
            match self.document.pop_front() {
                Some(Output::Bytes(bytes)) => return Ok(Some(bytes.into())),
                Some(Output::Include(id)) => {
                    if let Some(text) = self.place(&id).await? {
                        return Ok(Some(text));
                    }
                }
                None => {
                    self.parts.finish().await?;
                    return Ok(None);
                }
            }
        }
    }

    /// Finds a part for its place: the base64 of one that is held, or begins to stream it.
    async fn place(&mut self, id: &str) -> Result<Option<Bytes>, Trouble> {
        if let Some(text) = self.of_held(id)? {
            return Ok(Some(text));
        }
        while let Some(head) = self.parts.next_part().await? {
            let is_wanted_later = self
                .document
                .iter()
                .filter_map(include)
                .any(|i| *i == head.id);
            match (head.id == id, is_wanted_later) {
                (true, false) => {
                    self.group = Some(Vec::new());
                    return Ok(None);
                }
                (_, true) => self.hold(&head.id).await?,
                (false, false) => {}
            }
            if let Some(text) = self.of_held(id)? {
                return Ok(Some(text));
            }
        }
        Err(missing(id))
    }

    /// The base64 of a part that is held.
    fn of_held(&mut self, id: &str) -> Result<Option<Bytes>, Trouble> {
        let Some(bytes) = self.held.get(id) else {
            return Ok(None);
        };
        let left = self.room.checked_sub(bytes.len() as u64);
        self.room = left.ok_or_else(|| {
            Trouble::structure("with its parts in place the document would be too large")
        })?;
        Ok(Some(BASE64_STANDARD.encode(bytes).into()))
    }

    async fn hold(&mut self, id: &str) -> Result<(), Trouble> {
        let mut part = Vec::new();
        while let Some(chunk) = self.parts.chunk().await? {
            self.held_bytes += chunk.len();
            if self.held_bytes > MAX_HELD_PARTS {
                return Err(Trouble::structure(format!(
                    "more than {MAX_HELD_PARTS} bytes of parts come in another order than the \
                     document refers to them"
                )));
            }
            part.extend_from_slice(&chunk);
        }
        self.held.insert(id.to_owned(), part.into());
        Ok(())
    }
}

const fn include(output: &Output) -> Option<&String> {
    match output {
        Output::Include(id) => Some(id),
        Output::Bytes(_) => None,
    }
}

fn missing(id: &str) -> Trouble {
    let id: String = id.chars().take(80).collect();
    Trouble::structure(format!("there is no part with the `Content-ID` `<{id}>`"))
}

/// Base64 of whole groups of three; `group` keeps the rest.
fn encoded(group: &mut Vec<u8>, bytes: &[u8], last: bool) -> Bytes {
    group.extend_from_slice(bytes);
    let whole = match last {
        true => group.len(),
        false => group.len() / 3 * 3,
    };
    let ready: Vec<u8> = group.drain(..whole).collect();
    BASE64_STANDARD.encode(ready).into()
}
