//! `meterhub schema`.

use serde_json::Value;

use crate::{code, meterhub, stdout};

#[test]
fn schemas_are_whole() {
    for of in ["config", "records", "mapping"] {
        let output = meterhub(&["schema", of], "");
        assert_eq!(code(&output), 0);
        let schema: Value = serde_json::from_str(&stdout(&output)).unwrap();
        follow(&schema, &schema);
    }
    let config: Value = serde_json::from_str(&stdout(&meterhub(&["schema"], ""))).unwrap();
    let source = &config["properties"]["source"]["additionalProperties"];
    assert!(source["properties"]["file"]["properties"]["path"].is_object());
    assert!(source["properties"]["enterprise"].is_object());
    assert!(
        source["oneOf"]
            .as_array()
            .unwrap()
            .contains(&serde_json::json!({ "required": ["http"] }))
    );
}

/// Every reference of a schema leads somewhere.
fn follow(schema: &Value, at: &Value) {
    match at {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(schema.pointer(pointer).is_some(), "{target}");
            }
            object.values().for_each(|value| follow(schema, value));
        }
        Value::Array(items) => items.iter().for_each(|value| follow(schema, value)),
        _ => {}
    }
}
