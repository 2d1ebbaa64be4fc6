//! The README shows what really happens: every command of its `console` blocks is run, in order,
//! and must print what stands below it. Ids, times and durations may differ, nothing else.
//!
//! `METERHUB_WRITE_EXPECTED=1 cargo test -p meterhub --test readme` prints what would be right.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::path::Path;
use std::process::Command;

use regex::{Captures, Regex};

const README: &str = include_str!("../../../README.md");
const BINARY: &str = env!("CARGO_BIN_EXE_meterhub");

/// A command of the README and what it is said to print.
struct Shown {
    command: String,
    output: String,
}

/// The lines of the fenced blocks in a language.
fn blocks(language: &str) -> Vec<&str> {
    let fence = format!("```{language}\n");
    README
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for block in blocks("console") {
        for line in block.lines() {
            match (line.strip_prefix("$ "), all.last_mut()) {
                (Some(command), _) => all.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                }),
                (None, Some(last)) => last.output.push_str(&format!("{line}\n")),
                (None, None) => panic!("a console block begins with `$ `, not `{line}`"),
            }
        }
    }
    all
}

fn run(command: &str, folder: &Path) -> String {
    let command = command.replace("cargo run --release --", BINARY);
    let binaries = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = format!("{binaries}:{}", std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("METERHUB_CONFIG")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text)
        .unwrap()
        .replace(BINARY, "target/release/meterhub")
}

/// The text without what differs from run to run.
fn masked(text: &str) -> String {
    let rules = [
        // Message ids, in file names too.
        (r"0[0-9A-HJKMNP-TV-Z]{12}\b", "ID"),
        (r" +\d+ ms", " N ms"),
        (r" in \d+\.\d s", " in N s"),
    ];
    let mut text = text.to_owned();
    for (rule, mask) in rules {
        text = Regex::new(rule)
            .unwrap()
            .replace_all(&text, mask)
            .into_owned();
    }
    // Times of the inputs stay: they are of March 2026.
    let time = Regex::new(r"\d{4}-\d\d-\d\dT[\d:.]+Z?").unwrap();
    let mask = |found: &Captures<'_>| match found[0].starts_with("2026-03-") {
        true => found[0].to_owned(),
        false => "TIME".to_owned(),
    };
    time.replace_all(&text, mask).into_owned()
}

#[test]
fn every_command_prints_what_the_readme_shows() {
    let folder = tempfile::tempdir().unwrap();
    let shown = shown();
    assert!(shown.len() >= 5, "the README shows what there is");
    for Shown { command, output } in shown {
        let found = run(&command, folder.path());
        if std::env::var_os("METERHUB_WRITE_EXPECTED").is_some() {
            println!("$ {command}\n{found}");
            continue;
        }
        assert_eq!(
            masked(&output).trim_end(),
            masked(&found).trim_end(),
            "$ {command}"
        );
    }
}

#[test]
fn every_command_that_is_only_named_exists() {
    let mut named = 0;
    for line in blocks("sh").into_iter().flat_map(str::lines) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(rest) = words.strip_prefix(&["meterhub"]) else {
            continue;
        };
        let part = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
        // Commands come before options and values; two words are the most.
        let commands: Vec<&str> = rest.iter().take_while(part).take(2).copied().collect();
        let help = Command::new(BINARY)
            .args(&commands)
            .arg("--help")
            .output()
            .unwrap();
        assert!(
            help.status.success(),
            "`{line}`: {}",
            String::from_utf8_lossy(&help.stderr)
        );
        let help = String::from_utf8(help.stdout).unwrap();
        for option in rest.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "`{line}`: no {option} in\n{help}");
        }
        named += 1;
    }
    assert!(named >= 3, "the README names commands");
}

#[test]
fn every_file_that_is_linked_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let link = Regex::new(r"\]\(([^)#:]+)\)").unwrap();
    let links: Vec<&str> = link
        .captures_iter(README)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert!(links.len() >= 5, "{links:?}");
    for target in links {
        assert!(
            root.join(target).exists(),
            "`{target}` is linked and does not exist"
        );
    }
}
