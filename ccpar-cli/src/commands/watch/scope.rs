//! What is watched: targets, folders, and the system's watches on them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ccpar_core::history::{self, History};
use ccpar_core::{Glimpses, Harness};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::exit::Failure;
use crate::named;
use crate::output;

/// Files in a watched folder that are larger are no notes.
const SIZE_MAX: u64 = 16 << 20;

pub(super) fn failure(error: &notify::Error, path: Option<&Path>) -> Failure {
    let what = path.map_or_else(|| "files".to_owned(), |path| format!("`{}`", output::path(path)));
    let failure = Failure::new(format!("cannot watch {what}: {error}"));
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            failure.with_hint("the system's limit is reached: raise fs.inotify.max_user_watches")
        }
        _ => failure,
    }
}

pub(super) struct Scope<'a> {
    harness: &'a Harness,
    watcher: RecommendedWatcher,
    glimpses: Arc<Glimpses>,
    /// Whether all known files are meant, those that become known included.
    everything: bool,
    /// Folders of which all plain files are meant.
    folders: Vec<PathBuf>,
    /// Canonical paths.
    targets: BTreeSet<PathBuf>,
    /// The folders that the system watches for us.
    armed: BTreeSet<PathBuf>,
    /// Histories that are being made, and since when.
    unnamed: BTreeMap<String, Instant>,
    /// What was touched since it was asked for, and whether the write is over.
    touched: Vec<(PathBuf, bool)>,
}

impl<'a> Scope<'a> {
    /// Of these paths, or else of all known files.
    pub(super) fn new(
        harness: &'a Harness,
        watcher: RecommendedWatcher,
        glimpses: &Arc<Glimpses>,
        paths: &[PathBuf],
    ) -> Result<Scope<'a>, Failure> {
        let mut scope = Scope {
            harness,
            watcher,
            glimpses: Arc::clone(glimpses),
            everything: paths.is_empty(),
            folders: Vec::new(),
            targets: BTreeSet::new(),
            armed: BTreeSet::new(),
            unnamed: BTreeMap::new(),
            touched: Vec::new(),
        };
        if scope.everything {
            let histories = harness.histories_folder()?.into_std_path_buf();
            scope.arm_one(&histories)?;
            let (targets, _) = named::known_targets(harness, None)?;
            for target in targets {
                scope.add(target);
            }
        }
        for path in paths {
            let real = harness.file(path).real_path()?;
            if real.is_dir() {
                scope.folders.push(real);
            } else {
                scope.add(real);
            }
        }
        scope.arm()?;
        Ok(scope)
    }

    /// Takes in a target. Says whether it is new.
    fn add(&mut self, target: PathBuf) -> bool {
        self.glimpses.follow(target.clone());
        self.targets.insert(target)
    }

    pub(super) fn targets(&self) -> &BTreeSet<PathBuf> {
        &self.targets
    }

    /// Whether there are histories of which it is not known yet whose they are.
    pub(super) fn has_unnamed(&self) -> bool {
        !self.unnamed.is_empty()
    }

    /// The targets that were touched since this was asked, and whether the write is
    /// over.
    pub(super) fn take_touched(&mut self) -> Vec<(PathBuf, bool)> {
        std::mem::take(&mut self.touched)
    }

    /// Takes in that the system dropped some of what it had to tell: all may have
    /// changed.
    pub(super) fn rescan(&mut self) -> Result<(), Failure> {
        for folder in self.folders.clone() {
            self.take_in(&folder)?;
        }
        self.touched.extend(self.targets.iter().map(|target| (target.clone(), true)));
        self.arm()
    }

    /// Takes in that something happened to a path.
    pub(super) fn take(&mut self, path: &Path, done: bool) -> Result<(), Failure> {
        if self.targets.contains(path) {
            self.touched.push((path.to_owned(), done));
        } else if path.parent().is_some_and(|parent| parent == self.histories()) {
            let name = path.file_name().and_then(|name| name.to_str());
            self.unnamed.extend(name.map(|name| (name.to_owned(), Instant::now())));
        } else {
            self.take_in(path)?;
        }
        self.folder_came_or_went(path, done)
    }

    /// Follows a folder, if the path is one in which targets lie: one that is made
    /// anew is watched anew.
    fn folder_came_or_went(&mut self, path: &Path, done: bool) -> Result<(), Failure> {
        // What lies below a path comes right after it in order.
        let below = |paths: &BTreeSet<PathBuf>| -> Vec<PathBuf> {
            let from = paths.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
            from.take_while(|other| other.starts_with(path)).cloned().collect()
        };
        let mut targets = below(&self.targets);
        targets.retain(|target| target != path);
        let armed = below(&self.armed);
        if targets.is_empty() && armed.is_empty() {
            return Ok(());
        }
        for folder in armed.iter().filter(|folder| done || !folder.is_dir()) {
            let _ = self.watcher.unwatch(folder);
            self.armed.remove(folder);
        }
        self.arm()?;
        for target in targets {
            self.touched.push((target, done));
        }
        Ok(())
    }

    fn histories(&self) -> PathBuf {
        self.harness.root().join("history").into()
    }

    /// Makes targets of the plain files that are, or lie in, a path, and watches its
    /// folders, if it lies within a folder that is watched as a whole.
    fn take_in(&mut self, path: &Path) -> Result<(), Failure> {
        let hidden = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with('.') || name.contains(".conflict-")
        };
        let within = self.folders.iter().find_map(|folder| path.strip_prefix(folder).ok());
        let hidden_above = within.is_none_or(|within| within.ancestors().any(hidden));
        if hidden_above || path.starts_with(self.harness.root()) {
            return Ok(());
        }
        let Ok(metadata) = std::fs::symlink_metadata(path) else {
            return Ok(());
        };
        if metadata.is_dir() {
            self.arm_one(path)?;
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                self.take_in(&entry.path())?;
            }
        } else if metadata.is_file() && metadata.len() <= SIZE_MAX {
            self.add(path.to_owned());
            self.touched.push((path.to_owned(), false));
        }
        Ok(())
    }

    /// Asks new histories whose they are.
    pub(super) fn name_new(&mut self) -> Result<(), Failure> {
        const PATIENCE: Duration = Duration::from_secs(10);
        if self.unnamed.is_empty() {
            return Ok(());
        }
        let known = history::known(self.harness.root())?;
        self.unnamed.retain(|name, since| since.elapsed() < PATIENCE && known.contains(name));
        let mut new = Vec::new();
        self.unnamed.retain(|name, _| match History::named(self.harness.root(), name) {
            Ok(Some(history)) => {
                new.push(history.target().to_owned());
                false
            }
            Ok(None) => true,
            Err(error) => {
                Failure::from(error).report();
                false
            }
        });
        for target in new {
            if self.add(target.clone()) {
                self.touched.push((target, false));
            }
        }
        self.arm()
    }

    /// Watches the folder of each target, or the nearest that exists above it, and
    /// those that are watched as a whole.
    fn arm(&mut self) -> Result<(), Failure> {
        loop {
            let above = self.targets.iter().filter_map(|target| existing(target.parent()?));
            let whole = self.folders.iter().filter_map(|folder| existing(folder));
            let wanted: BTreeSet<&Path> = above.chain(whole).collect();
            let mut new: Vec<PathBuf> = wanted.into_iter().map(Path::to_owned).collect();
            new.retain(|folder| !self.armed.contains(folder));
            for folder in &new {
                self.arm_one(folder)?;
                self.take_in(folder)?;
            }
            // What was made in a folder before it was watched nobody tells: once more.
            if new.is_empty() {
                return Ok(());
            }
        }
    }

    /// Watches one folder, not what lies in the folders in it: a watch that does would
    /// miss what is made in a new folder before it gets there.
    fn arm_one(&mut self, folder: &Path) -> Result<(), Failure> {
        if self.armed.contains(folder) {
            return Ok(());
        }
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.armed.insert(folder.to_owned());
                Ok(())
            }
            // It went away this moment: the folder above tells.
            Err(_) if !folder.is_dir() => Ok(()),
            Err(error) => Err(failure(&error, Some(folder))),
        }
    }
}

/// The nearest folder that exists, of this one and those above it.
fn existing(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.is_dir())
}
