//! `ccpar watch`

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ccpar_core::history::{self, History, Record};
use ccpar_core::{Harness, Outcome, Settled};
use clap::Args;
use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Writing};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::paint::{self, Paint};

/// A write is taken for done when nothing more came for `QUIET`, at the latest
/// `LATEST` after it began: what stands for longer is never missed.
const QUIET: Duration = Duration::from_millis(8);
const LATEST: Duration = Duration::from_millis(30);

/// What was swallowed is merged back when nobody has written for so long, at the
/// latest so long after it was noticed: a plain write that is under way would go
/// where nobody sees it.
const CALM: Duration = Duration::from_millis(15);
const HEAL_LATEST: Duration = Duration::from_millis(500);

/// When to look again at a file whose lock somebody holds, and at a history that
/// is just being made.
const AGAIN: Duration = Duration::from_millis(50);

/// Files in a watched folder that are larger are no notes.
const SIZE_MAX: u64 = 16 << 20;

/// Record each version that something other than ccpar writes, as it is written
#[derive(Debug, Args)]
#[command(after_help = "\
Runs until it is stopped. One line per version on stdout; a line that says what
was swallowed names the command that puts it back. Without --heal it changes no
file. In a folder that is named, plain files that are not hidden become known.

Example: ccpar watch --heal
         ccpar watch ~/.claude/memory")]
pub(crate) struct Arguments {
    /// Files, or folders with all that is in them [default: all known files]
    paths: Vec<PathBuf>,

    /// Merge back at once what a stale writer swallowed
    #[arg(long)]
    heal: bool,

    /// Say only what was swallowed, damaged or removed
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    writing: Writing,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    #[serde(flatten)]
    record: &'a Record,
}

#[derive(Serialize)]
struct Healed<'a> {
    path: &'a str,
    /// How many losses were merged back.
    #[serde(rename = "healed")]
    losses: usize,
    /// Where that which could not be merged lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<std::borrow::Cow<'a, str>>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing(&arguments.writing)?;
    let (send, receive) = channel();
    let watcher = notify::recommended_watcher(send).map_err(|error| failure(&error, None))?;
    let mut watch = Watch {
        harness: &harness,
        arguments,
        watcher,
        everything: arguments.paths.is_empty(),
        folders: Vec::new(),
        targets: BTreeSet::new(),
        armed: BTreeSet::new(),
        unnamed: BTreeMap::new(),
        dirty: BTreeMap::new(),
        heal: BTreeMap::new(),
    };
    watch.begin()?;
    watch.follow(&receive)
}

fn failure(error: &notify::Error, path: Option<&Path>) -> Failure {
    let what = path.map_or_else(|| "files".to_owned(), |path| format!("`{}`", output::path(path)));
    let failure = Failure::new(format!("cannot watch {what}: {error}"));
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            failure.with_hint("the system's limit is reached: raise fs.inotify.max_user_watches")
        }
        _ => failure,
    }
}

/// A target that was touched.
#[derive(Clone, Copy)]
struct Touched {
    first: Instant,
    /// When to look at it.
    due: Instant,
}

/// Takes out those whose time has come.
fn due(touched: &mut BTreeMap<PathBuf, Touched>) -> Vec<PathBuf> {
    let now = Instant::now();
    let mut due = Vec::new();
    touched.retain(|path, touched| {
        let later = touched.due > now;
        if !later {
            due.push(path.clone());
        }
        later
    });
    due
}

struct Watch<'a> {
    harness: &'a Harness,
    arguments: &'a Arguments,
    watcher: RecommendedWatcher,
    /// Whether all known files are meant, those that become known included.
    everything: bool,
    /// Folders of which all plain files are meant.
    folders: Vec<PathBuf>,
    /// Canonical paths.
    targets: BTreeSet<PathBuf>,
    /// The folders that the system watches for us.
    armed: BTreeSet<PathBuf>,
    /// Histories that are being made, and how often they were asked whose they
    /// are.
    unnamed: BTreeMap<String, u32>,
    dirty: BTreeMap<PathBuf, Touched>,
    /// What was swallowed there is to be merged back.
    heal: BTreeMap<PathBuf, Touched>,
}

impl Watch<'_> {
    /// Watches first, then looks: nothing is missed in between.
    fn begin(&mut self) -> Result<(), Failure> {
        if self.everything {
            let histories = self.harness.histories_folder()?.into_std_path_buf();
            self.arm_one(&histories, RecursiveMode::NonRecursive)?;
            let (targets, _) = context::known_targets(self.harness, None)?;
            self.targets.extend(targets);
        }
        for path in &self.arguments.paths {
            let real = self.harness.file(path).real_path()?;
            if real.is_dir() {
                self.arm_one(&real, RecursiveMode::Recursive)?;
                self.folders.push(real);
            } else {
                self.targets.insert(real);
            }
        }
        for folder in self.folders.clone() {
            self.take_in(&folder);
        }
        self.arm()?;
        for target in self.targets.clone() {
            self.look(&target)?;
        }
        let files = output::count(self.targets.len(), "file");
        output::say(format!("watching {files}; stop with Ctrl-C"));
        Ok(())
    }

    fn follow(&mut self, receive: &Receiver<notify::Result<Event>>) -> Result<Exit, Failure> {
        loop {
            let waiting = self.dirty.values().chain(self.heal.values());
            let next = waiting.map(|touched| touched.due).min();
            let next = next.or_else(|| (!self.unnamed.is_empty()).then(|| Instant::now() + AGAIN));
            let event = match next {
                None => receive.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(next) => receive.recv_timeout(next.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(Ok(event)) => self.take(&event)?,
                Ok(Err(error)) => {
                    failure(&error, None).report();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("the system stopped telling what changes"));
                }
            }
            // All that is waiting, so that no write is looked at half done.
            while let Ok(event) = receive.try_recv() {
                match event {
                    Ok(event) => self.take(&event)?,
                    Err(error) => {
                        failure(&error, None).report();
                    }
                }
            }
            if !self.unnamed.is_empty() {
                self.name_new()?;
            }
            for path in due(&mut self.dirty) {
                self.look(&path)?;
            }
            for path in due(&mut self.heal) {
                self.put_back(path)?;
            }
        }
    }

    fn take(&mut self, event: &Event) -> Result<(), Failure> {
        if event.need_rescan() {
            // Some were dropped: all may have changed.
            for folder in self.folders.clone() {
                self.take_in(&folder);
            }
            for target in self.targets.clone() {
                self.touch(target, true);
            }
            return self.arm();
        }
        let done = matches!(
            event.kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Remove(_)
                | EventKind::Modify(notify::event::ModifyKind::Name(_))
        );
        if matches!(event.kind, EventKind::Access(_)) && !done {
            return Ok(());
        }
        for path in &event.paths {
            if self.targets.contains(path) {
                self.touch(path.clone(), done);
            } else if path.parent().is_some_and(|parent| parent == self.histories()) {
                let name = path.file_name().and_then(|name| name.to_str());
                self.unnamed.extend(name.map(|name| (name.to_owned(), 0)));
            } else if self.folders.iter().any(|folder| path.starts_with(folder)) {
                self.take_in(path);
            }
            self.folder_came_or_went(path, done)?;
        }
        Ok(())
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
            self.touch(target, done);
        }
        Ok(())
    }

    fn touch(&mut self, path: PathBuf, done: bool) {
        let now = Instant::now();
        let first = self.dirty.get(&path).map_or(now, |touched| touched.first);
        let due = if done { now } else { (now + QUIET).min(first + LATEST) };
        if let Some(heal) = self.heal.get_mut(&path) {
            heal.due = (now + CALM).min(heal.first + HEAL_LATEST);
        }
        self.dirty.insert(path, Touched { first, due });
    }

    fn histories(&self) -> PathBuf {
        self.harness.root().join("history").into()
    }

    /// Makes targets of the plain files that are, or lie in, a path within a
    /// folder that is watched as a whole.
    fn take_in(&mut self, path: &Path) {
        let hidden = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with('.') || name.contains(".conflict-")
        };
        let within = self.folders.iter().find_map(|folder| path.strip_prefix(folder).ok());
        let hidden_above = within.is_none_or(|within| within.ancestors().any(hidden));
        if hidden_above || path.starts_with(self.harness.root()) {
            return;
        }
        let Ok(metadata) = std::fs::symlink_metadata(path) else {
            return;
        };
        if metadata.is_dir() {
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                self.take_in(&entry.path());
            }
        } else if metadata.is_file() && metadata.len() <= SIZE_MAX {
            self.targets.insert(path.to_owned());
            self.touch(path.to_owned(), false);
        }
    }

    /// Asks new histories whose they are.
    fn name_new(&mut self) -> Result<(), Failure> {
        const TRIES: u32 = 100;
        let known = history::known(self.harness.root())?;
        self.unnamed.retain(|name, tries| {
            *tries += 1;
            *tries < TRIES && known.contains(name)
        });
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
            if self.targets.insert(target.clone()) {
                self.touch(target, false);
            }
        }
        self.arm()
    }

    /// Watches the folder of each target, or the nearest that exists above it.
    fn arm(&mut self) -> Result<(), Failure> {
        for folder in self.folders.clone() {
            if folder.is_dir() && !self.armed.contains(&folder) {
                self.arm_one(&folder, RecursiveMode::Recursive)?;
                self.take_in(&folder);
            }
        }
        let exists = |target: &PathBuf| {
            target.ancestors().skip(1).find(|folder| folder.is_dir()).map(Path::to_owned)
        };
        let wanted: BTreeSet<PathBuf> = self.targets.iter().filter_map(exists).collect();
        for folder in wanted {
            let covered = self.folders.iter().any(|whole| folder.starts_with(whole));
            if !covered {
                self.arm_one(&folder, RecursiveMode::NonRecursive)?;
            }
        }
        Ok(())
    }

    fn arm_one(&mut self, folder: &Path, mode: RecursiveMode) -> Result<(), Failure> {
        if self.armed.contains(folder) {
            return Ok(());
        }
        match self.watcher.watch(folder, mode) {
            Ok(()) => {
                self.armed.insert(folder.to_owned());
                Ok(())
            }
            // It went away this moment: the folder above tells.
            Err(_) if !folder.is_dir() => Ok(()),
            Err(error) => Err(failure(&error, Some(folder))),
        }
    }

    /// Looks at one target, and says what it found.
    fn look(&mut self, path: &Path) -> Result<(), Failure> {
        let file = self.harness.file(path);
        let record = match file.settle() {
            Ok(Settled::Known) => return Ok(()),
            Ok(Settled::Busy) => {
                let due = Instant::now() + AGAIN;
                self.dirty.insert(path.to_owned(), Touched { first: due, due });
                return Ok(());
            }
            Ok(Settled::Outside(record)) => record,
            Err(error) => {
                // One file that cannot be read stops none of the others.
                Failure::from(error).report();
                return Ok(());
            }
        };
        if self.arguments.heal && record.lost.is_some() && !record.maybe {
            let now = Instant::now();
            let heal = Touched { first: now, due: now + CALM };
            self.heal.entry(path.to_owned()).or_insert(heal);
        }
        self.say(path, &record)
    }

    fn put_back(&mut self, path: PathBuf) -> Result<(), Failure> {
        let file = self.harness.file(&path);
        let (closed, outcome) = match file.heal() {
            Ok((closed, commit)) => (closed, commit.outcome),
            Err(error) => {
                Failure::from(error).report();
                return Ok(());
            }
        };
        let sure = |open: Vec<ccpar_core::Loss>| open.iter().any(|loss| !loss.record.maybe);
        if closed == 0 && file.losses().is_ok_and(sure) {
            // It was empty, or somebody was quicker.
            let now = Instant::now();
            self.heal.insert(path, Touched { first: now, due: now + AGAIN });
            return Ok(());
        }
        let copy = match outcome {
            Outcome::Conflict { copy, .. } => Some(copy),
            _ => None,
        };
        if closed == 0 {
            return Ok(());
        }
        if self.arguments.writing.how.json {
            let copy = copy.as_ref().map(|copy| copy.to_string_lossy());
            output::json(&Healed { path: &path.to_string_lossy(), losses: closed, copy })?;
            return Ok(());
        }
        let paint = Paint::stdout();
        let name = paint.text(paint::NAME, output::short_path(&path));
        let copy = copy.map_or_else(String::new, |copy| {
            format!("; what could not be is in `{}`", output::short_path(&copy))
        });
        let time = output::time(crate::when::now());
        let line = format!("{time}  {name}  merged back what was not seen{copy}\n");
        output::text(line.as_bytes())?;
        Ok(())
    }

    fn say(&self, path: &Path, record: &Record) -> Result<(), Failure> {
        let matters = record.lost.is_some()
            || record.damage.is_some()
            || (record.version.is_absent() && !record.parents.is_empty());
        if self.arguments.quiet && !matters {
            return Ok(());
        }
        if self.arguments.writing.how.json {
            let path = &path.to_string_lossy();
            output::json(&Json { path, record })?;
            return Ok(());
        }
        let paint = Paint::stdout();
        let (added, removed) = record.lines.unwrap_or_default();
        let mut line = format!(
            "{}  {}@{}  +{added} -{removed}",
            output::time(record.time),
            paint.text(paint::NAME, output::short_path(path)),
            record.n,
        );
        if let Some(note) = report::outside_note(path, record) {
            line.push_str("  ");
            line.push_str(&paint.text(paint::REMOVED, note));
        }
        line.push('\n');
        output::text(line.as_bytes())?;
        Ok(())
    }
}
