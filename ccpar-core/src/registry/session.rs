//! Sessions and their heartbeats.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::table::put;
use super::{Claim, Life, Moment, Now, Process, Registry, Runner};
use crate::error::{Context as _, Error, Result};
use crate::lock::{Lock, Mode};
use crate::{checkout, layout, sys, target};

const FORMAT: u32 = 1;

/// What is larger is no heartbeat.
pub(super) const SIZE_MAX: u64 = 1 << 20;

/// A session whose life nothing proves counts as alive until it was silent for
/// so long, in milliseconds, unless it said otherwise.
const TERM: u64 = 15 * 60 * 1000;

/// A session of which nothing is known is forgotten when it was silent for so
/// long, in milliseconds.
const FORGOTTEN: u64 = 30 * 24 * 3600 * 1000;

/// How many dead sessions are forgotten at once.
const SWEEP: usize = 1000;

/// A session, as its heartbeat tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    #[serde(default)]
    format: u32,
    /// Its name.
    #[serde(rename = "session")]
    pub id: String,
    /// The process that stands for it.
    #[serde(flatten)]
    pub process: Process,
    /// When it first registered, in milliseconds since 1970.
    pub since: u64,
    /// When this was written: beats count from here.
    pub clock: Moment,
    /// How long it may be silent, in milliseconds, where nothing proves that it
    /// lives.
    pub term: u64,
    /// The folder of the work tree it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<String>,
    /// The branch that is checked out there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The files it expects to write: a notice, which binds nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<String>,
}

impl Session {
    /// The moment of a beat, from the time of change that it left.
    fn beat(&self, changed: u64) -> Moment {
        let after = changed.saturating_sub(self.clock.wall);
        Moment { wall: changed, up: self.clock.up.map(|up| up.saturating_add(after)) }
    }
}

/// What a beat says besides "here".
#[derive(Debug, Clone, Default)]
pub struct Beat {
    /// The files that the session expects to write, instead of what it said
    /// before.
    pub expects: Option<Vec<PathBuf>>,
    /// How long it may be silent where nothing proves that it lives.
    pub term: Option<Duration>,
    /// The folder that it works in.
    pub folder: Option<PathBuf>,
}

/// A session, looked at.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What it says of itself.
    pub session: Session,
    /// Its last beat, in milliseconds since 1970.
    pub beat: u64,
    /// Whether it lives.
    pub life: Life,
    /// Whether it was silent for longer than it may be.
    pub silent: bool,
    /// What it has claimed, and for how many milliseconds more.
    pub claims: Vec<(Claim, u64)>,
}

impl Listed {
    /// Whether it is dead, or has to be taken for that: none of its claims binds.
    pub fn is_gone(&self) -> bool {
        match self.life {
            Life::Lives => false,
            Life::Dead => true,
            Life::Unknown => self.silent && self.claims.is_empty(),
        }
    }

    /// Whether its heartbeat is of no more use.
    fn is_forgotten(&self) -> bool {
        let age = Moment::now().wall.saturating_sub(self.beat);
        self.life == Life::Dead || (self.life == Life::Unknown && age > FORGOTTEN)
    }
}

/// Reads a heartbeat, and the moment of the last beat.
pub(super) fn read(path: &Path) -> Result<Option<(Session, Moment)>> {
    let file = match sys::open_no_follow(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read", path),
    };
    let damaged = |problem: String| Error::Record { path: path.to_owned(), line: 0, problem };
    let metadata = file.metadata().context("examine", path)?;
    if !metadata.is_file() || metadata.len() > SIZE_MAX {
        return Err(damaged("is no heartbeat: move it away".to_owned()));
    }
    let mut text = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(SIZE_MAX).read_to_end(&mut text).context("read", path)?;
    if text.is_empty() {
        return Err(damaged("the heartbeat is empty: remove it".to_owned()));
    }
    let session: Session = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("is no heartbeat, or a torn one: {error}; remove it")))?;
    if session.format > FORMAT {
        return Err(damaged(format!(
            "its format is {}, of a newer ccpar; this one knows {FORMAT}",
            session.format
        )));
    }
    let changed = metadata.modified().context("examine", path)?;
    let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let beat = session.beat(u64::try_from(changed).unwrap_or(0));
    Ok(Some((session, beat)))
}

/// Touches a heartbeat; says whether that could be done.
fn touch(path: &Path, found: &Session) -> bool {
    let now = Moment::now();
    let wall = match (now.up, found.clock.up) {
        (Some(now), Some(then)) => found.clock.wall.saturating_add(now.saturating_sub(then)),
        _ => now.wall,
    };
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(wall));
    let file = sys::open_no_follow(path).ok();
    file.zip(time).is_some_and(|(file, time)| sys::touch(&file, time).is_ok())
}

impl Registry<'_> {
    /// Says that this author's session is at work: registers it, or touches its
    /// heartbeat if that says all there is to say. Renews its claims.
    ///
    /// # Errors
    /// [`Error::Io`], if its heartbeat cannot be written; [`Error::NoProcess`], if
    /// its process does not live: then it is as it was.
    pub fn beat(&self, beat: &Beat) -> Result<Session> {
        let id = self.holder().session;
        let path = layout::session_file(self.harness.root(), &id);
        let path = path.as_std_path();
        if let Ok(Some((found, _))) = read(path) {
            let next = self.next(&id, beat, Some(&found))?;
            if (Session { clock: found.clock, ..next }) == found && touch(path, &found) {
                return Ok(found);
            }
        }
        let folder = path.parent().unwrap_or(path);
        let root = self.harness.root().as_std_path();
        sys::create_private_dir_all(folder, root).context("create", folder)?;
        let _lock = self.lock()?;
        // One that cannot be read is replaced: its session is here.
        let found = read(path).ok().flatten();
        let next = self.next(&id, beat, found.as_ref().map(|(session, _)| session))?;
        put(path, &next, false)?;
        Ok(next)
    }

    /// The heartbeat of this author's session after a beat.
    fn next(&self, id: &str, beat: &Beat, found: Option<&Session>) -> Result<Session> {
        let said = found.map(|found| &found.process);
        let process = match (said, self.harness.runner()) {
            // A session that runs elsewhere now, or was resumed, has another
            // process. One whose process lives keeps it, whoever calls for it.
            (Some(said), Runner::This | Runner::Caller) if self.life(said) == Life::Lives => {
                said.clone()
            }
            _ => self.process(),
        };
        if self.life(&process) == Life::Dead {
            return Err(Error::NoProcess { pid: process.pid });
        }
        let folder = beat.folder.as_deref();
        let now = Moment::now();
        let expects = beat.expects.as_ref().map(|paths| {
            let shown = |path: &PathBuf| {
                let real = target::resolve(path).or_else(|_| std::path::absolute(path));
                real.unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned()
            };
            paths.iter().map(shown).collect()
        });
        let worktree = folder.and_then(checkout::top);
        let branch = self.harness.author().branch.clone();
        Ok(Session {
            format: FORMAT,
            id: id.to_owned(),
            process,
            since: found.map_or(now.wall, |found| found.since),
            clock: now,
            term: beat.term.map_or(found.map_or(TERM, |found| found.term), |term| {
                u64::try_from(term.as_millis()).unwrap_or(u64::MAX)
            }),
            worktree: worktree
                .map(|path| path.to_string_lossy().into_owned())
                .or_else(|| found?.worktree.clone()),
            branch: branch.or_else(|| found?.branch.clone()),
            expects: expects.or_else(|| Some(found?.expects.clone())).unwrap_or_default(),
        })
    }

    /// Like [`beat`](Self::beat), for a session that this process still stands
    /// for; says whether it does.
    pub fn beat_of(&self, process: &Process, beat: &Beat) -> Result<bool> {
        let path = layout::session_file(self.harness.root(), &self.holder().session);
        match read(path.as_std_path()) {
            Ok(Some((found, _))) if found.process != *process => Ok(false),
            Ok(None) => Ok(false),
            // One that cannot be read any more is made anew.
            Ok(Some(_)) | Err(_) => self.beat(beat).map(|_| true),
        }
    }

    /// Says that this author's session is over: its heartbeat goes, and its
    /// claims are free. With a process, only if that still stands for it. Says
    /// what was freed.
    pub fn end(&self, of: Option<&Process>) -> Result<Vec<Claim>> {
        let id = self.holder().session;
        let path = layout::session_file(self.harness.root(), &id);
        {
            let _lock = self.lock()?;
            let found = read(path.as_std_path()).ok().flatten();
            if of.is_some_and(|of| found.is_some_and(|(found, _)| found.process != *of)) {
                return Ok(Vec::new());
            }
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).context("remove", &path);
                }
                _ => {}
            }
        }
        self.release_where(|claim| claim.holder.session == id, &[])
    }

    /// The same as long as the process that this author says stands for it: a
    /// session that was resumed elsewhere lives on.
    pub fn end_here(&self) -> Result<Vec<Claim>> {
        self.end(Some(&self.process()))
    }

    /// All sessions that have a heartbeat, the oldest first, and what is wrong
    /// with heartbeats that cannot be read. The heartbeats of those that are
    /// dead are removed.
    pub fn sessions(&self) -> Result<(Vec<Listed>, Vec<Error>)> {
        let folder = self.harness.root().join("sessions");
        let (mut listed, mut problems, mut dead) = (Vec::new(), Vec::new(), Vec::new());
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((listed, problems)),
            Err(error) => return Err(error).context("read", &folder),
        };
        let claims = self.claims(None)?;
        for entry in entries {
            let path = entry.context("read", &folder)?.path();
            let is_hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes()[0] == b'.');
            if is_hidden || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    let one = self.listed(found, &claims);
                    if one.is_forgotten() {
                        dead.push(path);
                    }
                    listed.push(one);
                }
                Err(problem) => problems.push(problem),
            }
        }
        // A folder that cannot be written is for reading still.
        let _ = self.sweep(&dead);
        listed.sort_unstable_by(|a, b| {
            (a.session.since, &a.session.id).cmp(&(b.session.since, &b.session.id))
        });
        Ok((listed, problems))
    }

    fn listed(&self, (session, beat): (Session, Moment), claims: &[(Claim, u64)]) -> Listed {
        let silent = Now::here().since(beat, &session.process.place) > session.term;
        let own = claims.iter().filter(|(claim, _)| claim.holder.session == session.id);
        let claims = own.cloned().collect();
        Listed { life: self.life(&session.process), beat: beat.wall, silent, claims, session }
    }

    /// Forgets sessions, unless they were resumed meanwhile.
    fn sweep(&self, dead: &[PathBuf]) -> Result<()> {
        if dead.is_empty() {
            return Ok(());
        }
        // Others may do it as well.
        let Some(_lock) = Lock::try_acquire(&self.lock_path(), Mode::Exclusive)? else {
            return Ok(());
        };
        for path in dead.iter().take(SWEEP) {
            let found = read(path).ok().flatten();
            if found.is_some_and(|found| self.listed(found, &[]).is_forgotten()) {
                std::fs::remove_file(path).context("remove", path)?;
            }
        }
        Ok(())
    }
}
