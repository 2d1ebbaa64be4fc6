//! What a JSON Schema says, as far as a person who writes TOML wants to know it. Understands the
//! shapes that schemars makes; of any other it says what it can, and never fails.

use serde_json::{Map, Value};

/// Definitions refer to each other at most so deep before we call it recursive.
const MAX_DEPTH: usize = 24;

/// A schema and the definitions it refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema<'a> {
    value: &'a Value,
    definitions: &'a Map<String, Value>,
}

/// What may stand for a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape<'a> {
    /// A text, number or boolean, in words: "text", "integer from 1".
    Plain(String),
    /// One of these words, each with its meaning.
    Words(Vec<(String, &'a str)>),
    /// A list.
    List(Box<Shape<'a>>),
    /// A table whose keys are free, and their values.
    Map(Box<Shape<'a>>),
    /// A table of known keys.
    Table(&'a Value),
    /// One of these.
    OneOf(&'a Value),
}

/// What counts if a key is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Default {
    /// Nothing.
    None,
    /// This value, as TOML has it.
    Value(String),
    /// The schema does not tell.
    Untold,
}

/// A key of a table.
#[derive(Debug)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Shape<'a>,
    /// `None`: it must be there.
    pub(super) default: Option<Default>,
    pub(super) meaning: &'a str,
}

impl<'a> Schema<'a> {
    /// A schema that has its definitions with it.
    pub(super) fn new(root: &'a Value, none: &'a Map<String, Value>) -> Self {
        Self {
            value: root,
            definitions: root["$defs"].as_object().unwrap_or(none),
        }
    }

    /// Another schema with the same definitions.
    pub(super) const fn of(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    /// Its doc comment.
    pub(super) fn description(self) -> &'a str {
        let own = self.value["description"].as_str();
        own.or_else(|| self.resolved()["description"].as_str())
            .unwrap_or_default()
    }

    /// The schema itself: references followed, what may also be null taken for what it else is.
    pub(super) fn resolved(self) -> &'a Value {
        let mut value = self.value;
        for _ in 0..MAX_DEPTH {
            let next = reference(value)
                .and_then(|name| self.definitions.get(name))
                .or_else(|| only_one(value));
            match next {
                Some(next) => value = next,
                None => return value,
            }
        }
        value
    }

    /// The keys of a table, those that must be there first, else in the order of their names.
    pub(super) fn keys(self) -> Vec<Key<'a>> {
        let value = self.resolved();
        let properties = value["properties"].as_object();
        let required = |name: &str| {
            let required = value["required"].as_array();
            required.is_some_and(|all| all.iter().any(|one| one == name))
        };
        let key = |(name, schema): (&'a String, &'a Value)| {
            let inner = self.of(schema);
            Key {
                name,
                shape: inner.shape(),
                default: (!required(name)).then(|| inner.default()),
                meaning: inner.description(),
            }
        };
        let mut keys: Vec<_> = properties.into_iter().flatten().map(key).collect();
        keys.sort_by_key(|key| (key.default.is_some(), key.name));
        keys
    }

    /// What may stand here.
    pub(super) fn shape(self) -> Shape<'a> {
        self.shape_within(0)
    }

    fn shape_within(self, depth: usize) -> Shape<'a> {
        let value = self.resolved();
        let inner = |value| Box::new(self.of(value).shape_within(depth + 1));
        if depth > MAX_DEPTH {
            return Shape::Plain("anything".to_owned());
        }
        if self.is_secret() {
            return Shape::Plain("`env:NAME` or `file:PATH`".to_owned());
        }
        if let Some(words) = words(value) {
            return Shape::Words(words);
        }
        if value["properties"].is_object() {
            return Shape::Table(value);
        }
        if alternatives(value).is_some() {
            return Shape::OneOf(value);
        }
        match types(value).as_slice() {
            ["array"] => match (&value["items"], value["prefixItems"].as_array()) {
                (Value::Null | Value::Bool(_), None) => Shape::Plain("list".to_owned()),
                (items, None) => Shape::List(inner(items)),
                (_, Some(items)) => Shape::Plain(format!("list of {} values", items.len())),
            },
            ["object"] => match &value["additionalProperties"] {
                free @ Value::Object(_) => Shape::Map(inner(free)),
                _ => Shape::Plain("table".to_owned()),
            },
            types => Shape::Plain(plain(value, types)),
        }
    }

    /// Whether it is a reference to a secret.
    fn is_secret(self) -> bool {
        let alternatives = alternatives(self.value).unwrap_or_default();
        let mut names = std::iter::once(self.value)
            .chain(alternatives)
            .filter_map(reference);
        names.any(|name| name.rsplit('.').next() == Some("Secret"))
    }

    /// What counts if the key is not there.
    fn default(self) -> Default {
        let may_be_null = ["oneOf", "anyOf"].iter().any(|several| {
            let several = self.value[several].as_array();
            several.is_some_and(|all| all.iter().any(|one| one["type"] == "null"))
        });
        match self.value.get("default") {
            Some(Value::Null) => Default::None,
            Some(value) => Default::Value(in_toml(value)),
            None if may_be_null => Default::None,
            None => match self.value["type"].as_array() {
                Some(types) if types.iter().any(|one| one == "null") => Default::None,
                _ => Default::Untold,
            },
        }
    }
}

/// The definition that a schema refers to.
fn reference(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// The schemas of which one, or any, must fit; without null, which TOML has not.
pub(super) fn alternatives(value: &Value) -> Option<Vec<&Value>> {
    let all = value["oneOf"].as_array().or(value["anyOf"].as_array())?;
    let is_null = |one: &&Value| one["type"] == "null";
    Some(all.iter().filter(|one| !is_null(one)).collect())
}

/// What stands alone in a list of alternatives, or of schemas that must all fit.
fn only_one(value: &Value) -> Option<&Value> {
    let alone = |all: Vec<&'_ Value>| -> Option<usize> { (all.len() == 1).then_some(0) };
    if value["properties"].is_object() {
        return None;
    }
    if let Some(all) = value["allOf"].as_array() {
        return (all.len() == 1).then(|| &all[0]);
    }
    let all = alternatives(value)?;
    let first = *all.first()?;
    // One word among null is a word of its own, with its meaning.
    let is_word = first.get("const").is_some();
    (alone(all).is_some() && !is_word).then_some(first)
}

/// The words of an enumeration with their meanings.
fn words(value: &Value) -> Option<Vec<(String, &str)>> {
    if let Some(word) = value.get("const") {
        return Some(vec![(in_toml(word), meaning(value))]);
    }
    if let Some(words) = value["enum"].as_array() {
        let words = words.iter().filter(|word| !word.is_null());
        return Some(words.map(|word| (in_toml(word), "")).collect());
    }
    let mut all = Vec::new();
    for one in alternatives(value)? {
        let is_listed = one.get("const").is_some() || one["enum"].is_array();
        all.extend(is_listed.then(|| words(one)).flatten()?);
    }
    (!all.is_empty()).then_some(all)
}

fn meaning(value: &Value) -> &str {
    value["description"].as_str().unwrap_or_default()
}

/// The types that a schema names, without null.
fn types(value: &Value) -> Vec<&str> {
    let types: Vec<&str> = match &value["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    types.into_iter().filter(|kind| *kind != "null").collect()
}

/// A plain value in words.
fn plain(value: &Value, types: &[&str]) -> String {
    let words: Vec<&str> = types.iter().copied().map(type_word).collect();
    match words.as_slice() {
        [] => "anything".to_owned(),
        words => format!("{}{}", words.join(" or "), range(value)),
    }
}

fn type_word(name: &str) -> &str {
    match name {
        "string" => "text",
        "boolean" => "`true` or `false`",
        "array" => "list",
        "object" => "table",
        other => other,
    }
}

/// " from 1 to 1024". The bounds of the machine's own types say nothing.
fn range(value: &Value) -> String {
    const OF_TYPES: [u64; 4] = [255, 65_535, 4_294_967_295, u64::MAX];
    let from = value["minimum"].as_u64().filter(|from| *from > 0);
    let to = value["maximum"]
        .as_u64()
        .filter(|to| !OF_TYPES.contains(to));
    match (from, to) {
        (Some(from), Some(to)) => format!(" from {from} to {to}"),
        (Some(from), None) => format!(" from {from}"),
        (None, Some(to)) => format!(" up to {to}"),
        (None, None) => String::new(),
    }
}

/// A JSON value as TOML has it on a line.
pub(super) fn in_toml(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(in_toml).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries: Vec<_> = entries
                .map(|(key, value)| format!("{key} = {}", in_toml(value)))
                .collect();
            match entries.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{ {} }}", entries.join(", ")),
            }
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shape(root: Value) -> String {
        let none = Map::new();
        format!("{:?}", Schema::new(&root, &none).shape())
    }

    #[test]
    fn references_and_what_may_be_null_are_what_they_refer_to() {
        let root = json!({
            "$defs": { "Place": { "type": "string", "description": "Where it is." } },
            "anyOf": [{ "$ref": "#/$defs/Place" }, { "type": "null" }],
        });
        let none = Map::new();
        let schema = Schema::new(&root, &none);
        assert_eq!(schema.shape(), Shape::Plain("text".to_owned()));
        assert_eq!(schema.description(), "Where it is.");
    }

    #[test]
    fn keys_that_must_be_there_come_first() {
        let root = json!({
            "properties": {
                "a": { "type": ["string", "null"], "default": null },
                "b": { "type": "integer", "minimum": 1, "maximum": 1024, "default": 8 },
                "z": { "type": "array", "items": { "type": "string" }, "description": "All." },
            },
            "required": ["z"],
        });
        let none = Map::new();
        let keys = Schema::new(&root, &none).keys();
        let names: Vec<_> = keys.iter().map(|key| key.name).collect();
        assert_eq!(names, ["z", "a", "b"]);
        let defaults: Vec<_> = keys.iter().map(|key| key.default.clone()).collect();
        assert_eq!(
            defaults,
            [
                None,
                Some(Default::None),
                Some(Default::Value("8".to_owned()))
            ]
        );
        assert_eq!(
            keys[2].shape,
            Shape::Plain("integer from 1 to 1024".to_owned())
        );
    }

    #[test]
    fn enumerations_are_words_with_meanings() {
        let words = json!({ "oneOf": [
            { "const": "check", "description": "Look." },
            { "enum": ["declare", "both"] },
        ] });
        assert_eq!(
            shape(words),
            "Words([(\"\\\"check\\\"\", \"Look.\"), (\"\\\"declare\\\"\", \"\"), (\"\\\"both\\\"\", \"\")])"
        );
    }

    /// Whatever a helper's types are, a page is made.
    #[test]
    fn no_schema_is_too_strange() {
        let endless = json!({
            "$defs": { "A": { "$ref": "#/$defs/B" }, "B": { "$ref": "#/$defs/A" } },
            "$ref": "#/$defs/A",
        });
        let nested = json!({ "$defs": { "L": { "type": "array", "items": { "$ref": "#/$defs/L" } } }, "$ref": "#/$defs/L" });
        for strange in [
            endless,
            nested,
            json!(true),
            json!({}),
            json!([]),
            json!({ "type": "array" }),
            json!({ "type": "array", "prefixItems": [{}, {}] }),
            json!({ "type": 7, "oneOf": [] }),
            json!({ "allOf": [{ "type": "string" }, { "minLength": 1 }] }),
            json!({ "$ref": "#/elsewhere" }),
            json!({ "anyOf": [{ "type": "null" }] }),
            json!({ "properties": [], "required": {} }),
        ] {
            let none = Map::new();
            let schema = Schema::new(&strange, &none);
            let _ = (schema.shape(), schema.keys().len(), schema.description());
        }
    }

    #[test]
    fn defaults_stand_as_toml_has_them() {
        for (json, toml) in [
            (json!(["*"]), "[\"*\"]"),
            (json!({ "a": 1, "b": null }), "{ a = 1 }"),
            (json!({}), "{}"),
            (json!(""), "\"\""),
            (json!(false), "false"),
        ] {
            assert_eq!(in_toml(&json), toml);
        }
    }
}
