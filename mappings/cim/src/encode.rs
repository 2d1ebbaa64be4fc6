//! Records to bytes: `MeterReadings` in the namespace a partner wants.

mod reading_block;
mod writer;

use hub_model::mapping::{Encode, Envelope, Inexpressible};
use hub_model::{Record, RecordKind};

pub(crate) use writer::Writer;

/// The namespace of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CimNamespace {
    /// `http://iec.ch/TC57/2010/MeterReadings#`, as older field systems expect.
    Year2010,
    /// `http://iec.ch/TC57/2011/MeterReadings#`.
    Year2011,
    /// A partner's own.
    Custom(String),
}

impl CimNamespace {
    /// The namespace of `MeterReadings`.
    #[must_use]
    pub fn uri(&self) -> &str {
        match self {
            Self::Year2010 => "http://iec.ch/TC57/2010/MeterReadings#",
            Self::Year2011 => "http://iec.ch/TC57/2011/MeterReadings#",
            Self::Custom(uri) => uri,
        }
    }

    /// The namespace of the message envelope that goes with it.
    #[must_use]
    pub const fn message_uri(&self) -> &str {
        match self {
            Self::Year2010 => "http://www.iec.ch/TC57/2010/schema/message",
            Self::Year2011 | Self::Custom(_) => "http://iec.ch/TC57/2011/schema/message",
        }
    }
}

/// Encodes readings as IEC 61968-9 `MeterReadings`, alone or as the payload of an IEC 61968-100
/// `EventMessage`.
///
/// - Shape: one `MeterReading` per block, elements in schema order.
/// - Units: values as they are, in the unit of their reading type.
/// - Missing values: no `value`, and the quality `2.5.259` (known missing) is added where no
///   `*.5.259` is there already, because a reader takes a reading with neither for a broken one.
/// - Time: UTC, `2026-03-29T00:15:00Z`. `valuesInterval` is left out.
#[derive(Debug, Clone)]
pub struct CimEncoder {
    namespace: CimNamespace,
    enveloped: bool,
}

impl CimEncoder {
    /// An encoder of bare documents.
    #[must_use]
    pub const fn new(namespace: CimNamespace) -> Self {
        Self {
            namespace,
            enveloped: false,
        }
    }

    /// Wraps the document in an `EventMessage` with the verb `created`.
    #[must_use]
    pub const fn enveloped(mut self) -> Self {
        self.enveloped = true;
        self
    }
}

impl Encode for CimEncoder {
    fn media_type(&self) -> &'static str {
        "application/xml"
    }

    fn extension(&self) -> &'static str {
        "xml"
    }

    fn writes(&self) -> &'static [RecordKind] {
        &[RecordKind::Readings]
    }

    fn head(&self, envelope: &Envelope, out: &mut Vec<u8>) {
        let mut w = Writer::new(out);
        w.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        if self.enveloped {
            w.open_in("EventMessage", self.namespace.message_uri());
            w.open("Header");
            w.text("Verb", "created");
            w.text("Noun", "MeterReadings");
            w.instant("Timestamp", envelope.created);
            w.text("Source", "meterhub");
            w.text("MessageID", &envelope.message_id);
            w.close("Header");
            w.open("Payload");
        }
        w.open_in("MeterReadings", self.namespace.uri());
        w.raw("\n");
    }

    fn record(
        &self,
        _envelope: &Envelope,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let Record::Readings(block) = record else {
            return Err(Inexpressible {
                field: "record",
                reason: "is no block of readings, which is all `MeterReadings` can hold here"
                    .into(),
            });
        };
        reading_block::check(block)?;
        reading_block::write(block, &mut Writer::new(out));
        Ok(())
    }

    fn tail(&self, _envelope: &Envelope, out: &mut Vec<u8>) {
        let mut w = Writer::new(out);
        w.close("MeterReadings");
        if self.enveloped {
            w.close("Payload");
            w.close("EventMessage");
        }
        w.raw("\n");
    }
}

#[cfg(test)]
mod tests {
    use hub_model::{Instant, Zone};

    use super::*;

    #[test]
    fn an_envelope_carries_the_message_id() {
        let encoder = CimEncoder::new(CimNamespace::Year2010).enveloped();
        let envelope = Envelope {
            message_id: "a<b".into(),
            created: Instant::EPOCH,
            zone: Zone::utc(),
        };
        let mut out = Vec::new();
        encoder.head(&envelope, &mut out);
        encoder.tail(&envelope, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("<MessageID>a&lt;b</MessageID>"), "{text}");
        assert!(
            text.contains("<MeterReadings xmlns=\"http://iec.ch/TC57/2010/MeterReadings#\">"),
            "{text}"
        );
        assert!(
            text.ends_with("</MeterReadings></Payload></EventMessage>\n"),
            "{text}"
        );
    }
}
