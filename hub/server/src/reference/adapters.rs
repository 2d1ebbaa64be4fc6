//! A page for each kind of adapter.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hub_core::{AdapterRegistry, Metric};
use schemars::Schema as JsonSchema;
use serde_json::Map;

use super::Page;
use super::markdown::{cell, first_sentence, prose, table, toml};
use super::metrics::rows;
use super::shape::Schema;
use super::tables::keys_of;

/// Half an adapter.
struct Half {
    /// `source` or `sink`.
    what: &'static str,
    schema: JsonSchema,
    example: &'static str,
    metrics: &'static [Metric],
}

impl Half {
    fn description(&self) -> &str {
        let description = self.schema.get("description");
        description
            .and_then(|text| text.as_str())
            .unwrap_or_default()
    }
}

/// The halves of a kind.
fn halves(registry: &AdapterRegistry, kind: &str) -> Vec<Half> {
    let source = registry.sources.get(kind).map(|source| Half {
        what: "source",
        schema: (source.schema)(),
        example: (source.example)(),
        metrics: (source.metrics)(),
    });
    let sink = registry.sinks.get(kind).map(|sink| Half {
        what: "sink",
        schema: (sink.schema)(),
        example: (sink.example)(),
        metrics: (sink.metrics)(),
    });
    source.into_iter().chain(sink).collect()
}

fn kinds(registry: &AdapterRegistry) -> BTreeSet<&'static str> {
    let kinds = registry.sources.keys().chain(registry.sinks.keys());
    kinds.copied().collect()
}

/// All kinds in a table that leads to their pages.
pub(super) fn overview(registry: &AdapterRegistry) -> String {
    let row = |kind: &&str| {
        let halves = halves(registry, kind);
        let says = |what| {
            let half = halves.iter().find(|half| half.what == what);
            half.map_or_else(
                || "-".to_owned(),
                |half| cell(&first_sentence(half.description())),
            )
        };
        vec![
            format!("[{kind}](adapters/{kind}.md)"),
            says("source"),
            says("sink"),
        ]
    };
    let rows: Vec<_> = kinds(registry).iter().map(row).collect();
    table(&["Kind", "Source", "Sink"], &rows)
}

/// A page for each kind.
pub(super) fn pages(registry: &AdapterRegistry) -> Vec<Page> {
    let kinds = kinds(registry).into_iter();
    kinds
        .map(|kind| page(kind, &halves(registry, kind)))
        .collect()
}

fn page(kind: &str, halves: &[Half]) -> Page {
    let whats: Vec<_> = halves.iter().map(|half| half.what).collect();
    let mut body = format!("Adapter: {}.\n", whats.join(" and "));
    for half in halves {
        section(&mut body, kind, half);
    }
    metrics(&mut body, halves);
    Page::new(&format!("adapters/{kind}.md"), kind, &body)
}

fn section(body: &mut String, kind: &str, half: &Half) {
    let what = half.what;
    let value = half.schema.as_value();
    let none = Map::new();
    let schema = Schema::new(value, &none);
    let path = format!("{what}.NAME.{kind}");
    let _ = write!(
        body,
        "\n## As a {what}\n\n{}\n{}\n\
         Keys of `[{path}]`; those of `[{what}.NAME]` are in [Configuration](../configuration.md#{what}name).\n\n{}",
        prose(half.description()),
        toml(&example(kind, half)),
        keys_of(schema, &path, &BTreeSet::new()),
    );
}

/// The example as it stands in a configuration. Its own headings are below the adapter's table.
fn example(kind: &str, half: &Half) -> String {
    let what = half.what;
    let mut text = format!("[{what}.example]\nenterprise = \"north\"\n\n[{what}.example.{kind}]\n");
    for line in half.example.trim_end().lines() {
        let below = ["[[", "["].iter().find_map(|open| {
            let rest = line.strip_prefix(open)?;
            rest.ends_with(']')
                .then(|| format!("{open}{what}.example.{kind}.{rest}"))
        });
        text.push_str(below.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

fn metrics(body: &mut String, halves: &[Half]) {
    let mut own: Vec<Metric> = Vec::new();
    for metric in halves.iter().flat_map(|half| half.metrics) {
        if !own.contains(metric) {
            own.push(*metric);
        }
    }
    let of_all = "What the hub counts of every endpoint is in [Metrics](../metrics.md).";
    body.push_str("\n## Metrics\n\n");
    match own.is_empty() {
        true => {
            let _ = writeln!(body, "It counts nothing of its own. {of_all}");
        }
        false => {
            let _ = write!(body, "{of_all} Beside that:\n\n{}", rows(&own));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::adapters;

    /// What the page shows can be copied: the hub reads it.
    #[test]
    fn examples_are_read_as_the_page_shows_them() {
        let registry = adapters();
        for kind in kinds(&registry) {
            for half in halves(&registry, kind) {
                let text = example(kind, &half);
                let table: toml::Table =
                    toml::from_str(&text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
                let own = toml::to_string(&table[half.what]["example"][kind]).unwrap();
                let value = toml::de::ValueDeserializer::parse(&own);
                drop(value);
                let expected: toml::Table = toml::from_str(half.example).unwrap();
                let shown = table[half.what]["example"][kind].as_table();
                assert_eq!(shown, Some(&expected), "{kind}");
            }
        }
    }

    #[test]
    fn every_kind_has_its_page() {
        let registry = adapters();
        let paths: Vec<_> = pages(&registry).into_iter().map(|page| page.path).collect();
        assert_eq!(paths.len(), kinds(&registry).len());
        assert!(paths.contains(&"adapters/sftp.md".to_owned()));
    }
}
