//! The JSON Schema of mapping files, for editors.

use crate::file::MappingFile;

/// The JSON Schema of a mapping file.
#[must_use]
pub fn mapping_schema() -> schemars::Schema {
    schemars::schema_for!(MappingFile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described_and_no_other_is_allowed() {
        let schema = serde_json::to_value(mapping_schema()).unwrap();
        assert_eq!(schema["additionalProperties"], false);
        for (name, table) in schema["$defs"].as_object().unwrap() {
            for (key, property) in table["properties"].as_object().into_iter().flatten() {
                let described = property.get("description").is_some();
                assert!(described, "{name}.{key} has no description");
            }
        }
        assert!(schema["$defs"]["WorkOrderTable"]["properties"]["priority"].is_object());
    }
}
