//! The jobs that a job started: `ESSExecutionDetailsRF`, a JSON text within JSON.

use serde::Serialize;
use serde_json::Value;

use super::status::Progress;

/// Longest name of a job that is kept, in characters.
const LONGEST_NAME: usize = 200;

/// A job below another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) status: String,
}

impl Child {
    pub(crate) fn progress(&self) -> Progress {
        Progress::of(&self.status)
    }
}

/// All jobs in the text, wherever they stand: it is written differently for each kind of import.
/// Their number is bounded by the text, which is that of an answer.
pub(crate) fn children(text: &str) -> Vec<Child> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        walk(&value, &mut found);
    }
    found
}

/// How far a job is that ended as `own`, with those that it started: under way while one of them is,
/// else the worst of all. A child whose state we do not know changes nothing.
pub(crate) fn overall(own: Progress, below: &[Child]) -> Progress {
    let is_any = |progress| below.iter().any(|child| child.progress() == progress);
    match own {
        Progress::Succeeded | Progress::Warning if is_any(Progress::UnderWay) => Progress::UnderWay,
        Progress::Succeeded | Progress::Warning if is_any(Progress::Failed) => Progress::Failed,
        Progress::Succeeded if is_any(Progress::Warning) => Progress::Warning,
        own => own,
    }
}

fn walk(value: &Value, found: &mut Vec<Child>) {
    match value {
        Value::Object(fields) => {
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
        assert!(children("no json").is_empty());
        let many = format!("[{}]", vec![r#"{"STATUS":"RUNNING"}"#; 500].join(","));
        assert_eq!(children(&many).len(), 500, "the last one counts too");
    }

    #[test]
    fn a_job_is_no_further_than_those_that_it_started() {
        use Progress::{Failed, Succeeded, UnderWay, Warning};
        for (own, states, expected) in [
            (Succeeded, &[][..], Succeeded),
            (Succeeded, &["SUCCEEDED"], Succeeded),
            (Succeeded, &["SUCCEEDED", "WARNING"], Warning),
            (Warning, &["SUCCEEDED"], Warning),
            (Warning, &["ERROR"], Failed),
            (Succeeded, &["WARNING", "ERROR"], Failed),
            (Succeeded, &["SUCCEEDED", "RUNNING"], UnderWay),
            (Succeeded, &["ERROR", "WAIT"], UnderWay),
            (Warning, &["RUNNING"], UnderWay),
            (Failed, &["RUNNING"], Failed),
            (Succeeded, &["SOMETHING NEW"], Succeeded),
            (Succeeded, &["SOMETHING NEW", "ERROR"], Failed),
        ] {
            let child = |status: &&str| Child {
                name: String::new(),
                id: String::new(),
                status: (*status).to_owned(),
            };
            let below: Vec<Child> = states.iter().map(child).collect();
            assert_eq!(overall(own, &below), expected, "{own:?} {states:?}");
        }
    }
}
