//! Waiting for what no lock tells: that a claim is free, that a process ends.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often to look where the system cannot wake us.
const LOOK: Duration = Duration::from_millis(10);

/// Rings when somebody calls [`ring`] for one of its paths. Each path has one
/// listener at a time.
///
/// On Linux that is a fifo, which is there while somebody listens: a file watch
/// would do, but takes milliseconds to end (inotify waits for all who might
/// still use it). A listener that was killed leaves its fifo to the next.
#[derive(Debug)]
pub(crate) struct Bell {
    /// `None` where there can be no fifo: then it rings every `LOOK`.
    #[cfg(target_os = "linux")]
    fifos: Option<Vec<(PathBuf, File)>>,
}

impl Bell {
    /// Hears each ring from now on.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "looks again instead"))]
    pub(crate) fn new(paths: &[PathBuf]) -> Bell {
        #[cfg(target_os = "linux")]
        {
            let listen = |path: &PathBuf| Ok((path.clone(), fifo(path)?));
            Bell { fifos: paths.iter().map(listen).collect::<io::Result<_>>().ok() }
        }
        #[cfg(not(target_os = "linux"))]
        Bell {}
    }

    /// Waits for a ring or the end of this process, at most so long. May come
    /// back for nothing.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "looks again instead"))]
    pub(crate) fn wait(&self, process: Option<u32>, limit: Duration) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::event::{PollFd, PollFlags, Timespec, poll};
            use rustix::process::{Pid, PidfdFlags, pidfd_open};
            let pid = process.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            let process = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let blind = self.fifos.is_none() || matches!(process, Some(Err(_)));
            let limit = if blind { limit.min(LOOK) } else { limit };
            let process = process.and_then(Result::ok);
            let fifos = || self.fifos.iter().flatten().map(|(_, fifo)| fifo);
            let mut wanted: Vec<_> = fifos().map(|fifo| PollFd::new(fifo, PollFlags::IN)).collect();
            wanted.extend(process.iter().map(|process| PollFd::new(process, PollFlags::IN)));
            let limit = Timespec::try_from(limit).ok();
            match poll(&mut wanted, limit.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            // What rang is heard: the next wait is for the next ring.
            for mut fifo in fifos() {
                while io::Read::read(&mut fifo, &mut [0; 64]).is_ok_and(|read| read > 0) {}
            }
        }
        #[cfg(not(target_os = "linux"))]
        std::thread::sleep(limit.min(LOOK));
        Ok(())
    }
}

#[cfg(target_os = "linux")]
impl Drop for Bell {
    fn drop(&mut self) {
        for (path, _) in self.fifos.iter().flatten() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Makes a fifo, or takes over what is there, and listens at it. Open for
/// writing too, it does not end when those who ring are gone: fifo(7).
#[cfg(target_os = "linux")]
fn fifo(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
    match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let how = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(path, how, Mode::empty())?);
    // A copy of the folder may have left a plain file, which is always ready.
    let is_fifo = std::os::unix::fs::FileTypeExt::is_fifo(&file.metadata()?.file_type());
    is_fifo.then_some(file).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Wakes whoever listens at this path.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "they look again"))]
pub(crate) fn ring(path: &Path) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Mode, OFlags, open};
        let how = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Where nobody listens there is no fifo, or none to be opened.
        if let Ok(fifo) = open(path, how, Mode::empty()) {
            let _ = rustix::io::write(fifo, b"!");
        }
    }
}

/// Sets when a file was changed.
pub(crate) fn touch(file: &File, time: std::time::SystemTime) -> io::Result<()> {
    file.set_modified(time)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what a copy of the folder left")]
    fn a_plain_file_in_the_place_of_a_fifo_does_not_ring_all_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bell");
        std::fs::write(&path, "").unwrap();
        let begun = std::time::Instant::now();
        Bell::new(&[path]).wait(None, Duration::from_secs(9)).unwrap();
        assert!(begun.elapsed() >= LOOK);
    }
}
