//! Reads Green Button payloads into canonical records.

use hub_model::mapping::{Decode, Halt, Payload, Records};
use hub_model::{Finding, ObjectRef, ReadingType, Record, UsagePoint, Zone};

use crate::catalog::Catalog;
use crate::limits::MAX_CATALOG_BYTES;
use crate::reading_type::{self, EspiType, ReadType};
use crate::usage_point::{self, ReadPoint};
use crate::walk::{self, Entry, Links, Visitor};
use crate::xml::{Stop, Xml};
use crate::{block, href};

/// What a usage point is called in the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UsagePointId {
    /// The id in its link: `1402026` of `User/237422/UsagePoint/1402026`.
    #[default]
    Segment,
    /// The path of its link, for senders that number the usage points of each customer from 1:
    /// `User/237422/UsagePoint/1402026`.
    Path,
}

/// Reads Green Button payloads (NAESB REQ.21).
///
/// - Usage points become [`UsagePoint`] records with the service of their `ServiceCategory`.
/// - Each `IntervalBlock` becomes one or more blocks of readings of its usage point. Its type is
///   found by links: the block's `up` is the collection that a `MeterReading` relates to, which
///   also relates to a `ReadingType`. Paths are followed where links are missing.
/// - A block whose type is not found takes the only `ReadingType` of the payload (one warning), or
///   else [`Self::with_default_reading_type`]; else it is one finding that rejects its readings.
/// - The parts of the type keep ESPI's codes. `intervalLength` becomes the measuring period: 900
///   seconds code 2, 3,600 code 7, 86,400 code 4 (24 hours), or macro period 11 without one where
///   `timeAttribute` says daily. A length without a code leaves 0, and readings keep their period.
/// - A reading keeps its period only where it is not the type's; on a daily type a calendar day of
///   the zone is, be it of 23, 24 or 25 hours.
/// - A reading without `value` is known to be missing (quality 5.5.259). Costs are not read.
/// - Ids of Atom feeds name the feed, not the message, so there is no business key.
#[derive(Debug, Clone)]
pub struct EspiDecoder {
    zone: Zone,
    default_type: Option<ReadingType>,
    ids: UsagePointId,
}

impl EspiDecoder {
    /// A decoder for an enterprise in this zone, which says where calendar days begin.
    #[must_use]
    pub const fn new(zone: Zone) -> Self {
        Self {
            zone,
            default_type: None,
            ids: UsagePointId::Segment,
        }
    }

    /// The type of readings that a payload does not say: servers answer a request for
    /// `IntervalBlock` without the `ReadingType`.
    #[must_use]
    pub const fn with_default_reading_type(mut self, reading_type: ReadingType) -> Self {
        self.default_type = Some(reading_type);
        self
    }

    /// What usage points are called.
    #[must_use]
    pub const fn with_usage_point_ids(mut self, ids: UsagePointId) -> Self {
        self.ids = ids;
        self
    }

    fn object_ref(&self, key: &str) -> ObjectRef {
        ObjectRef::by_mrid(match self.ids {
            UsagePointId::Segment => href::id(key),
            UsagePointId::Path => key,
        })
    }

    fn run(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Stop> {
        let catalog = Catalog::collect(payload)?;
        let mut xml = Xml::open(payload)?;
        let mut pass = Pass {
            decoder: self,
            catalog: &catalog,
            out,
            point: None,
            read_type: None,
            assumed: false,
        };
        if catalog.overflowed() {
            pass.say_overflowed(&xml)?;
        }
        let end = walk::document(&mut xml, &mut pass);
        pass.say_undeclared(&mut xml)?;
        end
    }
}

impl Decode for EspiDecoder {
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
        match self.run(payload, out) {
            Ok(()) => Ok(()),
            Err(Stop::Halt(halt)) => Err(halt),
            Err(Stop::Broken(finding)) => out.finding(*finding),
        }
    }
}

/// Second pass: hands on what stands in the payload, in its order.
struct Pass<'p> {
    decoder: &'p EspiDecoder,
    catalog: &'p Catalog,
    out: &'p mut dyn Records,
    /// What was read of the entry so far and needs its links.
    point: Option<ReadPoint>,
    read_type: Option<ReadType>,
    /// Whether it was said that a type is assumed.
    assumed: bool,
}

impl Visitor for Pass<'_> {
    fn resource(&mut self, xml: &mut Xml<'_>, entry: &Entry) -> Result<(), Stop> {
        match xml.name() {
            "IntervalBlock" => self.interval_block(xml, entry),
            "UsagePoint" => {
                let point = usage_point::read(xml)?;
                self.point.get_or_insert(point);
                Ok(())
            }
            "ReadingType" => {
                let read = reading_type::read(xml)?;
                self.read_type.get_or_insert(read);
                Ok(())
            }
            _ => xml.skip(),
        }
    }

    fn entry_read(&mut self, entry: Entry) -> Result<(), Stop> {
        if let Some(point) = self.point.take() {
            self.usage_point(point, &entry.links)?;
        }
        if let Some(read) = self.read_type.take() {
            self.reading_type(read, &entry.links)?;
        }
        Ok(())
    }
}

impl Pass<'_> {
    fn usage_point(&mut self, point: ReadPoint, links: &Links) -> Result<(), Stop> {
        if let Some(finding) = point.finding {
            self.out.finding(finding)?;
        }
        let Some(key) = links.this.first() else {
            let reason = "the usage point has no id, expected `<link rel=\"self\" href=\"...\"/>` in its entry";
            let finding = Finding::error("no_id", point.place, reason).in_field("UsagePoint");
            return Ok(self.out.finding(finding)?);
        };
        let record = UsagePoint {
            id: self.decoder.object_ref(key),
            service: point.service,
            ..UsagePoint::default()
        };
        Ok(self
            .out
            .record(point.place, Record::UsagePoint(Box::new(record)))?)
    }

    fn reading_type(&mut self, read: ReadType, links: &Links) -> Result<(), Stop> {
        for finding in read.findings {
            self.out.finding(finding)?;
        }
        if read.value.is_some() && !links.this.is_empty() {
            let used = self.catalog.reading_type(links);
            if let Some(used) = used.filter(|used| Some(*used) != read.value) {
                let reason = format!(
                    "this ReadingType is in the payload twice with different contents, the first \
                     counts: {}",
                    used.code
                );
                let finding = Finding::warning("conflict", read.place, reason);
                self.out.finding(finding.in_field("ReadingType"))?;
            }
        }
        Ok(())
    }

    fn interval_block(&mut self, xml: &mut Xml<'_>, entry: &Entry) -> Result<(), Stop> {
        let place = xml.place();
        let late = self.catalog.late_links(entry.position);
        let target = self.catalog.target(late.unwrap_or(&entry.links));
        let usage_point = target.usage_point.map(|key| self.decoder.object_ref(key));
        let found = target.reading_type;
        let Some(espi) = found
            .or_else(|| self.catalog.only_type())
            .or_else(|| self.given())
        else {
            let (readings, end) = block::count(xml);
            let reason = "the ReadingType of these readings is not known: neither linked by their \
                          MeterReading, nor the only one in the payload, nor set for this route";
            let finding = Finding::error("unknown_reading_type", place, reason)
                .in_field("IntervalBlock")
                .rejecting(readings);
            self.out.finding(finding)?;
            return end;
        };
        if found.is_none() && !self.assumed {
            self.assumed = true;
            let reason = format!("no ReadingType is linked, {} is assumed", espi.code);
            let finding = Finding::warning("assumed_reading_type", place, reason);
            self.out.finding(finding.in_field("IntervalBlock"))?;
        }
        block::read(xml, self.out, usage_point, espi, &self.decoder.zone)
    }

    fn given(&self) -> Option<EspiType> {
        self.decoder.default_type.map(EspiType::given)
    }

    fn say_overflowed(&mut self, xml: &Xml<'_>) -> Result<(), Stop> {
        let reason = format!(
            "the links and types of the feed take more than {MAX_CATALOG_BYTES} bytes, some are \
             not followed; split the feed"
        );
        let finding = Finding::error("too_large", xml.place(), reason).rejecting(0);
        Ok(self.out.finding(finding)?)
    }

    fn say_undeclared(&mut self, xml: &mut Xml<'_>) -> Result<(), Stop> {
        let Some((place, prefix)) = xml.take_undeclared() else {
            return Ok(());
        };
        let reason = format!(
            "prefix `{prefix}` is not declared, its elements are skipped; expected \
             xmlns:{prefix}=\"http://naesb.org/espi\""
        );
        Ok(self
            .out
            .finding(Finding::warning("undeclared_prefix", place, reason))?)
    }
}
