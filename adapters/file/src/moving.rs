//! Moving a file without ever overwriting another, across file systems if need be.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use hub_core::files::{Durable, Files};
use hub_names::numbered;

/// Names `name-1` to `name-100` are tried one by one, then one with a unique number: probing
/// thousands of taken names for a file that always comes under the same name would be quadratic.
const NUMBERED_NAMES: u64 = 100;

/// Bytes moved at a time between file systems.
const COPY_BUFFER: usize = 256 * 1024;

/// Moves `from` to `to`, or to the first numbered name that is free; `unique` ends the search.
/// Returns the name it got.
///
/// # Errors
/// As the file system says; `from` is still there then.
pub(crate) fn move_new(
    files: &dyn Files,
    from: &Path,
    to: &Path,
    unique: u64,
) -> io::Result<PathBuf> {
    let taken = |error: &io::Error| error.kind() == ErrorKind::AlreadyExists;
    let numbers = (1..=NUMBERED_NAMES).chain([unique]);
    let names = std::iter::once(to.to_owned()).chain(numbers.map(|n| numbered(to, n)));
    for name in names {
        match move_to(files, from, &name) {
            Ok(()) => return Ok(name),
            Err(error) if taken(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn move_to(files: &dyn Files, from: &Path, to: &Path) -> io::Result<()> {
    match files.link(from, to) {
        Ok(()) => files.remove(from),
        Err(error) => match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotFound | ErrorKind::StorageFull => Err(error),
            ErrorKind::CrossesDevices => copy_to(files, from, to),
            // No links on this file system.
            _ => files.publish(from, to),
        },
    }
}

fn copy_to(files: &dyn Files, from: &Path, to: &Path) -> io::Result<()> {
    let mut hidden = OsString::from(".");
    hidden.push(to.file_name().unwrap_or_default());
    hidden.push(".part");
    let partial = to.with_file_name(hidden);
    match files.remove(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let copied = files.create(&partial).and_then(|mut file| {
        copy(&mut files.open(from)?, &mut file)?;
        file.sync()
    });
    let published = copied.and_then(|()| files.publish(&partial, to));
    if published.is_err() {
        let _ = files.remove(&partial);
    }
    published?;
    files.remove(from)
}

/// Copies all of `from`; returns how many bytes that was.
pub(crate) fn copy(from: &mut dyn Read, to: &mut Box<dyn Durable>) -> io::Result<u64> {
    let mut buffer = vec![0; COPY_BUFFER];
    let mut total = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::files::OsFiles;
    use meterhub_tests::faults::{Call, Fault, FaultyFiles};
    use std::fs;

    #[test]
    fn a_taken_name_is_numbered_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.csv");
        let mut got = Vec::new();
        for content in ["one", "two", "three"] {
            let from = folder.path().join("incoming");
            fs::write(&from, content).unwrap();
            let path = move_new(&OsFiles, &from, &to, 77).unwrap();
            got.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            assert_eq!(fs::read_to_string(path).unwrap(), content);
            assert!(!from.exists());
        }
        assert_eq!(got, ["a.csv", "a-1.csv", "a-2.csv"]);
        assert_eq!(fs::read_to_string(to).unwrap(), "one");
    }

    #[test]
    fn many_equal_names_end_in_a_unique_one() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=NUMBERED_NAMES {
            fs::write(folder.path().join(format!("a-{number}.csv")), "").unwrap();
        }
        fs::write(folder.path().join("a.csv"), "").unwrap();
        fs::write(folder.path().join("in"), "new").unwrap();
        let to = folder.path().join("a.csv");
        let path = move_new(&OsFiles, &folder.path().join("in"), &to, 123_456).unwrap();
        assert!(path.ends_with("a-123456.csv"));
    }

    #[test]
    fn another_file_system_gets_a_durable_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("in"), folder.path().join("out.csv"));
        fs::write(&from, vec![7; COPY_BUFFER + 1]).unwrap();
        let files = FaultyFiles::new();
        files.add(Fault::fail(Call::Link, ErrorKind::CrossesDevices));
        assert_eq!(move_new(&files, &from, &to, 1).unwrap(), to);
        assert_eq!(fs::read(&to).unwrap(), vec![7; COPY_BUFFER + 1]);
        assert!(!from.exists());
        assert_eq!(files.count(Call::SyncCreated), 1);
    }

    #[test]
    fn a_full_disk_leaves_the_original() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("in"), folder.path().join("out.csv"));
        fs::write(&from, "content").unwrap();
        let files = FaultyFiles::new();
        files.add(Fault::fail(Call::Link, ErrorKind::CrossesDevices));
        files.add(Fault::torn_write(3));
        let error = move_new(&files, &from, &to, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&from).unwrap(), "content");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
