//! A partner who drops files: written under a temporary name, then renamed.

use std::io;
use std::path::{Path, PathBuf};

/// A watched folder, from its partner's side.
#[derive(Debug, Clone)]
pub struct DropFolder {
    folder: PathBuf,
}

impl DropFolder {
    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Drops a file. A file of this name that is still there is replaced, as by FTP.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn drop_file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let hidden = self.folder.join(format!(".{name}.part"));
        std::fs::write(&hidden, content)?;
        std::fs::rename(&hidden, self.folder.join(name))
    }

    /// Files that the hub has not archived yet: those in the folder and those it has claimed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<PathBuf>> {
        let mut waiting = files_of(&self.folder)?;
        for node in folders_of(&self.folder.join(".meterhub/claimed"))? {
            waiting.extend(files_of(&node)?);
        }
        Ok(waiting)
    }

    /// Files in the archive, whatever the day.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn archived(&self) -> io::Result<Vec<PathBuf>> {
        let mut archived = Vec::new();
        for day in folders_of(&self.folder.join(".meterhub/archive"))? {
            archived.extend(files_of(&day)?);
        }
        Ok(archived)
    }

    /// Files in quarantine with their reasons.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn quarantined(&self) -> io::Result<Vec<PathBuf>> {
        let quarantine = self.folder.join(".meterhub/quarantine");
        let mut found = files_of(&quarantine)?;
        for day in folders_of(&quarantine)? {
            found.extend(files_of(&day)?);
        }
        Ok(found)
    }
}

/// Regular files directly in a folder, without hidden ones, sorted; none if there is no folder.
///
/// # Errors
/// The folder cannot be read.
pub fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let visible = |path: &PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        path.is_file() && name.is_some_and(|name| !name.starts_with('.'))
    };
    Ok(entries(folder)?.into_iter().filter(visible).collect())
}

fn folders_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(entries(folder)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let read = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths: Vec<PathBuf> = read
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_is_whole_and_waits() {
        let folder = tempfile::tempdir().unwrap();
        let partner = DropFolder::open(&folder.path().join("in")).unwrap();
        partner.drop_file("a.csv", b"1").unwrap();
        partner.drop_file("a.csv", b"22").unwrap();
        let waiting = partner.waiting().unwrap();
        assert_eq!(waiting.len(), 1);
        assert_eq!(std::fs::read(&waiting[0]).unwrap(), b"22");
        assert!(partner.archived().unwrap().is_empty());
    }
}
