//! What should have happened. The demo is also a test of the build that shows it.

use std::collections::BTreeMap;

use hub_store::messages::FindingView;

use super::outcome::Outcome;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// About what.
    pub(super) what: String,
    /// What should have been; `None`: nothing.
    pub(super) expected: Option<String>,
    /// What was; `None`: nothing.
    pub(super) found: Option<String>,
}

/// What should be, by what it is about. See `fixtures/demo/README.md` for why.
const EXPECTED: &[(&str, &str)] = &[
    (
        "message north-work-orders.xlsx",
        "processed_with_findings, 7 of 9 records applied",
    ),
    ("finding north-work-orders.xlsx 1", "row 8, From: bad_value"),
    (
        "finding north-work-orders.xlsx 2",
        "row 13, revision: revision_conflict",
    ),
    (
        "message north-readings.xml",
        "processed, 279 of 279 records applied",
    ),
    (
        "message south-green-button.xml",
        "processed, 24 of 24 records applied",
    ),
    (
        "message south-vendor.csv",
        "processed_with_findings, 186 of 188 records applied",
    ),
    ("finding south-vendor.csv 1", "line 5, 17:00: bad_value"),
    ("finding south-vendor.csv 2", "line 7, Status 05: bad_value"),
    (
        "message north-readings-damaged.xml",
        "processed_with_findings, 190 of 201 records applied",
    ),
    (
        "finding north-readings-damaged.xml 1",
        "line 34, value: bad_value",
    ),
    (
        "finding north-readings-damaged.xml 2",
        "line 150, timeStamp: bad_time",
    ),
    (
        "finding north-readings-damaged.xml 3",
        "line 229: truncated",
    ),
    ("resend north-readings-again.xml", "north-readings.xml"),
    (
        "estate north",
        "3 usage points, 3 devices, 7 work orders, 469 readings",
    ),
    (
        "estate south",
        "5 usage points, 4 devices, 0 work orders, 209 readings",
    ),
    ("deliveries field-contractor", "1 delivered"),
    ("deliveries warehouse-north", "2 delivered"),
    ("deliveries warehouse-south", "4 delivered, 1 parked"),
    ("warehouse north", "503 202 202"),
    ("warehouse south", "202 202 202 202 422"),
    (
        "warehouse ids",
        "the same at every attempt, another for each document",
    ),
];

/// What is not as it should be.
pub(super) fn differences(outcome: &Outcome) -> Vec<Difference> {
    let expected: BTreeMap<String, String> = EXPECTED
        .iter()
        .map(|(what, is)| ((*what).to_owned(), (*is).to_owned()))
        .collect();
    compare(&expected, &found(outcome))
}

fn compare(
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let all = expected
        .keys()
        .chain(found.keys().filter(|what| !expected.contains_key(*what)));
    all.map(|what| Difference {
        what: what.clone(),
        expected: expected.get(what).cloned(),
        found: found.get(what).cloned(),
    })
    .filter(|difference| difference.expected != difference.found)
    .collect()
}

/// How many things are checked.
pub(super) const fn checks() -> usize {
    EXPECTED.len()
}

fn found(outcome: &Outcome) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for handled in &outcome.messages {
        let message = &handled.message;
        let name = &message.name;
        let is = format!(
            "{}, {} of {} records applied",
            message.state.as_str(),
            message.applied,
            message.records
        );
        found.insert(format!("message {name}"), is);
        for (index, finding) in handled.findings.iter().enumerate() {
            found.insert(
                format!("finding {name} {}", index + 1),
                place_and_code(finding),
            );
        }
    }
    for resend in &outcome.resends {
        found.insert(format!("resend {}", resend.name), resend.first_name.clone());
    }
    for (name, estate) in &outcome.estates {
        let is = format!(
            "{} usage points, {} devices, {} work orders, {} readings",
            estate.usage_points, estate.end_devices, estate.work_orders, estate.readings
        );
        found.insert(format!("estate {name}"), is);
    }
    found.extend(deliveries(outcome));
    found.extend(answers(outcome));
    found
}

fn place_and_code(finding: &FindingView) -> String {
    let word = if finding.sheet.is_some() {
        "row"
    } else {
        "line"
    };
    // Of a path the last element says enough.
    let field = finding
        .field
        .as_deref()
        .map(|field| field.rsplit('/').next().unwrap_or(field));
    let field = field.map(|field| format!(", {field}")).unwrap_or_default();
    format!("{word} {}{field}: {}", finding.line, finding.code)
}

fn deliveries(outcome: &Outcome) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    for delivery in outcome.deliveries() {
        let states = counts.entry(&delivery.endpoint).or_default();
        *states.entry(delivery.state.as_str()).or_default() += 1;
    }
    let line = |states: BTreeMap<&str, u32>| {
        let parts: Vec<String> = states
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        parts.join(", ")
    };
    counts
        .into_iter()
        .map(|(sink, states)| (format!("deliveries {sink}"), line(states)))
        .collect()
}

/// What the warehouse answered: north in order (there is one lane), south sorted (there are many).
fn answers(outcome: &Outcome) -> Vec<(String, String)> {
    let of = |enterprise: &str, sorted: bool| {
        let requests = outcome
            .requests
            .iter()
            .filter(|request| request.enterprise == enterprise);
        let mut statuses: Vec<String> =
            requests.map(|request| request.status.to_string()).collect();
        if sorted {
            statuses.sort();
        }
        (format!("warehouse {enterprise}"), statuses.join(" "))
    };
    let ids = match ids_are_constant(outcome) {
        true => "the same at every attempt, another for each document",
        false => "not the ids of the deliveries",
    };
    vec![
        of("north", false),
        of("south", true),
        ("warehouse ids".to_owned(), ids.to_owned()),
    ]
}

/// Each delivery of the warehouse was asked under its own id, as often as it was attempted.
fn ids_are_constant(outcome: &Outcome) -> bool {
    let mut attempts: BTreeMap<&str, u32> = BTreeMap::new();
    for request in &outcome.requests {
        *attempts.entry(&request.key).or_default() += 1;
    }
    let to_warehouse = outcome
        .deliveries()
        .filter(|delivery| delivery.endpoint.starts_with("warehouse-"));
    let made: BTreeMap<String, u32> = to_warehouse
        .map(|delivery| (delivery.id.to_string(), delivery.attempts))
        .collect();
    made.iter()
        .map(|(id, count)| (id.as_str(), *count))
        .eq(attempts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_other_or_too_much_is_a_difference() {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let expected = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let found = map(&[("a", "1"), ("b", "x"), ("d", "4")]);
        let differences = compare(&expected, &found);
        let whats: Vec<&str> = differences.iter().map(|d| d.what.as_str()).collect();
        assert_eq!(whats, ["b", "c", "d"]);
        assert_eq!(differences[2].expected, None);
    }
}
