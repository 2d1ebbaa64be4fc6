//! The files that partners drop, generated under target/bench and used again by every run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hub_model::Instant;
use mapping_csv::synthetic::Order;

use crate::Outcome;
use crate::options::Options;
use crate::report::progress;

/// Bytes of one meter's day of CIM, nearly.
const CIM_METER_BYTES: u64 = 16_600;
/// Meters in 250 MB of CSV.
const CSV_METERS: u64 = 31_250;
/// Readings of a meter and day.
const QUARTERS: u64 = 96;
/// Bytes that must be free: the largest file, its copy in the drop folder, and its blocks.
const NEEDED_BYTES: u64 = 6_000_000_000;

/// A generated file and what is in it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How many readings it says.
    pub(crate) readings: u64,
}

/// The folder of generated files.
pub(crate) struct Corpus {
    folder: PathBuf,
}

impl Corpus {
    /// The folder beside the running program.
    ///
    /// # Errors
    /// The disk has too little room, or refuses.
    pub(crate) fn open(options: &Options) -> Outcome<Self> {
        let program = std::env::current_exe()?;
        let target = program
            .ancestors()
            .nth(2)
            .ok_or("the program is not in a target folder")?;
        let folder = target.join("bench");
        std::fs::create_dir_all(&folder)?;
        let free = free_bytes(&folder)?;
        let needed = options.size(NEEDED_BYTES);
        if free < needed {
            let problem = format!(
                "`{}` has {free} bytes left, {needed} are needed",
                folder.display()
            );
            return Err(problem.into());
        }
        Ok(Self { folder })
    }

    /// Where it is. Hubs under test keep their data on this disk too.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A CIM document of about so many bytes: quarter-hours of a day.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn cim(&self, bytes: u64) -> Outcome<Document> {
        let meters = bytes / CIM_METER_BYTES;
        let start: Instant = "2026-03-01T00:00:00Z".parse().map_err(|_| "no instant")?;
        let path = self.made(&format!("cim-{meters}.xml"), |out| {
            mapping_cim::synthetic::Synthetic::day(meters, start).write(out)
        })?;
        Ok(Document {
            path,
            readings: meters * QUARTERS,
        })
    }

    /// A CSV file of one row a reading; 250 MB, or a tenth.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn csv(&self, options: &Options, order: Order) -> Outcome<Document> {
        let meters = options.size(CSV_METERS);
        let file = mapping_csv::synthetic::Synthetic {
            meters: u32::try_from(meters)?,
            days: 1,
            seed: 42,
            order,
        };
        let path = self.made(&format!("csv-{meters}-{order:?}.csv"), |mut out| {
            file.write(&mut out).map(drop)
        })?;
        Ok(Document {
            path,
            readings: file.rows(),
        })
    }

    fn made(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        if !path.exists() {
            progress(&format!("making {name}"));
            let partial = self.folder.join("being-made");
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&partial)?);
            write(&mut out)?;
            out.into_inner()?.sync_all()?;
            std::fs::rename(&partial, &path)?;
        }
        Ok(path)
    }

    /// Removes the generated files, unless they are to be kept.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn close(self, options: &Options) -> Outcome<()> {
        if !options.keep {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(())
    }
}

fn free_bytes(folder: &Path) -> Outcome<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
