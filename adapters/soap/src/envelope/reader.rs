//! Reads an envelope up to its content, then the content as it comes.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Input, Outline, Output, Plan, Trouble};
use crate::xml::{Cutter, Utf8};

/// An envelope whose header and beginning are known, and whose content is still coming.
///
/// The content is whole only when [`Self::next`] has given `None`: then the envelope was closed, and
/// nothing but space followed it.
pub(crate) struct Envelope {
    input: Input,
    utf8: Utf8,
    cutter: Cutter,
    pub(crate) outline: Outline,
    output: VecDeque<Output>,
    ended: bool,
}

impl Envelope {
    /// Reads as far as the content. `charset` is what the transport says.
    ///
    /// # Errors
    /// It is no envelope, or it has no content.
    pub(crate) async fn open(
        input: Input,
        charset: Option<String>,
        plan: Plan,
    ) -> Result<Self, (Trouble, Option<super::Version>)> {
        let mut envelope = Self {
            input,
            utf8: Utf8::new(charset),
            cutter: Cutter::new(),
            outline: Outline::new(plan),
            output: VecDeque::new(),
            ended: false,
        };
        match envelope.begin().await {
            Ok(()) => Ok(envelope),
            Err(trouble) => Err((trouble, envelope.outline.version)),
        }
    }

    async fn begin(&mut self) -> Result<(), Trouble> {
        while !self.outline.is_ready() && !self.ended {
            self.more().await?;
        }
        let Some(message) = &self.outline.message else {
            return Err(Trouble::structure(
                "the body is empty, expected a message in it",
            ));
        };
        if self.outline.plan().iec && self.outline.message_header.is_none() {
            return Err(Trouble::structure(format!(
                "{message} has no `Header`, as every message of IEC 61968-100 has"
            )));
        }
        match self.outline.content {
            Some(_) => Ok(()),
            None => Err(Trouble::structure(format!(
                "{message} has no document in a `Payload` (IEC 61968-100)"
            ))),
        }
    }

    /// The next piece of the content.
    ///
    /// # Errors
    /// The envelope is not whole: what was given before must not be accepted.
    pub(crate) async fn next(&mut self) -> Result<Option<Output>, Trouble> {
        loop {
            self.output.extend(self.outline.take());
            if let Some(output) = self.output.pop_front() {
                return Ok(Some(output));
            }
            if self.ended {
                return Ok(None);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Trouble> {
        let text = match self.input.chunk().await? {
            Some(bytes) => self.utf8.push(bytes)?,
            None => {
                self.ended = true;
                self.utf8.finish()?
            }
        };
        self.cutter.push(&text, &mut self.outline)?;
        if self.ended {
            self.cutter.finish()?;
        }
        Ok(())
    }

    /// What follows the envelope.
    pub(crate) fn into_input(self) -> Input {
        self.input
    }
}

/// Reads an envelope that is in memory: its outline, and its content in one piece.
///
/// # Errors
/// It is no whole envelope.
pub(crate) fn read_whole(
    bytes: &[u8],
    charset: Option<String>,
    plan: Plan,
) -> Result<(Outline, Vec<u8>), Trouble> {
    let mut utf8 = Utf8::new(charset);
    let mut outline = Outline::new(plan);
    let mut cutter = Cutter::new();
    let begin = utf8.push(Bytes::copy_from_slice(bytes))?;
    cutter.push(&begin, &mut outline)?;
    cutter.push(&utf8.finish()?, &mut outline)?;
    cutter.finish()?;
    let mut content = Vec::new();
    for output in outline.take() {
        if let Output::Bytes(bytes) = output {
            content.extend(bytes);
        }
    }
    Ok((outline, content))
}
