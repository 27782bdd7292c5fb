//! Waiting until something changes that is shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::exit::Failure;
use crate::output;

/// Changes that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(50);

/// What the system tells of some folders.
pub(crate) struct Changes {
    watcher: RecommendedWatcher,
    told: Receiver<()>,
    followed: BTreeSet<PathBuf>,
}

fn failed(error: &notify::Error) -> Failure {
    Failure::new(format!("cannot watch for changes: {error}"))
}

/// Whether an event is more than a look, and of more than what a look itself leaves:
/// its locks, and what it notes.
fn tells(event: &Event) -> bool {
    let is_own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "looked.jsonl" || name.ends_with(".lock") || name.ends_with(".tmp")
    };
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return false,
        _ => {}
    }
    event.paths.is_empty() || !event.paths.iter().all(is_own)
}

impl Changes {
    pub(crate) fn new() -> Result<Changes, Failure> {
        let (tell, told) = channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // What the system failed to tell may be anything.
            if event.as_ref().map_or(true, tells) {
                let _ = tell.send(());
            }
        });
        let watcher = watcher.map_err(|error| failed(&error))?;
        Ok(Changes { watcher, told, followed: BTreeSet::new() })
    }

    /// Takes in a folder, or the nearest above it that is there.
    pub(crate) fn follow(&mut self, folder: &Path) -> Result<(), Failure> {
        let Some(folder) = folder.ancestors().find(|folder| folder.is_dir()) else {
            return Ok(());
        };
        if !self.followed.contains(folder) {
            let watched = self.watcher.watch(folder, RecursiveMode::NonRecursive);
            watched.map_err(|error| failed(&error))?;
            self.followed.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Waits until something changed, at most so long. Whether something did.
    ///
    /// # Errors
    /// Nobody reads any more what is shown.
    pub(crate) fn wait(&self, most: Duration) -> Result<bool, Failure> {
        output::check_reader()?;
        match self.told.recv_timeout(most) {
            Ok(()) => {
                let end = Instant::now() + TOGETHER;
                let left = || end.saturating_duration_since(Instant::now());
                while self.told.recv_timeout(left()).is_ok() {}
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Failure::new("the system stopped telling what changes"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_look_is_no_change() {
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let made = EventKind::Create(notify::event::CreateKind::File);
        assert!(!tells(&event(open, "/r/sessions/a.json")));
        assert!(tells(&event(closed, "/r/sessions/a.json")));
        assert!(tells(&event(made, "/r/notes.md")));
        for own in ["/r/looked.jsonl", "/r/registry.lock", "/r/.ccpar-1.tmp"] {
            assert!(!tells(&event(made, own)) && !tells(&event(closed, own)), "{own}");
        }
        // The queue ran over.
        assert!(tells(&Event::new(EventKind::Other)));
    }
}
