//! The keys of a table, and of the tables in it, each under a heading of its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::markdown::{anchor, cell, code, prose, table};
use super::shape::{Default, Key, Schema, Shape, alternatives};

/// Writes down a table and all tables below it.
pub(super) struct Tables<'a> {
    schema: Schema<'a>,
    /// Tables that are written down, or will be: by their path, and what they are.
    known: Vec<(String, &'a Value)>,
    next: usize,
}

/// The keys of the table at `path` (`source.NAME.sftp`), and below them those of tables in it.
/// `skip`: keys that are told elsewhere.
pub(super) fn keys_of(schema: Schema<'_>, path: &str, skip: &BTreeSet<&str>) -> String {
    let mut tables = Tables {
        schema,
        known: vec![(path.to_owned(), schema.resolved())],
        next: 1,
    };
    let mut keys = schema.keys();
    keys.retain(|key| !skip.contains(key.name));
    let mut out = tables.keys(path, &keys);
    while let Some((path, value)) = tables.known.get(tables.next).cloned() {
        tables.next += 1;
        let _ = write!(out, "\n### {}\n\n", heading(&path));
        out.push_str(&tables.section(&path, value));
    }
    out
}

fn heading(path: &str) -> String {
    format!("`{path}`")
}

impl<'a> Tables<'a> {
    fn section(&mut self, path: &str, value: &'a Value) -> String {
        let schema = self.schema.of(value);
        let mut out = String::new();
        let description = schema.description();
        if !description.is_empty() {
            let _ = writeln!(out, "{}", prose(description));
        }
        match schema.shape() {
            Shape::OneOf(value) => out.push_str(&self.one_of(path, value)),
            _ => out.push_str(&self.keys(path, &schema.keys())),
        }
        out
    }

    fn keys(&mut self, path: &str, keys: &[Key<'a>]) -> String {
        if keys.is_empty() {
            return "It has no keys.\n".to_owned();
        }
        let rows: Vec<_> = keys.iter().map(|key| self.row(path, key)).collect();
        table(&["Key", "Value", "Default", "Meaning"], &rows)
    }

    fn row(&mut self, path: &str, key: &Key<'a>) -> Vec<String> {
        let path = format!("{path}.{}", key.name);
        let default = match &key.default {
            None => "**required**".to_owned(),
            Some(Default::Value(value)) => cell(&code(value)),
            Some(_) if key.meaning.contains("Default") => "see meaning".to_owned(),
            Some(Default::None) => "none".to_owned(),
            Some(Default::Untold) => "-".to_owned(),
        };
        let mut meaning = cell(key.meaning);
        if let Shape::Words(words) = &key.shape {
            for (word, text) in words.iter().filter(|(_, text)| !text.is_empty()) {
                let _ = write!(meaning, " {}: {}", code(word), cell(text));
            }
        }
        vec![
            code(key.name),
            self.value(&path, &key.shape),
            default,
            meaning,
        ]
    }

    /// What may stand for a value, in words; a table of its own gets a link.
    fn value(&mut self, path: &str, shape: &Shape<'a>) -> String {
        match shape {
            Shape::Plain(words) => words.clone(),
            Shape::Words(words) => {
                let words: Vec<_> = words.iter().map(|(word, _)| code(word)).collect();
                cell(&words.join(", "))
            }
            Shape::List(inner) => format!("list of {}", self.value(path, inner)),
            Shape::Map(inner) => {
                let value = self.value(&format!("{path}.KEY"), inner);
                format!("table of free keys, each {value}")
            }
            Shape::Table(value) => format!("[table]({})", self.link(path, value)),
            Shape::OneOf(value) => match self.short(value) {
                Some(short) => short,
                None => format!("[one of several]({})", self.link(path, value)),
            },
        }
    }

    /// Alternatives that need no section of their own: "text or integer".
    fn short(&self, value: &'a Value) -> Option<String> {
        let mut words = Vec::new();
        for one in alternatives(value)? {
            let Shape::Plain(word) = self.schema.of(one).shape() else {
                return None;
            };
            words.push(word);
        }
        words.dedup();
        Some(words.join(" or "))
    }

    /// Where a table is written down; what is the same is written down once.
    fn link(&mut self, path: &str, value: &'a Value) -> String {
        let known = self
            .known
            .iter()
            .find(|(_, known)| std::ptr::eq(*known, value));
        let path = match known {
            Some((path, _)) => path.clone(),
            None => {
                self.known.push((path.to_owned(), value));
                path.to_owned()
            }
        };
        format!("#{}", anchor(&heading(&path)))
    }

    /// Each of several alternatives.
    fn one_of(&mut self, path: &str, value: &'a Value) -> String {
        let mut rows = Vec::new();
        for one in alternatives(value).unwrap_or_default() {
            let schema = self.schema.of(one);
            let written = match schema.shape() {
                Shape::Table(value) => self.alternative(path, schema, value),
                Shape::Words(words) => {
                    let words: Vec<_> = words.iter().map(|(word, _)| code(word)).collect();
                    words.join(", ")
                }
                shape => self.value(path, &shape),
            };
            rows.push(vec![written, cell(schema.description())]);
        }
        format!("One of:\n\n{}", table(&["Value", "Meaning"], &rows))
    }

    /// An alternative that is a table: most often one key that names it.
    fn alternative(&mut self, path: &str, schema: Schema<'a>, value: &'a Value) -> String {
        match schema.keys().as_slice() {
            [key] if key.default.is_none() => {
                let value = self.value(&format!("{path}.{}", key.name), &key.shape);
                cell(&format!("table with {} = {value}", code(key.name)))
            }
            _ => {
                let number = self
                    .known
                    .iter()
                    .filter(|(known, _)| known.starts_with(path));
                let path = format!("{path} (table {})", number.count());
                format!("[table]({})", self.link(&path, value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    #[test]
    fn nested_tables_follow_each_once() {
        let root = json!({
            "$defs": {
                "Server": {
                    "description": "A server.",
                    "type": "object",
                    "properties": { "address": { "type": "string", "description": "Where." } },
                    "required": ["address"],
                },
                "Auth": {
                    "description": "Who we are.",
                    "oneOf": [
                        { "const": "anonymous", "description": "Nobody." },
                        {
                            "type": "object",
                            "description": "By password.",
                            "properties": { "password": { "type": "string" } },
                            "required": ["password"],
                        },
                    ],
                },
            },
            "type": "object",
            "properties": {
                "server": { "$ref": "#/$defs/Server", "description": "The server." },
                "second": { "anyOf": [{ "$ref": "#/$defs/Server" }, { "type": "null" }] },
                "auth": { "$ref": "#/$defs/Auth" },
                "told": { "type": "string" },
            },
            "required": ["server"],
        });
        let none = Map::new();
        let text = keys_of(
            Schema::new(&root, &none),
            "sink.NAME.x",
            &BTreeSet::from(["told"]),
        );
        assert_eq!(
            text,
            "| Key | Value | Default | Meaning |\n\
             | --- | --- | --- | --- |\n\
             | `server` | [table](#sinknamexserver) | **required** | The server. |\n\
             | `auth` | [one of several](#sinknamexauth) | - | Who we are. |\n\
             | `second` | [table](#sinknamexserver) | none | A server. |\n\
             \n### `sink.NAME.x.server`\n\nA server.\n\n\
             | Key | Value | Default | Meaning |\n\
             | --- | --- | --- | --- |\n\
             | `address` | text | **required** | Where. |\n\
             \n### `sink.NAME.x.auth`\n\nWho we are.\n\nOne of:\n\n\
             | Value | Meaning |\n\
             | --- | --- |\n\
             | `\"anonymous\"` | Nobody. |\n\
             | table with `password` = text | By password. |\n"
        );
    }
}
