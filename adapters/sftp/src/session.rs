//! One session with a server that has let us in. Everything here blocks, up to the time-outs.

use std::cell::Cell;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh2::{ErrorCode, OpenFlags, OpenType};

use crate::failure::{Failure, Status};
use crate::remote_file::RemoteFile;

/// `LIBSSH2_ERROR_SFTP_PROTOCOL`: the server answered, with a status.
pub(crate) const SFTP_PROTOCOL: i32 = -31;

/// What a readdir yields behind the last entry (`LIBSSH2_ERROR_FILE`).
const NO_MORE_ENTRIES: i32 = -16;

/// Permissions of files that we make: whoever they are for must be able to read them. The server's
/// umask may take some away.
const FILE_MODE: i32 = 0o664;

/// Permissions of folders that we make.
const FOLDER_MODE: i32 = 0o775;

/// What is known of a remote file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// In bytes.
    pub(crate) len: u64,
    /// Seconds since 1970: SFTP 3 tells no more.
    pub(crate) modified: u64,
    pub(crate) kind: Kind,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A link, pipe or device.
    Other,
    /// The server did not say; or not how large a file is, or of when.
    Unknown,
}

/// A session that is logged in.
pub(crate) struct Session {
    sftp: ssh2::Sftp,
    ssh: ssh2::Session,
    stream: TcpStream,
    broken: Cell<bool>,
}

impl Session {
    pub(crate) const fn new(ssh: ssh2::Session, sftp: ssh2::Sftp, stream: TcpStream) -> Self {
        Self {
            sftp,
            ssh,
            stream,
            broken: Cell::new(false),
        }
    }

    /// Whether no call on this session can succeed any more, as far as can be seen from here.
    pub(crate) fn is_broken(&self) -> bool {
        // libssh2 has made the socket one that does not block.
        let hung_up = match self.stream.peek(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        self.broken.get() || hung_up
    }

    /// Asks for something small: an answer means that the session works.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn probe(&self) -> Result<(), Failure> {
        match self.lstat(Path::new(".")) {
            Err(Failure::File { .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The absolute path of what a configured path names, relative to the login's folder.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn real_path(&self, path: &Path) -> Result<PathBuf, Failure> {
        let configured = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        self.call(path, || self.sftp.realpath(configured))
    }

    /// Looks at a file; a link is not followed.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn lstat(&self, path: &Path) -> Result<Stat, Failure> {
        self.call(path, || self.sftp.lstat(path)).map(|s| stat(&s))
    }

    /// Looks at what a path leads to.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn stat(&self, path: &Path) -> Result<Stat, Failure> {
        self.call(path, || self.sftp.stat(path)).map(|s| stat(&s))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn open(&self, path: &Path) -> Result<RemoteFile<'_>, Failure> {
        self.open_with(path, OpenFlags::READ)
    }

    /// Makes a file that must not exist.
    ///
    /// # Errors
    /// The server's; which may not tell that it exists.
    pub(crate) fn create_new(&self, path: &Path) -> Result<RemoteFile<'_>, Failure> {
        self.open_with(path, OpenFlags::WRITE | OpenFlags::EXCLUSIVE)
    }

    /// Opens a file of our own for writing; what is in it stays.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn open_own(&self, path: &Path) -> Result<RemoteFile<'_>, Failure> {
        self.open_with(path, OpenFlags::WRITE)
    }

    fn open_with(&self, path: &Path, flags: OpenFlags) -> Result<RemoteFile<'_>, Failure> {
        let open = || self.sftp.open_mode(path, flags, FILE_MODE, OpenType::File);
        let file = self.call(path, open)?;
        Ok(RemoteFile::new(file, path.to_owned(), self))
    }

    /// Calls `each` with every name in a folder and what the server tells of it, as they come:
    /// the folder is never in memory as a whole.
    ///
    /// # Errors
    /// The server's, or one of `each`.
    pub(crate) fn for_each_entry(
        &self,
        folder: &Path,
        mut each: impl FnMut(PathBuf, Stat) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut handle = self.call(folder, || self.sftp.opendir(folder))?;
        loop {
            match handle.readdir() {
                Ok((name, _)) if name == Path::new(".") || name == Path::new("..") => {}
                Ok((name, about)) => each(name, stat(&about))?,
                Err(error) if error.code() == ErrorCode::Session(NO_MORE_ENTRIES) => return Ok(()),
                Err(error) => return Err(self.failed(folder, error)),
            }
        }
    }

    /// Renames a file and never overwrites one.
    ///
    /// SFTP 3 leaves it to the server whether a rename overwrites; OpenSSH never does, and the
    /// look before is for the others. `posix-rename@openssh.com` is of no use: it overwrites.
    ///
    /// # Errors
    /// `Exists` if the name is taken, else the server's.
    pub(crate) fn rename_new(&self, from: &Path, to: &Path) -> Result<(), Failure> {
        match self.lstat(to) {
            Ok(_) => return Err(Failure::file(to, Status::Exists)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
        let renamed = self.call(from, || {
            let flags = ssh2::RenameFlags::ATOMIC | ssh2::RenameFlags::NATIVE;
            self.sftp.rename(from, to, Some(flags))
        });
        match renamed {
            // OpenSSH's answer to a taken name is "failure", which may be anything.
            Err(error)
                if error.is_answer() && self.lstat(from).is_ok() && self.lstat(to).is_ok() =>
            {
                Err(Failure::file(to, Status::Exists))
            }
            other => other,
        }
    }

    /// Removes a file.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Failure> {
        self.call(path, || self.sftp.unlink(path))
    }

    /// Makes a folder and those above it, as far as they are missing.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn make_folders(&self, folder: &Path) -> Result<(), Failure> {
        let made = self.call(folder, || self.sftp.mkdir(folder, FOLDER_MODE));
        let Err(error) = made else { return Ok(()) };
        match folder.parent() {
            Some(above) if error.is_not_found() && !above.as_os_str().is_empty() => {
                self.make_folders(above)?;
                self.call(folder, || self.sftp.mkdir(folder, FOLDER_MODE))
            }
            // "Failure" is what OpenSSH says if it is there.
            _ if error.is_answer() && self.stat(folder)?.kind == Kind::Folder => Ok(()),
            _ => Err(error),
        }
    }

    fn call<T>(
        &self,
        path: &Path,
        call: impl FnOnce() -> Result<T, ssh2::Error>,
    ) -> Result<T, Failure> {
        if self.broken.get() {
            return Err(Failure::Connection("the connection is lost".into()));
        }
        call().map_err(|error| self.failed(path, error))
    }

    /// What an error means. One of the connection ends the session.
    pub(crate) fn failed(&self, path: &Path, error: ssh2::Error) -> Failure {
        let status = match error.code() {
            // draft-ietf-secsh-filexfer-02, 7, and -13, 9.1 for 10 and 11.
            ErrorCode::SFTP(2 | 10) => Status::NotFound,
            ErrorCode::SFTP(3) => Status::Denied,
            ErrorCode::SFTP(11) => Status::Exists,
            ErrorCode::SFTP(code) if code != 6 && code != 7 => {
                Status::Other(format!("the server says `{}`", error.message()))
            }
            _ => return self.lost(describe(&error, self.timeout())),
        };
        Failure::file(path, status)
    }

    /// The same of a transfer, whose errors come without their code.
    pub(crate) fn failed_transfer(&self, path: &Path, error: &io::Error) -> Failure {
        let last = ssh2::Error::last_session_error(&self.ssh);
        match (error.kind(), last.map(|e| e.code())) {
            (io::ErrorKind::NotFound, _) => Failure::file(path, Status::NotFound),
            (_, Some(ErrorCode::Session(SFTP_PROTOCOL))) => {
                Failure::file(path, Status::Other(format!("the server says `{error}`")))
            }
            (io::ErrorKind::TimedOut, _) => self.lost(no_answer(self.timeout())),
            _ => self.lost(error.to_string()),
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.ssh.timeout()))
    }

    /// Cuts the connection, so that nothing waits for the server any more, closing a file say.
    fn lost(&self, reason: String) -> Failure {
        self.broken.set(true);
        let _ = self.stream.shutdown(Shutdown::Both);
        Failure::Connection(format!("the connection is lost: {reason}"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// What the server told of a file.
pub(crate) fn stat(about: &ssh2::FileStat) -> Stat {
    Stat {
        len: about.size.unwrap_or(0),
        modified: about.mtime.unwrap_or(0),
        kind: match about.perm {
            None => Kind::Unknown,
            Some(_) if about.is_file() => match (about.size, about.mtime) {
                (Some(_), Some(_)) => Kind::File,
                _ => Kind::Unknown,
            },
            Some(_) if about.is_dir() => Kind::Folder,
            Some(_) => Kind::Other,
        },
    }
}

/// An error of libssh2 in words.
pub(crate) fn describe(error: &ssh2::Error, timeout: Duration) -> String {
    match error.code() {
        // `LIBSSH2_ERROR_TIMEOUT`
        ErrorCode::Session(-9) => no_answer(timeout),
        _ => error.message().to_owned(),
    }
}

fn no_answer(timeout: Duration) -> String {
    format!("no answer within {} seconds", timeout.as_secs())
}
