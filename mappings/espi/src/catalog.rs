//! First pass: the small resources of a payload and how they are linked.

use std::collections::HashMap;

use hub_model::mapping::{Halt, Payload};

use crate::href;
use crate::limits::MAX_CATALOG_BYTES;
use crate::reading_type::{self, EspiType};
use crate::walk::{self, Entry, Links, Visitor};
use crate::xml::{Stop, Xml};

/// Memory that a map's entry takes beside its texts, roughly.
const ENTRY_BYTES: usize = 128;

/// The resources of a payload by key, and who links to whom.
#[derive(Default)]
pub(crate) struct Catalog {
    /// `None`: the type was there, but cannot be used.
    types: HashMap<String, Option<EspiType>>,
    readings: HashMap<String, Links>,
    /// Tail of a meter reading's key to its key; `None` where several share it.
    readings_by_tail: HashMap<String, Option<String>>,
    /// A collection of interval blocks to the meter reading that relates to it.
    readings_by_blocks: HashMap<String, String>,
    /// A collection of meter readings to the usage point that relates to it.
    points_by_readings: HashMap<String, String>,
    /// Links of blocks whose entry has them after its content, by position of the entry.
    late_links: HashMap<u64, Links>,
    bytes: usize,
    overflowed: bool,
}

/// What the links of an interval block lead to.
pub(crate) struct Target<'c> {
    /// Key of the usage point.
    pub(crate) usage_point: Option<&'c str>,
    /// Its type, if a usable one is linked.
    pub(crate) reading_type: Option<EspiType>,
}

impl Catalog {
    /// Reads the payload as far as it is well-formed; the second pass says where that ends.
    pub(crate) fn collect(payload: &dyn Payload) -> Result<Self, Halt> {
        let mut collector = Collector::default();
        let end = Xml::open(payload).and_then(|mut xml| walk::document(&mut xml, &mut collector));
        match end {
            Err(Stop::Halt(halt)) => Err(halt),
            Ok(()) | Err(Stop::Broken(_)) => Ok(collector.catalog),
        }
    }

    /// Whether resources were left out because there are too many.
    pub(crate) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Links of an entry that stand after its interval block.
    pub(crate) fn late_links(&self, position: u64) -> Option<&Links> {
        self.late_links.get(&position)
    }

    /// The type of this key as the readings of the payload use it; `None` if there is none.
    pub(crate) fn reading_type(&self, links: &Links) -> Option<EspiType> {
        let key = links.this.first()?;
        *self.types.get(type_key(key))?
    }

    /// The one type of the payload, if there is exactly one.
    pub(crate) fn only_type(&self) -> Option<EspiType> {
        let mut types = self.types.values();
        match (types.next(), types.next()) {
            (Some(only), None) => *only,
            _ => None,
        }
    }

    /// Follows the links of an interval block.
    pub(crate) fn target<'c>(&'c self, block: &'c Links) -> Target<'c> {
        let Some((key, reading)) = self.meter_reading(block) else {
            return Target {
                usage_point: owner(block, "UsagePoint"),
                reading_type: None,
            };
        };
        let linked = reading
            .up
            .iter()
            .find_map(|up| self.points_by_readings.get(up))
            .map(String::as_str);
        let usage_point = linked
            .or_else(|| href::owner(key, "UsagePoint"))
            .or_else(|| owner(reading, "UsagePoint"))
            .or_else(|| owner(block, "UsagePoint"));
        let reading_type = reading
            .related
            .iter()
            .find_map(|related| self.types.get(type_key(related)))
            .copied()
            .flatten();
        Target {
            usage_point,
            reading_type,
        }
    }

    fn meter_reading<'c>(&'c self, block: &'c Links) -> Option<(&'c str, &'c Links)> {
        let linked = block
            .up
            .iter()
            .find_map(|up| self.readings_by_blocks.get(up));
        let by_path =
            || owner(block, "MeterReading").filter(|key| self.readings.contains_key(*key));
        let by_tail = || {
            let tail = href::tail(owner(block, "MeterReading")?, "UsagePoint")?;
            self.readings_by_tail.get(tail)?.as_deref()
        };
        let key = linked
            .map(String::as_str)
            .or_else(by_path)
            .or_else(by_tail)?;
        Some((key, self.readings.get(key)?))
    }

    /// Counts what is kept; `false` if it is too much.
    fn room_for(&mut self, bytes: usize) -> bool {
        self.bytes += bytes + ENTRY_BYTES;
        self.overflowed |= self.bytes > MAX_CATALOG_BYTES;
        !self.overflowed
    }

    fn add_point(&mut self, links: Links) {
        let Some(key) = links.this.first() else {
            return;
        };
        for related in &links.related {
            if self.room_for(related.len() + key.len()) {
                self.points_by_readings.insert(related.clone(), key.clone());
            }
        }
    }

    /// The first of two resources with one key counts.
    fn add_reading(&mut self, links: Links) {
        let Some(key) = links.this.first().cloned() else {
            return;
        };
        if self.readings.contains_key(&key) || !self.room_for(3 * key.len() + links.size()) {
            return;
        }
        for related in &links.related {
            if self.room_for(related.len() + key.len()) {
                self.readings_by_blocks
                    .entry(related.clone())
                    .or_insert_with(|| key.clone());
            }
        }
        if let Some(tail) = href::tail(&key, "UsagePoint") {
            self.readings_by_tail
                .entry(tail.to_owned())
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(key.clone()));
        }
        self.readings.insert(key, links);
    }

    fn add_type(&mut self, links: &Links, value: Option<EspiType>) {
        // A type that stands alone has no link, and is the only one.
        let key = links.this.first().map_or("", |key| type_key(key));
        if self.types.contains_key(key) || !self.room_for(key.len()) {
            return;
        }
        self.types.insert(key.to_owned(), value);
    }
}

/// Types belong to no customer: what stands before `ReadingType` in a key does not matter.
fn type_key(key: &str) -> &str {
    href::tail(key, "ReadingType").unwrap_or(key)
}

/// The owner of an entry in a collection, by the path of its own or its parent's link.
fn owner<'k>(links: &'k Links, collection: &str) -> Option<&'k str> {
    links
        .up
        .iter()
        .chain(&links.this)
        .find_map(|key| href::owner(key, collection))
}

/// What stands in the entry that is being read.
#[derive(Default)]
struct Held {
    point: bool,
    reading: bool,
    types: Option<Option<EspiType>>,
    block_before_links: bool,
}

#[derive(Default)]
struct Collector {
    catalog: Catalog,
    held: Held,
}

impl Visitor for Collector {
    fn resource(&mut self, xml: &mut Xml<'_>, entry: &Entry) -> Result<(), Stop> {
        match xml.name() {
            "ReadingType" => {
                let read = reading_type::read(xml)?;
                self.held.types.get_or_insert(read.value);
                return Ok(());
            }
            "UsagePoint" => self.held.point = true,
            "MeterReading" => self.held.reading = true,
            "IntervalBlock" => self.held.block_before_links |= entry.links.is_empty(),
            _ => {}
        }
        xml.skip()
    }

    fn entry_read(&mut self, entry: Entry) -> Result<(), Stop> {
        let held = std::mem::take(&mut self.held);
        let catalog = &mut self.catalog;
        if let Some(value) = held.types {
            catalog.add_type(&entry.links, value);
        }
        if held.block_before_links
            && !entry.links.is_empty()
            && catalog.room_for(entry.links.size())
        {
            catalog.late_links.insert(entry.position, entry.links);
        } else if held.point {
            catalog.add_point(entry.links);
        } else if held.reading {
            catalog.add_reading(entry.links);
        }
        Ok(())
    }
}
