//! Processes: when one started, whether it lives, and what it inherited.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use super::{FileId, file_id, read_at};

/// When a process started, in the unit of the system: with the pid that names one
/// process for good. `None` where there is no cheap way to know.
pub(crate) fn process_start(pid: u32) -> Option<u64> {
    static OWN: OnceLock<(u32, Option<u64>)> = OnceLock::new();
    let start = |pid| stat(pid).map(|stat| stat.start);
    if pid == std::process::id() {
        let own = OWN.get_or_init(|| (pid, start(pid)));
        if own.0 == pid {
            return own.1;
        }
    }
    start(pid)
}

/// What the kernel says of a process.
pub(super) struct Stat {
    /// It has ended, and its parent has not asked for its exit code yet.
    ended: bool,
    /// It was stopped, and goes on when somebody says so.
    stopped: bool,
    pub(super) parent: u32,
    start: u64,
}

pub(super) fn stat(pid: u32) -> Option<Stat> {
    if cfg!(target_os = "linux") {
        let mut bytes = [0; 1024];
        let file = File::open(format!("/proc/{pid}/stat")).ok()?;
        let read = read_at(&file, &mut bytes, 0).ok()?;
        let stat = String::from_utf8_lossy(&bytes[..read]);
        // proc_pid_stat(5): the command in field 2 may hold blanks and
        // brackets, so count from its last bracket; state is field 3, ppid 4,
        // starttime 22.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let (ended, stopped) = (matches!(state, "Z" | "X" | "x"), matches!(state, "T" | "t"));
        let parent = fields.next()?.parse().ok()?;
        Some(Stat { ended, stopped, parent, start: fields.nth(17)?.parse().ok()? })
    } else {
        None
    }
}

/// Whether the process lives, as far as it can be told from here. A start time
/// that differs proves that the pid was used again.
pub(crate) fn process_lives(pid: u32, start: Option<u64>) -> bool {
    if cfg!(target_os = "linux") {
        return stat(pid)
            .is_some_and(|now| !now.ended && start.is_none_or(|start| start == now.start));
    }
    process_exists(pid)
}

/// Whether some process has this pid, be it another one than was meant.
pub(crate) fn process_exists(pid: u32) -> bool {
    #[cfg(unix)]
    {
        let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
            return false;
        };
        // EPERM is a process of somebody else's: it lives.
        rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
    }
    #[cfg(not(unix))]
    {
        let _ = pid;
        true
    }
}

/// Whether the process is stopped, by Ctrl-Z or a debugger, as far as it can be
/// told from here.
pub(crate) fn process_is_stopped(pid: u32) -> bool {
    stat(pid).is_some_and(|now| now.stopped)
}

/// Lets a child process inherit this file, as flock(1) does with its lock.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "it may fail on Unix"))]
pub(crate) fn make_inheritable(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        Ok(rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(())
    }
}

/// Whether this process inherited a lock on the file from its caller.
///
/// A flock belongs to the open file, so whoever inherited it holds it too: a
/// process that waits for such a lock waits for itself. What this process
/// opened itself closes on exec; what came through an exec does not.
pub(crate) fn holds_by_inheritance(id: FileId) -> bool {
    const O_CLOEXEC: u64 = 0o2_000_000;
    let Some(id) = id else { return false };
    // proc_pid_fdinfo(5), so Linux alone: elsewhere the answer is no, and a
    // process that waits for itself meets its time limit.
    let Ok(entries) = fs::read_dir("/proc/self/fdinfo") else {
        return false;
    };
    entries.flatten().any(|entry| {
        let same = fs::metadata(Path::new("/proc/self/fd").join(entry.file_name()))
            .is_ok_and(|found| file_id(&found) == Some(id));
        same && fs::read_to_string(entry.path()).is_ok_and(|info| {
            let flags = info
                .lines()
                .find_map(|line| u64::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
            flags.is_some_and(|flags| flags & O_CLOEXEC == 0)
                && info.lines().any(|line| line.starts_with("lock:"))
        })
    })
}
