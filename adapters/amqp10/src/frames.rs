//! The frames of a connection, read for what is nested in them (part 2 of the standard, section 2.3).
//!
//! A message may go on over several transfers of its channel, cut anywhere. There is one link for
//! each session here, so that a channel has one unfinished message at most.
//!
//! What is wrong in a message is the message's fault, and must not cost the others behind it: from
//! there on it is overwritten with what no decoder takes for a value, and goes on to the library, which
//! says so to whoever answers for it. What is wrong elsewhere is the broker's: nothing more is read.

use std::collections::HashMap;

use crate::nesting::{Fault, Said, Values};
use crate::spoilt::Spoilt;

/// Size, offset of the body, type, channel; as long as a protocol header.
const HEADER: usize = 8;

/// What a protocol header begins with. As the size of a frame it is far above what we allow.
const PROTOCOL: &[u8] = b"AMQP";

/// What stands in the place of what must not be decoded. As a constructor it is none; as a size it is
/// 16 MiB at most, which the library would allocate before it sees that they are not there.
const FILLER: u8 = 0x01;

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
    messages: Messages,
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
    part: Part,
}

/// What of it is being read.
#[derive(Debug)]
enum Part {
    Performative(Values),
    Payload {
        message: Message,
        /// More transfers of it are to come.
        more: bool,
    },
}

/// A message, as far as it is read.
#[derive(Debug)]
struct Message {
    values: Values,
    /// Its delivery-id. The first transfer says it, and others may.
    delivery: Option<u32>,
    is_spoilt: bool,
}

/// The messages of a connection.
#[derive(Debug)]
struct Messages {
    /// By channel: of which more transfers are to come.
    unfinished: HashMap<u16, Message>,
    spoilt: Spoilt,
    /// Most bytes of one.
    largest: u64,
}

impl Frames {
    /// Of a connection that begins: what to know of messages of at most so many bytes, and where to
    /// tell which of them cannot be read. A size in one that says more is wrong.
    pub(crate) fn new(largest: u64, spoilt: Spoilt) -> Self {
        Self {
            step: Step::Header([0; HEADER], 0),
            messages: Messages {
                unfinished: HashMap::new(),
                spoilt,
                largest,
            },
        }
    }

    /// Reads on, and overwrites what must not be decoded.
    ///
    /// # Errors
    /// These bytes must not be handed on, nor any after them.
    pub(crate) fn read(&mut self, mut bytes: &mut [u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let read = match &mut self.step {
                Step::Header(header, got) => {
                    let length = bytes.len().min(HEADER - *got);
                    for (to, from) in header.iter_mut().skip(*got).zip(&*bytes) {
                        *to = *from;
                    }
                    *got += length;
                    length
                }
                Step::Body(body) => body.read(bytes, &mut self.messages)?,
            };
            bytes = bytes.get_mut(read..).unwrap_or_default();
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
                    body.end(&mut self.messages)?;
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
                part: Part::Performative(Values::within(left)),
            }),
        }),
        _ => Err(Fault::Unreadable("what is no frame of AMQP 1.0")),
    }
}

impl Body {
    fn read(&mut self, bytes: &mut [u8], messages: &mut Messages) -> Result<usize, Fault> {
        let most = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let bytes = bytes.get_mut(..most).unwrap_or_default();
        let read = match &mut self.part {
            Part::Performative(values) => values.read(bytes)?,
            Part::Payload { message, .. } => message.read(bytes, &messages.spoilt)?,
        };
        self.left = self.left.saturating_sub(read as u64);
        if let Part::Performative(values) = &self.part
            && values.is_whole()
        {
            self.performed(values.said(), messages)?;
        }
        Ok(read)
    }

    /// The performative is read.
    fn performed(&mut self, said: Said, messages: &mut Messages) -> Result<(), Fault> {
        match said.descriptor {
            None => Err(Fault::Unreadable("a frame without a numeric descriptor")),
            Some(TRANSFER) if said.is_list => {
                let message = messages.go_on(self.channel, said);
                let more = said.more && !said.aborted;
                self.part = Part::Payload { message, more };
                Ok(())
            }
            Some(TRANSFER) => Err(Fault::Unreadable("a transfer that is not a list")),
            Some(_) if self.left > 0 => Err(Fault::Unreadable("a frame with two performatives")),
            Some(BEGIN | ATTACH | DETACH | END) => {
                messages.unfinished.remove(&self.channel);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// The frame is read. What a message leaves open when no more transfers follow is the library's
    /// business; the next one begins anew.
    fn end(self, messages: &mut Messages) -> Result<(), Fault> {
        match self.part {
            Part::Performative(values) if !values.is_whole() => {
                Err(Fault::Unreadable("a frame that ends within a value"))
            }
            Part::Payload {
                message,
                more: true,
            } => {
                messages.unfinished.insert(self.channel, message);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Messages {
    /// The message that a transfer begins or continues.
    fn go_on(&mut self, channel: u16, said: Said) -> Message {
        let begun = self.unfinished.remove(&channel);
        let mut message = begun.unwrap_or_else(|| Message {
            values: Values::within(self.largest),
            delivery: None,
            is_spoilt: false,
        });
        message.delivery = message.delivery.or(said.delivery);
        if said.aborted
            && let Some(delivery) = message.delivery
        {
            // Nobody will have to answer for it.
            self.spoilt.take(delivery);
        }
        message
    }
}

impl Message {
    fn read(&mut self, bytes: &mut [u8], spoilt: &Spoilt) -> Result<usize, Fault> {
        if !self.is_spoilt {
            let fault = match self.values.read(bytes) {
                Err(fault) => fault,
                read => return read,
            };
            // One that has no number cannot be answered for.
            let delivery = self.delivery.ok_or(fault)?;
            spoilt.add(delivery, self.values.spot(fault))?;
            self.is_spoilt = true;
        }
        bytes.fill(FILLER);
        Ok(bytes.len())
    }
}

#[cfg(test)]
mod tests;
