//! `meterhub init` and `check`, and what every command says of a configuration that is wrong.

use std::path::Path;

use serde_json::Value;

use crate::{code, here, meterhub, stderr, stdout};

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

/// Certificate and token are of the hub itself: with one of them wrong it does not start.
#[test]
fn what_the_hub_itself_needs_is_tried_like_its_endpoints() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    let token = folder.path().join("token");
    let tls = "[hub.tls]\nlisten = \"127.0.0.1:8443\"\ncertificate = \"file:hub.pem\"\n";
    let check = |more: &str| {
        let text = format!("[hub]\nmetrics_token = \"file:token\"\n{more}");
        std::fs::write(folder.path().join("hub.toml"), text).unwrap();
        let check = meterhub(&["check", "--connect", "--config", dir], "");
        (code(&check), stdout(&check))
    };
    let none = "`metrics_token`: secret file `token` cannot be read";
    let empty = "`metrics_token`: the secret `file:token` is empty";
    for (content, more, words) in [
        (None, "", &[none][..]),
        (Some("\n"), "", &[empty]),
        (
            Some("s3cret"),
            tls,
            &["`tls.certificate` in `[hub]` cannot be had"],
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(&token, content).unwrap();
        }
        let (code, said) = check(more);
        let said_whole = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(code, 1, "{said}");
        assert!(words.iter().all(|word| said_whole.contains(word)), "{said}");
        let verdict = format!("{dir}: the hub cannot start");
        assert!(said.lines().last().unwrap().starts_with(&verdict), "{said}");
    }
    let (code, said) = check("");
    assert_eq!(code, 0, "{said}");
}
