//! One session with a server. Everything here blocks, up to the time-outs.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh2::{ErrorCode, MethodType, OpenFlags, OpenType};

use crate::failure::{Failure, Status};
use crate::known_hosts::{self, HostKeys, Verdict};
use crate::login::Login;

/// `LIBSSH2_ERROR_SFTP_PROTOCOL`: the server answered, with a status.
const SFTP_PROTOCOL: i32 = -31;

/// What a readdir yields behind the last entry (`LIBSSH2_ERROR_FILE`).
const NO_MORE_ENTRIES: i32 = -16;

/// Ciphers that we ask for, the best first. AES-GCM before ChaCha20, the other way round than
/// libssh2 would have it: processors have AES built in, and its ChaCha20 is plain C.
const CIPHERS: &str = "aes256-gcm@openssh.com,aes128-gcm@openssh.com,\
                       chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";

/// Permissions of files that we make: whoever they are for must be able to read them. The server's
/// umask may take some away.
const FILE_MODE: i32 = 0o664;

/// Permissions of folders that we make.
const FOLDER_MODE: i32 = 0o775;

/// How to reach a server and get in.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) known_hosts: PathBuf,
    pub(crate) login: Login,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
}

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
    /// The server did not say.
    Unknown,
}

/// A session that is logged in.
pub(crate) struct Session {
    sftp: ssh2::Sftp,
    ssh: ssh2::Session,
    stream: TcpStream,
    broken: Cell<bool>,
}

impl Dial {
    /// How errors and logs name the server.
    pub(crate) fn name(&self) -> String {
        format!("`{}`", known_hosts::host_name(&self.host, self.port))
    }

    /// Connects, verifies the host key, and only then logs in.
    ///
    /// # Errors
    /// `Connection`, or `Refused` if the key or the login is not accepted.
    pub(crate) fn open(&self) -> Result<Session, Failure> {
        let stream = self.connect()?;
        let opened = self.shake_hands(&stream);
        if opened.is_err() {
            // Whatever libssh2 still wants to say must not wait for a server that is stalled.
            let _ = stream.shutdown(Shutdown::Both);
        }
        let (ssh, sftp) = opened?;
        Ok(Session {
            sftp,
            ssh,
            stream,
            broken: Cell::new(false),
        })
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let failed = |error: io::Error| {
            Failure::Connection(format!("cannot connect to {}: {error}", self.name()))
        };
        let mut last = io::Error::other("its name has no address");
        for address in (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(failed)?
        {
            match TcpStream::connect_timeout(&address, self.connect_timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    fn shake_hands(&self, stream: &TcpStream) -> Result<(ssh2::Session, ssh2::Sftp), Failure> {
        let failed = |doing: &str, reason: String| {
            Failure::Connection(format!("{doing} with {}: {reason}", self.name()))
        };
        let lost = |doing: &'static str| {
            move |error: ssh2::Error| failed(doing, describe(&error, self.connect_timeout))
        };
        let mut ssh = ssh2::Session::new().map_err(lost("beginning"))?;
        ssh.set_timeout(millis(self.connect_timeout));
        let name = known_hosts::host_name(&self.host, self.port);
        let keys = HostKeys::read(&self.known_hosts, &ssh, &name)
            .map_err(|error| Failure::Refused(self.unreadable(&error)))?;
        for direction in [MethodType::CryptCs, MethodType::CryptSc] {
            ssh.method_pref(direction, CIPHERS)
                .map_err(lost("beginning"))?;
        }
        if let Some(algorithms) = keys.algorithms() {
            // Known by an algorithm that libssh2 lacks: the key that comes is refused below.
            let _ = ssh.method_pref(MethodType::HostKey, &algorithms);
        }
        let stream = stream
            .try_clone()
            .map_err(|e| failed("beginning", e.to_string()))?;
        ssh.set_tcp_stream(stream);
        ssh.handshake().map_err(lost("SSH handshake"))?;
        self.verify(&ssh, &keys)?;
        self.login.perform(&ssh, &self.name())?;
        let sftp = ssh.sftp().map_err(lost("beginning SFTP"))?;
        ssh.set_timeout(millis(self.timeout));
        Ok((ssh, sftp))
    }

    fn unreadable(&self, error: &io::Error) -> String {
        format!(
            "known hosts `{}` cannot be read: {error}",
            self.known_hosts.display()
        )
    }

    fn verify(&self, ssh: &ssh2::Session, keys: &HostKeys) -> Result<(), Failure> {
        let key = ssh.host_key().map(|(key, _)| key).unwrap_or_default();
        let (name, file) = (self.name(), self.known_hosts.display());
        let fingerprint = known_hosts::fingerprint(key);
        let line = known_hosts::line(&known_hosts::host_name(&self.host, self.port), key);
        Err(Failure::Refused(match keys.verdict(key) {
            Verdict::Known => return Ok(()),
            Verdict::Unknown => format!(
                "host key of {name} is unknown: {fingerprint}. Ask the server's operator whether \
                 this is its fingerprint; if so, add this line to `{file}`: {line}"
            ),
            Verdict::Changed => format!(
                "host key of {name} is not the one in `{file}`: it shows {fingerprint}. Somebody \
                 may be posing as the server. Only if its operator confirms the new fingerprint, \
                 replace the host's line by: {line}"
            ),
            Verdict::Revoked => format!(
                "host key of {name} is revoked in `{file}`: {fingerprint}. Ask the server's operator \
                 for its new key"
            ),
        }))
    }
}

impl Session {
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
        Ok(RemoteFile {
            file,
            path: path.to_owned(),
            session: self,
        })
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
    fn failed(&self, path: &Path, error: ssh2::Error) -> Failure {
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

    fn failed_transfer(&self, path: &Path, error: &io::Error) -> Failure {
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

/// An open file on the server.
pub(crate) struct RemoteFile<'a> {
    file: ssh2::File,
    path: PathBuf,
    session: &'a Session,
}

impl RemoteFile<'_> {
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

fn stat(about: &ssh2::FileStat) -> Stat {
    Stat {
        len: about.size.unwrap_or(0),
        modified: about.mtime.unwrap_or(0),
        kind: match about.perm {
            None => Kind::Unknown,
            Some(_) if about.is_file() => Kind::File,
            Some(_) if about.is_dir() => Kind::Folder,
            Some(_) => Kind::Other,
        },
    }
}

fn describe(error: &ssh2::Error, timeout: Duration) -> String {
    match error.code() {
        // `LIBSSH2_ERROR_TIMEOUT`
        ErrorCode::Session(-9) => no_answer(timeout),
        _ => error.message().to_owned(),
    }
}

fn no_answer(timeout: Duration) -> String {
    format!("no answer within {} seconds", timeout.as_secs())
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
