//! The way through a payload that both passes take: feed, entry, content, resource.

use hub_model::{Finding, Place};

use crate::href;
use crate::limits::MAX_LINKS;
use crate::xml::{Link, Ns, Stop, Xml, shortened};

/// The links of an entry, as keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    pub(crate) this: Vec<String>,
    pub(crate) up: Vec<String>,
    pub(crate) related: Vec<String>,
}

impl Links {
    fn add(&mut self, link: &Link) {
        let to = match link.rel.as_str() {
            "self" => &mut self.this,
            "up" => &mut self.up,
            "related" => &mut self.related,
            _ => return,
        };
        let key = href::key(&link.href);
        if to.len() < MAX_LINKS && !key.is_empty() && !to.contains(&key) {
            to.push(key);
        }
    }

    /// Bytes they take in memory.
    pub(crate) fn size(&self) -> usize {
        [&self.this, &self.up, &self.related]
            .into_iter()
            .flatten()
            .map(|key| key.len() + 32)
            .sum()
    }

    /// Whether none says where the entry belongs.
    pub(crate) const fn is_empty(&self) -> bool {
        self.this.is_empty() && self.up.is_empty()
    }
}

/// An Atom entry, or a resource that stands alone.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Bytes before it: tells the entries of a payload apart, in either pass.
    pub(crate) position: u64,
    /// The links that were read so far.
    pub(crate) links: Links,
}

/// What a pass does with the resources.
pub(crate) trait Visitor {
    /// Takes the open ESPI element and leaves it.
    fn resource(&mut self, xml: &mut Xml<'_>, entry: &Entry) -> Result<(), Stop>;

    /// All of an entry was read.
    fn entry_read(&mut self, entry: Entry) -> Result<(), Stop>;
}

/// Walks through the whole payload.
pub(crate) fn document(xml: &mut Xml<'_>, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    if let Some(ns) = xml.child()? {
        match (ns, xml.name()) {
            (Ns::Atom, "feed") => feed(xml, visitor)?,
            (Ns::Atom, "entry") => entry(xml, visitor)?,
            (Ns::Espi, _) => {
                let entry = Entry::default();
                visitor.resource(xml, &entry)?;
                visitor.entry_read(entry)?;
            }
            _ => return Err(unexpected_root(xml.name(), xml.place())),
        }
    }
    // Nothing may follow the root.
    while xml.child()?.is_some() {}
    Ok(())
}

fn feed(xml: &mut Xml<'_>, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    while let Some(ns) = xml.child()? {
        match (ns, xml.name()) {
            (Ns::Atom, "entry") => entry(xml, visitor)?,
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn entry(xml: &mut Xml<'_>, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    let mut entry = Entry {
        position: xml.position(),
        links: Links::default(),
    };
    while let Some(ns) = xml.child()? {
        match (ns, xml.name()) {
            (Ns::Atom, "link") => {
                if let Some(link) = xml.take_link() {
                    entry.links.add(&link);
                }
                xml.skip()?;
            }
            (Ns::Atom, "content") => content(xml, visitor, &entry)?,
            _ => xml.skip()?,
        }
    }
    visitor.entry_read(entry)
}

fn content(xml: &mut Xml<'_>, visitor: &mut dyn Visitor, entry: &Entry) -> Result<(), Stop> {
    while let Some(ns) = xml.child()? {
        match ns {
            Ns::Espi => visitor.resource(xml, entry)?,
            Ns::Atom | Ns::Other => xml.skip()?,
        }
    }
    Ok(())
}

fn unexpected_root(name: &str, place: Place) -> Stop {
    let reason = format!(
        "the root element is `{}`, expected `feed` or `entry` of http://www.w3.org/2005/Atom or a \
         resource of http://naesb.org/espi such as `IntervalBlock`",
        shortened(name)
    );
    Stop::Broken(Box::new(Finding::fatal("unexpected_root", place, reason)))
}
