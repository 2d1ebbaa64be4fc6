//! Answers that mean something else than they seem to, as configured.

use hub_web::Answer;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// The port has the IDoc.
    Accepted,
    /// It will never take it: the message is parked.
    Refused,
    /// Not now: try again.
    Retry,
}

/// An answer and what it means.
pub(crate) struct Rule {
    pub(crate) statuses: Vec<u16>,
    pub(crate) body: Option<Regex>,
    pub(crate) means: Means,
}

/// What the first rule that fits says.
pub(crate) fn meaning(rules: &[Rule], answer: &Answer) -> Option<Means> {
    let body = String::from_utf8_lossy(&answer.body);
    means(rules, answer.status.as_u16(), &body)
}

fn means(rules: &[Rule], status: u16, body: &str) -> Option<Means> {
    let fits = |rule: &&Rule| {
        let is_status = rule.statuses.is_empty() || rule.statuses.contains(&status);
        let pattern = rule.body.as_ref();
        is_status && pattern.is_none_or(|pattern| pattern.is_match(body))
    };
    rules.iter().find(fits).map(|rule| rule.means)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rule = |statuses: &[u16], body: Option<&str>, means| Rule {
            statuses: statuses.to_vec(),
            body: body.map(|body| Regex::new(body).unwrap()),
            means,
        };
        let rules = [
            rule(&[200], Some("^queued"), Means::Accepted),
            rule(&[], Some("(?i)duplicate"), Means::Accepted),
            rule(&[503], None, Means::Refused),
        ];
        for (status, body, expected) in [
            (200, "queued 1 error", Some(Means::Accepted)),
            (400, "Duplicate IDoc", Some(Means::Accepted)),
            (503, "", Some(Means::Refused)),
            (200, "error", None),
        ] {
            assert_eq!(means(&rules, status, body), expected, "{status} {body}");
        }
    }
}
