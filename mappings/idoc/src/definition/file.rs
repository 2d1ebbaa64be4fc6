//! Definition files as they are written: `[[segment]]` tables.

use mapping_tabular::MappingError;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{FieldDef, FieldKind, Segment};
use crate::limits::{CONTROL_CHARS, DATA_CHARS, MAX_DEFINITION_BYTES};

/// A file of segment definitions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Meterhub segment definitions of IDocs")]
pub struct SegmentFile {
    /// Words for people: where the definitions come from.
    #[serde(default)]
    pub description: Option<String>,
    /// The segments, in the order in which an IDoc has them.
    #[serde(default, rename = "segment")]
    #[schemars(with = "Vec<SegmentEntry>")]
    pub entries: Vec<Spanned<SegmentEntry>>,
}

/// One segment: its names and its fields.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentEntry {
    /// The segment type, which is its name in XML: `E1EDKA1`.
    pub name: String,
    /// The segment definition, which is its name in flat files: `E2EDKA1003`. Without it the type
    /// is written; when reading, `E2EDKA1` and any version of it is understood anyway.
    #[serde(default)]
    pub flat_name: Option<String>,
    /// Segment types that it stands below. Needed for writing, and for flat files whose `PSGNUM` is
    /// not filled.
    #[serde(default)]
    pub parents: Vec<String>,
    /// The fields, in their order.
    pub fields: Vec<FieldEntry>,
}

/// One field of a segment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldEntry {
    /// Its name: `PARVW`.
    pub name: String,
    /// Characters before it in the segment's data; without it the field follows the one before.
    #[serde(default)]
    pub offset: Option<usize>,
    /// Characters. A segment with a field of unknown length can only be read from and written to
    /// XML.
    #[serde(default)]
    pub length: Option<usize>,
    /// How its values are written.
    #[serde(default, rename = "type")]
    pub kind: FieldKind,
    /// Whether a text that is too long may be cut when it is written. Otherwise it is refused.
    #[serde(default)]
    pub cut: bool,
}

/// The JSON Schema of a definition file.
#[must_use]
pub fn segment_schema() -> schemars::Schema {
    schemars::schema_for!(SegmentFile)
}

impl SegmentFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing wrong: line, column, what, and what would be valid.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        if text.len() > MAX_DEFINITION_BYTES {
            let reason = format!("the file is longer than {MAX_DEFINITION_BYTES} bytes");
            return Err(MappingError::at(text, 0, reason));
        }
        let file: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            MappingError::at(text, at, error.message())
        })?;
        file.segments()
            .map_err(|(at, reason)| MappingError::at(text, at, reason))?;
        Ok(file)
    }

    /// The segments, checked.
    pub(crate) fn segments(&self) -> Result<Vec<Segment>, (usize, String)> {
        self.entries.iter().map(segment).collect()
    }
}

/// Checks a segment and gives its fields their offsets.
///
/// # Errors
/// Byte of the file, and what is wrong.
pub(crate) fn segment(entry: &Spanned<SegmentEntry>) -> Result<Segment, (usize, String)> {
    let at = entry.span().start;
    let entry = entry.get_ref();
    check(entry).map_err(|reason| (at, format!("segment `{}`: {reason}", entry.name)))
}

fn check(entry: &SegmentEntry) -> Result<Segment, String> {
    let flat_name = entry.flat_name.as_ref().unwrap_or(&entry.name);
    for name in [&entry.name, flat_name].into_iter().chain(&entry.parents) {
        check_name(name, 30)?;
    }
    let most = if entry.name == super::CONTROL_RECORD {
        CONTROL_CHARS
    } else {
        DATA_CHARS
    };
    let (mut fields, mut names) = (Vec::new(), FxHashMap::default());
    let mut next = Some(0);
    for field in &entry.fields {
        check_name(&field.name, 30)?;
        let offset = field.offset.or(next);
        next = offset.zip(field.length).map(|(at, length)| at + length);
        if field.length == Some(0) || next.is_some_and(|end| end > most) {
            return Err(format!(
                "field `{}` ends at {}, expected a length of at least 1 and an end of at most {most}",
                field.name,
                next.unwrap_or_default()
            ));
        }
        let index = u16::try_from(fields.len()).map_err(|_| "has too many fields".to_owned())?;
        if names.insert(field.name.clone(), index).is_some() {
            return Err(format!("field `{}` is defined twice", field.name));
        }
        fields.push(FieldDef {
            name: field.name.clone(),
            offset,
            length: field.length,
            kind: field.kind,
            cut: field.cut,
        });
    }
    Ok(Segment {
        name: entry.name.clone(),
        flat_name: flat_name.clone(),
        parents: entry.parents.clone(),
        fields,
        names,
    })
}

/// Names are what SAP allows: capital letters, digits, `_` and `/`. Such a name is also safe in XML
/// but for the `/` of a namespace, which XML does not have.
fn check_name(name: &str, most: usize) -> Result<(), String> {
    let valid = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    let first = name.bytes().next().is_some_and(|c| c.is_ascii_uppercase());
    if first && name.len() <= most && name.bytes().all(valid) {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a name, expected 1 to {most} of `A` to `Z`, `0` to `9` and `_`, a letter first",
        mapping_tabular::shown(name.as_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        SegmentFile::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn offsets_follow_from_lengths() {
        let text = "[[segment]]\nname = \"Z1A\"\nfields = [{ name = \"A\", length = 3 }, { name = \"B\", length = 2 }, { name = \"C\", offset = 10, length = 1 }, { name = \"D\" }, { name = \"E\", length = 1 }]\n";
        let file = SegmentFile::parse(text).unwrap();
        let offsets: Vec<_> = file.segments().unwrap()[0]
            .fields
            .iter()
            .map(|field| field.offset)
            .collect();
        assert_eq!(offsets, [Some(0), Some(3), Some(10), Some(11), None]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let error = refused("[[segment]]\nname = \"z1\"\nfields = []\n");
        assert!(
            error.starts_with("line 1, column 1: segment `z1`: `z1` is not a name"),
            "{error}"
        );
        let error =
            refused("[[segment]]\nname = \"Z1\"\nfields = [{ name = \"A\", length = 1001 }]\n");
        assert!(error.contains("at most 1000"), "{error}");
        let error = refused("[[segment]]\nname = \"Z1\"\nfields = [{ name = \"A\", size = 1 }]\n");
        assert!(
            error.contains("unknown field `size`") && error.contains("`length`"),
            "{error}"
        );
        let error =
            refused("[[segment]]\nname = \"Z1\"\nfields = [{ name = \"A\" }, { name = \"A\" }]\n");
        assert!(error.contains("defined twice"), "{error}");
    }
}
