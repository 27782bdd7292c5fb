//! `ccpar watch`
//!
//! What a writer leaves is read by the thread that is told of it, at once, and
//! waits in a queue to be judged; so a text is known that the next writer
//! overwrites while the one before it is still looked at.

mod heal;
mod scope;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use ccpar_core::history::{How, Record};
use ccpar_core::{Glimpses, Harness, Settled};
use clap::Args;
use notify::Event;
use notify::event::{AccessKind, AccessMode, EventKind};
use serde::Serialize;

use heal::{Healed, Left};
use scope::Scope;

use crate::commands::report;
use crate::context::{self, Writing};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::paint::{self, Paint};
use crate::progress::Progress;

/// A write is taken for done when nothing more came for `QUIET`, at the latest
/// `LATEST` after it began: what stands for longer is never missed.
const QUIET: Duration = Duration::from_millis(8);
const LATEST: Duration = Duration::from_millis(30);

/// What was swallowed is merged back when nobody has written for so long, at the
/// latest so long after it was noticed: a plain write that is under way would go
/// where nobody sees it.
const CALM: Duration = Duration::from_millis(15);
const HEAL_LATEST: Duration = Duration::from_millis(500);

/// When to look again at a file whose lock somebody holds: after as long as it was
/// waited for already, within these bounds.
const BUSY: [Duration; 2] = [Duration::from_millis(2), AGAIN];

/// When to look again at a history that is just being made.
const AGAIN: Duration = Duration::from_millis(50);

/// When to look again whether a file is still claimed that is to be healed.
const CLAIMED: Duration = Duration::from_secs(1);

/// Record what something other than ccpar writes, as it is written
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
struct HealedJson<'a> {
    path: &'a str,
    /// How many losses were merged back.
    #[serde(rename = "healed")]
    losses: usize,
    /// Where that which could not be merged lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<std::borrow::Cow<'a, str>>,
}

/// What the loop waits for.
enum Message {
    Event(notify::Result<Event>),
    Healed(Result<Healed, Failure>),
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let glimpses = Arc::new(Glimpses::default());
    let harness = context::writing(&arguments.writing)?.with_glimpses(Arc::clone(&glimpses));
    let (tell, told) = channel();
    let (event, seen) = (tell.clone(), Arc::clone(&glimpses));
    let watcher = notify::recommended_watcher(move |what: notify::Result<Event>| {
        if let Ok(event) = &what
            && is_done(event.kind)
        {
            event.paths.iter().for_each(|path| seen.take(path));
        }
        let _ = event.send(Message::Event(what));
    });
    let watcher = watcher.map_err(|error| scope::failure(&error, None))?;
    // Watched first and looked at then: nothing is missed in between.
    let harness = &harness;
    let scope = Scope::new(harness, watcher, &glimpses, &arguments.paths)?;
    std::thread::scope(|threads| {
        let (healer, files) = channel();
        if arguments.heal {
            threads.spawn(move || heal::run(harness, &files, &tell));
        } else {
            drop(tell);
        }
        let watch = Watch {
            harness,
            arguments,
            scope,
            dirty: BTreeMap::new(),
            to_heal: BTreeMap::new(),
            unhealed: BTreeSet::new(),
            healer,
            said: BTreeMap::new(),
        };
        watch.follow(&told)
    })
}

/// Whether who wrote is done with it.
fn is_done(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Remove(_)
            | EventKind::Modify(notify::event::ModifyKind::Name(_))
    )
}

/// A target that was touched.
#[derive(Clone, Copy)]
struct Touched {
    first: Instant,
    /// When to look at it.
    due: Instant,
}

/// Takes out those whose time has come.
fn due(touched: &mut BTreeMap<PathBuf, Touched>) -> Vec<(PathBuf, Touched)> {
    let now = Instant::now();
    let mut due = Vec::new();
    touched.retain(|path, touched| {
        let later = touched.due > now;
        if !later {
            due.push((path.clone(), *touched));
        }
        later
    });
    due
}

struct Watch<'a> {
    harness: &'a Harness,
    arguments: &'a Arguments,
    scope: Scope<'a>,
    dirty: BTreeMap<PathBuf, Touched>,
    /// What was swallowed there is to be merged back.
    to_heal: BTreeMap<PathBuf, Touched>,
    /// What could not be merged back into what stands there.
    unhealed: BTreeSet<PathBuf>,
    healer: Sender<PathBuf>,
    /// The number of the last record of each that was looked at: those that come
    /// after it are said, whoever wrote them down.
    said: BTreeMap<PathBuf, u64>,
}

impl Watch<'_> {
    fn follow(mut self, told: &Receiver<Message>) -> Result<Exit, Failure> {
        let now = Instant::now();
        let targets = self.scope.targets().clone();
        let progress = Progress::on_terminal();
        let tell = |done| {
            if let Some(progress) = &progress {
                progress.tell(done, targets.len());
            }
        };
        for (done, target) in targets.iter().enumerate() {
            tell(done);
            self.look(target, now)?;
        }
        tell(targets.len());
        let files = output::count(self.scope.targets().len(), "file");
        output::say(format!("watching {files}; stop with Ctrl-C"));
        loop {
            self.touch();
            let waiting = self.dirty.values().chain(self.to_heal.values());
            let next = waiting.map(|touched| touched.due).min();
            let unnamed = self.scope.has_unnamed().then(|| Instant::now() + AGAIN);
            let message = match next.or(unnamed) {
                None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(next) => told.recv_timeout(next.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(message) => self.take(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("the system stopped telling what changes"));
                }
            }
            // All that is waiting, so that no write is looked at half done.
            while let Ok(message) = told.try_recv() {
                self.take(message)?;
            }
            self.scope.name_new()?;
            self.touch();
            for (path, touched) in due(&mut self.dirty) {
                self.look(&path, touched.first)?;
            }
            for (path, _) in due(&mut self.to_heal) {
                // The other end lives as long as this.
                let _ = self.healer.send(path);
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Event(Ok(event)) => self.take_event(&event),
            Message::Event(Err(error)) => {
                scope::failure(&error, None).report();
                Ok(())
            }
            Message::Healed(Ok(healed)) => self.healed(healed),
            Message::Healed(Err(failure)) => {
                failure.report();
                Ok(())
            }
        }
    }

    fn take_event(&mut self, event: &Event) -> Result<(), Failure> {
        if event.need_rescan() {
            return self.scope.rescan();
        }
        let done = is_done(event.kind);
        if matches!(event.kind, EventKind::Access(_)) && !done {
            return Ok(());
        }
        event.paths.iter().try_for_each(|path| self.scope.take(path, done))
    }

    /// Notes when to look at what was touched.
    fn touch(&mut self) {
        let now = Instant::now();
        for (path, done) in self.scope.take_touched() {
            let first = self.dirty.get(&path).map_or(now, |touched| touched.first);
            let due = if done { now } else { (now + QUIET).min(first + LATEST) };
            if let Some(heal) = self.to_heal.get_mut(&path) {
                heal.due = (now + CALM).min(heal.first + HEAL_LATEST);
            }
            self.dirty.insert(path, Touched { first, due });
        }
    }

    /// Looks at one target that was touched then, and says what it found.
    fn look(&mut self, path: &Path, first: Instant) -> Result<(), Failure> {
        let records = match self.settle(path) {
            Ok(Some(records)) => records,
            Ok(None) => {
                let now = Instant::now();
                let due = now + (now - first).clamp(BUSY[0], BUSY[1]);
                self.dirty.insert(path.to_owned(), Touched { first, due });
                return Ok(());
            }
            Err(error) => {
                // One file that cannot be read stops none of the others.
                Failure::from(error).report();
                return Ok(());
            }
        };
        if self.unhealed.remove(path) {
            self.heal_in(CALM, path.to_owned());
        }
        for record in records {
            if self.arguments.heal && record.lost.is_some() && !record.maybe {
                self.heal_in(CALM, path.to_owned());
            }
            self.say(path, &record)?;
        }
        Ok(())
    }

    /// Settles a target, and gives what something other than ccpar or a stale writer
    /// did to it that was not said yet, oldest first. `None` if somebody holds its lock.
    fn settle(&mut self, path: &Path) -> ccpar_core::Result<Option<Vec<Record>>> {
        let file = self.harness.file(path);
        let history = file.history()?;
        let said = match self.said.get(path) {
            Some(said) => *said,
            None => history.recent(1)?.first().map_or(0, |head| head.n),
        };
        let settled = file.settle()?;
        if settled == Settled::Busy {
            self.said.insert(path.to_owned(), said);
            return Ok(None);
        }
        let mut records = history.after(said)?;
        self.said.insert(path.to_owned(), records.last().map_or(said, |head| head.n));
        records.retain(|record| record.how == How::Outside || record.lost.is_some());
        Ok(Some(records))
    }

    fn heal_in(&mut self, calm: Duration, path: PathBuf) {
        let now = Instant::now();
        self.to_heal.entry(path).or_insert(Touched { first: now, due: now + calm });
    }

    fn healed(&mut self, healed: Healed) -> Result<(), Failure> {
        let Healed { path, losses, copy, left } = healed;
        match left {
            Left::Nothing => {}
            Left::UntilItChanges(then) => {
                // What cannot be read is said at the next look.
                let history = self.harness.file(&path).history();
                let newest = history.and_then(|history| history.recent(1)).unwrap_or_default();
                if newest.first().is_some_and(|head| head.version != then) {
                    self.heal_in(CALM, path.clone());
                } else {
                    self.unhealed.insert(path.clone());
                }
            }
            Left::UntilItIsFree => self.heal_in(CLAIMED, path.clone()),
        }
        if losses == 0 {
            return Ok(());
        }
        if self.arguments.writing.how.json {
            let copy = copy.as_ref().map(|copy| copy.to_string_lossy());
            output::json(&HealedJson { path: &path.to_string_lossy(), losses, copy })?;
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
