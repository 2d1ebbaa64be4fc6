//! What becomes of a claimed file once the hub has settled it.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use hub_model::Zone;
use hub_names::{Complete, numbered};

use crate::folder::{Claimed, Folder};
use crate::moving::move_new;

/// Most reason files tried for one name. Only files that someone else put there are in the way.
const REASON_NAMES: u64 = 100;

impl Folder {
    /// The hub has the message: archives or deletes the file. One that was written to after it
    /// was claimed goes back to the watched folder, for the hub has only a part of it.
    ///
    /// # Errors
    /// The file system refuses; the file is still claimed then.
    pub(crate) fn archive(&self, claimed: &Claimed) -> io::Result<()> {
        let stat = match self.files.stat(&claimed.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::warn!(file = %claimed.path.display(), "accepted file is gone already");
                return Ok(());
            }
            other => other?,
        };
        if (stat.len, stat.modified) != (claimed.stat.len, claimed.stat.modified) {
            tracing::warn!(
                file = %claimed.relative.display(),
                bytes_claimed = claimed.stat.len,
                bytes_now = stat.len,
                "file was written to after it was taken; it will be taken again"
            );
            return self.put_back(claimed).map(drop);
        }
        let Some(archive) = &self.archive else {
            return self.files.remove(&claimed.path);
        };
        let day = Zone::utc().day_of(self.clock.now()).to_string();
        let to = archive.join(day).join(&claimed.relative);
        let archived = self.move_to(&claimed.path, &to)?;
        self.sync_names(archived.parent().unwrap_or(archive))
    }

    /// The hub will never take the message: moves the file out of the way, the reason beside it.
    ///
    /// # Errors
    /// The file system refuses; the file is still claimed, or lies there without its reason.
    pub(crate) fn quarantine(&self, claimed: &Claimed, reason: &str) -> io::Result<()> {
        let to = self.quarantine.join(&claimed.relative);
        let moved = self.move_to(&claimed.path, &to)?;
        if let Err(error) = self.write_reason(&moved, reason) {
            tracing::warn!(file = %moved.display(), %error, reason, "reason of a quarantined file cannot be written");
        }
        self.sync_names(moved.parent().unwrap_or(&self.quarantine))
    }

    /// Gives a file back to the watched folder, with a new done-file where it takes one.
    ///
    /// # Errors
    /// The file system refuses; the file is still claimed then.
    pub(crate) fn put_back(&self, claimed: &Claimed) -> io::Result<PathBuf> {
        let back = self.move_to(&claimed.path, &self.lister.root.join(&claimed.relative))?;
        if self.lister.complete == Complete::DoneFile
            && let Err(error) = self.announce(&back)
        {
            // Unannounced it would never be taken again.
            self.files.rename(&back, &claimed.path)?;
            return Err(error);
        }
        Ok(back)
    }

    /// Its own done-file was removed when it was claimed.
    fn announce(&self, back: &Path) -> io::Result<()> {
        match self.files.create(&self.lister.done_file(back)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other?.sync(),
        }
    }

    fn move_to(&self, from: &Path, to: &Path) -> io::Result<PathBuf> {
        let files = self.files.as_ref();
        let unique = u64::try_from(self.clock.now().micros()).unwrap_or_default();
        match move_new(files, from, to, unique) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = to.parent().unwrap_or(to);
                files.create_dir_all(folder)?;
                if let Some(above) = folder.parent() {
                    files.sync_dir(above)?;
                }
                move_new(files, from, to, unique)
            }
            other => other,
        }
    }

    fn write_reason(&self, moved: &Path, reason: &str) -> io::Result<()> {
        let mut name = OsString::from(moved);
        name.push(".reason.txt");
        let first = PathBuf::from(name);
        for number in 0..REASON_NAMES {
            let path = match number {
                0 => first.clone(),
                n => numbered(&first, n),
            };
            match self.files.create(&path) {
                Ok(mut file) => {
                    file.write_all(format!("{reason}\n").as_bytes())?;
                    return file.sync();
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}
