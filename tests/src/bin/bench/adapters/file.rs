//! Folders of this machine: the standard library without a hub. Without one, a file goes from its
//! folder to another as a synced copy, and its original is removed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_in};
use super::large_file::{self, PIECE_BYTES};
use super::servers::{message, message_bytes};
use crate::Outcome;

/// Small files of a run.
const FILES: u64 = 10_000;
/// Files under way at once; threads of the bare copy.
const WINDOW: usize = 64;

/// All four rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let (disk, count) = (table.disk(), table.messages(FILES));
    let bytes = table.large_bytes();
    let original = large_file::made(disk, bytes)?;
    let ways: [(_, _, _, Dropped); 2] = [
        (
            "file in: 1 KB, 64 under way",
            "file out: 1 KB, 64 under way",
            Size::Messages(count),
            Dropped::Small(count),
        ),
        (
            "file in: one large file",
            "file out: one large file",
            Size::Bytes(bytes),
            Dropped::Large(original),
        ),
    ];
    for (what_in, what_out, size, dropped) in ways {
        let way = |what| Way {
            what,
            bare: "std::fs alone, synced copies",
            size,
        };
        let alone = async || {
            let (from, to) = (dropped.folder(disk)?, tempfile::tempdir_in(disk)?);
            let took = copied(&from, &to).await?;
            holds(from.path(), 0)?;
            holds(to.path(), dropped.count())?;
            Ok(took)
        };
        let with_hub = async || {
            let folder = dropped.folder(disk)?;
            let took = takes_in(disk, &source(folder.path()), dropped.count()).await?;
            holds(folder.path(), 0)?;
            Ok(took)
        };
        table.compare(way(what_in), with_hub, alone).await?;
        let with_hub = async || {
            let folder = tempfile::tempdir_in(disk)?;
            let took = gives_out(disk, &sink(folder.path()), dropped.accepted()).await?;
            holds(folder.path(), dropped.count())?;
            Ok(took)
        };
        table.compare(way(what_out), with_hub, alone).await?;
    }
    Ok(())
}

/// What a partner drops.
enum Dropped {
    Small(u64),
    Large(PathBuf),
}

impl Dropped {
    const fn count(&self) -> u64 {
        match self {
            Self::Small(count) => *count,
            Self::Large(_) => 1,
        }
    }

    fn accepted(&self) -> Accepted<'_> {
        match self {
            Self::Small(count) => Accepted::Messages(*count, message),
            Self::Large(path) => Accepted::File(path),
        }
    }

    /// A folder with all of it.
    fn folder(&self, disk: &Path) -> Outcome<TempDir> {
        let folder = tempfile::tempdir_in(disk)?;
        match self {
            Self::Small(count) => {
                for number in 0..*count {
                    let path = folder.path().join(format!("{number:08}.txt"));
                    std::fs::write(path, message_bytes(number))?;
                }
            }
            Self::Large(path) => large_file::drop_into(path, folder.path())?,
        }
        Ok(folder)
    }
}

fn source(folder: &Path) -> Setup {
    let sections = format!(
        "[source.in]\nenterprise = \"north\"\n[source.in.file]\npath = \"{}\"\n\
         complete = \"rename\"\npoll_milliseconds = 10\narchive = \"delete\"\nwindow = {WINDOW}\n\n{}",
        folder.display(),
        kept("in")
    );
    Setup {
        sections,
        files: Vec::new(),
    }
}

fn sink(folder: &Path) -> Setup {
    let sections = format!(
        "[sink.out]\nenterprise = \"north\"\nparallel = {WINDOW}\n[sink.out.file]\npath = \"{}\"\n",
        folder.display()
    );
    Setup {
        sections,
        files: Vec::new(),
    }
}

fn holds(folder: &Path, expected: u64) -> Outcome<()> {
    let files = meterhub_tests::files_load::files_of(folder)?;
    match files.len() as u64 {
        count if count == expected => Ok(()),
        count => Err(format!("{count} files are in the folder, not {expected}").into()),
    }
}

/// The bare copy of all files, on several threads.
async fn copied(from: &TempDir, to: &TempDir) -> Outcome<Duration> {
    let (from, to) = (from.path().to_owned(), to.path().to_owned());
    let copying = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        copy_all(&from, &to).map_err(|problem| problem.to_string())?;
        Ok::<_, String>(begun.elapsed())
    });
    Ok(copying.await??)
}

fn copy_all(from: &Path, to: &Path) -> Outcome<()> {
    let files = meterhub_tests::files_load::files_of(from)?;
    let next = AtomicUsize::new(0);
    let one = || -> Result<(), String> {
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            copy(path, to).map_err(|problem| problem.to_string())?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WINDOW).map(|_| scope.spawn(one)).collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

/// Under another name first, synced, then under its own; then the original goes.
fn copy(path: &Path, to: &Path) -> Outcome<()> {
    let name = path.file_name().unwrap_or_default();
    let hidden = to.join(format!(".{}.part", name.to_string_lossy()));
    let mut file = std::fs::File::open(path)?;
    let bytes = usize::try_from(file.metadata()?.len())?;
    large_file::write_synced(&mut file, &hidden, bytes.clamp(1, PIECE_BYTES))?;
    std::fs::rename(&hidden, to.join(name))?;
    Ok(std::fs::remove_file(path)?)
}
