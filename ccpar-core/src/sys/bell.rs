//! Waiting for what no lock tells: that a file is touched, that a process ends.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often to look where the system cannot wake us.
const LOOK: Duration = Duration::from_millis(10);

/// Rings when one of some files is touched.
#[derive(Debug)]
pub(crate) struct Bell {
    /// `None` where the system has no more watches to give: then it rings every
    /// `LOOK`.
    #[cfg(target_os = "linux")]
    watch: Option<rustix::fd::OwnedFd>,
}

impl Bell {
    /// Hears each [`ring`] from now on.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "looks again instead"))]
    pub(crate) fn new<P: AsRef<Path>>(files: &[P]) -> Bell {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
            let watch = || {
                let watch = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
                // Setting the time of change alone counts as a change, not as one
                // of attributes.
                let touched = WatchFlags::ATTRIB | WatchFlags::MODIFY;
                for file in files {
                    add_watch(&watch, file.as_ref(), touched)?;
                }
                rustix::io::Result::Ok(watch)
            };
            Bell { watch: watch().ok() }
        }
        #[cfg(not(target_os = "linux"))]
        Bell {}
    }

    /// Waits until one of the files was touched or this process has ended, at
    /// most so long. May come back for nothing.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "looks again instead"))]
    pub(crate) fn wait(&self, process: Option<u32>, limit: Duration) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            use rustix::process::{Pid, PidfdFlags, pidfd_open};
            let pid = process.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            let process = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let blind = self.watch.is_none() || matches!(process, Some(Err(_)));
            let limit = if blind { limit.min(LOOK) } else { limit };
            let process = process.and_then(Result::ok);
            let wanted = self.watch.iter().chain(&process);
            let mut wanted: Vec<_> = wanted.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            let limit = Timespec::try_from(limit).ok();
            match poll(&mut wanted, limit.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            drop(wanted);
            // What rang is heard: the next wait is for the next ring.
            if let Some(watch) = &self.watch {
                let mut events = [0; 1024];
                while rustix::io::read(watch, &mut events).is_ok_and(|read| read > 0) {}
            }
        }
        #[cfg(not(target_os = "linux"))]
        std::thread::sleep(limit.min(LOOK));
        Ok(())
    }
}

/// Touches a file, if it is there, for those who wait for that.
pub(crate) fn ring(path: &Path) {
    // Nobody waits at a file that is not there; who misses a ring looks again
    // when the term is over.
    let _ = super::open_no_follow(path).and_then(|file| touch(&file, std::time::SystemTime::now()));
}

/// Sets when a file was changed.
pub(crate) fn touch(file: &File, time: std::time::SystemTime) -> io::Result<()> {
    file.set_modified(time)
}
