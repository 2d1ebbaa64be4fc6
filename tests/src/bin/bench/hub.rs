//! The hub under test: its configuration, its memory, and what its database says, read beside it.

use std::path::Path;
use std::time::Duration;

use hub_store::messages::Store;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use rusqlite::{Connection, OpenFlags};

use crate::Outcome;
use crate::machine::field;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pause between two looks into the database: one small indexed query each.
const LOOK: Duration = Duration::from_millis(5);
/// Longest time without a message more.
const STANDSTILL: Duration = Duration::from_secs(30);
/// Longest pause between two counts.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A configuration on the disk that is measured. London, because its days begin when UTC's do in
/// the generated files: a meter's day is one block, as it is with a utility's own zone.
///
/// # Errors
/// The disk refuses.
pub(crate) fn folder(disk: &Path, body: &str) -> Outcome<ConfigFolder> {
    let root = tempfile::Builder::new().prefix("hub-").tempdir_in(disk)?;
    let config = ConfigFolder::within(root)?;
    config.write(&self::body(body))?;
    Ok(config)
}

/// The same configuration, without the folder.
pub(crate) fn body(sections: &str) -> String {
    format!("[enterprise.north]\nzone = \"Europe/London\"\n\n{sections}")
}

/// Peak and present memory of a process in bytes.
///
/// # Errors
/// The process is gone.
pub(crate) fn memory(hub: &HubProcess, line: Memory) -> Outcome<f64> {
    let pid = hub.pid().ok_or("the hub is gone")?;
    let name = match line {
        Memory::Peak => "VmHWM",
        Memory::Now => "VmRSS",
    };
    let text = field(&format!("/proc/{pid}/status"), name).ok_or("the hub is gone")?;
    let kib: f64 = text.trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1_024.0)
}

/// Which memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory {
    /// The most that was resident.
    Peak,
    /// What is resident.
    Now,
}

/// Time that all threads of a process have spent on the cores so far, in seconds.
///
/// # Errors
/// The process is gone.
pub(crate) fn cpu_seconds(hub: &HubProcess) -> Outcome<f64> {
    let pid = hub.pid().ok_or("the hub is gone")?;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // After the name in brackets: state, and 10 numbers before the user's and the system's time.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}

/// The kernel's unit of time for users (`USER_HZ`), the same on all Linux machines of our kind.
const TICKS_PER_SECOND: f64 = 100.0;

/// A connection to the hub's database that only reads.
pub(crate) struct Watch(Connection);

/// A message that is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Records applied.
    pub(crate) applied: u64,
    /// Findings of all kinds.
    pub(crate) findings: u64,
    /// When it was accepted, in microseconds since 1970.
    pub(crate) accepted: i64,
}

impl Watch {
    /// Opens the database of a hub that is ready.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn open(config: &ConfigFolder) -> Outcome<Self> {
        let path = Store::database(&config.dir().join("data"));
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        Ok(Self(connection))
    }

    /// Waits until the only message is done: what a reader sees is committed and synced.
    ///
    /// # Errors
    /// It takes too long.
    pub(crate) async fn message_done(&self) -> Outcome<Done> {
        let sql = "SELECT applied, findings, received_at FROM message WHERE state > 1";
        let mut statement = self.0.prepare(sql)?;
        self.until("the message is done", || {
            let read = |row: &rusqlite::Row<'_>| {
                let count =
                    |column| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
                Ok(Done {
                    applied: count(0)?,
                    findings: count(1)?,
                    accepted: row.get(2)?,
                })
            };
            Ok(statement.query_map([], read)?.next().transpose()?)
        })
        .await
    }

    /// Waits until no message and no delivery is open.
    ///
    /// # Errors
    /// It takes too long.
    pub(crate) async fn all_done(&self) -> Outcome<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE source = 'in' AND state <= 1) \
                   OR EXISTS (SELECT 1 FROM delivery WHERE endpoint = 'out' AND state <= 1)";
        let mut statement = self.0.prepare(sql)?;
        self.until("everything is delivered", || {
            let open: bool = statement.query_row([], |row| row.get(0))?;
            Ok((!open).then_some(()))
        })
        .await
    }

    /// Waits until so many messages are accepted: committed and synced. Counting costs the more, the
    /// more there are; it is done rarely until the last of them are near.
    ///
    /// # Errors
    /// It takes too long.
    pub(crate) async fn accepted(&self, expected: u64) -> Outcome<()> {
        let begun = std::time::Instant::now();
        let (mut last, mut moved) = (0, begun);
        loop {
            let count = self.count("SELECT COUNT(*) FROM message")?;
            if count >= expected {
                return Ok(());
            }
            if count > last {
                (last, moved) = (count, std::time::Instant::now());
            }
            if moved.elapsed() > STANDSTILL {
                return Err(format!("only {count} of {expected} messages were accepted").into());
            }
            let left = (expected - count) as f64 / count.max(1) as f64;
            let pause = begun.elapsed().mul_f64(left.min(1.0) / 4.0);
            tokio::time::sleep(pause.clamp(LOOK, LONGEST_PAUSE)).await;
        }
    }

    /// Waits until no message is open: what is to be delivered of it is stored.
    ///
    /// # Errors
    /// It takes too long.
    pub(crate) async fn processed(&self) -> Outcome<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE source = 'in' AND state <= 1)";
        let mut statement = self.0.prepare(sql)?;
        self.until("everything is processed", || {
            let open: bool = statement.query_row([], |row| row.get(0))?;
            Ok((!open).then_some(()))
        })
        .await
    }

    /// A number that a query gives.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) fn count(&self, sql: &str) -> Outcome<u64> {
        Ok(self
            .0
            .query_row(sql, [], |row| row.get::<_, i64>(0))?
            .cast_unsigned())
    }

    async fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Outcome<Option<T>>,
    ) -> Outcome<T> {
        let begun = std::time::Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("waited {PATIENCE:?} in vain until {what}").into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
