//! Segments as data: names, fields, offsets and types, read from definition files.
//!
//! A new segment is an entry in such a file, not code. The control record is one of them.

mod file;
mod kind;
mod library;

use rustc_hash::FxHashMap;

pub(crate) use file::segment;
pub use file::{FieldEntry, SegmentEntry, SegmentFile, segment_schema};
pub use kind::FieldKind;
pub(crate) use library::{CONTROL, shipped, shipped_names};

/// The control record's name as a segment.
pub(crate) const CONTROL_RECORD: &str = "EDI_DC40";

/// All segments that one mapping knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definitions {
    segments: Vec<Segment>,
    /// Names in XML, and names in flat files, to the segment.
    names: FxHashMap<String, u16>,
}

/// One segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Its type, the name in XML: `E1EDKA1`.
    pub(crate) name: String,
    /// Its definition, the name in flat files: `E2EDKA1003`.
    pub(crate) flat_name: String,
    /// Types of segments that it stands below, where a flat file does not say.
    pub(crate) parents: Vec<String>,
    pub(crate) fields: Vec<FieldDef>,
    names: FxHashMap<String, u16>,
}

/// One field of a segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldDef {
    pub(crate) name: String,
    /// Characters before it in the data of a flat record.
    pub(crate) offset: Option<usize>,
    /// Characters.
    pub(crate) length: Option<usize>,
    pub(crate) kind: FieldKind,
    /// Whether a longer text may be cut when it is written.
    pub(crate) cut: bool,
}

impl Definitions {
    /// Adds a segment. A later definition of the same segment replaces an earlier one, so that a
    /// configuration may correct what is shipped.
    ///
    /// # Errors
    /// There are too many, or the flat name belongs to another.
    pub(crate) fn add(&mut self, segment: Segment) -> Result<(), String> {
        if let Some(&known) = self.names.get(&segment.name) {
            self.names.insert(segment.flat_name.clone(), known);
            self.segments[usize::from(known)] = segment;
            return Ok(());
        }
        let index = u16::try_from(self.segments.len())
            .map_err(|_| "more than 65,536 segments are defined".to_owned())?;
        if let Some(other) = self.names.get(&segment.flat_name) {
            let other = &self.segments[usize::from(*other)].name;
            return Err(format!(
                "`flat_name` `{}` of segment `{}` is already that of segment `{other}`",
                segment.flat_name, segment.name
            ));
        }
        self.names.insert(segment.name.clone(), index);
        self.names.insert(segment.flat_name.clone(), index);
        self.segments.push(segment);
        Ok(())
    }

    /// The segment with this name, as XML and mapping files have it.
    pub(crate) fn find(&self, name: &str) -> Option<u16> {
        self.names.get(name).copied()
    }

    /// The segment of a flat record: by its flat name, by its type, or by the type that SAP makes
    /// the flat name from (`E2EDKA1003` is version 003 of `E1EDKA1`).
    pub(crate) fn find_flat(&self, name: &str) -> Option<u16> {
        if let Some(found) = self.find(name) {
            return Some(found);
        }
        let segment_type = type_of(name)?;
        self.find(&segment_type).or_else(|| {
            let (stem, version) = segment_type.split_at_checked(segment_type.len() - 3)?;
            let is_version = version.bytes().all(|c| c.is_ascii_digit());
            is_version.then(|| self.find(stem)).flatten()
        })
    }

    pub(crate) fn get(&self, index: u16) -> &Segment {
        &self.segments[usize::from(index)]
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Types of all segments, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.segments.iter().map(|s| s.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// `E2EDKA1003` to `E1EDKA1003`, `Z2ORDER000` to `Z1ORDER000`, others as they are.
fn type_of(name: &str) -> Option<String> {
    if name.len() < 4 || !name.is_ascii() {
        return None;
    }
    let mut out = name.to_owned();
    if name.as_bytes()[1] == b'2' {
        out.replace_range(1..2, "1");
    }
    Some(out)
}

impl Segment {
    /// The field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<u16> {
        self.names.get(name).copied()
    }

    pub(crate) fn field_at(&self, index: u16) -> &FieldDef {
        &self.fields[usize::from(index)]
    }

    /// Names of the fields, in their order.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_names_lead_to_their_type() {
        let mut all = Definitions::default();
        let entry = |name: &str| {
            let text = format!("[[segment]]\nname = \"{name}\"\nfields = []\n");
            SegmentFile::parse(&text).unwrap().segments().unwrap()
        };
        for name in ["E1EDKA1", "Z1ORDER", "ZE1EDK81"] {
            for segment in entry(name) {
                all.add(segment).unwrap();
            }
        }
        let found = |name: &str| all.find_flat(name).map(|at| all.get(at).name.as_str());
        assert_eq!(found("E2EDKA1003"), Some("E1EDKA1"));
        assert_eq!(found("E2EDKA1"), Some("E1EDKA1"));
        assert_eq!(found("Z2ORDER000"), Some("Z1ORDER"));
        assert_eq!(found("ZE1EDK81000"), Some("ZE1EDK81"));
        assert_eq!(found("E2EDKA"), None);
        assert_eq!(found("ä2"), None);
    }
}
