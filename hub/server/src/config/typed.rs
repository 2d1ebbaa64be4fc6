//! Reads a table into a type and reports everything that is wrong with it, not only the first thing.
//!
//! Serde stops at the first error. So the entry that the error points at is taken out and the
//! table is read again, until it reads or nothing is left to take out.

use std::ops::Range;

use schemars::Schema;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

/// What is wrong within a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where; `None` is the table as a whole.
    pub(crate) span: Option<Range<usize>>,
    /// The dotted key whose value is wrong, where the message does not name it.
    pub(crate) key: Option<String>,
    /// What.
    pub(crate) message: String,
}

/// Reads a table, handing every fault to `report`. `None` if it cannot be read even without the
/// entries that were at fault.
///
/// `schema` names the required fields, so that all the missing ones are reported at once.
pub(crate) fn read<'a, T>(
    table: &DeTable<'a>,
    schema: &Schema,
    parse: impl Fn(ValueDeserializer<'a>) -> Result<T, Error>,
    report: &mut dyn FnMut(Fault),
) -> Option<T> {
    for name in required(schema).filter(|name| !table.contains_key(*name)) {
        report(Fault {
            span: None,
            key: None,
            message: format!("missing field `{name}`"),
        });
    }
    let mut rest = table.clone();
    let mut removed = Vec::new();
    loop {
        let value = Spanned::new(0..0, DeValue::Table(rest.clone()));
        let error = match parse(ValueDeserializer::from(value)) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let span = error.span().filter(|span| *span != (0..0));
        let Some(span) = span else {
            // The table itself: a missing field, reported above, or what only the type knows.
            if !error.message().starts_with("missing field") {
                report(Fault {
                    span: None,
                    key: None,
                    message: error.message().to_owned(),
                });
            }
            return None;
        };
        let key = remove_at(&mut rest, &span);
        if !follows(error.message(), key.as_deref(), &removed) {
            report(Fault {
                span: Some(span),
                key: key
                    .clone()
                    .filter(|_| !error.message().starts_with("unknown field")),
                message: plainly(error.message()),
            });
        }
        removed.push(key?);
    }
}

/// Whether an error about `key` only says that something is missing that was taken out of it.
fn follows(message: &str, key: Option<&str>, removed: &[String]) -> bool {
    let Some(key) = key else {
        return false;
    };
    let missing = message
        .strip_prefix("missing field `")
        .and_then(|m| m.strip_suffix('`'));
    match missing {
        Some(field) => removed.contains(&format!("{key}.{field}")),
        None => removed
            .iter()
            .any(|gone| gone.starts_with(&format!("{key}."))),
    }
}

fn required(schema: &Schema) -> impl Iterator<Item = &str> {
    let list = schema.get("required").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// Serde's message in words of the configuration, not of Rust.
fn plainly(message: &str) -> String {
    let message = match message.strip_prefix("unknown variant") {
        Some(rest) => format!("unknown value{rest}"),
        None => message.to_owned(),
    };
    const INTEGERS: [&str; 7] = ["u8", "u16", "u32", "u64", "usize", "i32", "i64"];
    match message.rsplit_once("expected ") {
        Some((start, kind)) if kind.starts_with("a nonzero u") => {
            format!("{start}expected a whole number from 1")
        }
        Some((start, kind)) if INTEGERS.contains(&kind) => {
            let sign = if kind.starts_with('i') { "" } else { " from 0" };
            format!("{start}expected a whole number{sign}")
        }
        _ => message,
    }
}

/// Takes out the innermost entry whose key or value holds the span, and tells its dotted key.
fn remove_at(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    // Sub-tables first: the header of a table may stand anywhere in the file.
    for (key, value) in table.iter_mut() {
        let place = value.span();
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(below) = remove_at(inner, span)
        {
            return Some(format!("{}.{below}", key.get_ref()));
        }
        if holds(key.span()) || holds(place) {
            let key = key.get_ref().clone();
            table.remove(key.as_ref());
            return Some(key.into_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::{JsonSchema, schema_for};
    use serde::Deserialize;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(default)]
        #[expect(dead_code, reason = "only read from TOML")]
        seconds: u32,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read from TOML")]
        path: String,
        #[expect(dead_code, reason = "only read from TOML")]
        url: String,
        #[serde(default)]
        inner: Option<Inner>,
    }

    fn faults(text: &str) -> (Option<Outer>, Vec<String>) {
        let table = DeTable::parse(text).unwrap();
        let mut faults = Vec::new();
        let schema = schema_for!(Outer);
        let read = read(table.get_ref(), &schema, Outer::deserialize, &mut |fault| {
            let at = fault.span.map_or("", |span| &text[span]);
            let key = fault.key.unwrap_or_default();
            faults.push(format!("{at}: {key}: {}", fault.message));
        });
        (read, faults)
    }

    #[test]
    fn every_fault_is_reported_once() {
        let (read, found) = faults("pth = 1\nur = 2\n[inner]\nsecnds = 3\nseconds = 'x'\n");
        assert!(read.is_none());
        assert_eq!(
            found,
            [
                ": : missing field `path`",
                ": : missing field `url`",
                "secnds: : unknown field `secnds`, expected `seconds`",
                "'x': inner.seconds: invalid type: string \"x\", expected a whole number from 0",
                "pth: : unknown field `pth`, expected one of `path`, `url`, `inner`",
                "ur: : unknown field `ur`, expected one of `path`, `url`, `inner`",
            ]
        );
    }

    #[test]
    fn what_is_right_is_read_although_something_is_wrong() {
        let (read, found) = faults("path = 'a'\nurl = 'b'\nextra = 1\ninner.seconds = 2\n");
        assert!(read.unwrap().inner.is_some());
        assert_eq!(found.len(), 1);
    }
}
