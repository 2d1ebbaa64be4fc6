//! What the message centre sends us, and the duty to answer it.

use std::sync::Arc;

use super::Wire;
use crate::pdu::{Body, Pdu, ShortMessage, status};

/// A message to us, which must be answered. Dropped, the message centre is told to try again later.
pub(crate) struct Inbound {
    pub(crate) message: ShortMessage,
    answer: Answer,
}

impl Inbound {
    pub(super) fn new(message: ShortMessage, sequence: u32, wire: Arc<Wire>) -> Self {
        let answer = Answer {
            wire,
            sequence,
            given: false,
        };
        Self { message, answer }
    }

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
pub(super) fn respond(sequence: u32, status: u32, body: Body) -> Vec<u8> {
    let pdu = Pdu {
        status,
        sequence,
        body,
    };
    pdu.encode().unwrap_or_default()
}
