//! `submit_sm` and `deliver_sm`, which have the same fields: SMPP 3.4, 4.4.1 and 4.6.1.

use super::field::{Reader, Writer};
use super::{Tlv, TooLong};

/// Longest address, in octets.
pub(crate) const LONGEST_ADDRESS: usize = 20;

/// Bit of `esm_class`: the text begins with a user data header.
pub(crate) const UDH_INDICATOR: u8 = 0x40;

/// A number or name, with its kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Type of number: 1 international, 5 alphanumeric ...
    pub ton: u8,
    /// Numbering plan: 1 is that of telephones.
    pub npi: u8,
    /// The digits, without `+`; or the name.
    pub digits: String,
}

/// A short message on its way to a telephone, or from one, or a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShortMessage {
    /// Service, or empty for the message centre's default.
    pub service_type: String,
    /// From whom.
    pub source: Address,
    /// To whom.
    pub destination: Address,
    /// Mode, type and whether there is a user data header.
    pub esm_class: u8,
    /// Network-specific.
    pub protocol_id: u8,
    /// 0 to 3.
    pub priority: u8,
    /// When to deliver; empty is at once.
    pub schedule: String,
    /// How long to try; empty is the message centre's default.
    pub validity: String,
    /// Whether receipts are wanted.
    pub registered_delivery: u8,
    /// Whether it replaces one that waits.
    pub replace_if_present: u8,
    /// The alphabet.
    pub data_coding: u8,
    /// A text kept by the message centre.
    pub default_message: u8,
    /// The text in its alphabet; at most 255 octets.
    pub short_message: Vec<u8>,
    /// Optional parameters.
    pub tlvs: Vec<Tlv>,
}

impl ShortMessage {
    /// The first optional parameter with this tag.
    #[must_use]
    pub fn tlv(&self, tag: u16) -> Option<&Tlv> {
        self.tlvs.iter().find(|tlv| tlv.tag == tag)
    }

    pub(super) fn encode(&self, out: &mut Writer) -> Result<(), TooLong> {
        out.text("service_type", &self.service_type, 5)?;
        self.source.encode(out, "source_addr")?;
        self.destination.encode(out, "destination_addr")?;
        out.octet(self.esm_class);
        out.octet(self.protocol_id);
        out.octet(self.priority);
        out.text("schedule_delivery_time", &self.schedule, 16)?;
        out.text("validity_period", &self.validity, 16)?;
        out.octet(self.registered_delivery);
        out.octet(self.replace_if_present);
        out.octet(self.data_coding);
        out.octet(self.default_message);
        let bytes = self.short_message.len();
        out.octet(u8::try_from(bytes).map_err(|_| TooLong {
            field: "short_message",
            bytes,
            longest: usize::from(u8::MAX),
        })?);
        out.octets(&self.short_message);
        self.tlvs.iter().try_for_each(|tlv| tlv.encode(out))
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        let mut message = Self {
            service_type: reader.text()?,
            source: Address::decode(reader)?,
            destination: Address::decode(reader)?,
            esm_class: reader.octet()?,
            protocol_id: reader.octet()?,
            priority: reader.octet()?,
            schedule: reader.text()?,
            validity: reader.text()?,
            registered_delivery: reader.octet()?,
            replace_if_present: reader.octet()?,
            data_coding: reader.octet()?,
            default_message: reader.octet()?,
            ..Self::default()
        };
        let length = usize::from(reader.octet()?);
        message.short_message = reader.octets(length)?.to_vec();
        message.tlvs = Tlv::decode_all(reader);
        Ok(message)
    }
}

impl Address {
    fn encode(&self, out: &mut Writer, field: &'static str) -> Result<(), TooLong> {
        out.octet(self.ton);
        out.octet(self.npi);
        out.text(field, &self.digits, LONGEST_ADDRESS)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, &'static str> {
        Ok(Self {
            ton: reader.octet()?,
            npi: reader.octet()?,
            digits: reader.text()?,
        })
    }
}
