//! Events: in a `MeterReading`, and as documents of their own.

use hub_model::{EndDeviceEvent, Finding, Instant, ObjectRef, Place, Record};

use crate::codes;
use crate::limits::MAX_NAMES;
use crate::stop::Stop;
use crate::text::quoted;
use crate::wire::Element;
use crate::xml::Token;

use super::Walk;
use super::meter_reading::{Gathered, Item};
use super::object_ref;
use super::reading::flawed;

/// An event while its elements are read.
#[derive(Debug, Default)]
pub(super) struct EventDraft {
    place: Place,
    mrid: Option<String>,
    device: Option<ObjectRef>,
    usage_point: Option<ObjectRef>,
    event_type: Option<String>,
    /// `category`, which some senders use for the type.
    category: Option<String>,
    at: Option<Instant>,
    /// `status/dateTime`, where there is no `createdDateTime`.
    status_at: Option<Instant>,
    reason: Option<String>,
    severity: Option<String>,
    details: Vec<(String, String)>,
    /// The first thing wrong with it.
    fault: Option<Finding>,
    /// What could not be kept of it.
    note: Option<Finding>,
}

impl EventDraft {
    fn detail(&mut self, name: &str, value: String) {
        if self.details.len() < MAX_NAMES {
            self.details.push((name.to_owned(), value));
        }
    }

    fn weight(&self) -> usize {
        let details: usize = self
            .details
            .iter()
            .map(|(n, v)| n.len() + v.len() + 48)
            .sum();
        size_of::<Self>() + details + self.reason.as_ref().map_or(0, String::len)
    }
}

impl Walk<'_> {
    /// The content of an `EndDeviceEvents` document.
    pub(super) fn events_document(&mut self) -> Result<(), Stop> {
        loop {
            match self.xml.next()? {
                Token::Open(Element::EndDeviceEvent) => self.lone_event()?,
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return Ok(()),
            }
        }
    }

    /// An event that stands for itself.
    pub(super) fn lone_event(&mut self) -> Result<(), Stop> {
        let event = self.event()?;
        self.pending += 1;
        self.give_event(event, None)
    }

    /// An event in a `MeterReading`.
    pub(super) fn event_within(&mut self, gathered: &mut Gathered) -> Result<(), Stop> {
        let event = self.event()?;
        self.pending += 1;
        gathered.readings += 1;
        gathered.weight += event.weight();
        gathered.items.push(Item::Event(Box::new(event)));
        if self.is_heavy(gathered) {
            self.relieve(gathered)?;
        }
        Ok(())
    }

    /// Gives out an event, or says what it lacks.
    pub(super) fn give_event(
        &mut self,
        event: EventDraft,
        within: Option<&Gathered>,
    ) -> Result<(), Stop> {
        self.pending -= 1;
        if let Some(note) = event.note {
            self.out.finding(note)?;
        }
        if let Some(fault) = event.fault {
            return Ok(self.out.finding(fault)?);
        }
        let lacks = |code, field: &str, what: &str| {
            Finding::error(code, event.place.clone(), what).in_field(field)
        };
        let Some(event_type) = event.event_type.or(event.category) else {
            let what = "no event type, expected `<EndDeviceEventType ref=\"3.26.0.47\"/>`";
            let lack = lacks(
                codes::MISSING_EVENT_TYPE,
                "EndDeviceEvent/EndDeviceEventType",
                what,
            );
            return Ok(self.out.finding(lack)?);
        };
        let Some(at) = event.at.or(event.status_at) else {
            let what =
                "no time, expected `<createdDateTime>2026-03-29T00:15:00Z</createdDateTime>`";
            let lack = lacks(codes::MISSING_TIME, "EndDeviceEvent/createdDateTime", what);
            return Ok(self.out.finding(lack)?);
        };
        let Some(device) = event.device.or_else(|| within?.meter().cloned()) else {
            let what = "no device, expected `<Assets>` with an `mRID` or a name";
            let lack = lacks(codes::MISSING_DEVICE, "EndDeviceEvent/Assets", what);
            return Ok(self.out.finding(lack)?);
        };
        let record = EndDeviceEvent {
            mrid: event.mrid,
            device,
            usage_point: event.usage_point.or_else(|| within?.usage_point().cloned()),
            event_type,
            at,
            reason: event.reason,
            severity: event.severity,
            details: event.details,
        };
        Ok(self
            .out
            .record(event.place, Record::EndDeviceEvent(Box::new(record)))?)
    }

    fn event(&mut self) -> Result<EventDraft, Stop> {
        let mut event = EventDraft {
            place: self.xml.place(),
            ..EventDraft::default()
        };
        loop {
            let element = match self.xml.next()? {
                Token::Open(element) => element,
                Token::Close | Token::End => return Ok(event),
            };
            match element {
                Element::MRid => event.mrid = self.event_text(&mut event)?,
                Element::CreatedDateTime => {
                    event.at = self.event_time(&mut event, "EndDeviceEvent/createdDateTime")?;
                }
                Element::Reason => event.reason = self.event_text(&mut event)?,
                Element::Severity => event.severity = self.event_text(&mut event)?,
                Element::Category => event.category = self.event_text(&mut event)?,
                Element::EndDeviceEventType => event.event_type = self.event_type(&mut event)?,
                Element::EndDeviceEventDetails => self.event_details(&mut event)?,
                Element::Status => self.event_status(&mut event)?,
                Element::Assets | Element::Meter => {
                    let found = self.event_object(&mut event)?;
                    event.device = event.device.take().or(found);
                }
                Element::UsagePoint => event.usage_point = self.event_object(&mut event)?,
                _ => self.xml.skip()?,
            }
        }
    }

    fn event_text(&mut self, event: &mut EventDraft) -> Result<Option<String>, Stop> {
        object_ref::text(&mut self.xml, &mut event.note)
    }

    fn event_object(&mut self, event: &mut EventDraft) -> Result<Option<ObjectRef>, Stop> {
        let named = object_ref::read(&mut self.xml)?;
        if event.note.is_none() {
            event.note = named.note;
        }
        Ok(named.object)
    }

    fn event_type(&mut self, event: &mut EventDraft) -> Result<Option<String>, Stop> {
        let place = self.xml.place();
        self.xml.read_reference()?;
        match self.xml.text() {
            Ok("") => Ok(None),
            Ok(text) => Ok(Some(text.to_owned())),
            Err(flaw) => {
                let reason = flawed(&flaw);
                event
                    .note
                    .get_or_insert_with(|| Finding::warning(codes::BAD_TEXT, place, reason));
                Ok(None)
            }
        }
    }

    fn event_time(&mut self, event: &mut EventDraft, field: &str) -> Result<Option<Instant>, Stop> {
        let place = self.xml.place();
        self.xml.read_text()?;
        let reason = match self.xml.text() {
            Ok(text) => match self.times.parse(text.as_bytes()) {
                Ok(instant) => return Ok(Some(instant)),
                Err(error) => format!("{}: {error}", quoted(text)),
            },
            Err(flaw) => flawed(&flaw),
        };
        event
            .fault
            .get_or_insert_with(|| Finding::error(codes::BAD_TIME, place, reason).in_field(field));
        Ok(None)
    }

    /// `EndDeviceEventDetails{name, value}`.
    fn event_details(&mut self, event: &mut EventDraft) -> Result<(), Stop> {
        let (mut name, mut value) = (None, None);
        loop {
            match self.xml.next()? {
                Token::Open(Element::Name) => name = self.event_text(event)?,
                Token::Open(Element::Value) => value = self.event_text(event)?,
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => break,
            }
        }
        if let Some(name) = name {
            event.detail(&name, value.unwrap_or_default());
        }
        Ok(())
    }

    /// `status{dateTime, reason, value}`.
    fn event_status(&mut self, event: &mut EventDraft) -> Result<(), Stop> {
        loop {
            match self.xml.next()? {
                Token::Open(Element::DateTime) => {
                    event.status_at = self.event_time(event, "EndDeviceEvent/status/dateTime")?;
                }
                Token::Open(Element::Value) => {
                    if let Some(value) = self.event_text(event)? {
                        event.detail("status", value);
                    }
                }
                Token::Open(Element::Reason) => {
                    if let Some(reason) = self.event_text(event)? {
                        event.detail("status.reason", reason);
                    }
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return Ok(()),
            }
        }
    }
}
