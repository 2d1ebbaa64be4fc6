//! `meterhub demo` as a new user runs it: what it says happened did happen, and what it says to
//! type next works.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn meterhub(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meterhub"))
        .args(args)
        .current_dir(folder)
        .env_remove("METERHUB_CONFIG")
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn demo(folder: &Path) -> Value {
    let output = meterhub(folder, &["demo", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn named<'v>(summary: &'v Value, name: &str) -> &'v Value {
    let messages = summary["messages"].as_array().unwrap();
    messages
        .iter()
        .find(|message| message["name"] == name)
        .unwrap()
}

#[test]
fn the_main_job_is_done_and_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = demo(folder.path());
    assert_eq!(first["differences"], serde_json::json!([]));
    what_happened(&first);
    what_was_written(folder.path(), &first);
    what_it_says_to_type(folder.path(), &first);

    let second = demo(folder.path());
    assert_eq!(
        second["differences"],
        serde_json::json!([]),
        "a second demo is like the first"
    );
    assert!(
        folder
            .path()
            .join("quickstart/earlier/1/data/meterhub.db")
            .exists(),
        "the first is kept"
    );
}

fn what_happened(summary: &Value) {
    assert_eq!(
        summary["messages"].as_array().unwrap().len(),
        5,
        "a resend is no message"
    );
    assert_eq!(summary["resends"][0]["first_name"], "north-readings.xml");
    for message in summary["messages"].as_array().unwrap() {
        let number = |key: &str| message[key].as_u64().unwrap();
        assert_eq!(
            number("records"),
            number("applied") + number("rejected"),
            "{message}"
        );
    }
    let vendor = named(summary, "south-vendor.csv");
    assert_eq!(
        (&vendor["state"], &vendor["applied"]),
        (&"processed_with_findings".into(), &186.into())
    );
    assert_eq!(vendor["findings_list"][0]["line"], 5);
    assert!(
        vendor["findings_list"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("expected a number such as `12,5`")
    );
    let portal = named(summary, "south-green-button.xml");
    assert_eq!(
        portal["business_key"], "portal-2026-03-30-0001",
        "the Idempotency-Key"
    );
    let statuses: Vec<u64> = summary["warehouse_requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 1);
}

fn what_was_written(folder: &Path, summary: &Value) {
    let order_file = named(summary, "north-work-orders.xlsx")["deliveries"][0]["note"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = folder
        .join("quickstart/out/field-contractor")
        .join(order_file);
    let orders = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        orders.lines().count(),
        7,
        "a header and six orders:\n{orders}"
    );
    assert!(
        orders.contains("WO-26-0401;CHANGE;640000000000410013;Rantatie 12;"),
        "{orders}"
    );
    assert!(
        !orders.contains("WO-26-0405"),
        "inspections are not the contractor's"
    );
    let log = std::fs::read_to_string(folder.join("quickstart/hub.log")).unwrap();
    let token = std::fs::read_to_string(folder.join("quickstart/secrets/warehouse-token")).unwrap();
    assert!(!log.contains(token.trim()), "secrets are never logged");
}

fn what_it_says_to_type(folder: &Path, summary: &Value) {
    let commands = summary["commands"].as_array().unwrap();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let command = command.as_str().unwrap();
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .output()
            .unwrap();
        // `convert` finds what the hub found, and says so by its exit code.
        let expected = if command.contains(" convert ") { 1 } else { 0 };
        let shown = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{command}\n{shown}{errors}"
        );
        assert!(shown.lines().count() >= 1, "{command} shows something");
    }
    let parked = meterhub(
        folder,
        &["--config", "quickstart", "parked", "list", "--json"],
    );
    assert!(parked.stdout.is_empty(), "the last one was discarded");
}

#[test]
fn a_folder_of_others_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("quickstart")).unwrap();
    std::fs::write(folder.path().join("quickstart/mine.txt"), "mine").unwrap();
    let output = meterhub(folder.path(), &["demo"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        errors.contains("is left alone") && errors.contains("--dir"),
        "{errors}"
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("quickstart"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn the_quickstart_configuration_is_valid_without_a_warning() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/quickstart");
    let output = meterhub(Path::new(folder), &["--config", ".", "check", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["valid"], &report["warnings"]),
        (&true.into(), &0.into()),
        "{report:#}"
    );
}
