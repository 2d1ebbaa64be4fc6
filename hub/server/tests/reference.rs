//! `docs/reference` is what the code says. After a change of a configuration, a doc comment or a
//! metric, this one command writes it anew:
//!
//! ```text
//! METERHUB_BLESS=1 cargo test -p meterhub --test reference
//! ```

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use meterhub::reference::{Page, pages, stale, write};

const RENEW: &str = "renew it: METERHUB_BLESS=1 cargo test -p meterhub --test reference";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference")
}

#[test]
fn the_checked_in_pages_are_what_the_code_says() {
    let folder = folder();
    if std::env::var_os("METERHUB_BLESS").is_some() {
        write(&folder).unwrap();
    }
    let pages = pages();
    let differs = |page: &&Page| {
        let there = std::fs::read_to_string(folder.join(&page.path));
        there.is_ok_and(|there| there == page.text)
    };
    let wrong: Vec<_> = pages
        .iter()
        .filter(|page| !differs(page))
        .map(|page| &page.path)
        .collect();
    assert!(
        wrong.is_empty(),
        "docs/reference is not what the code says, in {wrong:?}; {RENEW}"
    );
    let stale = stale(&folder, &pages).unwrap();
    assert!(
        stale.is_empty(),
        "docs/reference has pages of what is no more, {stale:?}; {RENEW}"
    );
}

/// Every link leads to a page, and to a heading of it.
#[test]
fn links_lead_somewhere() {
    let pages = pages();
    for page in &pages {
        for target in targets(&page.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            if path.contains("://") {
                continue;
            }
            let file = match path {
                "" => page.path.clone(),
                path => joined(&page.path, path),
            };
            let found = pages.iter().find(|page| page.path == file);
            let found = found.unwrap_or_else(|| panic!("{}: no page {file}", page.path));
            let known = anchors(&found.text);
            assert!(
                anchor.is_empty() || known.contains(anchor),
                "{}: {file} has no #{anchor}, only {known:?}",
                page.path
            );
        }
    }
}

fn targets(text: &str) -> Vec<String> {
    let links = regex::Regex::new(r"\]\(([^)]+)\)").unwrap();
    links
        .captures_iter(text)
        .map(|found| found[1].to_owned())
        .collect()
}

/// A path relative to the folder of a page.
fn joined(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// A table's rows have as many cells as its head, or a forge shows nonsense.
#[test]
fn tables_are_whole() {
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    for page in pages() {
        let mut head = None;
        for line in page.text.lines() {
            let is_row = line.starts_with('|');
            match (is_row, head) {
                (true, Some(head)) => assert_eq!(cells(line), head, "{}: {line}", page.path),
                (true, None) => head = Some(cells(line)),
                (false, _) => head = None,
            }
        }
    }
}
