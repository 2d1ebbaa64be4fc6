//! The way through envelopes to the documents in them.

use crate::codes;
use crate::stop::Stop;
use crate::wire::{Element, VALID_ROOTS};
use crate::xml::Token;

use super::Walk;

/// What we are inside of, outside of any document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Envelope {
    /// Nothing: the root comes.
    Root,
    /// SOAP `Envelope`.
    Soap,
    /// SOAP `Body`.
    SoapBody,
    /// `RequestMessage`, `EventMessage`, `ResponseMessage` ...
    Message,
    /// `Payload`, or something in it that may hold documents.
    Payload,
}

impl Walk<'_> {
    /// Walks through everything, to the end of the source.
    ///
    /// `part`: the source may end between two meter readings.
    pub(super) fn document(&mut self, part: bool) -> Result<(), Stop> {
        if self.envelope(Envelope::Root, part)? == 0 {
            return Err(self.nothing_found());
        }
        Ok(())
    }

    /// Walks through one level of envelopes. Gives the number of documents in it.
    fn envelope(&mut self, inside: Envelope, part: bool) -> Result<usize, Stop> {
        let mut documents = 0;
        loop {
            let element = match self.xml.next()? {
                Token::Open(element) => element,
                Token::Close | Token::End => return Ok(documents),
            };
            documents += match (inside, element) {
                (Envelope::Soap, Element::SoapBody) => self.envelope(Envelope::SoapBody, part)?,
                (Envelope::Message, Element::Payload) => self.envelope(Envelope::Payload, part)?,
                (Envelope::Payload, Element::PayloadWrapper) => {
                    self.envelope(Envelope::Payload, part)?
                }
                (Envelope::Payload, Element::Compressed) => return Err(self.compressed()),
                // Headers, replies, the particulars of an operation.
                (Envelope::Soap | Envelope::Message, _) => self.pass_over()?,
                (Envelope::Root, Element::SoapEnvelope) => self.envelope(Envelope::Soap, part)?,
                (Envelope::Root | Envelope::SoapBody, Element::Message) => {
                    self.envelope(Envelope::Message, part)?
                }
                (_, Element::MeterReadings) => {
                    self.meter_readings(part)?;
                    1
                }
                (_, Element::EndDeviceEvents) => {
                    self.events_document()?;
                    1
                }
                (Envelope::Payload, Element::EndDeviceEvent) => {
                    self.lone_event()?;
                    1
                }
                (Envelope::Payload, Element::Other) if self.xml.is_operation_detail() => {
                    self.pass_over()?
                }
                _ => return Err(self.wrong_root()),
            };
        }
    }

    fn pass_over(&mut self) -> Result<usize, Stop> {
        self.xml.skip().map(|()| 0)
    }

    fn wrong_root(&mut self) -> Stop {
        let found = self.xml.described();
        self.xml
            .fatal(codes::WRONG_ROOT, format!("found {found}, {VALID_ROOTS}"))
    }

    fn compressed(&mut self) -> Stop {
        self.xml.fatal(
            codes::NO_PAYLOAD,
            "a compressed payload is not supported: send it as it is".into(),
        )
    }

    fn nothing_found(&mut self) -> Stop {
        if self.xml.seen_root() {
            return self.xml.fatal(
                codes::NO_PAYLOAD,
                format!("the message holds no document, {VALID_ROOTS}"),
            );
        }
        self.xml
            .fatal(codes::WRONG_ROOT, format!("no XML element, {VALID_ROOTS}"))
    }

    /// The content of `MeterReadings`.
    fn meter_readings(&mut self, part: bool) -> Result<(), Stop> {
        if part {
            self.xml.part_may_end_here();
        }
        loop {
            match self.xml.next()? {
                Token::Open(Element::MeterReading) if self.probing => {
                    return Err(Stop::FirstMeterReading);
                }
                Token::Open(Element::MeterReading) => self.meter_reading()?,
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return Ok(()),
            }
        }
    }
}
