//! The jobs that a job started: `ESSExecutionDetailsRF`, a JSON text within JSON.

use serde::Serialize;
use serde_json::Value;

use super::status::Progress;

/// Most jobs that are listed.
const MOST: usize = 200;
/// Longest name of a job that is kept, in characters.
const LONGEST_NAME: usize = 200;

/// A job below another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) status: String,
}

/// All jobs in the text, wherever they stand: it is written differently for each kind of import.
pub(crate) fn children(text: &str) -> Vec<Child> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        walk(&value, &mut found);
    }
    found
}

/// The worst of their states.
pub(crate) fn worst(children: &[Child]) -> Option<Progress> {
    let ended = children.iter().map(|child| Progress::of(&child.status));
    ended
        .filter(|progress| *progress != Progress::UnderWay)
        .max()
}

fn walk(value: &Value, found: &mut Vec<Child>) {
    match value {
        Value::Object(fields) if found.len() < MOST => {
            if let (id, Some(status)) = (text(value, "REQUESTID"), text(value, "STATUS")) {
                found.push(Child {
                    name: text(value, "JOBNAME").unwrap_or_default(),
                    id: id.unwrap_or_default(),
                    status,
                });
            }
            fields.values().for_each(|value| walk(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
        _ => {}
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    let text = match value.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text.chars().take(LONGEST_NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_found_wherever_they_stand() {
        let text = r#"{"JOBS":[{"JOBNAME":"Load","REQUESTID":"11","STATUS":"SUCCEEDED","CHILD":[
            {"JOBNAME":"Transfer","REQUESTID":12,"STATUS":"ERROR"}]},{"STATUS":7}]}"#;
        let found = children(text);
        assert_eq!(found.len(), 3);
        assert_eq!(
            (found[1].name.as_str(), found[1].id.as_str()),
            ("Transfer", "12")
        );
        assert_eq!(worst(&found), Some(Progress::Failed));
        assert_eq!(worst(&found[..1]), Some(Progress::Succeeded));
        assert_eq!(worst(&[]), None);
        assert!(children("no json").is_empty());
    }
}
