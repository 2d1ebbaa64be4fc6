//! How the demo looks: short lines while it runs, then what happened, at most 100 columns wide.

use std::path::Path;
use std::time::Duration;

use hub_store::messages::{DeliveryState, DeliveryView, FindingView, MessageState};
use serde_json::{Value, json};

use super::expected::{self, Difference};
use super::folder::Folder;
use super::outcome::{Handled, Outcome};
use super::story::{STEPS, Step};
use crate::cli::output::{Paint, count, cut, paint, say, table, thousands, wrapped};
use crate::operate::{delivery_json, finding_json, message_json};

/// Widest line.
const WIDTH: usize = 100;
/// Widest note in a table.
const NOTE: usize = 46;

/// The first lines.
pub(super) fn opening(folder: &Folder) {
    let root = folder.root().display();
    say(&format!(
        "Two utilities, their partners, and a hub between them, in `{root}`."
    ));
    if let Some(earlier) = &folder.earlier {
        say(&format!(
            "What an earlier demo made is kept in `{}`.",
            earlier.display()
        ));
    }
    say("");
}

/// A step is done.
pub(super) fn step(number: usize, step: &Step, elapsed: Duration) {
    let (what, name, steps) = (step.what, step.name, STEPS.len());
    say(&format!(
        "{number}/{steps}  {what:<46}  {name:<26}  {:>4} ms",
        elapsed.as_millis()
    ));
}

/// All that happened, for people.
pub(super) fn as_text(
    outcome: &Outcome,
    differences: &[Difference],
    dir: &Path,
    elapsed: Duration,
) {
    messages(outcome);
    findings(outcome);
    estates(outcome);
    deliveries(outcome);
    parked(outcome);
    look_around(outcome, dir);
    ending(differences, elapsed);
}

fn heading(text: &str) {
    say(&format!("\n{}", paint(text, Paint::Bold)));
}

fn messages(outcome: &Outcome) {
    heading("What came in");
    let row = |handled: &Handled| {
        let message = &handled.message;
        vec![
            message.id.to_string(),
            message.name.clone(),
            message.source.clone(),
            state(handled),
            format!(
                "{} of {}",
                thousands(message.applied),
                thousands(message.records)
            ),
        ]
    };
    let rows: Vec<_> = outcome.messages.iter().map(row).collect();
    say(&table(
        &["MESSAGE", "NAME", "FROM", "STATE", "RECORDS TAKEN"],
        &rows,
    ));
    for resend in &outcome.resends {
        say(&format!(
            "{} is {} again: recognised, and not processed twice.",
            resend.name, resend.first_name
        ));
    }
}

/// `processed, 2 findings`
fn state(handled: &Handled) -> String {
    let message = &handled.message;
    let word = match message.state {
        MessageState::ProcessedWithFindings => MessageState::Processed.as_str(),
        other => other.as_str(),
    };
    match message.findings {
        0 => word.to_owned(),
        findings => format!("{word}, {}", count(findings, "finding")),
    }
}

fn findings(outcome: &Outcome) {
    heading("What was wrong, where, and what would be right");
    for handled in outcome
        .messages
        .iter()
        .filter(|handled| !handled.findings.is_empty())
    {
        say(&handled.message.name);
        for finding in &handled.findings {
            say(&format!("  {}", paint(&place(finding), Paint::Yellow)));
            for line in wrapped(&finding.reason, WIDTH - 4) {
                say(&format!("    {line}"));
            }
        }
    }
}

/// `line 34, MeterReading/IntervalBlocks/IntervalReadings/value`
fn place(finding: &FindingView) -> String {
    let mut text = match &finding.sheet {
        Some(sheet) => format!("sheet `{sheet}`, row {}", finding.line),
        None => format!("line {}", finding.line),
    };
    if let Some(field) = &finding.field {
        text = format!("{text}, {field}");
    }
    match finding.rejects {
        0 | 1 => text,
        many => format!("{text} ({} lost)", count(many, "record")),
    }
}

fn estates(outcome: &Outcome) {
    heading("What the hub knows now");
    let rows: Vec<_> = outcome
        .estates
        .iter()
        .map(|(name, estate)| {
            let numbers = [
                estate.usage_points,
                estate.end_devices,
                estate.work_orders,
                estate.readings,
            ];
            let mut row = vec![name.clone()];
            row.extend(numbers.map(thousands));
            row
        })
        .collect();
    say(&table(
        &[
            "ENTERPRISE",
            "USAGE POINTS",
            "DEVICES",
            "WORK ORDERS",
            "READINGS",
        ],
        &rows,
    ));
}

fn deliveries(outcome: &Outcome) {
    heading("What went out");
    let row = |delivery: &DeliveryView| {
        vec![
            delivery.id.to_string(),
            delivery.endpoint.clone(),
            delivery.state.as_str().to_owned(),
            delivery.attempts.to_string(),
            cut(delivery.note.as_deref().unwrap_or_default(), NOTE),
        ]
    };
    let rows: Vec<_> = outcome.deliveries().map(row).collect();
    say(&table(
        &["DELIVERY", "TO", "STATE", "ATTEMPTS", "ANSWER"],
        &rows,
    ));
    let waited = outcome
        .requests
        .iter()
        .filter(|request| request.status == 503)
        .count() as u64;
    if waited > 0 {
        say(&format!(
            "The warehouse put the hub off {} (503, Retry-After): the same again, under the same id.",
            if waited == 1 {
                "once".to_owned()
            } else {
                count(waited, "time")
            }
        ));
    }
}

fn parked(outcome: &Outcome) {
    let parked: Vec<_> = outcome
        .deliveries()
        .filter(|d| d.state == DeliveryState::Parked)
        .collect();
    if parked.is_empty() {
        return;
    }
    heading("What waits for a person");
    for delivery in parked {
        say(&format!(
            "{}  {}, to {}",
            delivery.id, delivery.subject, delivery.endpoint
        ));
        for line in wrapped(delivery.note.as_deref().unwrap_or_default(), WIDTH - 4) {
            say(&format!("    {line}"));
        }
    }
}

/// Commands that can be typed as they stand.
fn look_around(outcome: &Outcome, dir: &Path) {
    heading("Look around");
    for command in commands(outcome, dir) {
        say(&format!("  {}", command.join(" ")));
    }
}

/// Commands on what the demo left, as words for a shell.
fn commands(outcome: &Outcome, dir: &Path) -> Vec<Vec<String>> {
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "meterhub".to_owned());
    let dir = dir.display().to_string();
    let command = |words: &[&str]| {
        let words = std::iter::once(program.as_str()).chain(words.iter().copied());
        words.map(quoted).collect::<Vec<_>>()
    };
    let with_findings =
        |handled: &&Handled| handled.message.state == MessageState::ProcessedWithFindings;
    let mut commands = vec![command(&["--config", &dir, "message", "list"])];
    if let Some(handled) = outcome.messages.iter().find(with_findings) {
        let id = handled.message.id.to_string();
        commands.push(command(&["--config", &dir, "message", "show", &id]));
    }
    commands.push(command(&[
        "--config",
        &dir,
        "readings",
        "show",
        "NM-410001",
        "--enterprise",
        "north",
    ]));
    if let Some(delivery) = outcome
        .deliveries()
        .find(|d| d.state == DeliveryState::Parked)
    {
        let id = delivery.id.to_string();
        commands.push(command(&["--config", &dir, "parked", "list"]));
        commands.push(command(&[
            "--config",
            &dir,
            "parked",
            "discard",
            &id,
            "--reason",
            "not their meter",
        ]));
    }
    let (mapping, input) = (
        format!("{dir}/mappings/south-vendor.toml"),
        format!("{dir}/inputs/south-vendor.csv"),
    );
    commands.push(command(&[
        "convert",
        "--from",
        "csv",
        "--to",
        "json",
        "--mapping",
        &mapping,
        "--zone",
        "Europe/Berlin",
        &input,
    ]));
    commands
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

fn ending(differences: &[Difference], elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    if differences.is_empty() {
        let checks = format!("All {} checks passed", expected::checks());
        say(&format!(
            "\n{} in {seconds:.1} s.",
            paint(&checks, Paint::Green)
        ));
        return;
    }
    say(&format!(
        "\n{} in {seconds:.1} s:",
        paint("Not what should have happened", Paint::Red)
    ));
    let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
    for difference in differences {
        say(&format!("  {}", difference.what));
        say(&format!("    expected: {}", text(&difference.expected)));
        say(&format!("    found:    {}", text(&difference.found)));
    }
}

/// All that happened, for programs.
pub(super) fn as_json(
    outcome: &Outcome,
    differences: &[Difference],
    dir: &Path,
    elapsed: Duration,
) -> Value {
    let message = |handled: &Handled| {
        let mut all = message_json(&handled.message);
        all["findings_list"] = handled.findings.iter().map(finding_json).collect();
        all["deliveries"] = handled.deliveries.iter().map(delivery_json).collect();
        all
    };
    let resends = outcome.resends.iter().map(|resend| {
        json!({ "name": resend.name, "message_id": resend.message.to_string(), "first_name": resend.first_name })
    });
    let estates = outcome.estates.iter().map(|(name, estate)| {
        json!({
            "enterprise": name,
            "usage_points": estate.usage_points,
            "end_devices": estate.end_devices,
            "work_orders": estate.work_orders,
            "readings": estate.readings,
        })
    });
    let requests = outcome.requests.iter().map(|request| {
        json!({
            "enterprise": request.enterprise,
            "idempotency_key": request.key,
            "bytes": request.bytes,
            "status": request.status,
        })
    });
    let differences = differences.iter().map(|difference| {
        json!({ "what": difference.what, "expected": difference.expected, "found": difference.found })
    });
    json!({
        "dir": dir.display().to_string(),
        "seconds": elapsed.as_secs_f64(),
        "messages": outcome.messages.iter().map(message).collect::<Value>(),
        "resends": resends.collect::<Value>(),
        "estates": estates.collect::<Value>(),
        "warehouse_requests": requests.collect::<Value>(),
        "commands": commands(outcome, dir).iter().map(|words| words.join(" ")).collect::<Value>(),
        "checks": expected::checks(),
        "differences": differences.collect::<Value>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_safe_in_a_shell() {
        assert_eq!(quoted("target/release/meterhub"), "target/release/meterhub");
        assert_eq!(quoted("my folder"), "'my folder'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
