//! Pages about formats: what there is, the hub's own JSON, and mapping files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Page;
use super::markdown::{code, prose, table};
use super::shape::{Schema, Shape, alternatives};
use super::tables::keys_of;
use crate::formats::Formats;

/// A page that tells more about a format.
fn more(format: &str) -> Option<&'static str> {
    match format {
        "csv" | "xlsx" => Some("[mapping files](formats/mapping-files.md)"),
        "idoc" => Some("[mapping files of IDocs](formats/idoc.md)"),
        "json" => Some("[records](formats/json.md)"),
        _ => None,
    }
}

/// All formats in a table.
pub(super) fn overview(formats: &Formats) -> String {
    let mut known: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    formats
        .readable()
        .for_each(|name| known.entry(name).or_default().0 = true);
    formats
        .writable()
        .for_each(|name| known.entry(name).or_default().1 = true);
    let yes = |yes| if yes { "yes" } else { "no" }.to_owned();
    let row = |(name, (reads, writes)): (&str, (bool, bool))| {
        let needs_mapping = formats.get(name).is_some_and(|format| format.needs_mapping);
        let more = more(name).unwrap_or("-").to_owned();
        vec![
            code(name),
            yes(reads),
            yes(writes),
            yes(needs_mapping),
            more,
        ]
    };
    let mut rows: Vec<_> = known.into_iter().map(row).collect();
    rows.push(vec![
        code("opaque"),
        "passed on".to_owned(),
        "as it came".to_owned(),
        yes(false),
        "not looked into".to_owned(),
    ]);
    table(
        &["Format", "Reads", "Writes", "Mapping file", "More"],
        &rows,
    )
}

/// The pages.
pub(super) fn pages(_: &Formats) -> Vec<Page> {
    vec![mapping_files(), idocs(), segments(), records()]
}

const MAPPING: &str = "\
A mapping file describes a partner's CSV or Excel layout: which column holds what, how times and numbers
are written. It is `mappings/NAME.toml` in the configuration folder, and a route names it:
`mapping = \"NAME\"`. `meterhub convert` tries one on a sample, without a hub. `meterhub schema mapping`
prints a JSON Schema for editors.
";

fn mapping_files() -> Page {
    let root = mapping_tabular::mapping_schema().to_value();
    let none = Map::new();
    let schema = Schema::new(&root, &none);
    let body = format!("{MAPPING}\n{}", any(schema, "FILE").trim_start());
    Page::new("formats/mapping-files.md", "Mapping files", &body)
}

const IDOCS: &str = "\
A mapping file of format `idoc` says which message types become which records, and how records become
IDocs. It is `mappings/NAME.toml` as for tables, and its fields are described as there
([mapping files](mapping-files.md)), with paths as columns: `E1EDKA1[PARVW=AG]/PARTN` is the field `PARTN` of
the segment `E1EDKA1` whose field `PARVW` is `AG`. A path is looked for in the segment that gives the
record (`each`) and below it, then around it; what belongs to another one of the same kind is never seen. What
fields a segment has is said by [segment definitions](idoc-segments.md). `meterhub schema idoc` prints a JSON
Schema for editors.
";

fn idocs() -> Page {
    let root = mapping_idoc::mapping_schema().to_value();
    let none = Map::new();
    let schema = Schema::new(&root, &none);
    let body = format!("{IDOCS}\n{}", any(schema, "FILE").trim_start());
    Page::new("formats/idoc.md", "Mapping files of IDocs", &body)
}

const SEGMENTS: &str = "\
The segments of IDocs: their fields, where those stand in a flat file, and how SAP writes their values. A file
is `mappings/segments/NAME.toml` in the configuration folder, and a mapping file of format `idoc` asks for it:
`segments = [\"NAME\"]`. It goes before one that comes with the hub (`service-order`, an example, and
`meter-reading-upload`). The control record `EDI_DC40` is always known. `meterhub schema segments` prints a
JSON Schema for editors.
";

fn segments() -> Page {
    let root = mapping_idoc::segment_schema().to_value();
    let none = Map::new();
    let schema = Schema::new(&root, &none);
    let body = format!("{SEGMENTS}\n{}", any(schema, "FILE").trim_start());
    Page::new("formats/idoc-segments.md", "Segment definitions", &body)
}

const RECORDS: &str = "\
The hub's own format: a JSON object a line (NDJSON), each a record. `meterhub convert` writes any other
format in it. `meterhub schema records` prints this as a JSON Schema.
";

fn records() -> Page {
    let root = mapping_json::record_schema();
    let none = Map::new();
    let schema = Schema::new(&root, &none);
    let body = format!("{RECORDS}\n{}", any(schema, "record").trim_start());
    Page::new("formats/json.md", "JSON records", &body)
}

/// A table's keys, or those of each alternative.
fn any(schema: Schema<'_>, path: &str) -> String {
    let Shape::OneOf(several) = schema.shape() else {
        return keys_of(schema, path, &BTreeSet::new());
    };
    let mut body = String::new();
    for one in alternatives(several).unwrap_or_default() {
        let title = title(one);
        let one = schema.of(one);
        let _ = write!(
            body,
            "\n## {title}\n\n{}\n{}",
            prose(one.description()),
            keys_of(one, &title, &BTreeSet::new())
        );
    }
    body
}

fn title(one: &Value) -> String {
    let reference = one["$ref"]
        .as_str()
        .and_then(|name| name.rsplit('/').next());
    let title = reference.or(one["title"].as_str());
    title.unwrap_or("one of several").to_owned()
}
