//! All known targets, looked at.
//!
//! To look at a target is to read and hash it, and to read its log. Where
//! neither the file nor the log has another stamp (inode, length, times) than
//! at the last look, what that look found still holds: it is noted in
//! `<root>/looked.jsonl`, one object a line. That file is a cache: who loses it
//! looks again.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::{self, Durability};
use crate::error::{Error, Result};
use crate::harness::{self, Author, Harness};
use crate::history::{self, Check, Damage, Finding, History, Record, Version};
use crate::lock::{Lock, Mode, Request};
use crate::shared_file::{Loss, Settled};
use crate::sys::{self, Stamp};

/// A file that was changed so short a time before it was looked at, in
/// nanoseconds, may be changed again without another stamp: the coarsest clocks
/// of file systems tick every two seconds.
const COARSEST: u64 = 2_000_000_000;

/// What is known of one target.
#[derive(Debug)]
pub struct State {
    /// Its canonical path.
    pub target: PathBuf,
    /// What the look found that something other than ccpar did.
    pub outside: Option<Box<Record>>,
    /// What there is to say about it.
    pub found: Findings,
    /// When its log was last written, in milliseconds since 1970; 0 if it has none.
    pub logged: u64,
    /// Whether somebody holds its lock, and settles it when they are done: then
    /// this is what was known before.
    pub busy: bool,
    /// Why it could not be looked at, if so.
    pub problem: Option<Error>,
}

impl State {
    /// A target of which nothing is known yet.
    fn of(target: PathBuf) -> State {
        State {
            target,
            outside: None,
            found: Findings::default(),
            logged: 0,
            busy: false,
            problem: None,
        }
    }
}

/// What there may be to say about a target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// How many losses are open.
    #[serde(skip_serializing_if = "is_default")]
    pub losses: usize,
    /// How many lines those are.
    #[serde(skip_serializing_if = "is_default")]
    pub lost_lines: usize,
    /// How many of them their writer may have dropped on purpose.
    #[serde(skip_serializing_if = "is_default")]
    pub lost_perhaps: usize,
    /// What is wrong with its text.
    #[serde(skip_serializing_if = "is_default")]
    pub damage: Option<Damage>,
    /// It does not exist any more; this is what its last record says.
    #[serde(skip_serializing_if = "is_default")]
    pub gone: Option<Box<Record>>,
    /// Where its path leads now: a link took its place, or that of a folder above
    /// it. What lies there is no part of its history.
    #[serde(skip_serializing_if = "is_default")]
    pub linked: Option<PathBuf>,
    /// Conflict copies that lie beside it.
    #[serde(skip_serializing_if = "is_default")]
    pub conflicts: Vec<PathBuf>,
    /// How many lines of its log cannot be read.
    #[serde(skip_serializing_if = "is_default")]
    pub broken: usize,
}

impl Findings {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Findings::default()
    }

    /// Whether somebody has to see to it. Who removed a file, or put a link in its
    /// place, most often meant that.
    pub fn is_open(&self) -> bool {
        self.losses > 0 || self.damage.is_some() || !self.conflicts.is_empty() || self.broken > 0
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a look found, and by which stamps that still holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Looked {
    name: String,
    target: PathBuf,
    /// `None`: it does not exist.
    file: Option<Stamp>,
    log: Stamp,
    #[serde(default, skip_serializing_if = "Findings::is_empty")]
    found: Findings,
}

impl Looked {
    /// Whether this look holds for files that look so now.
    fn holds(&self, file: Option<Stamp>, log: Option<Stamp>) -> bool {
        Some(self.log) == log && self.file == file
    }
}

/// Folders in whose paths there is no link, asked for once each.
#[derive(Default)]
struct Straight(HashSet<PathBuf>);

impl Straight {
    /// Whether a path leads through no link, if what it names is none.
    fn leads_to(&mut self, path: &Path) -> bool {
        let Some(folder) = path.parent() else { return true };
        let known = self.0.contains(folder);
        if !known && !folder.ancestors().any(Path::is_symlink) {
            self.0.insert(folder.to_owned());
        }
        known || self.0.contains(folder)
    }
}

/// Whether a stamp that was taken at `now`, in milliseconds since 1970, tells a
/// later change apart.
fn tells(stamp: Option<Stamp>, now: u64) -> bool {
    let Some([.., modified, changed]) = stamp else { return true };
    modified.max(changed).saturating_add(COARSEST) < now.saturating_mul(1_000_000)
}

/// The stamp of a file, if it is a plain one.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(sys::stamp(&metadata))
}

/// When a file with this stamp was written, in milliseconds since 1970.
fn time_of(stamp: Option<Stamp>) -> u64 {
    stamp.map_or(0, |[.., modified, _]| modified / 1_000_000)
}

impl Harness {
    /// The canonical paths of all known targets, or of those in `folder`, sorted;
    /// and what is wrong with histories that do not say whose they are.
    ///
    /// # Errors
    /// If the root cannot be read.
    pub fn targets(&self, folder: Option<&Path>) -> Result<(Vec<PathBuf>, Vec<Error>)> {
        let folder = folder.map(|folder| self.file(folder).real_path()).transpose()?;
        let (mut targets, mut problems) = (Vec::new(), Vec::new());
        for name in history::known(self.root())? {
            match History::named(self.root(), &name) {
                Ok(history) => targets.extend(history.map(|history| history.target().to_owned())),
                Err(problem) => problems.push(problem),
            }
        }
        targets.retain(|path| folder.as_ref().is_none_or(|folder| path.starts_with(folder)));
        targets.sort_unstable();
        Ok((targets, problems))
    }

    /// The known targets that this author has seen whole, and which version of each
    /// that was.
    pub fn seen(&self) -> Result<Vec<(PathBuf, Version)>> {
        let Some(holder) = self.author().holders().into_iter().next() else {
            return Ok(Vec::new());
        };
        let seen = history::seen_by(self.root(), &holder)?;
        Ok(seen.into_iter().map(|(history, at)| (history.target().to_owned(), at)).collect())
    }

    /// Takes in that this author knows no longer what it has seen, nor its commands:
    /// the base of its next text is another look.
    pub fn forget_seen(&self) -> Result<()> {
        let commands = Author { agent: Some(Author::COMMAND.to_owned()), ..self.author().clone() };
        let own = self.author().holders().into_iter().next();
        let of_commands =
            self.author().agent.is_none().then(|| commands.holders().into_iter().next());
        for holder in own.into_iter().chain(of_commands.flatten()) {
            history::forget_seen_by(self.root(), &holder)?;
        }
        Ok(())
    }

    /// Looks at every known target: what something other than ccpar wrote is
    /// recorded, and what there is to say is told. Waits for nobody.
    ///
    /// # Errors
    /// If the root cannot be read. What is wrong with one target is told with
    /// it.
    pub fn survey(&self) -> Result<Vec<State>> {
        let cache = self.root().join("looked.jsonl");
        let text = sys::read_own(&cache).unwrap_or_default();
        let mut looked: HashMap<String, (Looked, &[u8])> = text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| Some((serde_json::from_slice::<Looked>(line).ok()?, line)))
            .map(|(looked, line)| (looked.name.clone(), (looked, line)))
            .collect();
        let names = history::known(self.root())?;
        let mut changed = looked.len() != names.len();
        let mut states = Vec::with_capacity(names.len());
        let mut lines = Vec::with_capacity(text.len());
        let mut straight = Straight::default();
        let mut progress = self.progress(names.len());
        for name in names {
            progress.begin_next();
            let log = self.root().join("history").join(&name).join("log.jsonl");
            let last = looked.remove(&name);
            let was_known = last.is_some();
            if let Some((last, line)) = last
                && last.holds(stamp(&last.target), stamp(log.as_std_path()))
                && last.found.conflicts.iter().all(|copy| copy.exists())
                && straight.leads_to(&last.target)
                && (last.file.is_some() || !last.target.is_symlink())
            {
                states.push(State {
                    logged: time_of(Some(last.log)),
                    found: last.found,
                    ..State::of(last.target)
                });
                // As it was written.
                lines.extend_from_slice(line);
                lines.push(b'\n');
                continue;
            }
            let Some((state, now)) = self.look_at(name) else { continue };
            states.push(state);
            if let Some(now) = now {
                push_line(&mut lines, &now);
                changed = true;
            } else {
                changed |= was_known;
            }
        }
        if changed {
            // Who cannot keep it looks again.
            let _ = sys::create_private(cache.as_std_path());
            let _ = atomic::replace_own(cache.as_std_path(), &lines, Durability::Process);
        }
        Ok(states)
    }

    /// How many targets the last [`survey`](Self::survey) found, and of how many there
    /// is something to see to: those of which there was then are looked at again.
    pub fn last_survey(&self) -> (usize, usize) {
        let text = sys::read_own(self.root().join("looked.jsonl")).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.fold((0, 0), |(known, open), line| {
            // Most say nothing, and need not be read.
            let last = memchr::memmem::find(line, b"\"found\":")
                .and_then(|_| serde_json::from_slice::<Looked>(line).ok())
                .filter(|last| last.found.is_open());
            let is_open = last.is_some_and(|last| match self.look_at(last.name) {
                Some((state, _)) => state.problem.is_some() || state.found.is_open(),
                None => false,
            });
            (known + 1, open + usize::from(is_open))
        })
    }

    /// Checks every history: each content against its hash, each line of each log,
    /// what is missing. With `mend` it puts in order what can be, and copies what
    /// it touches to `<root>/doctor/<now>` first.
    ///
    /// # Errors
    /// If the root cannot be read. What is wrong with one history is told with
    /// it, and a history whose lock is not free in time is one such.
    pub fn examine(&self, mend: bool, now: &str) -> Result<Vec<Result<Finding>>> {
        let root = self.root();
        let copies = root.join("doctor").join(now);
        let looked = sys::read_own(root.join("looked.jsonl")).unwrap_or_default();
        let perhaps: Vec<PathBuf> = looked
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Looked>(line).ok())
            .map(|looked| looked.target)
            .collect();
        let mut findings = Vec::new();
        let names = history::known(root)?;
        let mut progress = self.progress(names.len());
        for name in names {
            progress.begin_next();
            let lock = root.join("locks").join(format!("{name}.lock"));
            let owner = self.owner();
            let request = Request { owner: Some(&owner), ..Request::new(self.wait()) };
            let checked = Lock::acquire(&lock, Mode::Exclusive, request).and_then(|_lock| {
                let check = Check { root, name: &name, mend, copies: &copies, perhaps: &perhaps };
                check.run()
            });
            match checked {
                Ok(found) => findings.extend(found.into_iter().map(Ok)),
                Err(error) => findings.push(Err(error)),
            }
        }
        findings.extend(history::check_seen(root, mend, &copies)?.into_iter().map(Ok));
        Ok(findings)
    }

    /// Looks at one target; `None` if nothing is known of it but contents. The
    /// second is what may be noted.
    fn look_at(&self, name: String) -> Option<(State, Option<Looked>)> {
        let log = self.root().join("history").join(&name).join("log.jsonl");
        let history = match History::named(self.root(), &name) {
            Ok(history) => history?,
            Err(problem) => {
                let state = State::of(log.into_std_path_buf());
                return Some((State { problem: Some(problem), ..state }, None));
            }
        };
        let target = history.target().to_owned();
        let (before, now) = (stamp(&target), harness::now());
        let mut state = State::of(target.clone());
        if target.ancestors().any(Path::is_symlink) {
            match self.behind_link(&history) {
                Ok(found) => state.found = found,
                Err(problem) => state.problem = Some(problem),
            }
            return Some((state, None));
        }
        let settled = self.file(&target).settle();
        let looked = match settled.and_then(|settled| Ok((settled, self.findings(&history)?))) {
            Ok((settled, found)) => {
                state.busy = settled == Settled::Busy;
                if let Settled::Outside(record) = settled {
                    state.outside = Some(record);
                }
                state.found = found.clone();
                let log = stamp(log.as_std_path());
                state.logged = time_of(log);
                let holds = !state.busy && stamp(&target) == before && tells(before, now);
                // What does not hold is noted too, by a stamp that no log has.
                log.filter(|_| target.to_str().is_some()).map(|log| Looked {
                    name,
                    target,
                    file: before,
                    log: if holds { log } else { Stamp::default() },
                    found,
                })
            }
            Err(problem) => {
                state.problem = Some(problem);
                None
            }
        };
        Some((state, looked))
    }

    /// What there is to say of a target that a link took the place of: nothing of
    /// what lies behind the link.
    fn behind_link(&self, history: &History) -> Result<Findings> {
        let linked = Some(self.file(history.target()).real_path()?);
        let broken = history.records()?.broken.len();
        Ok(Findings { linked, broken, ..Findings::default() })
    }

    fn findings(&self, history: &History) -> Result<Findings> {
        let file = self.file(history.target());
        let records = history.records()?;
        let losses = file.losses()?;
        let head = records.effective().next_back();
        let lines = |loss: &&Loss| loss.lines.len();
        let perhaps = losses.iter().filter(|loss| loss.record.maybe);
        Ok(Findings {
            losses: losses.len(),
            lost_lines: losses.iter().map(|loss| lines(&loss)).sum(),
            lost_perhaps: perhaps.map(|loss| lines(&loss)).sum(),
            damage: head.and_then(|head| head.damage),
            gone: head.filter(|head| head.version.is_absent()).cloned().map(Box::new),
            conflicts: file.conflict_copies()?,
            broken: records.broken.len(),
            linked: None,
        })
    }
}

fn push_line(lines: &mut Vec<u8>, looked: &Looked) {
    serde_json::to_writer(&mut *lines, looked).expect("it is plain data, and its path is UTF-8");
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_holds_while_the_stamps_do() {
        let file = [1, 2, 3, 4, 5];
        let looked = Looked {
            name: String::new(),
            target: PathBuf::new(),
            file: Some(file),
            log: [9; 5],
            found: Findings::default(),
        };
        assert!(looked.holds(Some(file), Some([9; 5])));
        for place in 0..5 {
            let mut other = file;
            other[place] += 1;
            assert!(!looked.holds(Some(other), Some([9; 5])));
        }
        assert!(!looked.holds(None, Some([9; 5])) && !looked.holds(Some(file), None));
    }

    #[test]
    fn a_file_that_changed_just_now_may_change_again_unseen() {
        let at = |nanos| Some([0, 0, 0, nanos, 0]);
        assert!(tells(None, 5) && tells(at(1_000_000_000), 3_001));
        assert!(!tells(at(1_000_000_000), 2_999) && !tells(at(9_000_000_000), 1_000));
    }
}
