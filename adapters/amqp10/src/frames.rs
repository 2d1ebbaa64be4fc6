//! The frames of a connection, read for what is nested in them (part 2 of the standard, section 2.3).
//!
//! A message may go on over several transfers of its channel, cut anywhere. There is one link for
//! each session here, so that a channel has one unfinished message at most.

use std::collections::HashMap;

use crate::nesting::{Fault, Values};

/// Size, offset of the body, type, channel; as long as a protocol header.
const HEADER: usize = 8;

/// What a protocol header begins with. As the size of a frame it is far above what we allow.
const PROTOCOL: &[u8] = b"AMQP";

/// The only offset of a body that the library takes, in words of 4 bytes.
const OFFSET: u8 = 2;

const BEGIN: u64 = 0x11;
const ATTACH: u64 = 0x12;
const TRANSFER: u64 = 0x14;
const DETACH: u64 = 0x16;
const END: u64 = 0x17;

/// What has been read of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    step: Step,
    /// By channel: the message of which more transfers are to come.
    unfinished: HashMap<u16, Values>,
}

#[derive(Debug)]
enum Step {
    Header([u8; HEADER], usize),
    Body(Body),
}

/// The body of a frame.
#[derive(Debug)]
struct Body {
    channel: u16,
    /// Bytes to come.
    left: u64,
    values: Values,
    /// Of a transfer, once its performative is read: whether more are to come.
    payload: Option<bool>,
}

impl Frames {
    /// Of a connection that begins.
    pub(crate) fn new() -> Self {
        Self {
            step: Step::Header([0; HEADER], 0),
            unfinished: HashMap::new(),
        }
    }

    /// Reads on.
    ///
    /// # Errors
    /// These bytes must not be handed on, nor any after them.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let read = match &mut self.step {
                Step::Header(header, got) => {
                    let length = bytes.len().min(HEADER - *got);
                    for (to, from) in header.iter_mut().skip(*got).zip(bytes) {
                        *to = *from;
                    }
                    *got += length;
                    length
                }
                Step::Body(body) => body.read(bytes, &mut self.unfinished)?,
            };
            bytes = bytes.get(read..).unwrap_or_default();
            self.go_on()?;
        }
        Ok(())
    }

    /// To the next step, if this one is done.
    fn go_on(&mut self) -> Result<(), Fault> {
        match &self.step {
            Step::Header(header, HEADER) => self.step = after(header)?,
            Step::Body(body) if body.left == 0 => {
                let begun = Step::Header([0; HEADER], 0);
                if let Step::Body(body) = std::mem::replace(&mut self.step, begun) {
                    body.end(&mut self.unfinished)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What follows a header.
fn after(header: &[u8; HEADER]) -> Result<Step, Fault> {
    let [a, b, c, d, offset, kind, high, low] = *header;
    let next = Step::Header([0; HEADER], 0);
    if header.starts_with(PROTOCOL) {
        return Ok(next);
    }
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    let length = size.checked_sub(HEADER as u64);
    match length {
        Some(length) if offset == OFFSET && kind <= 1 => Ok(match length {
            0 => next,
            left => Step::Body(Body {
                channel: u16::from_be_bytes([high, low]),
                left,
                values: Values::within(left),
                payload: None,
            }),
        }),
        _ => Err(Fault::Unreadable("what is no frame of AMQP 1.0")),
    }
}

impl Body {
    fn read(
        &mut self,
        bytes: &[u8],
        unfinished: &mut HashMap<u16, Values>,
    ) -> Result<usize, Fault> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let read = self.values.read(bytes)?;
        self.left = self.left.saturating_sub(read as u64);
        if self.payload.is_none() && self.values.is_whole() {
            self.performed(unfinished)?;
        }
        Ok(read)
    }

    /// The performative is read.
    fn performed(&mut self, unfinished: &mut HashMap<u16, Values>) -> Result<(), Fault> {
        let said = self.values.said();
        match said.descriptor {
            None => Err(Fault::Unreadable("a frame without a numeric descriptor")),
            Some(TRANSFER) if said.is_list => {
                let begun = unfinished.remove(&self.channel);
                self.values = begun.unwrap_or_else(|| Values::within(u64::MAX));
                self.payload = Some(said.more && !said.aborted);
                Ok(())
            }
            Some(TRANSFER) => Err(Fault::Unreadable("a transfer that is not a list")),
            Some(_) if self.left > 0 => Err(Fault::Unreadable("a frame with two performatives")),
            Some(BEGIN | ATTACH | DETACH | END) => {
                unfinished.remove(&self.channel);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// The frame is read. What a message leaves open when no more transfers follow is the library's
    /// business; the next one begins anew.
    fn end(self, unfinished: &mut HashMap<u16, Values>) -> Result<(), Fault> {
        match self.payload {
            None if !self.values.is_whole() => {
                Err(Fault::Unreadable("a frame that ends within a value"))
            }
            Some(true) if !self.values.is_whole() => {
                unfinished.insert(self.channel, self.values);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
