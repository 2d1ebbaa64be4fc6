//! CEL expressions over the columns of a row: compiled when the mapping is loaded, run per row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

/// Longest expression; a longer one belongs into a table.
const MAX_EXPRESSION_BYTES: usize = 4_096;
/// Deepest nesting of brackets: the parser recurses, so this bounds its stack.
const MAX_NESTING: usize = 24;
/// The variable that holds the whole row as a map from column name to text.
const ROW: &str = "row";

/// Standard CEL with the string functions (`trim`, `split`, `replace`, `substring` ...).
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Fails only if its functions were there already.
    let _ = env.add_extension(cel::extensions::strings);
    Arc::new(env)
});

/// A CEL expression with its text.
#[derive(Clone)]
pub struct Expression {
    text: String,
    program: Arc<Program>,
    columns: Vec<String>,
    whole_row: bool,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({})", self.text)
    }
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Why not, with line and column within the expression.
    pub fn compile(text: &str) -> Result<Self, String> {
        check_size(text)?;
        // The parser is generated code; a mapping file must not be able to bring the hub down.
        let program = catch_unwind(AssertUnwindSafe(|| ENVIRONMENT.compile(text)))
            .map_err(|_| "not a CEL expression".to_owned())?
            .map_err(|errors| describe(&errors))?;
        let mut columns: Vec<String> = program
            .references()
            .variables()
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        columns.sort_unstable();
        let whole_row = columns.iter().any(|name| name == ROW);
        columns.retain(|name| name != ROW);
        Ok(Self {
            text: text.to_owned(),
            program: Arc::new(program),
            columns,
            whole_row,
        })
    }

    /// Evaluates to a text; `None` for null and for an empty text.
    ///
    /// # Errors
    /// Why it has no value for this row.
    pub(crate) fn evaluate<'r>(
        &self,
        value_of: &dyn Fn(&str) -> Option<Cow<'r, str>>,
        all: &dyn Fn() -> HashMap<String, String>,
    ) -> Result<Option<String>, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for name in &self.columns {
            if let Some(value) = value_of(name) {
                context.add_variable_from_value(name.as_str(), value.into_owned());
            }
        }
        if self.whole_row {
            context.add_variable_from_value(ROW, all());
        }
        let run = || self.program.execute(&context);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(value)) => as_text(&value),
            Ok(Err(error)) => Err(format!("`{}`: {error}", self.text)),
            Err(_) => Err(format!("`{}` failed", self.text)),
        }
    }
}

fn check_size(text: &str) -> Result<(), String> {
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(format!(
            "expression is longer than {MAX_EXPRESSION_BYTES} bytes"
        ));
    }
    let mut depth = 0usize;
    let mut operators = 0usize;
    for c in text.bytes() {
        match c {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' => operators += 1,
            _ => operators = operators.saturating_sub(usize::from(c.is_ascii_alphanumeric())),
        }
        if depth > MAX_NESTING || operators > MAX_NESTING {
            return Err(format!(
                "expression is nested deeper than {MAX_NESTING} levels"
            ));
        }
    }
    Ok(())
}

fn describe(errors: &cel::ParseErrors) -> String {
    let all: Vec<String> = errors
        .errors
        .iter()
        .take(3)
        .map(|error| format!("at {}:{} {}", error.pos.0, error.pos.1, error.msg))
        .collect();
    format!("not a CEL expression: {}", all.join("; "))
}

fn as_text(value: &Value) -> Result<Option<String>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        other => {
            return Err(format!(
                "expression gives a {}, expected a text, number or truth value",
                other.type_of()
            ));
        }
    };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::compile(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": MAX_EXPRESSION_BYTES,
            "description": "CEL over the row's columns as texts: by name where the name is an identifier, or `row[\"Any name\"]`.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<Option<String>, String> {
        let value_of = |name: &str| match name {
            "Order" => Some("  4711 ".into()),
            "Empty" => Some("".into()),
            _ => None,
        };
        let all = || HashMap::from([("Order no".to_owned(), "12".to_owned())]);
        Expression::compile(text)?.evaluate(&value_of, &all)
    }

    #[test]
    fn evaluates_over_columns() {
        assert_eq!(run("'WO-' + Order.trim()"), Ok(Some("WO-4711".into())));
        assert_eq!(run("row['Order no'] + 'x'"), Ok(Some("12x".into())));
        assert_eq!(run("int(Order.trim()) + 1"), Ok(Some("4712".into())));
        assert_eq!(run("Empty == '' ? null : Empty"), Ok(None));
        assert_eq!(
            run("Order.contains('47') ? 'exchange' : 'install'"),
            Ok(Some("exchange".into()))
        );
    }

    #[test]
    fn says_why_it_cannot() {
        assert!(
            run("1 +").unwrap_err().contains("at 1:"),
            "{:?}",
            run("1 +")
        );
        assert!(run("Unknown + 'x'").unwrap_err().contains("Unknown"));
        assert!(run("[1, 2]").unwrap_err().contains("list"));
        assert!(run(&"(".repeat(2_000)).is_err());
        assert!(run(&"!".repeat(2_000)).is_err());
        assert!(run(&"1+".repeat(5_000)).is_err());
    }
}
