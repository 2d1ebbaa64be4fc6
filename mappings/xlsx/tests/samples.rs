//! Real workbooks and hostile ones.
//!
//! The hostile ones are read by a child process under an address-space limit, so that a reader
//! that asks for gigabytes is found out even where the machine would grant them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../csv/tests/render/mod.rs"]
mod render;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hub_model::mapping::Collected;
use hub_model::{Record, Zone};
use mapping_tabular::Mapping;
use mapping_xlsx::XlsxDecoder;

/// Address space of the child, in kilobytes. Test binary and one old workbook of the allowed size.
const CHILD_KILOBYTES: u64 = 1_500_000;

/// Takes any sheet: eight columns as attributes.
fn decoder(sheet: &str) -> XlsxDecoder {
    let mut mapping = format!(
        "record = \"end_device\"\n{sheet}\ncsv.header = false\n[end_device]\nid = {{ constant = \"x\" }}\n[end_device.attributes]\n"
    );
    for column in 1..=8 {
        mapping.push_str(&format!("c{column} = {column}\n"));
    }
    XlsxDecoder::new(Arc::new(Mapping::load(&mapping).unwrap()), Zone::utc())
}

fn workbooks() -> Option<Vec<PathBuf>> {
    let mut folders = vec![render::samples("excel")?];
    let (mut found, extensions) = (Vec::new(), ["xlsx", "xlsm", "xlsb", "xls", "ods"]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extensions.contains(&extension) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    Some(found)
}

fn read(file: &Path, sheet: &str) -> Collected {
    render::decode(&decoder(sheet), &std::fs::read(file).unwrap())
}

/// Run by the parent below, once for all workbooks.
#[test]
fn child_reads_every_workbook() {
    let (Some(all), Some(log)) = (workbooks(), std::env::var_os("METERHUB_CHILD_LOG")) else {
        return;
    };
    let mut lines = String::new();
    for file in all {
        // The last line of an aborted run names the culprit.
        std::fs::write(&log, format!("{lines}reading {}\n", file.display())).unwrap();
        let found = read(&file, "");
        let said: Vec<String> = found.findings.iter().map(ToString::to_string).collect();
        lines.push_str(&format!(
            "{} rows={} {}\n",
            file.display(),
            found.records.len(),
            said.first().map_or("", String::as_str)
        ));
    }
    std::fs::write(&log, format!("{lines}done\n")).unwrap();
}

#[test]
fn no_workbook_panics_aborts_or_takes_the_memory() {
    if workbooks().is_none() {
        return;
    }
    let log = std::env::temp_dir().join(format!("meterhub-xlsx-{}.log", std::process::id()));
    let binary = std::env::current_exe().unwrap();
    let script = format!(
        "ulimit -v {CHILD_KILOBYTES}; exec \"$0\" --exact child_reads_every_workbook --nocapture --test-threads 1"
    );
    let child = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(binary)
        .env("METERHUB_CHILD_LOG", &log)
        .output()
        .unwrap();
    let lines = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success() && lines.ends_with("done\n"),
        "{}\n{errors}",
        lines.lines().last().unwrap_or("")
    );
    let line_of = |name: &str| {
        lines
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{name} was not read"))
            .to_owned()
    };
    for (name, part) in [
        ("poc-shared-strings.xlsx", "fatal"),
        ("54764.xlsx", ""),
        ("poi-hostile/password.xls", "is protected by a password"),
        ("invalid.xlsx", "fatal"),
        ("xlsx-corrupted.xlsx", "fatal"),
    ] {
        assert!(line_of(name).contains(part), "{}", line_of(name));
    }
    eprintln!("{lines}");
}

/// Whether a cell of ours is what another reader prints: Python prints truth values and durations
/// in its own way, and xlrd prints dates as the numbers they are stored as.
fn same(ours: &str, theirs: &str, from_1904: bool) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs().max(1.0);
    let plain = |text: &str| text.trim().replace("_x000D_", "").replace("\r\n", "\n");
    // The list is cut after 60 characters.
    let cut = |text: String| text.chars().take(60).collect::<String>();
    let date = ours.replace('T', " ");
    let words = [
        ("true", "True"),
        ("false", "False"),
        ("true", "1"),
        ("false", "0"),
    ];
    cut(plain(ours)).trim() == plain(theirs).trim()
        || words.contains(&(ours, theirs))
        || number(ours)
            .zip(number(theirs))
            .is_some_and(|(a, b)| near(a, b))
        || date == theirs.trim_end_matches(" 00:00:00")
        || theirs.starts_with(&date) && theirs[date.len()..].starts_with('.')
        || serial(ours, from_1904)
            .zip(number(theirs))
            .is_some_and(|(a, b)| near(a, b))
        || serial(ours, from_1904)
            .zip(days(theirs))
            .is_some_and(|(a, b)| near(a, b))
}

/// The number that a date, time or duration of ours is stored as.
fn serial(text: &str, from_1904: bool) -> Option<f64> {
    if let Some((hours, rest)) = text
        .split_once(':')
        .filter(|(hours, _)| !hours.contains('-'))
    {
        let (minutes, seconds) = rest.split_once(':')?;
        let seconds = hours.parse::<f64>().ok()? * 3_600.0
            + minutes.parse::<f64>().ok()? * 60.0
            + seconds.parse::<f64>().ok()?;
        return Some(seconds / 86_400.0);
    }
    let full = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        format!("{text}Z")
    };
    let at: hub_model::Instant = full.parse().ok()?;
    let days = at.micros() as f64 / 86_400_000_000.0;
    // Excel believes that 1900 was a leap year.
    let leap = if days < -25_508.0 { 1.0 } else { 0.0 };
    Some(days + if from_1904 { 24_107.0 } else { 25_569.0 - leap })
}

/// Python's `10 days, 15:10:10`.
fn days(text: &str) -> Option<f64> {
    let (days, time) = text.split_once(" day")?;
    Some(
        days.parse::<f64>().ok()?
            + serial(time.trim_start_matches('s').trim_start_matches(", "), false)?,
    )
}

#[test]
fn cells_are_those_that_other_readers_see() {
    let Some(folder) = render::samples("excel") else {
        return;
    };
    let expected = std::fs::read_to_string(folder.join("EXPECTED-other-readers.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let (mut compared, mut differing) = (0, Vec::new());
    for (name, facts) in expected.as_object().unwrap() {
        let Some(sheet) = facts["sheets"].as_array().and_then(|sheets| sheets.first()) else {
            continue;
        };
        let found = read(&folder.join(name), "");
        let Some(rows) = sheet["first_rows"].as_array() else {
            continue;
        };
        let mut ours = found
            .records
            .iter()
            .filter_map(|(place, record)| match record {
                Record::EndDevice(device) => Some((place.line, &device.attributes)),
                _ => None,
            });
        let theirs: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                row.as_array()
                    .unwrap()
                    .iter()
                    .map(|cell| match cell {
                        serde_json::Value::Null => String::new(),
                        serde_json::Value::String(text) => text.clone(),
                        other => other.to_string(),
                    })
                    .collect()
            })
            .collect();
        for cells in theirs
            .iter()
            .filter(|row: &&Vec<String>| row.iter().any(|cell| !cell.trim().is_empty()))
        {
            let Some((_, attributes)) = ours.next() else {
                break;
            };
            for (column, theirs) in cells.iter().enumerate() {
                let name_of = format!("c{}", column + 1);
                let own = attributes
                    .iter()
                    .find(|(key, _)| *key == name_of)
                    .map_or("", |(_, value)| value.as_str());
                compared += 1;
                if !same(own, theirs, facts["datemode"] == 1 || name.contains("1904")) {
                    differing.push(format!("{name}: {own:?} instead of {theirs:?}"));
                }
            }
        }
    }
    eprintln!(
        "{} of {compared} cells differ\n{}",
        differing.len(),
        differing.join("\n")
    );
    assert!(compared > 500);
    assert_eq!(differing, Vec::<String>::new());
}
