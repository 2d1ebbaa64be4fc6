//! What becomes of a file on the server once the hub has settled it. Not before: until then the
//! server keeps it, whatever happens to us.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hub_core::Clock;
use hub_model::Zone;
use hub_names::{Complete, numbered};

use crate::failure::Failure;
use crate::listing::Lister;
use crate::session::{Session, Stat};

/// Names `name-1` to `name-100` are tried one by one, then one with a unique number: probing
/// thousands of taken names for a file that always comes under the same name would be quadratic.
const NUMBERED_NAMES: u64 = 100;

/// A watched folder on the server, and where its files go.
pub(crate) struct Folder {
    pub(crate) lister: Lister,
    /// `None`: accepted files are deleted. Absolute.
    pub(crate) archive: Option<PathBuf>,
    /// Absolute.
    pub(crate) quarantine: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A file that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Below the watched folder.
    pub(crate) relative: PathBuf,
    /// What it was then: with its path, its identity.
    pub(crate) stat: Stat,
}

/// What the hub said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Rejected(String),
}

impl Folder {
    /// Moves or removes a settled file. One that was written to since it was taken stays, to be
    /// taken again: the hub has only a part of it, or another.
    ///
    /// # Errors
    /// The server's; the file may still be where it was.
    pub(crate) fn settle(
        &self,
        session: &Session,
        taken: &Taken,
        outcome: &Outcome,
    ) -> Result<(), Failure> {
        let path = self.lister.root.join(&taken.relative);
        let now = match session.lstat(&path) {
            Err(error) if error.is_not_found() => {
                tracing::warn!(file = %path.display(), "settled file is gone already");
                return Ok(());
            }
            other => other?,
        };
        if (now.len, now.modified) != (taken.stat.len, taken.stat.modified) {
            tracing::warn!(
                file = %path.display(),
                bytes_taken = taken.stat.len,
                bytes_now = now.len,
                "file was written to after it was taken; it will be taken again"
            );
            return Ok(());
        }
        if self.lister.complete == Complete::DoneFile {
            // Before its file: alone it would announce the next file of this name.
            remove_if_there(session, &self.lister.done_file(&path))?;
        }
        match outcome {
            Outcome::Accepted => self.archive(session, &path, &taken.relative),
            Outcome::Rejected(reason) => self.quarantine(session, &path, &taken.relative, reason),
        }
    }

    fn archive(&self, session: &Session, path: &Path, relative: &Path) -> Result<(), Failure> {
        let Some(archive) = &self.archive else {
            return remove_if_there(session, path);
        };
        let day = Zone::utc().day_of(self.clock.now()).to_string();
        self.move_new(session, path, &archive.join(day).join(relative))
            .map(drop)
    }

    fn quarantine(
        &self,
        session: &Session,
        path: &Path,
        relative: &Path,
        reason: &str,
    ) -> Result<(), Failure> {
        let moved = self.move_new(session, path, &self.quarantine.join(relative))?;
        let mut name = OsString::from(&moved);
        name.push(".reason.txt");
        let written = session.create_new(Path::new(&name)).and_then(|mut file| {
            file.write_all(format!("{reason}\n").as_bytes())?;
            file.close()
        });
        if let Err(error) = written {
            tracing::warn!(file = %moved.display(), %error, reason, "reason of a quarantined file cannot be written");
        }
        Ok(())
    }

    /// Moves a file to a name, or to the first numbered one that is free. Makes its folder if
    /// need be.
    fn move_new(&self, session: &Session, from: &Path, to: &Path) -> Result<PathBuf, Failure> {
        match self.move_to_first_free(session, from, to) {
            Err(error) if error.is_not_found() => {
                session.make_folders(to.parent().unwrap_or(to))?;
                self.move_to_first_free(session, from, to)
            }
            other => other,
        }
    }

    fn move_to_first_free(
        &self,
        session: &Session,
        from: &Path,
        to: &Path,
    ) -> Result<PathBuf, Failure> {
        let unique = u64::try_from(self.clock.now().micros()).unwrap_or_default();
        let mut name = to.to_owned();
        for number in (1..=NUMBERED_NAMES).chain([unique]) {
            match session.rename_new(from, &name) {
                Ok(()) => return Ok(name),
                Err(error) if error.is_taken() => name = numbered(to, number),
                Err(error) => return Err(error),
            }
        }
        session.rename_new(from, &name).map(|()| name)
    }
}

fn remove_if_there(session: &Session, path: &Path) -> Result<(), Failure> {
    match session.remove(path) {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}
