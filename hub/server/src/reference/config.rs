//! The page about the configuration files: all tables but those of the adapters.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hub_core::AdapterRegistry;
use serde_json::{Map, Value};

use super::Page;
use super::markdown::{code, prose};
use super::shape::Schema;
use super::tables::keys_of;
use crate::config::config_schema;

const INTRODUCTION: &str = "\
A configuration is one folder. All `*.toml` files in it are read together; the mapping files that they
name are in `mappings/`. Keys that do not exist are errors. `meterhub check` finds all problems,
`meterhub check --connect` also tries every endpoint, `meterhub init` writes a folder to start from, and
`meterhub schema config` prints a JSON Schema for editors.

A source or sink has, beside its own keys, exactly one table named like the kind of its adapter:
`[source.NAME.sftp]`. Their keys are on the pages of the adapters, see the [overview](README.md).

Secrets are never in these files: `env:NAME` names a variable, `file:PATH` a file.
";

/// The tables in the order in which a person writes them.
const TABLES: [&str; 6] = ["hub", "enterprise", "source", "sink", "inbound", "outbound"];

/// The page.
pub(super) fn page(registry: &AdapterRegistry) -> Page {
    let root = config_schema(registry);
    let none = Map::new();
    let schema = Schema::new(&root, &none);
    let kinds: BTreeSet<&str> = registry
        .sources
        .keys()
        .chain(registry.sinks.keys())
        .copied()
        .collect();
    let mut body = INTRODUCTION.to_owned();
    for name in TABLES {
        let table = &root["properties"][name];
        let (path, table) = match &table["additionalProperties"] {
            named @ Value::Object(_) => (format!("{name}.NAME"), named),
            _ => (name.to_owned(), table),
        };
        let table = schema.of(table);
        let _ = write!(
            body,
            "\n## {}\n\n{}\n{}",
            code(&format!("[{path}]")),
            prose(table.description()),
            keys_of(table, &path, &kinds)
        );
    }
    Page::new("configuration.md", "Configuration", &body)
}
