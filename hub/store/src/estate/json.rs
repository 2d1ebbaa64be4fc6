//! Lists that are kept as JSON text: names of an object, name-value pairs.

use hub_model::{Address, Name, ObjectRef};
use serde_json::{Value, json};

use crate::StoreError;

/// `{"mrid": ..., "names": [[name, type, authority], ...]}`
pub(super) fn object(object: &ObjectRef) -> Value {
    let names: Vec<_> = object
        .names
        .iter()
        .map(|n| json!([n.name, n.name_type, n.authority]))
        .collect();
    json!({ "mrid": object.mrid, "names": names })
}

/// See [`object`].
pub(super) fn read_object(value: &Value) -> Result<ObjectRef, StoreError> {
    let names = value.get("names").and_then(Value::as_array);
    let names = names.ok_or_else(|| damaged("object"))?.iter().map(|name| {
        Ok(Name {
            name: text(name.get(0)).ok_or_else(|| damaged("name"))?,
            name_type: text(name.get(1)),
            authority: text(name.get(2)),
        })
    });
    Ok(ObjectRef {
        mrid: text(value.get("mrid")),
        names: names.collect::<Result<_, StoreError>>()?,
    })
}

/// `[[name, value], ...]`, or nothing if there are none.
pub(super) fn pairs(pairs: &[(String, String)]) -> Option<String> {
    (!pairs.is_empty()).then(|| json!(pairs).to_string())
}

/// See [`pairs`].
pub(super) fn read_pairs(text: Option<&str>) -> Result<Vec<(String, String)>, StoreError> {
    text.map_or_else(
        || Ok(Vec::new()),
        |text| serde_json::from_str(text).map_err(|_| damaged("name-value pairs")),
    )
}

/// `[street, postal code, town, country]`
pub(super) fn address(address: &Address) -> Value {
    json!([
        address.street,
        address.postal_code,
        address.town,
        address.country
    ])
}

/// See [`address`].
pub(super) fn read_address(json: &str) -> Result<Address, StoreError> {
    let value = parse(json)?;
    Ok(Address {
        street: text(value.get(0)),
        postal_code: text(value.get(1)),
        town: text(value.get(2)),
        country: text(value.get(3)),
    })
}

/// Any JSON of ours.
pub(super) fn parse(json: &str) -> Result<Value, StoreError> {
    serde_json::from_str(json).map_err(|_| damaged("text"))
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(ToOwned::to_owned)
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("JSON {what} of the estate"))
}
