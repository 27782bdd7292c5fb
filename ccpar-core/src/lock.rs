//! Locks that the kernel holds: for one critical section, in one process.
//!
//! A [`Lock`] is an advisory whole-file lock (flock(2); `LockFileEx` on
//! Windows) on a file that exists for nothing else. It dies with the process
//! that holds it, however that ends, so there is never one to clear by hand.
//! The lock file is never removed: a lock that is taken by *creating* a file
//! outlives a killed process, and one on a file that can be *replaced* lets two
//! holders in (each locks an inode of its own).
//!
//! Waiting blocks in the kernel. A poll would be simpler, but a waiter that
//! polls starves behind waiters that block, and gets the lock one polling
//! interval late.
//!
//! # Format
//! Byte 0 of a lock file belongs to the lock (it is the range that Windows
//! locks, where a locked range cannot be read). From byte 1 on there is one
//! line of JSON that names the exclusive [`Owner`], written in place after the
//! lock was taken and blanked before it is released. It is information only,
//! believed as long as that process lives.
//!
//! # Platform
//! Not promised: any order among waiters, and locks on NFS or on folders that a
//! virtual machine shares with its host.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::error::{Context as _, Error, Result};
use crate::sys;

/// What has to be waited for shorter than this is not worth a word.
pub const NOTICEABLE: Duration = Duration::from_millis(200);

/// How long to wait for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Never,
    /// At most this long. The waiting is done by a helper thread; if the time
    /// runs out, that thread stays blocked until the lock is free and then lets
    /// it go at once.
    For(Duration),
    /// Until the lock is free.
    Forever,
}

impl Wait {
    /// What is left of it after `spent`.
    #[must_use]
    pub fn less(self, spent: Duration) -> Wait {
        match self {
            Wait::For(limit) => Wait::For(limit.saturating_sub(spent)),
            other => other,
        }
    }
}

/// What a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every other lock.
    Exclusive,
    /// Exclusive locks only.
    Shared,
}

/// The process that holds a lock, as it described itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When that process started, in the system's unit, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// Its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The branch that session works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Since when it holds the lock, in milliseconds since 1970.
    pub since: u64,
}

impl Owner {
    /// Names the process, and no other that had or will have its pid: what a
    /// command that it runs is told, so that this does not wait for a lock
    /// whose holder waits for it.
    pub fn process(&self) -> String {
        match self.start {
            Some(start) => format!("{}.{start}", self.pid),
            None => self.pid.to_string(),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Session and branch come from a file that others may write.
        let clean = |name: &str| name.escape_debug().to_string();
        match (&self.session, &self.branch) {
            (Some(session), Some(branch)) => {
                write!(f, "session {} on {} (pid {})", clean(session), clean(branch), self.pid)
            }
            (Some(session), None) => write!(f, "session {} (pid {})", clean(session), self.pid),
            (None, Some(branch)) => write!(f, "pid {} on {}", self.pid, clean(branch)),
            (None, None) => write!(f, "pid {}", self.pid),
        }
    }
}

/// Tells who holds a lock, if that is known.
pub type Tell<'a> = &'a dyn Fn(Option<&Owner>);

/// A request for a lock: who asks, and what to do while it waits.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// How long to wait.
    pub wait: Wait,
    /// What to write into the lock file for those who wait behind this one.
    pub owner: Option<&'a Owner>,
    /// The [processes](Owner::process) that wait for this one to end. To wait
    /// for a lock that one of them holds is an error.
    pub inside: &'a [String],
    /// Called once, when the waiting has become [`NOTICEABLE`], with the owner if
    /// one is known.
    pub on_wait: Option<Tell<'a>>,
}

impl<'a> Request<'a> {
    /// Waits in silence and leaves no name.
    pub fn new(wait: Wait) -> Request<'a> {
        Request { wait, owner: None, inside: &[], on_wait: None }
    }
}

/// A held lock. Dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    file: File,
    path: Utf8PathBuf,
    recorded: bool,
}

impl Lock {
    /// Takes the lock if it is free, without blocking. Returns `Ok(None)` if
    /// another open file holds it.
    pub fn try_acquire(path: &Utf8Path, mode: Mode) -> Result<Option<Lock>> {
        match Lock::acquire(path, mode, Request::new(Wait::Never)) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::Busy { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the lock, waiting as long as `request` says. The lock file and the
    /// folder it lies in are created, private, if they are missing.
    ///
    /// # Errors
    /// [`Error::Busy`] when the time is over, [`Error::HeldByCaller`] when
    /// waiting could not end, [`Error::Io`].
    pub fn acquire(path: &Utf8Path, mode: Mode, request: Request<'_>) -> Result<Lock> {
        let begun = Instant::now();
        let told = Cell::new(false);
        let tell = || {
            if let (Some(tell), false) = (request.on_wait, told.replace(true)) {
                tell(Lock::owner_of(path).as_ref());
            }
        };
        loop {
            let (file, id) = open(path)?;
            let file = match try_lock(file, mode).context("lock", path)? {
                Ok(file) => file,
                Err(file) => {
                    let owner = Lock::owner_of(path);
                    let ours =
                        owner.as_ref().is_some_and(|o| request.inside.contains(&o.process()));
                    // Who does not wait cannot wait for itself.
                    if request.wait != Wait::Never && (ours || sys::holds_by_inheritance(id)) {
                        return Err(Error::HeldByCaller { path: path.into() });
                    }
                    let locked = match request.wait {
                        Wait::Never => None,
                        Wait::Forever if request.on_wait.is_none() => Some(block(file, mode)),
                        wait => block_until(file, mode, begun, wait, tell),
                    };
                    let Some(locked) = locked else {
                        let owner = Lock::owner_of(path);
                        return Err(Error::Busy {
                            path: path.into(),
                            waited: begun.elapsed(),
                            owner,
                        });
                    };
                    locked.context("lock", path)?
                }
            };
            // Somebody may have removed or replaced the lock file while we
            // waited for it: a lock on a file without a name excludes nobody.
            if id.is_some() && id != fs::metadata(path).ok().and_then(|now| sys::file_id(&now)) {
                continue;
            }
            let mut lock = Lock { file, path: path.to_owned(), recorded: false };
            if let (Some(owner), Mode::Exclusive) = (request.owner, mode) {
                lock.record(owner);
            }
            return Ok(lock);
        }
    }

    /// Creates a lock file, private, if it is missing, and takes no lock.
    pub fn create(path: &Utf8Path) -> Result<()> {
        open(path).map(|_| ())
    }

    /// The process that holds this lock exclusively, if it said so and lives.
    pub fn owner_of(path: &Utf8Path) -> Option<Owner> {
        let mut file = sys::open_no_follow(path.as_std_path()).ok()?;
        file.seek(SeekFrom::Start(1)).ok()?;
        let mut text = Vec::new();
        file.take(4096).read_to_end(&mut text).ok()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        let owner: Owner = serde_json::from_slice(line).ok()?;
        sys::process_lives(owner.pid, owner.start).then_some(owner)
    }

    /// The lock file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Lets commands that this process starts from now on inherit the lock: it
    /// is then held until the last of them ends, as with flock(1).
    pub fn pass_on(&self) -> Result<()> {
        sys::make_inheritable(&self.file).context("pass on", &self.path)
    }

    /// Names its owner to those who wait behind it, who was not named at first.
    pub(crate) fn name(&mut self, owner: &Owner) {
        if !self.recorded {
            self.record(owner);
        }
    }

    /// Information only: a full disk must not make locks fail.
    fn record(&mut self, owner: &Owner) {
        let mut line = serde_json::to_vec(owner).expect("an owner is plain data");
        line.push(b'\n');
        self.recorded = true;
        let _ = sys::write_at(&self.file, &line, 1);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.recorded {
            // Only a courtesy to those who wait: the lock itself goes with the
            // file handle.
            let _ = sys::write_at(&self.file, b"\n", 1);
        }
    }
}

fn open(path: &Utf8Path) -> Result<(File, sys::FileId)> {
    let std_path = path.as_std_path();
    let file = match sys::open_private(std_path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The folder and the one that holds it are ccpar's own.
            let dir = std_path.parent().unwrap_or(Path::new("."));
            let root = dir.parent().unwrap_or(dir);
            sys::create_private_dir_all(dir, root).context("create", dir)?;
            sys::open_private(std_path, false)
        }
        done => done,
    };
    let file = match file {
        Err(error) if is_refused(&error) => match sys::open_no_follow(std_path) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                Err(error).context("create", path)
            }
            // Whoever may only read it can hold it, and leaves no name in it.
            done => done.context("open", path),
        },
        done => done.context("open", path),
    }?;
    let metadata = file.metadata().context("examine", path)?;
    if !metadata.is_file() {
        return Err(Error::Target {
            path: path.into(),
            problem: "is not a plain file, so it cannot be a lock: move it away".to_owned(),
        });
    }
    let id = sys::file_id(&metadata);
    Ok((file, id))
}

/// Whether a file may not be written, by its mode or its file system.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The file with its lock, or without it if that is not free.
fn try_lock(file: File, mode: Mode) -> io::Result<std::result::Result<File, File>> {
    let exclusive = mode == Mode::Exclusive;
    match sys::flock(file, sys::Asked { exclusive, block: false }) {
        (file, Ok(())) => Ok(Ok(file)),
        (file, Err(error))
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
        {
            Ok(Err(file))
        }
        (_, Err(error)) => Err(error),
    }
}

fn block(mut file: File, mode: Mode) -> io::Result<File> {
    let exclusive = mode == Mode::Exclusive;
    loop {
        let outcome;
        (file, outcome) = sys::flock(file, sys::Asked { exclusive, block: true });
        match outcome {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Blocks in a helper thread, which a time limit can leave behind: if it wins
/// too late nobody receives the file, and dropping it releases the lock.
fn block_until(
    file: File,
    mode: Mode,
    begun: Instant,
    wait: Wait,
    tell: impl Fn(),
) -> Option<io::Result<File>> {
    let (send, receive) = mpsc::sync_channel(1);
    let helper = thread::Builder::new().name("ccpar-lock".to_owned()).spawn(move || {
        let _ = send.send(block(file, mode));
    });
    if let Err(error) = helper {
        return Some(Err(error));
    }
    let received = |wait: Wait| match wait.less(begun.elapsed()) {
        Wait::For(left) => receive.recv_timeout(left).ok(),
        _ => receive.recv().ok(),
    };
    let quiet = match wait {
        Wait::For(limit) => limit.min(NOTICEABLE),
        _ => NOTICEABLE,
    };
    received(Wait::For(quiet)).or_else(|| {
        if wait != Wait::For(quiet) {
            tell();
        }
        received(wait)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_prints_without_control_characters() {
        let owner = Owner {
            pid: 7,
            start: None,
            session: Some("a\u{1b}[31m".to_owned()),
            branch: Some("feat/x".to_owned()),
            since: 0,
        };
        assert_eq!(owner.to_string(), "session a\\u{1b}[31m on feat/x (pid 7)");
    }
}
