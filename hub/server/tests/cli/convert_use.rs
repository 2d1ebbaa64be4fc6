//! How `meterhub convert` is used: wrong options, files that fail, floods, output that nobody reads.

use std::process::{Command, Stdio};

use crate::{code, here, meterhub, stderr, stdout};

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
