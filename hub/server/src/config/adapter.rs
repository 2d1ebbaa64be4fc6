//! Reads `[source.x]` and `[sink.x]`: the keys of ours, and the one table that is the adapter's.

use std::collections::BTreeSet;

use hub_core::{AdapterRegistry, ConfigProblem, ConfiguredSink, ConfiguredSource};
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::document::Section;
use super::problem::{Location, Problem};
use super::suggest::{did_you_mean, expected, proposal};
use super::typed::{self, Fault};

/// A configured half of an adapter with its kind.
pub(crate) struct Adapter<C> {
    pub(crate) kind: String,
    pub(crate) configured: C,
}

/// A kind of adapter, whether source or sink.
struct Kind<C> {
    parse: fn(ValueDeserializer<'_>) -> Result<C, toml::de::Error>,
    schema: Schema,
    validate: fn(&C) -> Vec<ConfigProblem>,
}

/// Reads a source: its own keys as `T`, and its adapter.
pub(crate) fn source<T: DeserializeOwned + JsonSchema>(
    section: &Section<'_>,
    registry: &AdapterRegistry,
    problems: &mut Vec<Problem>,
) -> (Option<T>, Option<Adapter<ConfiguredSource>>) {
    let kinds: Vec<&str> = registry.sources.keys().copied().collect();
    endpoint(section, &kinds, problems, |kind| {
        let found = registry.sources.get(kind)?;
        Some(Kind {
            parse: found.parse,
            schema: (found.schema)(),
            validate: ConfiguredSource::validate,
        })
    })
}

/// Reads a sink: its own keys as `T`, and its adapter.
pub(crate) fn sink<T: DeserializeOwned + JsonSchema>(
    section: &Section<'_>,
    registry: &AdapterRegistry,
    problems: &mut Vec<Problem>,
) -> (Option<T>, Option<Adapter<ConfiguredSink>>) {
    let kinds: Vec<&str> = registry.sinks.keys().copied().collect();
    endpoint(section, &kinds, problems, |kind| {
        let found = registry.sinks.get(kind)?;
        Some(Kind {
            parse: found.parse,
            schema: (found.schema)(),
            validate: ConfiguredSink::validate,
        })
    })
}

/// Reads a section that has no adapter.
pub(crate) fn plain<T: DeserializeOwned + JsonSchema>(
    section: &Section<'_>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    read(
        &section.title(),
        section.here(),
        section,
        &section.table,
        problems,
    )
}

fn endpoint<T: DeserializeOwned + JsonSchema, C>(
    section: &Section<'_>,
    kinds: &[&str],
    problems: &mut Vec<Problem>,
    find: impl Fn(&str) -> Option<Kind<C>>,
) -> (Option<T>, Option<Adapter<C>>) {
    let schema = schema_for!(T);
    let own_keys: BTreeSet<&str> = properties(&schema).collect();
    let mut own = DeTable::new();
    let mut adapters = Vec::new();
    let mut unknown = false;
    for (key, value) in &section.table {
        let name: &str = key.get_ref();
        match value.get_ref() {
            DeValue::Table(table) if kinds.contains(&name) => adapters.push((key, table)),
            _ if kinds.contains(&name) => {
                unknown = true;
                let message = format!(
                    "{}: `{name}` is not a table, expected `[{}.{}.{name}]`",
                    section.title(),
                    section.kind,
                    section.name
                );
                problems.push(Problem::error(section.at(key.span()), message));
            }
            DeValue::Table(_) if !own_keys.contains(name) => {
                unknown = true;
                problems.push(unknown_adapter(section, key, kinds, &own_keys));
            }
            _ => {
                own.insert(key.clone(), value.clone());
            }
        }
    }
    let own = read(&section.title(), section.here(), section, &own, problems);
    let adapter = match adapters.as_slice() {
        [(key, table)] => {
            find(key.get_ref()).and_then(|kind| configure(section, key, table, &kind, problems))
        }
        [] if unknown => None,
        [] => {
            problems.push(no_adapter(section, kinds));
            None
        }
        [(first, _), (second, _), ..] => {
            let message = format!(
                "{} has {} adapters, `{}` and `{}`, expected exactly one",
                section.title(),
                adapters.len(),
                first.get_ref(),
                second.get_ref()
            );
            problems.push(Problem::error(section.at(second.span()), message));
            None
        }
    };
    (own, adapter)
}

fn unknown_adapter(
    section: &Section<'_>,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    kinds: &[&str],
    own_keys: &BTreeSet<&str>,
) -> Problem {
    let list = expected(kinds.iter().copied(), "there is none for this");
    let message = format!(
        "{}: unknown adapter `{}`, {list}",
        section.title(),
        key.get_ref()
    );
    let valid = kinds.iter().copied().chain(own_keys.iter().copied());
    Problem::error(section.at(key.span()), message).with_help(did_you_mean(key.get_ref(), valid))
}

fn no_adapter(section: &Section<'_>, kinds: &[&str]) -> Problem {
    let tables: Vec<String> = kinds
        .iter()
        .map(|kind| format!("[{}.{}.{kind}]", section.kind, section.name))
        .collect();
    let list = expected(tables.iter().map(String::as_str), "there is none for this");
    Problem::error(
        section.here(),
        format!("{} has no adapter, {list}", section.title()),
    )
}

fn configure<C>(
    section: &Section<'_>,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    table: &DeTable<'_>,
    kind: &Kind<C>,
    problems: &mut Vec<Problem>,
) -> Option<Adapter<C>> {
    let title = format!("{} ({})", section.title(), key.get_ref());
    let here = section.at(key.span());
    let configured = typed::read(table, &kind.schema, kind.parse, &mut |fault| {
        problems.push(problem(&title, here.clone(), section, fault));
    })?;
    for found in (kind.validate)(&configured) {
        let span = locate(table, &found.key).unwrap_or_else(|| key.span());
        let message = format!("{title}: {found}");
        problems.push(match found.warning {
            true => Problem::warning(section.at(span), message),
            false => Problem::error(section.at(span), message),
        });
    }
    Some(Adapter {
        kind: key.get_ref().to_string(),
        configured,
    })
}

/// Where the value of a dotted key stands.
fn locate(table: &DeTable<'_>, dotted: &str) -> Option<std::ops::Range<usize>> {
    let (first, rest) = match dotted.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (dotted, None),
    };
    let value = table.get(first)?;
    match (rest, value.get_ref()) {
        (Some(rest), DeValue::Table(inner)) => locate(inner, rest).or(Some(value.span())),
        _ => Some(value.span()),
    }
}

fn read<T: DeserializeOwned + JsonSchema>(
    title: &str,
    here: Option<Location>,
    section: &Section<'_>,
    table: &DeTable<'_>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    typed::read(
        table,
        &schema_for!(T),
        |value| T::deserialize(value),
        &mut |fault| {
            problems.push(problem(title, here.clone(), section, fault));
        },
    )
}

fn problem(title: &str, here: Option<Location>, section: &Section<'_>, fault: Fault) -> Problem {
    let help = proposal(&fault.message);
    let location = fault.span.map_or(here, |span| section.at(span));
    let message = match fault.key {
        Some(key) => format!("{title}: `{key}`: {}", fault.message),
        None => format!("{title}: {}", fault.message),
    };
    Problem::error(location, message).with_help(help)
}

fn properties(schema: &Schema) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(|p| p.as_object());
    properties
        .into_iter()
        .flat_map(|p| p.keys().map(String::as_str))
}
