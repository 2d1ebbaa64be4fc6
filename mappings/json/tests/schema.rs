//! The schema documents every field, and its examples are lines the decoder takes.

mod common;

use common::decode;
use mapping_json::record_schema;
use serde_json::Value;

/// Calls `visit` on every object schema with properties.
fn objects<'a>(schema: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") {
                visit(schema);
            }
            map.values().for_each(|value| objects(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|value| objects(value, visit)),
        _ => {}
    }
}

#[test]
fn every_field_is_documented_and_no_other_is_allowed() {
    let schema = record_schema();
    let mut seen = 0;
    objects(&schema, &mut |object| {
        assert_eq!(
            object["additionalProperties"],
            Value::Bool(false),
            "{object}"
        );
        for (name, field) in object["properties"].as_object().unwrap() {
            assert!(field.get("description").is_some(), "`{name}`: {field}");
            seen += 1;
        }
    });
    assert!(seen > 50, "{seen} fields");
}

#[test]
fn the_examples_are_lines_the_decoder_takes() {
    let schema = record_schema();
    let mut lines = String::new();
    objects(&schema, &mut |object| {
        for example in object
            .get("examples")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            lines += &format!("{example}\n");
        }
    });
    assert_eq!(lines.lines().count(), 5);
    let read = decode(lines.as_bytes());
    assert_eq!(read.findings, vec![]);
    assert_eq!(read.records.len(), 5);
}

#[test]
fn a_reading_must_say_its_value() {
    let schema = record_schema();
    let mut required = Vec::new();
    objects(&schema, &mut |object| {
        if object["properties"].get("reading_type").is_some() {
            required = object["required"].as_array().unwrap().clone();
        }
    });
    for field in ["record", "reading_type", "kind", "at", "value"] {
        assert!(
            required.contains(&Value::from(field)),
            "{field}: {required:?}"
        );
    }
}
