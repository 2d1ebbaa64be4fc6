//! An open file on a server. Everything here blocks, up to the time-outs.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use ssh2::ErrorCode;

use crate::failure::Failure;
use crate::session::{SFTP_PROTOCOL, Session, Stat, stat};

/// An open file on the server.
pub(crate) struct RemoteFile<'a> {
    file: ssh2::File,
    path: PathBuf,
    session: &'a Session,
}

impl<'a> RemoteFile<'a> {
    pub(crate) const fn new(file: ssh2::File, path: PathBuf, session: &'a Session) -> Self {
        Self {
            file,
            path,
            session,
        }
    }

    /// Size and time, of this very file whatever its name is now.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn stat(&mut self) -> Result<Stat, Failure> {
        let about = self.file.stat();
        about
            .map(|s| stat(&s))
            .map_err(|error| self.session.failed(&self.path, error))
    }

    /// Reads the next bytes; 0 at the end.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let read = self.file.read(buffer);
        read.map_err(|error| self.session.failed_transfer(&self.path, &error))
    }

    /// Writes all of it, behind what was written before.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.session.failed_transfer(&self.path, &error))
    }

    /// Continues at an offset. Only before the first read or write: libssh2 works ahead.
    pub(crate) fn begin_at(&mut self, offset: u64) -> Result<(), Failure> {
        let moved = io::Seek::seek(&mut self.file, io::SeekFrom::Start(offset));
        moved
            .map(drop)
            .map_err(|error| self.session.failed_transfer(&self.path, &error))
    }

    /// Asks for the bytes to be on the server's disk (`fsync@openssh.com`). Servers that cannot
    /// say so are believed to do what they can.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        match self.file.fsync() {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.code(), ErrorCode::SFTP(_)) => Ok(()),
            // libssh2 knows that the server lacks it.
            Err(error) if error.code() == ErrorCode::Session(SFTP_PROTOCOL) => Ok(()),
            Err(error) => Err(self.session.failed(&self.path, error)),
        }
    }

    /// Closes it; an error that the server kept until now comes out here.
    ///
    /// # Errors
    /// The server's.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        let closed = self.file.close();
        closed.map_err(|error| self.session.failed(&self.path, error))
    }
}
