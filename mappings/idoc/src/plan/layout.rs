//! The columns of a message: what its fields and expressions call them, and their paths.

use mapping_tabular::Mapping;

use super::Fault;
use crate::definition::Definitions;
use crate::file::MessageTable;
use crate::path::FieldPath;

/// Names of the columns with their paths: those of fields first, then those that only expressions
/// may use.
pub(super) fn column_paths(
    table: &MessageTable,
    mapping: &Mapping,
    definitions: &Definitions,
    text: &str,
) -> Result<(Vec<String>, Vec<FieldPath>), Fault> {
    let (mut header, mut paths) = (Vec::new(), Vec::new());
    let at = table.record.span().start;
    // Columns do not know where they stand in the file; their text does.
    let place = |column: &str| text[at..].find(column).map_or(at, |found| at + found);
    for column in mapping.columns() {
        let path = match table.names.get(&column) {
            Some(path) => named(&column, path, definitions)?,
            None => {
                FieldPath::parse(&column, definitions).map_err(|reason| (place(&column), reason))?
            }
        };
        header.push(column);
        paths.push(path);
    }
    for (name, path) in &table.names {
        if !header.contains(name) {
            paths.push(named(name, path, definitions)?);
            header.push(name.clone());
        }
    }
    // The header of a table is found whatever its case, so two columns must differ in more.
    for (at_header, name) in header.iter().enumerate() {
        let same = |other: &String| other.to_lowercase() == name.to_lowercase();
        if let Some(other) = header[..at_header].iter().find(|other| same(other)) {
            let reason = format!("`{other}` and `{name}` differ in nothing but their case");
            return Err((at, reason));
        }
    }
    Ok((header, paths))
}

fn named(
    name: &str,
    path: &toml::Spanned<String>,
    definitions: &Definitions,
) -> Result<FieldPath, Fault> {
    FieldPath::parse(path.get_ref(), definitions)
        .map_err(|reason| (path.span().start, format!("`{name}`: {reason}")))
}
