//! The command line, through the built binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use hub_core::SystemClock;
use hub_core::files::OsFiles;
use hub_store::messages::Store;
use hub_store::sqlite::SqliteOptions;
use serde_json::Value;

fn meterhub(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meterhub"))
        .args(args)
        .env_remove("METERHUB_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn here(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(path)
        .display()
        .to_string()
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(path)
}

/// Standard error without the time that the conversion took.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" in ") {
        Some((counts, time)) if time.ends_with(" s") => format!("{counts} in T s\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn what_init_writes_is_valid_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("hub");
    let dir = dir.to_str().unwrap();
    let init = meterhub(&["init", dir], "");
    assert_eq!(code(&init), 0, "{}", stderr(&init));

    let check = meterhub(&["check", "--config", dir], "");
    assert_eq!(
        stdout(&check),
        format!("{dir}: valid, 1 enterprise, 3 sources, 1 sink, 4 routes\n")
    );
    assert_eq!((code(&check), stderr(&check)), (0, String::new()));

    let connect = meterhub(&["check", "--connect", "--json", "--config", dir], "");
    let report: Value = serde_json::from_str(&stdout(&connect)).unwrap();
    assert_eq!(report["valid"], true);
    let endpoints = report["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 4);
    assert!(
        endpoints.iter().all(|endpoint| endpoint["ok"] == true),
        "{report}"
    );

    std::fs::remove_dir(Path::new(dir).join("drop/erp")).unwrap();
    let connect = meterhub(&["check", "--connect", "--config", dir], "");
    assert_eq!(code(&connect), 1);
    let said = stdout(&connect);
    assert!(said.contains("source `north-erp`"), "{said}");
    let verdict = format!("{dir}: 1 of 4 endpoints does not answer, 1 enterprise");
    assert!(said.lines().last().unwrap().starts_with(&verdict), "{said}");

    let before = std::fs::read(Path::new(dir).join("meterhub.toml")).unwrap();
    let again = meterhub(&["init", dir], "");
    assert_eq!(code(&again), 2);
    assert!(stderr(&again).contains("exists and is not overwritten"));
    assert_eq!(
        std::fs::read(Path::new(dir).join("meterhub.toml")).unwrap(),
        before
    );
}

#[test]
fn a_broken_configuration_exits_with_1_and_says_so_in_json() {
    let dir = here("tests/config/twice/config");
    let check = meterhub(&["check", "--config", &dir], "");
    assert_eq!(code(&check), 1);
    assert!(stderr(&check).contains("sink `out` is defined twice"));
    assert!(
        stderr(&check).ends_with(": 2 errors\n"),
        "{}",
        stderr(&check)
    );
    let check = meterhub(&["check", "--json", "--config", &dir], "");
    assert_eq!(code(&check), 1);
    let report: Value = serde_json::from_str(&stdout(&check)).unwrap();
    assert_eq!(
        (&report["valid"], &report["errors"]),
        (&Value::Bool(false), &2.into())
    );
}

#[test]
fn every_command_reports_a_broken_configuration_once() {
    let dir = here("tests/config/twice/config");
    for command in [&["run"][..], &["message", "list"], &["parked", "list"]] {
        let output = meterhub(&[command, &["--config", &dir]].concat(), "");
        let said = stderr(&output);
        assert_eq!((code(&output), stdout(&output)), (3, String::new()));
        assert_eq!(
            said.matches("sink `out` is defined twice").count(),
            1,
            "{said}"
        );
        assert!(
            said.lines().last().unwrap().ends_with(": 2 errors"),
            "{said}"
        );

        let output = meterhub(&[command, &["--json", "--config", &dir]].concat(), "");
        let report: Value = serde_json::from_str(&stderr(&output)).unwrap();
        assert_eq!(code(&output), 3);
        assert_eq!(report["errors"], 2);
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_by_line_and_byte() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hub.toml"), b"[hub]\n# M\xe4rz\n").unwrap();
    let check = meterhub(&["check", "--config", folder.path().to_str().unwrap()], "");
    let said = stderr(&check);
    let part = "cannot read `hub.toml`: line 2 is not UTF-8: 0xE4 at its byte 4";
    assert!(said.contains(part), "{said}");
    assert!(said.ends_with(": 1 error\n"), "{said}");
}

#[test]
fn operators_commands_need_a_store_and_say_when_there_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(code(&meterhub(&["init", dir], "")), 0);
    let data = folder.path().join("data");
    for command in [
        &["message", "list"][..],
        &["parked", "list"],
        &["readings", "show", "M-1"],
    ] {
        let output = meterhub(&[command, &["--config", dir]].concat(), "");
        let said = format!(
            "error: no hub has run here yet: `{}` has no store\n",
            data.display()
        );
        assert_eq!((code(&output), stderr(&output)), (3, said));
        assert!(!data.exists(), "looking makes nothing");
    }

    // What a hub that has run leaves behind.
    let (files, clock) = (Arc::new(OsFiles), Arc::new(SystemClock));
    let open = Store::open(&data, 1, SqliteOptions::default(), files, clock);
    drop(
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(open)
            .unwrap(),
    );
    for (command, expected, text) in [
        (&["message", "list"][..], 0, "no messages\n"),
        (
            &["message", "list", "--source", "north-erp"],
            0,
            "no messages\n",
        ),
        (&["parked", "list"], 0, "nothing is parked\n"),
        (
            &["message", "list", "--source", "erp"],
            2,
            "error: unknown source `erp`, expected one of `contractor-reports`, `north-erp`, `north-head-end`\n",
        ),
        (
            &["message", "list", "--enterprise", "south"],
            2,
            "error: unknown enterprise `south`, expected `north`\n",
        ),
        (
            &["parked", "list", "--sink", "x"],
            2,
            "error: unknown sink `x`, expected `contractor`\n",
        ),
    ] {
        let output = meterhub(&[command, &["--config", dir]].concat(), "");
        let said = [stdout(&output), stderr(&output)].concat();
        assert_eq!((code(&output), said.as_str()), (expected, text));
    }
}

/// The hub may be running: its database is its own to bring up to date.
#[test]
fn an_operators_newer_program_leaves_the_hubs_database_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(code(&meterhub(&["init", dir], "")), 0);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let database = Store::database(&data);
    let hub = rusqlite::Connection::open(&database).unwrap();
    hub.pragma_update(None, "user_version", 2).unwrap();
    for command in [
        &["message", "list"][..],
        &["message", "replay", "01J8Q2X5ZK7VM", "--reason", "x"],
        &["parked", "list"],
        &["readings", "show", "M-1"],
    ] {
        let output = meterhub(&[command, &["--config", dir]].concat(), "");
        assert_eq!(code(&output), 3);
        let said = stderr(&output);
        let expected = "error: the hub's database is of version 2, this program expects ";
        assert!(said.starts_with(expected), "{said}");
        assert!(said.contains("`meterhub run`"), "{said}");
    }
    let version: i64 = hub
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 2);
}

#[test]
fn json_becomes_the_contractors_csv() {
    let orders = concat!(
        r#"{"record":"work_order","number":"=1+1","kind":"exchange","device":"M-1","#,
        r#""window":{"start":"2026-03-29T00:15:00Z","end":"2026-03-29T04:15:00Z"}}"#,
        "\n",
        r#"{"record":"work_order","number":2}"#,
        "\n",
        r#"{"record":"end_device","id":"M-1"}"#,
        "\n",
    );
    let mapping = here("tests/cli/orders.toml");
    let args = [
        "convert",
        "--from",
        "json",
        "--to",
        "csv",
        "--mapping",
        &mapping,
    ];
    let converted = meterhub(
        &[&args[..], &["--zone", "Europe/Helsinki", "-"]].concat(),
        orders,
    );
    assert_eq!(
        stdout(&converted),
        "Order;Work;Meter;From;To\n'=1+1;EXCH;M-1;29.03.2026 02:15;29.03.2026 07:15\n"
    );
    assert_eq!(
        timeless(&stderr(&converted)),
        "stdin:2: error: in `number`: invalid type: integer `2`, expected a string (column 33)\n\
         stdin: warning: 1 device has no place in csv and is left out\n\
         1 record, 1 finding in T s\n"
    );
    assert_eq!(code(&converted), 1);
}

#[test]
fn what_the_output_has_no_place_for_is_a_warning_for_each_kind() {
    let lines = concat!(
        r#"{"record":"end_device","id":"M-1"}"#,
        "\n",
        r#"{"record":"usage_point","id":"P-1"}"#,
        "\n",
        r#"{"record":"usage_point","id":"P-2"}"#,
        "\n",
    );
    let converted = meterhub(&["convert", "--from", "json", "--to", "cim", "-"], lines);
    assert_eq!(
        timeless(&stderr(&converted)),
        "stdin: warning: 1 device has no place in cim and is left out\n\
         stdin: warning: 2 usage points have no place in cim and are left out\n\
         0 records, 0 findings in T s\n"
    );
    assert_eq!(code(&converted), 0);
}

#[test]
fn a_reading_that_cannot_be_written_does_not_take_its_day_with_it() {
    let reading = |minute: &str, extra: &str| {
        format!(
            r#"{{"record":"reading","kind":"interval","meter":"M-1","reading_type":"0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0","at":"2026-03-29T00:{minute}:00Z"{extra}}}"#
        )
    };
    let lines = [
        reading("15", r#","value":"1.5""#),
        reading("30", r#","value":null"#),
        reading("45", r#","value":"2","source":"a\u0001""#),
    ];
    let converted = meterhub(
        &["convert", "--from", "json", "--to", "cim", "-"],
        &lines.join("\n"),
    );
    assert_eq!(
        timeless(&stderr(&converted)),
        "stdin:3: error: in `source`: holds '\\u{1}', a character XML cannot hold\n\
         2 records, 1 finding in T s\n"
    );
    let xml = stdout(&converted);
    assert!(
        xml.contains("<value>1.5</value>") && xml.contains("2.5.259"),
        "{xml}"
    );
}

#[test]
fn csv_becomes_json_with_findings_by_line() {
    let rows = "Order;Work;Meter;From\n1;EXCH;M-1;01.06.2026 08:00\n2;DANCE;M-2;\n3;INST;M-3;31.06.2026 08:00\n4;INST;M-4;\n";
    let mapping = here("tests/cli/orders.toml");
    let args = [
        "convert",
        "--from",
        "csv",
        "--to",
        "json",
        "--mapping",
        &mapping,
        "--json",
    ];
    let converted = meterhub(
        &[&args[..], &["--zone", "Europe/Helsinki", "-"]].concat(),
        rows,
    );
    assert_eq!(code(&converted), 1);
    let numbers: Vec<String> = stdout(&converted)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].to_string())
        .collect();
    assert_eq!(numbers, [r#""1""#, r#""4""#]);
    let said: Vec<Value> = stderr(&converted)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&said[0]["line"], &said[1]["line"]), (&3.into(), &4.into()));
    assert_eq!(
        (&said[2]["records"], &said[2]["findings"]),
        (&2.into(), &2.into())
    );
}

#[test]
fn cim_becomes_json_and_cim_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = fixture("cim/autumn-day/input.xml").display().to_string();
    let json = folder.path().join("day.jsonl").display().to_string();
    let convert = |args: &[&str]| {
        let output = meterhub(&[&["convert"], args].concat(), "");
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(timeless(&stderr(&output)).contains("0 findings"));
        stdout(&output)
    };
    assert_eq!(
        convert(&["--from", "cim", "--to", "json", "--output", &json, &input]),
        ""
    );
    let lines = std::fs::read_to_string(&json).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    assert_eq!(
        mode(Path::new(&json)),
        mode(&plain),
        "as readable as any new file"
    );
    assert_eq!(
        lines.lines().count(),
        100,
        "the long day has 100 quarter-hours"
    );

    let head = ["--message-id", "M-1", "--created", "2026-11-01T00:00:00Z"];
    let xml = convert(&[&head[..], &["--from", "json", "--to", "cim", &json]].concat());
    let twice = convert(&[&head[..], &["--from", "json", "--to", "cim", &json]].concat());
    assert_eq!(xml, twice, "the same input gives the same bytes");
    let cim = folder.path().join("day.xml").display().to_string();
    std::fs::write(&cim, xml).unwrap();
    for threads in ["1", "4"] {
        let back = convert(&["--threads", threads, "--from", "cim", "--to", "json", &cim]);
        assert_eq!(back, lines);
    }
}

#[test]
fn a_flood_of_findings_is_cut_and_counted() {
    let bad = "x\n".repeat(1_500);
    let args = [
        "convert",
        "--from",
        "json",
        "--to",
        "json",
        "--max-findings",
        "2",
        "-",
    ];
    let converted = meterhub(&args, &bad);
    let said = stderr(&converted);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert_eq!(
        lines[2],
        "... and 1,498 more findings; `--max-findings 0` prints all"
    );
    assert!(
        lines[3].starts_with("0 records, 1,500 findings in "),
        "{said}"
    );
}

#[test]
fn wrong_use_exits_with_2_and_files_that_fail_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.jsonl");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let mapping = here("tests/cli/orders.toml");
    let broken = folder.path().join("broken.toml");
    std::fs::write(
        &broken,
        "record = \"work_order\"\n[work_order]\nnumbr = \"Order\"\n",
    )
    .unwrap();
    let cases: [(&[&str], i32, &str); 12] = [
        (
            &["--from", "json", "--to", "json", "--threads", "0", file],
            2,
            "0 is not in 1..=256",
        ),
        (
            &["--from", "json", "--to", "json", "--threads", "257", file],
            2,
            "257 is not in 1..=256",
        ),
        (
            &["--from", "json", "--to", "json", "/dev/null"],
            3,
            "pipe it in, with `-` as the file",
        ),
        (
            &["--from", "jsn", "--to", "json", file],
            2,
            "a similar value exists: 'json'",
        ),
        (
            &["--from", "json", "--to", "espi", file],
            2,
            "[possible values: ",
        ),
        (
            &["--from", "json", "--to", "csv", file],
            2,
            "`--to csv` needs a mapping file: `--to-mapping FILE`",
        ),
        (
            &["--from", "csv", "--to", "json", file],
            2,
            "`--from csv` needs a mapping file: `--mapping FILE`",
        ),
        (
            &[
                "--from",
                "json",
                "--to",
                "json",
                "--mapping",
                &mapping,
                file,
            ],
            2,
            "`--from json` takes no mapping file",
        ),
        (
            &[
                "--from",
                "json",
                "--to",
                "csv",
                "--mapping",
                broken.to_str().unwrap(),
                file,
            ],
            2,
            "broken.toml:3:1]",
        ),
        (
            &[
                "--from",
                "json",
                "--to",
                "json",
                "--zone",
                "Mars/Base",
                file,
            ],
            2,
            "unknown time zone `Mars/Base`",
        ),
        (
            &["--from", "json", "--to", "json", "--output", file, file],
            2,
            "exists and is not overwritten",
        ),
        (
            &["--from", "json", "--to", "json", "nowhere.jsonl"],
            3,
            "cannot read `nowhere.jsonl`",
        ),
    ];
    for (args, expected, part) in cases {
        let output = meterhub(&[&["convert"], args].concat(), "");
        assert_eq!(code(&output), expected, "{args:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(part),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    let order = r#"{"record":"work_order","number":"1"}"#;
    let lines = format!("{order}\n").repeat(50_000);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.jsonl");
    std::fs::write(&file, lines).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_meterhub"))
        .args(["convert", "--from", "json", "--to", "json"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
}

/// Every reference of a schema leads somewhere.
fn follow(schema: &Value, at: &Value) {
    match at {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(schema.pointer(pointer).is_some(), "{target}");
            }
            object.values().for_each(|value| follow(schema, value));
        }
        Value::Array(items) => items.iter().for_each(|value| follow(schema, value)),
        _ => {}
    }
}

#[test]
fn schemas_are_whole() {
    for of in ["config", "records", "mapping"] {
        let output = meterhub(&["schema", of], "");
        assert_eq!(code(&output), 0);
        let schema: Value = serde_json::from_str(&stdout(&output)).unwrap();
        follow(&schema, &schema);
    }
    let config: Value = serde_json::from_str(&stdout(&meterhub(&["schema"], ""))).unwrap();
    let source = &config["properties"]["source"]["additionalProperties"];
    assert!(source["properties"]["file"]["properties"]["path"].is_object());
    assert!(source["properties"]["enterprise"].is_object());
    assert!(
        source["oneOf"]
            .as_array()
            .unwrap()
            .contains(&serde_json::json!({ "required": ["http"] }))
    );
}

/// The mapping asks for segment definitions, which are found beside it.
#[test]
fn an_idoc_becomes_json_and_a_confirmation_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("segments")).unwrap();
    let idoc =
        |path: &str| std::fs::read_to_string(format!("{}{path}", here("../../mappings/idoc")));
    let orders = idoc("/examples/service-orders.toml").unwrap();
    let orders = orders.replace("\"service-order\"", "\"own\"");
    let mapping = dir.path().join("orders.toml").display().to_string();
    std::fs::write(&mapping, orders).unwrap();
    let own = idoc("/segments/service-order.toml").unwrap();
    std::fs::write(dir.path().join("segments/own.toml"), own).unwrap();
    let input = fixture("idoc/order-flat/input.idoc").display().to_string();
    let args = [
        "convert",
        "--from",
        "idoc",
        "--to",
        "json",
        "--mapping",
        &mapping,
    ];
    let converted = meterhub(
        &[&args[..], &["--zone", "Europe/Helsinki", &input]].concat(),
        "",
    );
    assert_eq!(code(&converted), 0, "{}", stderr(&converted));
    let text = stdout(&converted);
    let orders: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0]["number"], "4000123");
    assert_eq!(orders[0]["window"]["start"], "2026-03-30T05:00:00Z");
    assert_eq!(orders[1]["action"], "cancel");

    let mapping = here("../../mappings/idoc/examples/confirmations.toml");
    let report = r#"{"record":"work_order","number":"4000123","action":"report","status":"completed","performed":"2026-03-30T08:22:33Z"}"#;
    let args = [
        "convert",
        "--from",
        "json",
        "--to",
        "idoc",
        "--mapping",
        &mapping,
        "-",
    ];
    let converted = meterhub(&args, report);
    assert_eq!(code(&converted), 0, "{}", stderr(&converted));
    let text = stdout(&converted);
    let segment = "<Z1SRVCF SEGMENT=\"1\"><AUFNR>000004000123</AUFNR><RESULT>DONE</RESULT><IEDD>20260330</IEDD><IEDZ>082233</IEDZ></Z1SRVCF>";
    assert!(text.contains(segment), "{text}");
}
