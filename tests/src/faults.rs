//! A file system that fails when told to: full disks, torn writes, sizes that are lies, calls
//! that a crash cuts off. Everything else goes to the machine's own file system.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::files::{Durable, Files, OsFiles, Stat};

/// A call of [`Files`] or of a file that it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Files::create`].
    Create,
    /// Writing to a created file.
    Write,
    /// [`Durable::sync`] of a created file.
    SyncCreated,
    /// [`Files::open`].
    Open,
    /// [`Files::sync`].
    Sync,
    /// [`Files::sync_dir`].
    SyncDir,
    /// [`Files::rename`]; the path is the old name.
    Rename,
    /// [`Files::publish`]; the path is the old name.
    Publish,
    /// [`Files::link`]; the path is the old name.
    Link,
    /// [`Files::remove`].
    Remove,
    /// [`Files::create_dir_all`].
    CreateDirAll,
    /// [`Files::stat`].
    Stat,
    /// [`Files::list`].
    List,
}

type Hook = Arc<dyn Fn(&Path) + Send + Sync>;

#[derive(Clone)]
enum Effect {
    Fail(ErrorKind),
    Torn(usize),
    Len(u64),
    Hook(Hook),
}

/// One thing that goes wrong.
pub struct Fault {
    call: Call,
    path_part: String,
    skip: u32,
    times: u32,
    effect: Effect,
}

impl Fault {
    fn new(call: Call, effect: Effect) -> Self {
        Self {
            call,
            path_part: String::new(),
            skip: 0,
            times: u32::MAX,
            effect,
        }
    }

    /// The call fails and does nothing.
    #[must_use]
    pub fn fail(call: Call, kind: ErrorKind) -> Self {
        Self::new(call, Effect::Fail(kind))
    }

    /// A write stops after `keep` bytes: the disk is full.
    #[must_use]
    pub fn torn_write(keep: usize) -> Self {
        Self::new(Call::Write, Effect::Torn(keep))
    }

    /// [`Files::stat`] tells this length.
    #[must_use]
    pub fn lie_about_len(len: u64) -> Self {
        Self::new(Call::Stat, Effect::Len(len))
    }

    /// Something happens just before the call: another process appends, removes, overtakes.
    #[must_use]
    pub fn meanwhile(call: Call, hook: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        Self::new(call, Effect::Hook(Arc::new(hook)))
    }

    /// Only for paths that contain `part`.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        part.clone_into(&mut self.path_part);
        self
    }

    /// Only after this many calls went well.
    #[must_use]
    pub fn skip(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Only this often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

#[derive(Default)]
struct Script {
    faults: Vec<Fault>,
    calls: Vec<(Call, PathBuf)>,
}

/// The machine's file system with programmable failures, and a record of every call.
#[derive(Clone, Default)]
pub struct FaultyFiles(Arc<Mutex<Script>>);

impl FaultyFiles {
    /// Nothing fails yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault.
    pub fn add(&self, fault: Fault) {
        self.script().faults.push(fault);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.script().faults.clear();
    }

    /// The calls so far, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<(Call, PathBuf)> {
        self.script().calls.clone()
    }

    /// How often a call was made.
    #[must_use]
    pub fn count(&self, call: Call) -> usize {
        let script = self.script();
        script.calls.iter().filter(|(c, _)| *c == call).count()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the call, runs hooks and fails if a fault says so; else returns what is to be faked.
    fn enter(&self, call: Call, path: &Path) -> io::Result<Option<Effect>> {
        let effect = {
            let mut script = self.script();
            script.calls.push((call, path.to_owned()));
            let text = path.to_string_lossy();
            let matching = |f: &&mut Fault| {
                f.call == call && f.times > 0 && text.contains(f.path_part.as_str())
            };
            match script.faults.iter_mut().find(matching) {
                None => None,
                Some(fault) if fault.skip > 0 => {
                    fault.skip -= 1;
                    None
                }
                Some(fault) => {
                    fault.times -= 1;
                    Some(fault.effect.clone())
                }
            }
        };
        match effect {
            Some(Effect::Fail(kind)) => Err(io::Error::new(kind, format!("{call:?} (injected)"))),
            Some(Effect::Hook(hook)) => {
                hook(path);
                Ok(None)
            }
            other => Ok(other),
        }
    }
}

struct FaultyFile {
    inner: Box<dyn Durable>,
    path: PathBuf,
    files: FaultyFiles,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(Effect::Torn(keep)) = self.files.enter(Call::Write, &self.path)? {
            self.inner.write_all(&bytes[..keep.min(bytes.len())])?;
            return Err(ErrorKind::StorageFull.into());
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Durable for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        self.files.enter(Call::SyncCreated, &self.path)?;
        self.inner.sync()
    }
}

impl Files for FaultyFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        self.enter(Call::Create, path)?;
        Ok(Box::new(FaultyFile {
            inner: OsFiles.create(path)?,
            path: path.to_owned(),
            files: self.clone(),
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.enter(Call::Open, path)?;
        OsFiles.open(path)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Sync, path)?;
        OsFiles.sync(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::SyncDir, path)?;
        OsFiles.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Rename, from)?;
        OsFiles.rename(from, to)
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Publish, from)?;
        OsFiles.publish(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Link, from)?;
        OsFiles.link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Remove, path)?;
        OsFiles.remove(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::CreateDirAll, path)?;
        OsFiles.create_dir_all(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let effect = self.enter(Call::Stat, path)?;
        let stat = OsFiles.stat(path)?;
        Ok(match effect {
            Some(Effect::Len(len)) => Stat { len, ..stat },
            _ => stat,
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.enter(Call::List, path)?;
        OsFiles.list(path)
    }
}
