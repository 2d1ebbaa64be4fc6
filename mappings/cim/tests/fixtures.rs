//! Every folder of `fixtures/cim`: `input.xml` yields `expected.jsonl`.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are not marked as tests"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::describe::describe;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cim")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(fixtures())
        .expect("the folder is part of the project")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_case_yields_what_is_expected() {
    let cases = cases();
    assert!(cases.len() > 25, "cases are found");
    let mut different = Vec::new();
    for case in cases {
        let input = fs::read(case.join("input.xml")).unwrap();
        let found = describe(&common::decode(&input));
        let expected = case.join("expected.jsonl");
        if std::env::var_os("METERHUB_WRITE_EXPECTED").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            different.push(format!("{}:\n{found}", case.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn yielded(case: &str) -> common::Yield {
    common::decode(&fs::read(fixtures().join(case).join("input.xml")).unwrap())
}

#[test]
fn days_of_changing_clocks_have_all_their_quarter_hours() {
    for (case, quarters) in [("spring-day", 92), ("autumn-day", 100)] {
        let yielded = yielded(case);
        assert_eq!(
            (yielded.taken(), yielded.rejected()),
            (quarters, 0),
            "{case}"
        );
        let hub_model::Record::Readings(block) = &yielded.records[0].1 else {
            panic!("a block")
        };
        let steps = block
            .readings
            .windows(2)
            .map(|w| w[1].at.micros_since(w[0].at));
        assert!(steps.clone().all(|step| step == 900_000_000), "{case}");
    }
}

#[test]
fn nothing_is_lost_without_a_finding() {
    for (case, readings) in [
        ("damaged-records", 14),
        ("missing-values", 5),
        ("truncated", 4),
    ] {
        let yielded = yielded(case);
        assert_eq!(yielded.taken() + yielded.rejected(), readings, "{case}");
    }
}
