//! Where and when a process runs: what tells it from all others, and a clock
//! that nobody sets.

use std::fs;

/// The boot of the machine, as the kernel names it. All containers of one
/// machine share it.
pub(crate) fn boot() -> Option<String> {
    // random(4)
    line("/proc/sys/kernel/random/boot_id")
}

/// The machine, whatever its host name. See machine-id(5).
pub(crate) fn machine() -> Option<String> {
    line("/etc/machine-id")
}

fn line(path: &str) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim_end().to_owned()).filter(|line| !line.is_empty())
}

/// The pid namespace of this process: elsewhere its pid means another process,
/// or none. See `pid_namespaces(7)`.
pub(crate) fn pid_namespace() -> Option<u64> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// The name of this host.
pub(crate) fn host() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").unwrap_or_default()
    }
}

/// Milliseconds on a clock that nobody sets and that starts again with each
/// boot. On Linux it stands still while the machine is suspended. `None` where
/// there is no such clock for all processes.
pub(crate) fn uptime() -> Option<u64> {
    #[cfg(unix)]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let [secs, nanos] = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).ok());
        Some(secs? * 1000 + nanos? / 1_000_000)
    }
    #[cfg(not(unix))]
    None
}

/// The process that runs this one. A subshell is a fork of the shell whose
/// script it runs, and ends with the line: then the shell itself is meant.
pub(crate) fn caller() -> u32 {
    #[cfg(unix)]
    let mut pid = std::os::unix::process::parent_id();
    // There is no stable way to ask: a session has to be named there.
    #[cfg(not(unix))]
    let mut pid = std::process::id();
    while let Some(parent) = forked_from(pid) {
        pid = parent;
    }
    pid
}

/// The parent of a process, if it is the same program with the same arguments.
fn forked_from(pid: u32) -> Option<u32> {
    let parent = super::process::stat(pid)?.parent;
    let same = |name: &str, read: fn(String) -> Option<Vec<u8>>| {
        let of = |pid| read(format!("/proc/{pid}/{name}"));
        of(pid).is_some_and(|value| !value.is_empty() && of(parent) == Some(value))
    };
    let program = |path| Some(fs::read_link(path).ok()?.into_os_string().into_encoded_bytes());
    (parent > 1 && same("exe", program) && same("cmdline", |path| fs::read(path).ok()))
        .then_some(parent)
}
