//! What a sender is told of a message, as one JSON object.

use hub_model::mapping::{Answer, Envelope, Outcome, Told, Verdict};
use serde::Serialize;

/// Writes answers as JSON: `{"message_id", "correlation_id", "name", "result", "applied",
/// "rejected", "findings", "details"}`. `result` is `applied`, `applied_in_part` or `refused`;
/// `details` holds the first findings, each with `severity`, `code`, `line`, `offset`, `sheet`,
/// `field` and `reason`, what is not known left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonAnswer;

#[derive(Serialize)]
struct Wire<'a> {
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    name: &'a str,
    result: &'static str,
    applied: u64,
    rejected: u64,
    findings: u64,
    details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    severity: &'static str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    reason: &'a str,
}

impl<'a> From<&'a Told> for Detail<'a> {
    fn from(told: &'a Told) -> Self {
        let known = |number: u64| Some(number).filter(|number| *number > 0);
        Self {
            severity: told.severity.as_str(),
            code: &told.code,
            line: known(told.place.line),
            offset: known(told.place.offset),
            sheet: told.place.sheet.as_deref(),
            field: told.field.as_deref(),
            reason: &told.reason,
        }
    }
}

impl Answer for JsonAnswer {
    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn answer(&self, _: &Envelope, outcome: &Outcome, out: &mut Vec<u8>) {
        let wire = Wire {
            message_id: &outcome.message_id,
            correlation_id: outcome.business_key.as_deref(),
            name: &outcome.name,
            result: match outcome.verdict {
                Verdict::Applied => "applied",
                Verdict::AppliedInPart => "applied_in_part",
                Verdict::Refused => "refused",
            },
            applied: outcome.applied,
            rejected: outcome.rejected,
            findings: outcome.findings,
            details: outcome.told.iter().map(Detail::from).collect(),
        };
        serde_json::to_writer(out, &wire).expect("texts and numbers are always JSON");
    }
}

#[cfg(test)]
mod tests {
    use hub_model::{Instant, Place, Severity, Zone};

    use super::*;

    #[test]
    fn an_answer_names_result_and_places() {
        let outcome = Outcome {
            message_id: "M1".into(),
            business_key: Some("k-7".into()),
            name: "a.csv".into(),
            verdict: Verdict::AppliedInPart,
            applied: 2,
            rejected: 1,
            findings: 1,
            told: vec![Told {
                severity: Severity::Error,
                code: "number".into(),
                place: Place::at(40, 3),
                field: Some("value".into()),
                reason: "`x` is no number".into(),
            }],
        };
        let envelope = Envelope {
            message_id: "A1".into(),
            created: Instant::EPOCH,
            zone: Zone::utc(),
        };
        let mut out = Vec::new();
        JsonAnswer.answer(&envelope, &outcome, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"message_id":"M1","correlation_id":"k-7","name":"a.csv","result":"applied_in_part","applied":2,"rejected":1,"findings":1,"details":[{"severity":"error","code":"number","line":3,"offset":40,"field":"value","reason":"`x` is no number"}]}"#
        );
    }
}
