//! SFTP: OpenSSH, and ssh2 without a hub. Each small file is opened, read, closed and removed, or
//! written, synced, closed and renamed; the large one is downloaded to the disk or uploaded from it.

use std::collections::VecDeque;
use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ssh2::{MethodType, OpenFlags, OpenType, RenameFlags, Session, Sftp};
use tempfile::TempDir;

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_in};
use super::large_file::{self, PIECE_BYTES};
use super::servers::{Place, message, message_bytes, variables};
use crate::Outcome;

/// Small files of a run.
const FILES: u64 = 2_000;
/// Sessions at once, each with a thread of its own.
const SESSIONS: usize = 8;
/// Bytes that the bare client reads at a time: libssh2 asks ahead for four times as many. More was not
/// faster here.
const READ_BYTES: usize = 256 * 1024;
/// Files that the hub has under way: more than sessions, so that these have work while it commits.
const WINDOW: usize = 32;
/// Ciphers, the fastest of both sides first, as the adapter has them.
const CIPHERS: &str = "aes256-gcm@openssh.com,aes128-gcm@openssh.com";
/// Permissions of new files.
const MODE: i32 = 0o664;

/// All four rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let [url, key, known_hosts, remote, files] = variables([
        "SFTP_URL",
        "SFTP_KEY",
        "SFTP_KNOWN_HOSTS",
        "SFTP_PATH",
        "SFTP_FILES",
    ])?;
    let server = Server {
        place: Place::parse(&url)?,
        key,
        known_hosts,
        remote,
        files: files.into(),
    };
    small(table, &server).await?;
    large(table, &server).await
}

async fn small(table: &mut Table<'_>, server: &Server) -> Outcome<()> {
    let (disk, count) = (table.disk(), table.messages(FILES));
    let size = Size::Messages(count);
    let way = Way {
        what: "sftp in: files of 1 KB, 8 sessions, removed",
        bare: "ssh2 alone",
        size,
    };
    let with_hub = async || {
        let folder = server.filled(count)?;
        let took = takes_in(disk, &server.source(&folder), count).await?;
        folder.holds(0)?;
        Ok(took)
    };
    let alone = async || {
        let folder = server.filled(count)?;
        let took = server.blocking(&folder, take_all).await?;
        folder.holds(0)?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await?;

    let way = Way {
        what: "sftp out: files of 1 KB, 8 sessions, synced",
        bare: "ssh2 alone",
        size,
    };
    let with_hub = async || {
        let folder = server.folder()?;
        let accepted = Accepted::Messages(count, message);
        let took = gives_out(disk, &server.sink(&folder), accepted).await?;
        folder.holds(count)?;
        Ok(took)
    };
    let alone = async || {
        let folder = server.folder()?;
        let put = move |server: &Server, remote: &Path| put_all(server, remote, count);
        let took = server.blocking(&folder, put).await?;
        folder.holds(count)?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

async fn large(table: &mut Table<'_>, server: &Server) -> Outcome<()> {
    let (disk, bytes) = (table.disk(), table.large_bytes());
    let size = Size::Bytes(bytes);
    let file = large_file::made(disk, bytes)?;
    let way = Way {
        what: "sftp in: one large file, to the disk",
        bare: "ssh2 alone",
        size,
    };
    // Made once: what is taken in is a link to it.
    let shelf = server.folder()?;
    let original = shelf.local.path().join(".original");
    std::fs::copy(&file, &original)?;
    std::fs::set_permissions(&original, Permissions::from_mode(0o644))?;
    std::fs::File::open(&original)?.sync_all()?;
    let with_hub = async || {
        let folder = server.folder()?;
        large_file::drop_into(&original, folder.local.path())?;
        let took = takes_in(disk, &server.source(&folder), 1).await?;
        folder.holds(0)?;
        Ok(took)
    };
    let alone = async || {
        let folder = server.folder()?;
        large_file::drop_into(&original, folder.local.path())?;
        let to = tempfile::tempdir_in(disk)?;
        let path = to.path().join("large.bin");
        let download = move |server: &Server, remote: &Path| download(server, remote, &path);
        let took = server.blocking(&folder, download).await?;
        folder.holds(0)?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await?;

    let way = Way {
        what: "sftp out: one large file, synced",
        bare: "ssh2 alone",
        size,
    };
    let with_hub = async || {
        let folder = server.folder()?;
        let took = gives_out(disk, &server.sink(&folder), Accepted::File(&file)).await?;
        folder.holds(1)?;
        Ok(took)
    };
    let alone = async || {
        let folder = server.folder()?;
        let file = file.clone();
        let upload = move |server: &Server, remote: &Path| upload(server, remote, &file);
        let took = server.blocking(&folder, upload).await?;
        folder.holds(1)?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

#[derive(Clone)]
struct Server {
    place: Place,
    key: String,
    known_hosts: String,
    /// How a client names the folder of [`Self::files`].
    remote: String,
    files: PathBuf,
}

/// A folder on the server for one run; gone when dropped.
struct Folder {
    local: TempDir,
    remote: PathBuf,
}

impl Folder {
    /// Whether so many files are in it.
    fn holds(&self, expected: u64) -> Outcome<()> {
        let files = meterhub_tests::files_load::files_of(self.local.path())?;
        match files.len() as u64 {
            count if count == expected => Ok(()),
            count => Err(format!("{count} files are on the server, not {expected}").into()),
        }
    }
}

impl Server {
    fn folder(&self) -> Outcome<Folder> {
        let inbox = self.files.join("in");
        let local = tempfile::Builder::new()
            .prefix("bench")
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(inbox)?;
        // What the umask took away.
        std::fs::set_permissions(local.path(), Permissions::from_mode(0o777))?;
        let name = local.path().file_name().unwrap_or_default();
        let remote = Path::new(&self.remote).join("in").join(name);
        Ok(Folder { local, remote })
    }

    fn filled(&self, count: u64) -> Outcome<Folder> {
        let folder = self.folder()?;
        for number in 0..count {
            let name = format!("{number:08}.txt");
            std::fs::write(folder.local.path().join(name), message_bytes(number))?;
        }
        Ok(folder)
    }

    fn section(&self, folder: &Folder) -> String {
        let Place {
            host, port, user, ..
        } = &self.place;
        let (remote, known) = (folder.remote.display(), &self.known_hosts);
        format!(
            "path = \"{remote}\"\nserver = {{ address = \"{host}:{port}\", user = \"{user}\", \
             private_key = \"file:{}\", known_hosts = \"{known}\", sessions = {SESSIONS} }}\n",
            self.key
        )
    }

    fn source(&self, folder: &Folder) -> Setup {
        let sections = format!(
            "[source.in]\nenterprise = \"north\"\n[source.in.sftp]\n{}complete = \"rename\"\n\
             archive = \"delete\"\npoll_milliseconds = 100\nwindow = {WINDOW}\n\n{}",
            self.section(folder),
            kept("in")
        );
        Setup {
            sections,
            files: Vec::new(),
        }
    }

    fn sink(&self, folder: &Folder) -> Setup {
        let sections = format!(
            "[sink.out]\nenterprise = \"north\"\nparallel = {SESSIONS}\n[sink.out.sftp]\n{}",
            self.section(folder)
        );
        Setup {
            sections,
            files: Vec::new(),
        }
    }

    /// Runs the bare client, which blocks. Returns the time that it took, its logins included.
    async fn blocking(
        &self,
        folder: &Folder,
        work: impl FnOnce(&Self, &Path) -> Outcome<()> + Send + 'static,
    ) -> Outcome<Duration> {
        let (server, remote) = (self.clone(), folder.remote.clone());
        let working = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            work(&server, &remote).map_err(|problem| problem.to_string())?;
            Ok::<_, String>(begun.elapsed())
        });
        Ok(working.await??)
    }

    fn log_in(&self) -> Outcome<Sftp> {
        let stream = TcpStream::connect((self.place.host.as_str(), self.place.port))?;
        stream.set_nodelay(true)?;
        let mut session = Session::new()?;
        for direction in [MethodType::CryptCs, MethodType::CryptSc] {
            session.method_pref(direction, CIPHERS)?;
        }
        session.set_tcp_stream(stream);
        session.handshake()?;
        session.userauth_pubkey_file(&self.place.user, None, Path::new(&self.key), None)?;
        Ok(session.sftp()?)
    }

    /// Runs the same on so many sessions, each on a thread of its own.
    fn on_all_sessions(&self, work: impl Fn(&Sftp) -> Outcome<()> + Sync) -> Outcome<()> {
        let one = || -> Result<(), String> {
            let done = self.log_in().and_then(|sftp| work(&sftp));
            done.map_err(|problem| problem.to_string())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..SESSIONS).map(|_| scope.spawn(one)).collect();
            for thread in threads {
                thread.join().map_err(|_| "a session panicked")??;
            }
            Ok(())
        })
    }
}

fn take_all(server: &Server, folder: &Path) -> Outcome<()> {
    let listed = server.log_in()?.readdir(folder)?;
    let names = Mutex::new(
        listed
            .into_iter()
            .map(|(path, _)| path)
            .collect::<VecDeque<_>>(),
    );
    server.on_all_sessions(|sftp| {
        let mut bytes = Vec::new();
        loop {
            let next = names.lock().map_err(|_| "a session panicked")?.pop_front();
            let Some(path) = next else { return Ok(()) };
            bytes.clear();
            let mut file = sftp.open(&path)?;
            file.read_to_end(&mut bytes)?;
            file.close()?;
            std::hint::black_box(bytes.len());
            sftp.unlink(&path)?;
        }
    })
}

fn put_all(server: &Server, folder: &Path, count: u64) -> Outcome<()> {
    let next = AtomicU64::new(0);
    server.on_all_sessions(|sftp| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let path = folder.join(format!("{number:08}.txt"));
            let bytes = message_bytes(number);
            put(sftp, &path, &mut bytes.as_slice(), bytes.len())?;
        }
    })
}

/// Under another name first, synced, and only then under its own.
fn put(sftp: &Sftp, path: &Path, from: &mut dyn Read, piece_bytes: usize) -> Outcome<()> {
    let hidden = path.with_extension("part");
    let flags = OpenFlags::WRITE | OpenFlags::EXCLUSIVE;
    let mut file = sftp.open_mode(&hidden, flags, MODE, OpenType::File)?;
    let mut piece = vec![0; piece_bytes];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            break;
        }
        file.write_all(&piece[..count])?;
    }
    file.fsync()?;
    file.close()?;
    let flags = RenameFlags::ATOMIC | RenameFlags::NATIVE;
    Ok(sftp.rename(&hidden, path, Some(flags))?)
}

fn download(server: &Server, folder: &Path, to: &Path) -> Outcome<()> {
    let sftp = server.log_in()?;
    let path = folder.join("large.bin");
    let mut file = sftp.open(&path)?;
    large_file::write_synced(&mut file, to, READ_BYTES)?;
    file.close()?;
    Ok(sftp.unlink(&path)?)
}

fn upload(server: &Server, folder: &Path, from: &Path) -> Outcome<()> {
    let mut file = std::fs::File::open(from)?;
    let path = folder.join("large.bin");
    put(&server.log_in()?, &path, &mut file, PIECE_BYTES)
}
