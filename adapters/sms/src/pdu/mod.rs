//! Protocol data units of SMPP 3.4: bytes to [`Pdu`] and back.
//!
//! Lenient where real message centres are sloppy (a body left out of a response, an unterminated
//! `receipted_message_id`, addresses that are not ASCII), so that one odd field does not cost a
//! message; strict in what it writes.

mod field;
mod message;
pub mod status;
#[cfg(test)]
mod tests;
mod tlv;

pub use field::TooLong;
pub(crate) use message::UDH_INDICATOR;
pub use message::{Address, ShortMessage};
pub use tlv::{Tlv, tag};

use field::{Reader, Writer};

/// Length of the header: length, command, status, sequence number, each of four octets.
pub const HEADER_BYTES: usize = 16;

/// Longest unit that is read: the largest `message_payload` (64 KiB) and all that may be around it.
pub const LONGEST_PDU: usize = 80 * 1024;

/// Version that we bind with.
const SMPP_3_4: u8 = 0x34;

/// One unit: a request or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// `command_status`: 0 in requests and for success, see [`status`].
    pub status: u32,
    /// `sequence_number`: a response has its request's.
    pub sequence: u32,
    /// What it is.
    pub body: Body,
}

/// The commands that we use. Text is Latin-1: one character for each octet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `bind_transceiver`
    Bind(Bind),
    /// `bind_transceiver_resp`
    BindResp {
        /// Identity of the message centre.
        system_id: String,
    },
    /// `submit_sm`
    SubmitSm(Box<ShortMessage>),
    /// `submit_sm_resp`
    SubmitSmResp {
        /// The message centre's id of the message; empty if it was refused.
        message_id: String,
    },
    /// `deliver_sm`
    DeliverSm(Box<ShortMessage>),
    /// `deliver_sm_resp`
    DeliverSmResp,
    /// `enquire_link`
    EnquireLink,
    /// `enquire_link_resp`
    EnquireLinkResp,
    /// `unbind`
    Unbind,
    /// `unbind_resp`
    UnbindResp,
    /// `generic_nack`
    GenericNack,
    /// A command that we do not use, by its `command_id`.
    Other(u32),
}

/// How we log in.
#[derive(Clone, PartialEq, Eq)]
pub struct Bind {
    /// Our name; at most 15 octets.
    pub system_id: String,
    /// Our password; at most 8 octets by the standard, and more where the message centre takes it.
    pub password: String,
    /// Kind of system, if the message centre wants one; at most 12 octets.
    pub system_type: String,
}

/// Bits and ids of commands.
mod command {
    pub(super) const RESPONSE: u32 = 0x8000_0000;
    pub(super) const GENERIC_NACK: u32 = RESPONSE;
    pub(super) const SUBMIT_SM: u32 = 0x04;
    pub(super) const DELIVER_SM: u32 = 0x05;
    pub(super) const UNBIND: u32 = 0x06;
    pub(super) const BIND_TRANSCEIVER: u32 = 0x09;
    pub(super) const ENQUIRE_LINK: u32 = 0x15;
}

/// A unit whose header could be read, but not its body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("command {command:#010x}: {reason}")]
pub struct Malformed {
    /// Its `command_id`.
    pub command: u32,
    /// Its `sequence_number`, so that it can be answered.
    pub sequence: u32,
    /// What is wrong.
    pub reason: &'static str,
}

impl Malformed {
    /// Whether the other side waits for an answer.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.command & command::RESPONSE == 0
    }

    /// Whether it is a message to us.
    #[must_use]
    pub fn is_delivery(&self) -> bool {
        self.command == command::DELIVER_SM
    }
}

impl Pdu {
    /// A request.
    #[must_use]
    pub fn request(sequence: u32, body: Body) -> Self {
        Self {
            status: status::OK,
            sequence,
            body,
        }
    }

    /// The octets to send, with their length in front.
    ///
    /// # Errors
    /// A field is longer than the protocol can carry.
    pub fn encode(&self) -> Result<Vec<u8>, TooLong> {
        let mut out = Writer::with_header(self.body.command(), self.status, self.sequence);
        match &self.body {
            Body::Bind(bind) => bind.encode(&mut out)?,
            // A refusal has no body: 4.1.6 and 4.4.2.
            Body::BindResp { .. } | Body::SubmitSmResp { .. } if self.status != status::OK => {}
            Body::BindResp { system_id } => out.text("system_id", system_id, 15)?,
            Body::SubmitSmResp { message_id } => out.text("message_id", message_id, 64)?,
            Body::SubmitSm(message) | Body::DeliverSm(message) => message.encode(&mut out)?,
            // 4.6.2: an unused message id.
            Body::DeliverSmResp => out.octet(0),
            Body::EnquireLink
            | Body::EnquireLinkResp
            | Body::Unbind
            | Body::UnbindResp
            | Body::GenericNack
            | Body::Other(_) => {}
        }
        out.finish()
    }

    /// Reads a whole unit, its length included.
    ///
    /// # Errors
    /// The body is cut short or not what its command says. Shorter than a header is an error of
    /// sequence 0.
    pub fn decode(unit: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(unit);
        let header = (reader.long(), reader.long(), reader.long(), reader.long());
        let (Ok(_), Ok(command), Ok(status), Ok(sequence)) = header else {
            return Err(Malformed {
                command: 0,
                sequence: 0,
                reason: "is shorter than a header",
            });
        };
        let body = Body::decode(command, status, &mut reader);
        let body = body.map_err(|reason| Malformed {
            command,
            sequence,
            reason,
        })?;
        Ok(Self {
            status,
            sequence,
            body,
        })
    }
}

impl Body {
    fn command(&self) -> u32 {
        use command::{
            BIND_TRANSCEIVER, DELIVER_SM, ENQUIRE_LINK, GENERIC_NACK, RESPONSE, SUBMIT_SM, UNBIND,
        };
        match self {
            Self::Bind(_) => BIND_TRANSCEIVER,
            Self::BindResp { .. } => BIND_TRANSCEIVER | RESPONSE,
            Self::SubmitSm(_) => SUBMIT_SM,
            Self::SubmitSmResp { .. } => SUBMIT_SM | RESPONSE,
            Self::DeliverSm(_) => DELIVER_SM,
            Self::DeliverSmResp => DELIVER_SM | RESPONSE,
            Self::EnquireLink => ENQUIRE_LINK,
            Self::EnquireLinkResp => ENQUIRE_LINK | RESPONSE,
            Self::Unbind => UNBIND,
            Self::UnbindResp => UNBIND | RESPONSE,
            Self::GenericNack => GENERIC_NACK,
            Self::Other(command) => *command,
        }
    }

    fn decode(command: u32, status: u32, reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        use command::{
            BIND_TRANSCEIVER, DELIVER_SM, ENQUIRE_LINK, GENERIC_NACK, RESPONSE, SUBMIT_SM, UNBIND,
        };
        const BIND_RESP: u32 = BIND_TRANSCEIVER | RESPONSE;
        const SUBMIT_RESP: u32 = SUBMIT_SM | RESPONSE;
        const DELIVER_RESP: u32 = DELIVER_SM | RESPONSE;
        const ENQUIRE_RESP: u32 = ENQUIRE_LINK | RESPONSE;
        const UNBIND_RESP: u32 = UNBIND | RESPONSE;
        Ok(match command {
            BIND_TRANSCEIVER => Self::Bind(Bind::decode(reader)?),
            BIND_RESP => Self::BindResp {
                system_id: response_text(status, reader),
            },
            SUBMIT_SM => Self::SubmitSm(Box::new(ShortMessage::decode(reader)?)),
            SUBMIT_RESP => Self::SubmitSmResp {
                message_id: response_text(status, reader),
            },
            DELIVER_SM => Self::DeliverSm(Box::new(ShortMessage::decode(reader)?)),
            DELIVER_RESP => Self::DeliverSmResp,
            ENQUIRE_LINK => Self::EnquireLink,
            ENQUIRE_RESP => Self::EnquireLinkResp,
            UNBIND => Self::Unbind,
            UNBIND_RESP => Self::UnbindResp,
            GENERIC_NACK => Self::GenericNack,
            other => Self::Other(other),
        })
    }
}

/// The one text of a response: it may be left out, or unterminated, and a refusal has none, whatever
/// some send after it.
fn response_text(status: u32, reader: &mut Reader<'_>) -> String {
    if status == status::OK {
        reader.text_or_rest()
    } else {
        String::new()
    }
}

/// Without the password.
impl std::fmt::Debug for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bind = f.debug_struct("Bind");
        bind.field("system_id", &self.system_id);
        bind.field("system_type", &self.system_type);
        bind.finish_non_exhaustive()
    }
}

impl Bind {
    fn encode(&self, out: &mut Writer) -> Result<(), TooLong> {
        out.text("system_id", &self.system_id, 15)?;
        // More than the standard's 8 octets: many message centres take up to 16, some 64.
        out.text("password", &self.password, 64)?;
        out.text("system_type", &self.system_type, 12)?;
        out.octet(SMPP_3_4);
        // Any type of number, any plan, and all addresses that are ours.
        out.octet(0);
        out.octet(0);
        out.octet(0);
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        Ok(Self {
            system_id: reader.text()?,
            password: reader.text()?,
            system_type: reader.text()?,
        })
    }
}
