//! The JSON Schema of a configuration file, for editors.

use std::borrow::Cow;

use hub_core::AdapterRegistry;
use hub_domain::EventKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::{Map, Value, json};

use super::tables::{
    EnterpriseTable, HubTable, InboundTable, OutboundTable, SinkTable, SourceTable,
};

/// The word of an event, for the schema.
pub(crate) struct EventName;

impl JsonSchema for EventName {
    fn schema_name() -> Cow<'static, str> {
        "EventName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = EventKind::ALL.iter().map(|event| event.as_str()).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// JSON Schema of one file of the configuration folder, with the tables of all adapters.
#[must_use]
pub fn config_schema(registry: &AdapterRegistry) -> Value {
    let mut definitions = Map::new();
    let sources = registry
        .sources
        .iter()
        .map(|(kind, source)| (*kind, (source.schema)()));
    let source = endpoint(
        "source",
        schema_for!(SourceTable),
        sources,
        &mut definitions,
    );
    let sinks = registry
        .sinks
        .iter()
        .map(|(kind, sink)| (*kind, (sink.schema)()));
    let sink = endpoint("sink", schema_for!(SinkTable), sinks, &mut definitions);
    let mut plain = |schema| part(schema, &mut definitions);
    let properties = json!({
        "hub": plain(schema_for!(HubTable)),
        "enterprise": named(plain(schema_for!(EnterpriseTable))),
        "inbound": named(plain(schema_for!(InboundTable))),
        "outbound": named(plain(schema_for!(OutboundTable))),
        "source": named(source),
        "sink": named(sink),
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Meterhub configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// Tables with names of their own: `[source.NAME]`.
fn named(table: Value) -> Value {
    json!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z0-9][a-z0-9-]{0,63}$" },
        "additionalProperties": table,
    })
}

/// A schema to stand inside the whole: its definitions move to the common ones.
///
/// Definitions of the same name are the same type, or of adapters that differ in nothing an
/// editor shows; the first one stays.
fn part(schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut value = schema.to_value();
    if let Some(object) = value.as_object_mut() {
        object.remove("$schema");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            for (name, definition) in own {
                definitions.entry(name).or_insert(definition);
            }
        }
    }
    value
}

/// The table of a source or sink: its own keys, and exactly one adapter.
fn endpoint(
    what: &str,
    own: Schema,
    adapters: impl Iterator<Item = (&'static str, Schema)>,
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut table = part(own, definitions);
    let adapters: Vec<(&str, Value)> = adapters
        .map(|(kind, schema)| {
            (
                kind,
                renamed(&format!("{what}.{kind}"), schema, definitions),
            )
        })
        .collect();
    let one_of: Vec<Value> = adapters
        .iter()
        .map(|(kind, _)| json!({ "required": [kind] }))
        .collect();
    if let Some(properties) = table.get_mut("properties").and_then(Value::as_object_mut) {
        properties.extend(
            adapters
                .into_iter()
                .map(|(kind, schema)| (kind.to_owned(), schema)),
        );
    }
    if !one_of.is_empty() {
        table["oneOf"] = one_of.into();
    }
    table
}

/// An adapter's schema. Its definitions get `prefix` in front of their names: two adapters may
/// both have an `Order`.
fn renamed(prefix: &str, schema: Schema, definitions: &mut Map<String, Value>) -> Value {
    let mut value = schema.to_value();
    add_prefix(&mut value, prefix);
    if let Some(Value::Object(own)) = value.get_mut("$defs") {
        *own = std::mem::take(own)
            .into_iter()
            .map(|(name, definition)| (format!("{prefix}.{name}"), definition))
            .collect();
    }
    let schema = Schema::try_from(value).unwrap_or_default();
    part(schema, definitions)
}

fn add_prefix(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replace("#/$defs/", &format!("#/$defs/{prefix}."));
                    }
                    other => add_prefix(other, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| add_prefix(item, prefix)),
        _ => {}
    }
}
