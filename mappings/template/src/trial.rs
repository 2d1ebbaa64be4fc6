//! A template is tried when it is loaded: what it speaks of must be there.

use hub_model::RecordKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::file::DOCUMENT;

/// Runs the template on nothing, and fails only at filters, tests and functions that do not exist.
///
/// # Errors
/// The first of those. One in a branch that nothing leads to is found when something does.
pub(crate) fn run(environment: &Environment<'static>) -> Result<(), Error> {
    let mut lenient = environment.clone();
    lenient.set_undefined_behavior(UndefinedBehavior::Chainable);
    match lenient.get_template(DOCUMENT)?.render(()) {
        Err(error) if is_unknown(error.kind()) => Err(error),
        _ => Ok(()),
    }
}

const fn is_unknown(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
    )
}

/// A field that the template speaks of and no record of this kind has, in words.
pub(crate) fn unknown_field(environment: &Environment<'_>, kind: RecordKind) -> Option<String> {
    let template = environment.get_template(DOCUMENT).ok()?;
    let known = fields(kind);
    let mut asked: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    asked.sort();
    let is_known = |name: &String| {
        let mut globals = environment.globals();
        known.contains(name) || globals.any(|(global, _)| global == name)
    };
    let wrong = asked.into_iter().find(|name| !is_known(name))?;
    Some(format!(
        "`document` speaks of `{wrong}`, expected one of {}",
        known.join(", ")
    ))
}

/// The names that a template may speak of.
fn fields(kind: RecordKind) -> Vec<String> {
    let definition = match kind {
        RecordKind::Readings => return vec!["readings".to_owned(), "envelope".to_owned()],
        RecordKind::WorkOrder => "WorkOrder",
        RecordKind::EndDevice => "EndDevice",
        RecordKind::UsagePoint => "UsagePoint",
        RecordKind::EndDeviceEvent => "EndDeviceEvent",
    };
    let schema = mapping_json::record_schema();
    let properties = schema["$defs"][definition]["properties"].as_object();
    let names = properties.into_iter().flat_map(serde_json::Map::keys);
    names.cloned().chain(["envelope".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_format_json() {
        let order = fields(RecordKind::WorkOrder);
        for field in ["number", "customer_phone", "window", "envelope"] {
            assert!(order.iter().any(|name| name == field), "{field}: {order:?}");
        }
        for kind in [
            RecordKind::EndDevice,
            RecordKind::UsagePoint,
            RecordKind::EndDeviceEvent,
        ] {
            assert!(fields(kind).len() > 3, "{kind:?}");
        }
    }
}
