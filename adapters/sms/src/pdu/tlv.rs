//! Optional parameters: tag, length, value.

use super::TooLong;
use super::field::{Reader, Writer, latin1};

/// Tags that we use: SMPP 3.4, 5.3.2.
pub mod tag {
    /// Id of the message that a receipt is about.
    pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    /// Reference that the parts of a long message share.
    pub const SAR_MSG_REF_NUM: u16 = 0x020C;
    /// How many parts a long message has.
    pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    /// Which part this is, from 1.
    pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    /// The network's error, one octet for its kind and two for the code.
    pub const NETWORK_ERROR_CODE: u16 = 0x0423;
    /// The text, if it is not in `short_message`.
    pub const MESSAGE_PAYLOAD: u16 = 0x0424;
    /// State of the message that a receipt is about.
    pub const MESSAGE_STATE: u16 = 0x0427;
}

/// An optional parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlv {
    /// Which.
    pub tag: u16,
    /// Its value.
    pub value: Vec<u8>,
}

impl Tlv {
    /// One octet.
    #[must_use]
    pub fn octet(tag: u16, value: u8) -> Self {
        Self {
            tag,
            value: vec![value],
        }
    }

    /// Two octets.
    #[must_use]
    pub fn short(tag: u16, value: u16) -> Self {
        Self {
            tag,
            value: value.to_be_bytes().to_vec(),
        }
    }

    /// The value as a number of one or two octets.
    #[must_use]
    pub fn number(&self) -> Option<u16> {
        match self.value.as_slice() {
            [octet] => Some(u16::from(*octet)),
            [high, low] => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The value as a text, up to a zero octet if there is one: not all senders write it.
    #[must_use]
    pub fn text(&self) -> String {
        let end = self.value.iter().position(|octet| *octet == 0);
        latin1(&self.value[..end.unwrap_or(self.value.len())])
    }

    pub(super) fn encode(&self, out: &mut Writer) -> Result<(), TooLong> {
        let bytes = self.value.len();
        let length = u16::try_from(bytes).map_err(|_| TooLong {
            field: "optional parameter",
            bytes,
            longest: usize::from(u16::MAX),
        })?;
        out.short(self.tag);
        out.short(length);
        out.octets(&self.value);
        Ok(())
    }

    /// All that follow. One that is cut short ends them: what comes before it is still worth having.
    pub(super) fn decode_all(reader: &mut Reader<'_>) -> Vec<Self> {
        std::iter::from_fn(|| Self::decode(reader).ok()).collect()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        let tag = reader.short()?;
        let length = reader.short()?;
        let value = reader.octets(usize::from(length))?;
        Ok(Self {
            tag,
            value: value.to_vec(),
        })
    }
}
