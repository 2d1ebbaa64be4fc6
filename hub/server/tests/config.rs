//! Reports of broken configurations, word for word: `tests/config/<case>/config` is the folder,
//! `report.txt` what a person reads. After a change on purpose, `METERHUB_BLESS=1` writes the
//! reports anew; read the difference.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use meterhub::adapters::adapters;
use meterhub::config::{
    Batch, Config, ConfigErrors, Drawing, UnknownDevices, WhenParked, render, to_json,
};
use meterhub::formats::formats;

fn load(dir: &Path) -> Result<Config, ConfigErrors> {
    Config::load(dir, &adapters(), &formats())
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

fn report(case: &Path) -> String {
    let drawing = Drawing::default();
    match load(&case.join("config")) {
        Ok(config) => format!("valid\n\n{}", render(&config.warnings, drawing)),
        Err(errors) => render(&errors.0, drawing),
    }
}

#[test]
fn reports_say_what_where_and_what_would_be_valid() {
    let mut wrong = Vec::new();
    for case in cases() {
        let report = report(&case);
        let file = case.join("report.txt");
        if std::env::var_os("METERHUB_BLESS").is_some() {
            std::fs::write(&file, &report).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if report != expected {
            wrong.push(format!("{}:\n{report}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_get_the_same_as_json() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/twice/config");
    let errors = load(&case).err().unwrap();
    let json = to_json(&errors.0);
    assert_eq!(json["errors"], 2);
    assert_eq!(
        json["problems"][1],
        serde_json::json!({
            "severity": "error",
            "message": "sink `out` is defined twice, first at a.toml:4:7",
            "help": null,
            "file": "b.toml",
            "line": 2,
            "column": 7,
        })
    );
}

#[test]
fn a_secret_written_as_a_value_is_never_repeated() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/secrets");
    let report = report(&case);
    assert!(report.contains("never as a value"), "{report}");
    assert!(!report.contains("hunter"), "{report}");
}

#[test]
fn a_folder_without_configuration_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let errors = load(folder.path()).err().unwrap();
    assert_eq!(errors.0.len(), 1);
    assert!(
        errors.0[0]
            .message
            .starts_with("no `*.toml` file in the configuration folder")
    );
    assert!(errors.0[0].help.as_ref().unwrap().contains("meterhub init"));
    let errors = load(&folder.path().join("none")).err().unwrap();
    assert!(
        errors.0[0]
            .message
            .starts_with("cannot read the configuration folder")
    );
}

const WHOLE: &str = r#"
[hub]
data_dir = "var"
listen = "[::1]:9000"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[source.hes.file]
path = "drop"
[source.scans]
enterprise = "north"
[source.scans.file]
path = "scans"
[sink.mdm]
enterprise = "north"
parallel = 3
when_parked = "go-on"
[sink.mdm.file]
path = "out"
[sink.mdm.retry]
attempts = 3
[sink.mdm.circuit]
failures = 2
[sink.mdm.rate]
per_second = 20
[sink.plain]
enterprise = "north"
[sink.plain.file]
path = "plain"
[inbound.readings]
from = "hes"
format = "cim"
unknown_devices = "create"
max_rejects = 7
[inbound.scans]
from = "scans"
format = "opaque"
to = ["mdm", "plain"]
[outbound.orders]
enterprise = "north"
on = ["work_order.created", "end_device.changed"]
filter = "record.type == 'work_order'"
format = "json"
batch = "record"
to = ["mdm"]
"#;

#[test]
fn what_is_written_is_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("all.toml"), WHOLE).unwrap();
    let config =
        load(folder.path()).unwrap_or_else(|e| panic!("{}", render(&e.0, Drawing::default())));
    assert!(config.warnings.is_empty());
    assert_eq!(config.dir, folder.path());
    assert_eq!(config.hub.data_dir, folder.path().join("var"));
    assert_eq!(config.hub.listen, "[::1]:9000".parse().unwrap());
    assert_eq!(config.zone_of("north").name(), "Europe/Helsinki");

    let (mdm, plain) = (&config.sinks["mdm"], &config.sinks["plain"]);
    assert_eq!(
        (mdm.kind.as_str(), mdm.parallel, mdm.when_parked),
        ("file", 3, WhenParked::GoOn)
    );
    assert_eq!((mdm.retry.attempts, mdm.circuit.failures), (3, 2));
    assert_eq!(mdm.rate.map(|rate| rate.per_second), Some(20));
    assert_eq!((plain.parallel, plain.when_parked), (8, WhenParked::Wait));
    assert_eq!((plain.retry.attempts, plain.rate), (12, None));

    let readings = config.inbound_of("hes").unwrap();
    assert_eq!(
        (readings.name.as_str(), readings.enterprise.as_str()),
        ("readings", "north")
    );
    assert!(readings.decoder.is_some());
    assert_eq!(
        (readings.max_rejects, readings.unknown_devices),
        (7, UnknownDevices::Create)
    );
    let scans = config.inbound_of("scans").unwrap();
    assert!(scans.decoder.is_none());
    assert_eq!(scans.to, ["mdm", "plain"]);

    let orders = &config.outbound["orders"];
    assert_eq!(orders.batch, Batch::Record);
    let events: Vec<&str> = orders.on.iter().map(|event| event.as_str()).collect();
    assert_eq!(events, ["work_order.created", "end_device.changed"]);
    let order = hub_model::Record::WorkOrder(Box::new(hub_model::WorkOrder::new("1")));
    assert_eq!(orders.filter.as_ref().unwrap().matches(&order), Ok(true));
}

#[test]
fn the_examples_of_all_adapters_are_valid() {
    let registry = adapters();
    let examples = registry
        .sources
        .iter()
        .map(|(kind, source)| ("source", *kind, (source.example)()))
        .chain(
            registry
                .sinks
                .iter()
                .map(|(kind, sink)| ("sink", *kind, (sink.example)())),
        );
    for (what, kind, example) in examples {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[enterprise.e]\nzone = \"UTC\"\n[{what}.x]\nenterprise = \"e\"\n[{what}.x.{kind}]\n{example}"
        );
        std::fs::write(folder.path().join("a.toml"), text).unwrap();
        if let Err(errors) = load(folder.path()) {
            panic!("{what} {kind}: {}", render(&errors.0, Drawing::default()));
        }
    }
}

/// A pathological file must not take long: each fault reads its table again.
#[test]
fn a_table_with_a_thousand_faults_is_reported_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let faults: String = (0..1_000).map(|i| format!("key{i} = {i}\n")).collect();
    std::fs::write(folder.path().join("a.toml"), format!("[hub]\n{faults}")).unwrap();
    let started = std::time::Instant::now();
    let errors = load(folder.path()).err().unwrap();
    assert_eq!(errors.0.len(), 1_000);
    assert!(started.elapsed() < Duration::from_secs(20));
}
