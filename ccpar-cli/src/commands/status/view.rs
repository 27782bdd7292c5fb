//! All that there is to tell, as one value: what is shown and what programs read.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};

use ccpar_core::claude_code::Client;
use ccpar_core::history::{How, Record};
use ccpar_core::registry::{ClientSession, Life, Listed, client_sessions};
use ccpar_core::survey::{Findings, State};
use ccpar_core::{Harness, History, layout};
use serde::Serialize;

use super::files;
use crate::commands::{install, namespace};
use crate::exit::{Exit, Failure};
use crate::hook::log_entries;
use crate::{output, when};

/// How many records of one file are counted.
const RECORDS: usize = 5000;

/// One screen.
pub(super) struct View {
    pub(super) sessions: Vec<Session>,
    pub(super) today: Today,
    pub(super) files: Vec<File>,
    /// How many files are known, those in order included.
    pub(super) known: usize,
    pub(super) namespaces: Vec<Waiting>,
    pub(super) hooks: Hooks,
    trouble: bool,
}

/// A live session.
#[derive(Serialize)]
pub(super) struct Session {
    #[serde(rename = "session")]
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worktree: Option<String>,
    /// Its last beat, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beat: Option<u64>,
    pub(super) guarded: bool,
    pub(super) expects: Vec<String>,
    pub(super) claims: Vec<String>,
    /// The process that it lives as long as, if that can be told.
    #[serde(skip)]
    pub(super) process: Option<u32>,
    /// Until when this holds if nothing is written, in milliseconds since 1970.
    #[serde(skip)]
    pub(super) until: u64,
}

/// What was done since midnight.
#[derive(Default, Serialize)]
pub(super) struct Today {
    /// Versions that were written, in any way.
    pub(super) written: usize,
    /// Those into which others' work was merged.
    pub(super) merged: usize,
    /// Lines that were swallowed.
    pub(super) lost: usize,
    /// Lines that were perhaps.
    pub(super) lost_perhaps: usize,
    /// Losses that were made good.
    pub(super) healed: usize,
}

/// A known file of which there is something to say, or that is in order.
#[derive(Serialize)]
pub(super) struct File {
    path: String,
    #[serde(skip)]
    pub(super) target: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<Box<Record>>,
    #[serde(flatten)]
    found: Findings,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// What to say, and the way back.
    #[serde(skip)]
    pub(super) notes: Vec<(String, Option<String>)>,
}

/// A namespace with something to be promoted.
#[derive(Serialize)]
pub(super) struct Waiting {
    pub(super) branch: String,
    pub(super) folder: PathBuf,
    pub(super) changes: usize,
}

/// Whether Claude Code calls ccpar.
#[derive(Serialize)]
pub(super) struct Hooks {
    pub(super) settings: Option<PathBuf>,
    pub(super) state: install::State,
    /// How often a hook failed since midnight.
    pub(super) failures: usize,
}

impl View {
    pub(super) fn new(harness: &Harness) -> Result<View, Failure> {
        let (now, midnight) = (when::now(), when::midnight());
        let states = harness.survey()?;
        let mut trouble = states.iter().any(|state| state.problem.is_some());
        let mut today = Today::default();
        for state in states.iter().filter(|state| state.logged >= midnight) {
            today.count(&History::new(harness.root(), &state.target), midnight);
        }
        let known = states.len();
        let files = states.into_iter().map(|state| File::new(state, now)).collect();
        let (entries, unreadable) = namespace::entries(harness, None)?;
        trouble |= unreadable;
        let namespaces = entries.iter().filter_map(Waiting::new).collect();
        let hooks = Hooks::look(harness, midnight);
        let (sessions, problems) = sessions(harness)?;
        trouble |= problems;
        Ok(View { sessions, today, files, known, namespaces, hooks, trouble })
    }

    /// How many things need somebody.
    fn open(&self) -> usize {
        let files = self.files.iter().filter(|file| file.is_open()).count();
        files + usize::from(self.hooks.state.is_wrong())
    }

    pub(super) fn exit(&self) -> Exit {
        match (self.trouble, self.open()) {
            (true, _) => Exit::Trouble,
            (false, 0) => Exit::Done,
            (false, _) => Exit::No,
        }
    }

    /// The last word.
    pub(super) fn summary(&self) -> String {
        let known = output::count(self.known, "known file");
        let to_know_of = self.files.iter().filter(|file| file.is_to_know_of()).count();
        match (self.open(), to_know_of) {
            (0, 0) if self.known == 0 => "no files are known yet".to_owned(),
            (0, 0) => format!("{known}, all in order"),
            (0, m) => format!("{known}, {m} to know of"),
            (n, 0) => format!("{known}, {n} to look at"),
            (n, m) => format!("{known}, {n} to look at, {m} to know of"),
        }
    }

    /// One object a line.
    pub(super) fn json(&self) -> Result<Vec<u8>, Failure> {
        let mut lines = Vec::new();
        for session in &self.sessions {
            push(&mut lines, "session", session)?;
        }
        push(&mut lines, "today", &self.today)?;
        for file in &self.files {
            push(&mut lines, "file", file)?;
        }
        for namespace in &self.namespaces {
            push(&mut lines, "namespace", namespace)?;
        }
        push(&mut lines, "hooks", &self.hooks)?;
        Ok(lines)
    }
}

fn push(lines: &mut Vec<u8>, kind: &str, value: &impl Serialize) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        kind: &'a str,
        #[serde(flatten)]
        value: &'a T,
    }
    lines.extend(output::json_line(&Line { kind, value })?);
    Ok(())
}

impl Today {
    fn count(&mut self, history: &History, midnight: u64) {
        let records = history.recent(RECORDS).unwrap_or_default();
        for record in records.iter().take_while(|record| record.time >= midnight) {
            self.written += usize::from(!matches!(record.how, How::Dismiss | How::Aborted));
            // Of a conflict nothing may have merged.
            let is_merge = match record.how {
                How::Merge => true,
                How::Conflict => record.version != record.replaced(),
                _ => false,
            };
            self.merged += usize::from(is_merge);
            let lost = if record.maybe { &mut self.lost_perhaps } else { &mut self.lost };
            *lost += record.lost.unwrap_or(0);
            self.healed += record.closes.len();
        }
    }
}

impl File {
    fn new(state: State, now: u64) -> File {
        let notes = files::notes(&state, now);
        File {
            path: state.target.to_string_lossy().into_owned(),
            problem: state.problem.as_ref().map(ToString::to_string),
            outside: state.outside,
            found: state.found,
            target: state.target,
            notes,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.problem.is_some() || self.found.is_open()
    }

    /// Whether there is something to say that needs nobody.
    fn is_to_know_of(&self) -> bool {
        !self.notes.is_empty() && !self.is_open()
    }
}

impl Waiting {
    fn new(entry: &namespace::Entry) -> Option<Waiting> {
        let changes = entry.changes.map_or(0, |(here, _)| here);
        let branch = entry.branch.clone().filter(|_| changes > 0)?;
        Some(Waiting { branch, folder: entry.folder.clone(), changes })
    }
}

impl Hooks {
    fn look(harness: &Harness, midnight: u64) -> Hooks {
        let variable = |name: &str| env::var_os(name);
        let client = Client::new(&variable).ok();
        let settings = client.map(|client| client.config().join("settings.json"));
        let state = settings.as_deref().map_or(install::State::Missing, install::State::of);
        let logged = log_entries(harness.root().as_std_path());
        let failures = logged.iter().filter(|entry| entry.time >= midnight).count();
        Hooks { settings, state, failures }
    }
}

/// The live sessions, those that ccpar does not guard last; whether a heartbeat
/// could not be read.
pub(super) fn sessions(harness: &Harness) -> Result<(Vec<Session>, bool), Failure> {
    let (listed, problems) = harness.registry().sessions()?;
    for problem in &problems {
        output::say(problem.to_string());
    }
    let live: Vec<&Listed> = listed.iter().filter(|one| !one.is_gone()).collect();
    let known: HashSet<&str> = listed.iter().map(|one| &*one.session.id).collect();
    let mut sessions: Vec<Session> = live.into_iter().map(Session::guarded).collect();
    let folder = layout::client_sessions(|name| env::var_os(name));
    let client = folder.map(|folder| client_sessions(&folder)).unwrap_or_default();
    let unknown = client.iter().filter(|one| !known.contains(&*one.id) && one.life == Life::Lives);
    sessions.extend(unknown.map(Session::unguarded));
    Ok((sessions, !problems.is_empty()))
}

impl Session {
    fn guarded(one: &Listed) -> Session {
        let files = one.claims.iter().flat_map(|(claim, _)| &claim.files);
        let process = (one.life == Life::Lives).then_some(one.session.process.pid);
        let silent = process.is_none().then(|| one.beat.saturating_add(one.session.term));
        let ends = one.claims.iter().map(|(_, left)| when::now().saturating_add(*left));
        Session {
            id: one.session.id.clone(),
            branch: one.session.branch.clone(),
            worktree: one.session.worktree.clone(),
            beat: Some(one.beat),
            guarded: true,
            expects: one.session.expects.clone(),
            claims: files.map(|file| file.path.clone()).collect(),
            process,
            until: ends.chain(silent).min().unwrap_or(u64::MAX),
        }
    }

    fn unguarded(one: &ClientSession) -> Session {
        let folder = one.folder.as_deref().map(Path::new);
        Session {
            id: one.id.clone(),
            branch: folder.and_then(ccpar_core::branch),
            worktree: one.folder.clone(),
            beat: None,
            guarded: false,
            expects: Vec::new(),
            claims: Vec::new(),
            process: Some(one.pid),
            until: u64::MAX,
        }
    }
}
