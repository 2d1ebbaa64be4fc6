//! What the machine can do without a hub: bare parsers, synced writes, synced SQLite commits.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use hub_model::{Decimal, Instant};
use quick_xml::events::Event;

use crate::Outcome;

/// How long a rate is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Bytes of a synced write: a page of the database's log.
const PAGE_BYTES: usize = 4_096;
/// Bytes of the bulk write.
const BULK_BYTES: usize = 128 * 1024 * 1024;
/// Bytes read from a file at a time.
const READ_BYTES: usize = 256 * 1024;

/// Readings a second of the least that any decoder on quick-xml does, on one core: read events,
/// tell the fields, parse time and value.
///
/// # Errors
/// The file cannot be read, or is not what was generated.
pub(crate) fn quick_xml_pass(path: &Path, expected: u64) -> Outcome<f64> {
    let begun = Clock::now();
    let mut reader =
        quick_xml::Reader::from_reader(BufReader::with_capacity(READ_BYTES, File::open(path)?));
    let (mut readings, mut sum, mut field) = (0, 0, 0);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer)? {
            Event::Start(tag) => {
                field = match tag.local_name().as_ref() {
                    "timeStamp" => 1,
                    "value" => 2,
                    _ => 0,
                }
            }
            Event::Text(text) if field == 1 => {
                black_box(Instant::parse(text.as_bytes(), None).ok());
            }
            Event::Text(text) if field == 2 => {
                readings += 1;
                sum += Decimal::parse(text.as_bytes(), b'.').map_or(0, Decimal::mantissa);
            }
            Event::End(_) => field = 0,
            Event::Eof => break,
            _ => {}
        }
    }
    black_box(sum);
    rate("readings", readings, expected, begun)
}

/// Rows a second of a bare pass of the `csv` crate on one core, values and times parsed.
///
/// # Errors
/// The file cannot be read, or is not what was generated.
pub(crate) fn csv_pass(path: &Path, expected: u64) -> Outcome<f64> {
    let begun = Clock::now();
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(READ_BYTES)
        .from_path(path)?;
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut sum) = (0, 0);
    while reader.read_byte_record(&mut record)? {
        rows += 1;
        sum += Decimal::parse(&record[3], b'.').map_or(0, Decimal::mantissa);
        black_box(Instant::parse(&record[1], None).ok());
    }
    black_box(sum);
    rate("rows", rows, expected, begun)
}

fn rate(what: &str, found: u64, expected: u64, begun: Clock) -> Outcome<f64> {
    let seconds = begun.elapsed().as_secs_f64();
    if found != expected {
        return Err(format!("the bare pass found {found} {what}, not {expected}").into());
    }
    Ok(found as f64 / seconds)
}

/// Synced writes of a page a second, one after the other.
///
/// # Errors
/// The disk refuses.
pub(crate) fn synced_appends(folder: &Path) -> Outcome<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let page = [7; PAGE_BYTES];
    per_second(|| {
        file.write_all(&page)?;
        Ok(file.sync_data()?)
    })
}

/// Bytes a second of a large synced write.
///
/// # Errors
/// The disk refuses.
pub(crate) fn disk_bytes(folder: &Path) -> Outcome<f64> {
    let block = vec![7; READ_BYTES];
    let mut file = tempfile::tempfile_in(folder)?;
    let begun = Clock::now();
    for _ in 0..BULK_BYTES / READ_BYTES {
        file.write_all(&block)?;
    }
    file.sync_data()?;
    Ok(BULK_BYTES as f64 / begun.elapsed().as_secs_f64())
}

/// Commits of one row a second, each synced, by SQLite as the hub opens it.
///
/// # Errors
/// The database refuses.
pub(crate) fn sqlite_commits(folder: &Path) -> Outcome<f64> {
    let folder = tempfile::tempdir_in(folder)?;
    let connection = rusqlite::Connection::open(folder.path().join("limit.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection
        .execute_batch("CREATE TABLE message (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)")?;
    let mut insert = connection.prepare("INSERT INTO message (bytes) VALUES (?1)")?;
    let body = [7u8; 400];
    per_second(|| {
        insert.execute([&body])?;
        Ok(())
    })
}

fn per_second(mut once: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let begun = Clock::now();
    let mut count = 0;
    while begun.elapsed() < MEASURED {
        once()?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
