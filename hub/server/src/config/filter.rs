//! Filters: a CEL expression that decides whether a record is told.
//!
//! The one variable is `record`. Its fields (all of them always there, null where unknown):
//!
//! | record | fields |
//! | --- | --- |
//! | all | `type` (`readings`, `work_order`, `end_device`, `usage_point`, `end_device_event`) |
//! | readings | `meter usage_point reading_type kind count` |
//! | work order | `number revision action kind status priority meter device new_device usage_point window_start window_end performed comment deviation attributes street postal_code town country` |
//! | device | `meter device serial_number device_type manufacturer service usage_point status installed attributes` |
//! | usage point | `usage_point service street postal_code town country` |
//! | device event | `meter device usage_point event_type at reason severity attributes` |

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Env, Program, Value};
use hub_model::{Record, RecordKind};

use super::fields;
use super::suggest::{did_you_mean, expected};

/// Longest filter. The parser recurses, so this and [`MAX_NESTING`] bound its stack.
const MAX_BYTES: usize = 4_096;
/// Deepest nesting of brackets and of unary operators.
const MAX_NESTING: usize = 24;
/// The one variable.
const RECORD: &str = "record";

/// Standard CEL with the string functions (`startsWith`, `lowerAscii`, `split` ...).
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Fails only if its functions were there already.
    let _ = env.add_extension(cel::extensions::strings);
    Arc::new(env)
});

/// A compiled filter. Cheap to clone.
#[derive(Clone)]
pub struct Filter {
    text: Arc<str>,
    program: Arc<Program>,
}

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FilterError {
    /// What is wrong, where in the expression, and what would be valid.
    pub reason: String,
    /// A proposal.
    pub help: Option<String>,
}

impl Filter {
    /// Compiles a filter over records of these kinds.
    ///
    /// # Errors
    /// Not CEL, a variable other than `record`, or a field that no such record has.
    pub fn compile(text: &str, kinds: &[RecordKind]) -> Result<Self, FilterError> {
        let plain = |reason: String| FilterError { reason, help: None };
        check_size(text).map_err(plain)?;
        // The parser is generated code; a configuration must not be able to bring the hub down.
        let program = catch_unwind(AssertUnwindSafe(|| ENVIRONMENT.compile(text)))
            .map_err(|_| plain("not a CEL expression".to_owned()))?
            .map_err(|errors| plain(describe(&errors)))?;
        let filter = Self {
            text: text.into(),
            program: Arc::new(program),
        };
        filter.check_names(kinds)?;
        filter.check_result(kinds)?;
        Ok(filter)
    }

    /// Whether the record passes.
    ///
    /// # Errors
    /// The expression has no truth value for this record: it compares an unknown value (null) by
    /// order, say.
    pub fn matches(&self, record: &Record) -> Result<bool, String> {
        let fields: HashMap<&str, Value> = fields::of(record).into_iter().collect();
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        let all = all_names().iter().map(|name| {
            let value = fields.get(name).cloned().unwrap_or(Value::Null);
            (*name, value)
        });
        context.add_variable_from_value(RECORD, all.collect::<HashMap<_, _>>());
        let run = || self.program.execute(&context);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(Value::Bool(truth))) => Ok(truth),
            Ok(Ok(other)) => Err(format!(
                "`{}` gives a {}, expected true or false",
                self.text,
                other.type_of()
            )),
            Ok(Err(error)) => Err(format!("`{}`: {error}", self.text)),
            Err(_) => Err(format!("`{}` failed", self.text)),
        }
    }

    /// Why the filter fails on a record that leaves out what it asks for, if it does.
    pub(crate) fn fails_on_nothing(&self, kinds: &[RecordKind]) -> Option<String> {
        let fails = |kind: &RecordKind| self.matches(&fields::blank(*kind)).err();
        kinds.iter().find_map(fails)
    }

    fn check_names(&self, kinds: &[RecordKind]) -> Result<(), FilterError> {
        let mut valid: Vec<&str> = Vec::new();
        for kind in kinds {
            for name in fields::names(*kind) {
                if !valid.contains(&name) {
                    valid.push(name);
                }
            }
        }
        let mut checked = Names {
            program: &self.program,
            valid: &valid,
            bound: Vec::new(),
        };
        checked.expression(self.program.expression())
    }

    fn check_result(&self, kinds: &[RecordKind]) -> Result<(), FilterError> {
        let wrong = self
            .fails_on_nothing(kinds)
            .filter(|reason| reason.ends_with("expected true or false"));
        match wrong {
            Some(reason) => Err(FilterError { reason, help: None }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The names of all fields of all kinds.
fn all_names() -> &'static BTreeSet<&'static str> {
    static NAMES: LazyLock<BTreeSet<&str>> =
        LazyLock::new(|| fields::KINDS.into_iter().flat_map(fields::names).collect());
    &NAMES
}

fn check_size(text: &str) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("longer than {MAX_BYTES} bytes"));
    }
    let (mut depth, mut operators) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'!' | b'-' | b'?' => operators += 1,
            byte if byte.is_ascii_alphanumeric() => operators = 0,
            _ => {}
        }
        if depth > MAX_NESTING || operators > MAX_NESTING {
            return Err(format!("nested deeper than {MAX_NESTING} levels"));
        }
    }
    Ok(())
}

fn describe(errors: &cel::ParseErrors) -> String {
    let first = errors.errors.first();
    first.map_or_else(
        || "not a CEL expression".to_owned(),
        |error| {
            format!(
                "not a CEL expression: {} at column {}",
                error.msg, error.pos.1
            )
        },
    )
}

/// Walks an expression and checks the names in it.
struct Names<'n> {
    program: &'n Program,
    valid: &'n [&'n str],
    /// Variables of the macros around (`all`, `exists`, `map` ...).
    bound: Vec<String>,
}

impl Names<'_> {
    fn expression(&mut self, node: &IdedExpr) -> Result<(), FilterError> {
        match &node.expr {
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) if name == RECORD => self.field(node, &select.field, select.test),
                _ => self.expression(&select.operand),
            },
            Expr::Call(call) => {
                let target = call.target.as_deref();
                target
                    .into_iter()
                    .chain(&call.args)
                    .try_for_each(|part| self.expression(part))
            }
            Expr::List(list) => list
                .elements
                .iter()
                .try_for_each(|part| self.expression(part)),
            Expr::Map(map) => self.entries(&map.entries),
            Expr::Struct(value) => self.entries(&value.entries),
            Expr::Comprehension(loops) => {
                self.expression(&loops.iter_range)?;
                self.expression(&loops.accu_init)?;
                let outside = self.bound.len();
                self.bound
                    .extend([loops.iter_var.clone(), loops.accu_var.clone()]);
                self.bound.extend(loops.iter_var2.clone());
                let inside = [&loops.loop_cond, &loops.loop_step, &loops.result];
                let checked = inside
                    .into_iter()
                    .try_for_each(|part| self.expression(part));
                self.bound.truncate(outside);
                checked
            }
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn entries(&mut self, entries: &[cel::common::ast::IdedEntryExpr]) -> Result<(), FilterError> {
        entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(pair) => {
                self.expression(&pair.key)?;
                self.expression(&pair.value)
            }
        })
    }

    fn variable(&self, node: &IdedExpr, name: &str) -> Result<(), FilterError> {
        if name == RECORD || name.starts_with('@') || self.bound.iter().any(|b| b == name) {
            return Ok(());
        }
        let known = self.valid.contains(&name);
        Err(FilterError {
            reason: format!(
                "unknown variable `{name}`{}, expected `{RECORD}`",
                self.column(node)
            ),
            help: known.then(|| format!("did you mean `{RECORD}.{name}`?")),
        })
    }

    fn field(&self, node: &IdedExpr, name: &str, test: bool) -> Result<(), FilterError> {
        if !self.valid.contains(&name) {
            let list = expected(self.valid.iter().copied(), "there is none");
            return Err(FilterError {
                reason: format!(
                    "unknown field `{RECORD}.{name}`{}, {list}",
                    self.column(node)
                ),
                help: did_you_mean(name, self.valid.iter().copied()),
            });
        }
        match test {
            false => Ok(()),
            true => Err(FilterError {
                reason: format!(
                    "`has({RECORD}.{name})`{} is always true, write `{RECORD}.{name} != null`",
                    self.column(node)
                ),
                help: None,
            }),
        }
    }

    /// Where a name stands: a variable begins with its node, a field one after its dot.
    fn column(&self, node: &IdedExpr) -> String {
        let name = match node.expr {
            Expr::Select(_) => 2,
            _ => 1,
        };
        let place = self.program.source_info().offset_for(node.id);
        place.map_or_else(String::new, |(start, _)| {
            format!(" at column {}", start + name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_model::{ObjectRef, ReadingBlock, ReadingKind, WorkOrder, WorkOrderStatus};

    const ORDERS: &[RecordKind] = &[RecordKind::WorkOrder];

    fn order(change: impl FnOnce(&mut WorkOrder)) -> Record {
        let mut order = WorkOrder::new("4711");
        change(&mut order);
        Record::WorkOrder(Box::new(order))
    }

    fn matches(text: &str, record: &Record) -> Result<bool, String> {
        Filter::compile(text, &[record.kind()])
            .map_err(|e| e.reason)?
            .matches(record)
    }

    #[test]
    fn asks_for_fields_of_an_order() {
        let record = order(|order| {
            order.kind = Some("exchange".into());
            order.status = Some(WorkOrderStatus::Assigned);
            order.priority = Some(7);
            order.device = Some(ObjectRef::by_mrid("M-1"));
            order.attributes = vec![("region".into(), "south".into())];
        });
        for text in [
            "record.type == 'work_order' && record.number == '4711'",
            "record.kind in ['exchange', 'remove'] && record.status == 'assigned'",
            "record.priority != null && record.priority >= 7",
            "record.meter.startsWith('M-') && record.usage_point == null",
            "record.attributes['region'] == 'south'",
            "['exchange', 'x'].exists(word, word == record.kind)",
        ] {
            assert_eq!(matches(text, &record), Ok(true), "{text}");
        }
        assert_eq!(matches("record.kind == 'install'", &record), Ok(false));
    }

    #[test]
    fn what_is_unknown_is_null_and_equal_to_nothing_else() {
        let record = order(|_| {});
        assert_eq!(matches("record.kind == 'exchange'", &record), Ok(false));
        assert_eq!(matches("record.kind == null", &record), Ok(true));
        assert!(matches("record.priority > 3", &record).is_err());
    }

    #[test]
    fn a_field_of_another_kind_is_null_where_the_route_has_both() {
        let kinds = [RecordKind::WorkOrder, RecordKind::Readings];
        let filter =
            Filter::compile("record.number == '4711' || record.count == 0", &kinds).unwrap();
        let block = ReadingBlock::new(Default::default(), ReadingKind::Register);
        assert_eq!(filter.matches(&Record::Readings(block)), Ok(true));
    }

    #[test]
    fn wrong_names_are_refused_with_the_right_ones() {
        let error = Filter::compile("record.knd == 'x'", ORDERS).unwrap_err();
        assert!(
            error
                .reason
                .starts_with("unknown field `record.knd` at column 8, expected one of "),
            "{error}"
        );
        assert!(error.reason.contains("`number`, `revision`"), "{error}");
        assert_eq!(error.help.as_deref(), Some("did you mean `kind`?"));
        let error = Filter::compile("kind == 'x'", ORDERS).unwrap_err();
        assert_eq!(error.help.as_deref(), Some("did you mean `record.kind`?"));
        let error = Filter::compile("record.reading_type == 'x'", ORDERS).unwrap_err();
        assert!(
            error
                .reason
                .starts_with("unknown field `record.reading_type`")
        );
        let error = Filter::compile("has(record.kind)", ORDERS).unwrap_err();
        assert!(
            error.reason.contains("write `record.kind != null`"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_truth_value_is_refused() {
        let error = Filter::compile("record.number", ORDERS).unwrap_err();
        assert_eq!(
            error.reason,
            "`record.number` gives a string, expected true or false"
        );
        let error = Filter::compile("record.kind == ", ORDERS).unwrap_err();
        assert!(
            error.reason.starts_with("not a CEL expression: "),
            "{error}"
        );
    }

    #[test]
    fn hostile_expressions_are_refused_without_a_crash() {
        for text in ["(".repeat(4_000), "!".repeat(4_000), "1+".repeat(4_000)] {
            assert!(Filter::compile(&text, ORDERS).is_err());
        }
    }
}
