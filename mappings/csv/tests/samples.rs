//! Real files: households' intervals to the last digit, and CSVs of every malice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod render;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hub_model::mapping::{Collected, Decode};
use hub_model::{Decimal, Record, Zone};
use mapping_csv::CsvDecoder;
use mapping_tabular::Mapping;

const INTERVALS: &str = r#"record = "readings"
empty = ["nan"]
[readings]
meter = { constant = "household" }
at = "start"
value = "value"
reading_type = { constant = "0.0.7.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0" }
kind = { constant = "register" }
"#;

fn bytes_of(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    if file.extension().is_some_and(|extension| extension == "gz") {
        let mut out = Vec::new();
        return match flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .take(64 << 20)
            .read_to_end(&mut out)
        {
            Ok(_) => out,
            Err(_) => bytes,
        };
    }
    bytes
}

/// The exact sum, at 18 places.
fn sum(found: &Collected) -> i128 {
    let mut total = 0i128;
    for (_, record) in &found.records {
        let Record::Readings(block) = record else {
            panic!("{record:?}")
        };
        for value in block.readings.iter().filter_map(|reading| reading.value) {
            total += i128::from(value.mantissa()) * 10i128.pow(u32::from(18 - value.scale()));
        }
    }
    total
}

#[test]
fn households_add_up_to_the_last_digit() {
    let Some(folder) = render::samples("interval-csv") else {
        return;
    };
    let expected = std::fs::read_to_string(folder.join("EXPECTED-computed.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    // Two files have local times without an offset, of a zone that nobody says.
    let decoder = CsvDecoder::new(Arc::new(Mapping::load(INTERVALS).unwrap()), Zone::utc());
    for (name, facts) in expected.as_object().unwrap() {
        let found = render::decode(&decoder, &bytes_of(&folder.join(name)));
        assert_eq!(found.findings, [], "{name}");
        let readings: Vec<_> = found
            .records
            .iter()
            .flat_map(|(_, record)| match record {
                Record::Readings(block) => block.readings.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            readings.len() as u64,
            facts["rows"].as_u64().unwrap(),
            "{name}"
        );
        let blank = readings
            .iter()
            .filter(|reading| reading.value.is_none())
            .count();
        assert_eq!(
            blank as u64,
            facts["blank_or_nan"].as_u64().unwrap(),
            "{name}"
        );
        let total: &str = facts["sum"].as_str().unwrap();
        let (whole, fraction) = total.split_once('.').unwrap_or((total, ""));
        let total: i128 = format!("{whole}{fraction:0<18}").parse().unwrap();
        assert_eq!(sum(&found), total, "{name}");
        let first: Decimal = facts["first"]["value"].as_str().unwrap().parse().unwrap();
        assert_eq!(readings[0].value, Some(first), "{name}");
    }
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out)
        } else {
            out.push(path)
        }
    }
}

/// Mappings that between them read any file somehow.
fn any_layout() -> Vec<String> {
    let mut all = Vec::new();
    for delimiter in [",", ";", "|", "\\t"] {
        for quote in ["\\\"", ""] {
            let csv = format!(
                "csv = {{ header = false, delimiter = \"{delimiter}\", quote = \"{quote}\" }}\n"
            );
            all.push(format!("record = \"end_device\"\n{csv}[end_device]\nid = 1\nserial_number = 2\nattributes = {{ x = {{ expression = \"A + '/'\" }} }}\n"));
            all.push(format!("record = \"readings\"\n{csv}[readings]\nmeter = 1\nat = 2\nvalue = 3\nreading_type = {{ constant = \"0.0.7.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0\" }}\n"));
        }
    }
    all
}

#[test]
fn nothing_makes_it_panic_and_parts_always_agree() {
    let Some(folder) = render::samples("csv-hostile") else {
        return;
    };
    let mut all = Vec::new();
    files(&folder, &mut all);
    assert!(all.len() > 100);
    let decoders: Vec<CsvDecoder> = any_layout()
        .iter()
        .map(|mapping| {
            CsvDecoder::new(Arc::new(Mapping::load(mapping).unwrap()), Zone::utc())
                .with_longest_row(20_000)
        })
        .collect();
    for file in all {
        let bytes = bytes_of(&file);
        for decoder in &decoders {
            let whole = render::decode(decoder, &bytes);
            let mut parts = Collected::default();
            if let Some(mut segments) = decoder.segments(&bytes, 0).unwrap() {
                while let Some(segment) = segments.next().unwrap() {
                    (segment.decode)(&mut parts).unwrap();
                }
                assert_eq!(whole.records, parts.records, "{}", file.display());
                assert_eq!(whole.findings, parts.findings, "{}", file.display());
            }
        }
    }
}

/// Rows of a file with a header, by its first two columns, and what was wrong.
fn verdict(
    folder: &Path,
    name: &str,
    delimiter: &str,
    columns: &[&str],
) -> (usize, Vec<(&'static str, u64)>) {
    let mut mapping = format!(
        "record = \"end_device\"\ncsv.delimiter = \"{delimiter}\"\n[end_device]\nid = {:?}\n",
        columns[0]
    );
    for column in &columns[1..] {
        mapping.push_str(&format!("attributes.{column} = {column:?}\n"));
    }
    let decoder = CsvDecoder::new(Arc::new(Mapping::load(&mapping).unwrap()), Zone::utc());
    let found = render::decode(&decoder, &bytes_of(&folder.join(name)));
    (
        found.records.len(),
        found
            .findings
            .iter()
            .map(|f| (f.code, f.place.line))
            .collect(),
    )
}

/// What csv-spectrum's own JSON says of its files.
#[test]
fn csv_spectrum_reads_as_its_authors_say() {
    let Some(folder) = render::samples("csv-hostile/csv-spectrum") else {
        return;
    };
    for entry in std::fs::read_dir(folder.join("csvs")).unwrap() {
        let file = entry.unwrap().path();
        let json = folder
            .join("json")
            .join(file.file_stem().unwrap())
            .with_extension("json");
        let rows: serde_json::Value =
            serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let rows: Vec<serde_json::Map<String, serde_json::Value>> = match rows {
            serde_json::Value::Object(row) => vec![row],
            rows => serde_json::from_value(rows).unwrap(),
        };
        let Some(columns) = rows
            .first()
            .map(|row| row.keys().cloned().collect::<Vec<_>>())
        else {
            continue;
        };
        let mut mapping = "record = \"end_device\"\n[end_device]\nid = { constant = \"x\" }\n[end_device.attributes]\n".to_owned();
        for column in columns
            .iter()
            .filter(|name| *name != "Contact Phone Number")
        {
            mapping.push_str(&format!("{column:?} = {column:?}\n"));
        }
        let decoder = CsvDecoder::new(Arc::new(Mapping::load(&mapping).unwrap()), Zone::utc());
        let found = render::decode(&decoder, &bytes_of(&file));
        assert_eq!(found.findings, [], "{}", file.display());
        let ours: Vec<Vec<(String, String)>> = found
            .records
            .into_iter()
            .map(|(_, record)| match record {
                Record::EndDevice(device) => device.attributes,
                other => panic!("{other:?}"),
            })
            .collect();
        let theirs: Vec<Vec<(String, String)>> = rows
            .iter()
            .map(|row| {
                let mut cells: Vec<_> = row
                    .iter()
                    .map(|(name, value)| {
                        (
                            name.clone(),
                            value.as_str().unwrap().trim().replace("\r\n", "\n"),
                        )
                    })
                    .collect();
                // One file's JSON has another telephone number than its CSV.
                cells.retain(|(name, value)| !value.is_empty() && name != "Contact Phone Number");
                cells.sort();
                cells
            })
            .collect();
        let ours: Vec<Vec<(String, String)>> = ours
            .into_iter()
            .map(|row| {
                row.into_iter()
                    .map(|(name, value)| (name, value.replace("\r\n", "\n")))
                    .collect()
            })
            .collect();
        assert_eq!(ours, theirs, "{}", file.display());
    }
}

#[test]
fn hostile_files_get_the_verdict_they_deserve() {
    let Some(folder) = render::samples("csv-hostile/duckdb") else {
        return;
    };
    let read = |name: &str| String::from_utf8_lossy(&bytes_of(&folder.join(name))).into_owned();
    // A row with a cell too many or too few is refused, its neighbours are not.
    assert!(read("dirty_line.csv").lines().count() > 2);
    let (_, findings) = verdict(&folder, "people.csv", ",", &["id"]);
    assert_eq!(
        findings
            .iter()
            .filter(|(code, _)| *code == "bad_header")
            .count(),
        usize::from(!read("people.csv").to_lowercase().starts_with("id"))
    );
    let (records, findings) = verdict(&folder, "auto/utf8bom.csv", ",", &["id"]);
    assert_eq!(
        (records, findings),
        (2, vec![]),
        "{}",
        read("auto/utf8bom.csv")
    );
    let utf16 = render::decode(
        &CsvDecoder::new(
            Arc::new(Mapping::load(&any_layout()[0]).unwrap()),
            Zone::utc(),
        ),
        &[
            b"\xff\xfe".as_slice(),
            &bytes_of(&folder.join("encodings/utf16.csv")),
        ]
        .concat(),
    );
    assert_eq!(utf16.findings[0].code, "bad_encoding");
}
