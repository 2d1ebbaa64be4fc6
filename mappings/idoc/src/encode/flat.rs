//! IDocs as the file port has them: records of fixed length.

use hub_model::mapping::Inexpressible;
use mapping_tabular::Charset;

use super::tree::OutSegment;
use crate::limits::{CONTROL_CHARS, DATA_CHARS};

/// Writes one IDoc.
///
/// # Errors
/// A field has no offset, or a character has no byte in this encoding.
pub(super) fn write(
    segments: &[OutSegment<'_>],
    charset: Charset,
    line_end: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Inexpressible> {
    let Some((control, data)) = segments.split_first() else {
        return Ok(());
    };
    let value = |name: &str| {
        let field = control.fields.iter().find(|(field, _)| field.name == name);
        field.map_or("", |(_, value)| value.as_str())
    };
    let (client, number) = (value("MANDT"), value("DOCNUM"));
    put(&filled(control, CONTROL_CHARS)?, charset, out)?;
    out.extend_from_slice(line_end);
    for (at, segment) in data.iter().enumerate() {
        let header = format!(
            "{:<30}{client:<3}{number:<16}{:06}{:06}{:02}",
            segment.definition.flat_name,
            at + 1,
            segment.parent,
            segment.depth
        );
        put(&header, charset, out)?;
        put(&filled(segment, DATA_CHARS)?, charset, out)?;
        out.extend_from_slice(line_end);
    }
    Ok(())
}

/// The fields at their offsets, blanks between them.
fn filled(segment: &OutSegment<'_>, length: usize) -> Result<String, Inexpressible> {
    let mut characters = vec![' '; length];
    for (field, value) in &segment.fields {
        let Some((offset, _)) = field.offset.zip(field.length) else {
            return Err(Inexpressible {
                field: "segment",
                reason: format!(
                    "the definition of `{}` does not say where `{}` stands in a flat file, expected a `length` for each of its fields",
                    segment.definition.name, field.name
                ),
            });
        };
        for (place, c) in characters.iter_mut().skip(offset).zip(value.chars()) {
            *place = c;
        }
    }
    Ok(characters.into_iter().collect())
}

fn put(text: &str, charset: Charset, out: &mut Vec<u8>) -> Result<(), Inexpressible> {
    charset.encode(text, out).map_err(|c| Inexpressible {
        field: "segment",
        reason: format!("has `{c}`, which {} cannot write", charset.name()),
    })
}
