//! The file, the sessions, and what is known of each word.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use ccpar_core::shared_file::{Stood, Wrote};
use ccpar_core::{Base, Harness, Outcome, SharedFile, Version};

use super::SESSIONS;
use super::text::{Change, Edit, Kind, words};
use crate::support::{World, look, outside};

/// How a session writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// Changes what stands there, and says what that was.
    Edit,
    /// Makes a whole text of what the session knows.
    Write,
    /// A command, which reads and writes, and tells nothing but that it ran.
    Command,
}

/// What happens next. Who cannot do that does nothing.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Reads the whole, and tells so.
    Read(usize),
    /// A tool of this session reads the file to change it. Just before, the session
    /// looks what stands there, unless others wrote in between.
    Take(usize, Tool, Change, bool),
    /// And replaces it.
    Put(usize),
    /// The session tells.
    Tell(usize),
    /// The session tells a second time what it told last.
    Again(usize),
    /// Somebody looks.
    Look(usize),
    /// Time goes by.
    Wait,
}

/// What a tool is about to write, or wrote.
#[derive(Debug, Clone)]
struct Writing {
    tool: Tool,
    /// What stood there when it read. `None` if there was no file.
    over: Option<String>,
    text: String,
    /// What the session knows by it.
    known: Option<String>,
    /// The words that it had before it and left out.
    drops: BTreeSet<String>,
    is_done: bool,
}

#[derive(Debug, Default)]
struct Session {
    /// What it has seen, with what it did to that.
    known: Option<String>,
    writing: Option<Writing>,
    told: Option<Writing>,
}

pub(super) struct Stage {
    kind: Kind,
    world: World,
    path: PathBuf,
    harnesses: Vec<Harness>,
    sessions: Vec<Session>,
    /// How many words were made.
    made: usize,
    /// Words that somebody told of, or that stood there when somebody looked.
    known: BTreeSet<String>,
    /// Words that somebody dropped who had seen them, or that went down under a
    /// writer who told nothing.
    dropped: BTreeSet<String>,
    /// What those swallowed who have not told yet, by session.
    swallowed: BTreeMap<usize, BTreeSet<String>>,
    was_filled: bool,
    story: Vec<String>,
}

impl Stage {
    pub(super) fn new(kind: Kind, is_there: bool) -> Stage {
        let world = World::new();
        let path = world.path(kind.name());
        let made = 4;
        if is_there {
            outside(&path, kind.text(made));
        }
        let names = ["ada", "bob", "eve"];
        let harnesses: Vec<Harness> =
            names[..SESSIONS].iter().map(|name| world.session(Some(name))).collect();
        look(&harnesses[0].file(&path));
        let sessions = (0..SESSIONS).map(|_| Session::default()).collect();
        Stage {
            kind,
            world,
            path,
            harnesses,
            sessions,
            made,
            known: BTreeSet::new(),
            dropped: BTreeSet::new(),
            swallowed: BTreeMap::new(),
            was_filled: is_there,
            story: Vec::new(),
        }
    }

    fn file(&self, who: usize) -> SharedFile<'_> {
        self.harnesses[who].file(&self.path)
    }

    fn text(&self) -> Option<String> {
        fs::read_to_string(&self.path).ok()
    }

    /// Somebody enters by ccpar, and so sees what stands there.
    fn seen_by_somebody(&mut self) {
        self.known.extend(words(&self.text().unwrap_or_default()));
    }

    fn told(&mut self, what: String) {
        self.story.push(what);
    }

    pub(super) fn play(&mut self, act: &Act, all_tell: bool) {
        match *act {
            Act::Read(who) => self.read(who, all_tell),
            Act::Take(who, tool, change, looks) => {
                if looks && self.is_free(who, all_tell) {
                    self.look(who);
                }
                self.take(who, tool, change, all_tell);
            }
            Act::Put(who) => self.put(who),
            Act::Tell(who) => self.tell(who),
            Act::Again(who) => self.again(who),
            Act::Look(who) => self.look(who),
            Act::Wait => self.wait(),
        }
    }

    fn look(&mut self, who: usize) {
        self.told(format!("{who} looks"));
        self.seen_by_somebody();
        look(&self.file(who));
    }

    /// A session does one thing after the other: what it has not told by now it
    /// never tells.
    fn is_free(&mut self, who: usize, all_tell: bool) -> bool {
        match &self.sessions[who].writing {
            Some(writing) if writing.is_done && all_tell => {
                self.tell(who);
                true
            }
            Some(writing) if writing.is_done => {
                self.told(format!("{who} never tells"));
                self.forgets(who);
                true
            }
            Some(_) => false,
            None => true,
        }
    }

    fn forgets(&mut self, who: usize) {
        self.dropped.extend(self.swallowed.remove(&who).unwrap_or_default());
        let session = &mut self.sessions[who];
        if let Some(writing) = session.writing.take() {
            session.known = writing.known;
        }
    }

    fn read(&mut self, who: usize, all_tell: bool) {
        if !self.is_free(who, all_tell) {
            return;
        }
        let Some(text) = self.text() else { return };
        self.told(format!("{who} reads {text:?}"));
        self.seen_by_somebody();
        let file = self.file(who);
        look(&file);
        file.mark_seen(&file.shown(text.as_bytes()).unwrap()).unwrap();
        self.sessions[who].known = Some(text);
    }

    fn may_write(&self, who: usize) -> bool {
        let seen = self.file(who).seen().unwrap();
        self.sessions[who].known.is_some() && seen.is_some()
    }

    fn take(&mut self, who: usize, tool: Tool, change: Change, all_tell: bool) {
        if !self.is_free(who, all_tell) {
            return;
        }
        let over = self.text();
        let n = self.made;
        let session = &self.sessions[who];
        let (from, known): (Option<&str>, Option<&str>) = match tool {
            Tool::Edit | Tool::Command => (over.as_deref(), session.known.as_deref()),
            // Nobody writes over what it has not read, and told of, unless there is
            // nothing.
            Tool::Write if over.is_some() && !self.may_write(who) => return,
            Tool::Write => (session.known.as_deref(), session.known.as_deref()),
        };
        let (edit, text) = match from {
            None => (None, self.kind.text(0)),
            Some(from) => {
                let Some(edit) = self.kind.edit(from, change, n) else { return };
                let Some(text) = edit.apply(from) else { return };
                (Some(edit), text)
            }
        };
        // A new text has a word of its own.
        let text = if edit.is_some() {
            text
        } else {
            let edit = self.kind.edit(&text, Change::Add(0), n).unwrap();
            edit.apply(&text).unwrap()
        };
        let with = |known: &str| edit.as_ref().and_then(|edit: &Edit| edit.apply(known));
        let known = match tool {
            Tool::Write => Some(text.clone()),
            Tool::Edit if edit.is_none() => Some(text.clone()),
            Tool::Edit => known.and_then(with),
            Tool::Command => session.known.clone(),
        };
        if tool == Tool::Write && session.known.is_none() {
            let file = self.file(who);
            file.mark_seen(&file.look().unwrap()).unwrap();
        }
        self.made += 1;
        let base = words(from.unwrap_or_default());
        let drops = base.difference(&words(&text)).cloned().collect();
        self.told(format!("{who} takes by {tool:?} {over:?} -> {text:?}"));
        self.sessions[who].writing =
            Some(Writing { tool, over, text, known, drops, is_done: false });
    }

    fn put(&mut self, who: usize) {
        let Some(writing) = self.sessions[who].writing.clone().filter(|done| !done.is_done) else {
            return;
        };
        let here = words(&self.text().unwrap_or_default());
        let swallowed = here.difference(&words(&writing.text)).cloned().collect();
        self.told(format!("{who} puts {:?}", writing.text));
        outside(&self.path, &writing.text);
        self.was_filled = true;
        self.dropped.extend(writing.drops);
        self.swallowed.insert(who, swallowed);
        if let Some(writing) = &mut self.sessions[who].writing {
            writing.is_done = true;
        }
    }

    fn tell(&mut self, who: usize) {
        let writing = self.sessions[who].writing.take_if(|writing| writing.is_done);
        let Some(writing) = writing else { return };
        self.told(format!("{who} tells of {:?}", writing.text));
        self.seen_by_somebody();
        if writing.tool == Tool::Command {
            // It says nothing of what it read: that is inferred, and may be mistaken.
            let swallowed = self.swallowed.remove(&who).unwrap_or_default();
            self.dropped.extend(swallowed);
            let file = self.file(who);
            file.settle_own().unwrap();
            self.heal(who);
            return;
        }
        self.swallowed.remove(&who);
        self.known.extend(words(&writing.text));
        self.adopt(who, &writing);
        self.sessions[who].told = Some(writing);
    }

    fn again(&mut self, who: usize) {
        let Some(told) = self.sessions[who].told.clone() else { return };
        if self.sessions[who].writing.is_none() {
            self.told(format!("{who} tells again of {:?}", told.text));
            self.seen_by_somebody();
            self.adopt(who, &told);
        }
    }

    /// As the hook does.
    fn adopt(&mut self, who: usize, writing: &Writing) {
        let file = self.file(who);
        let over = writing.over.as_ref().map_or(Stood::Absent, |over| Stood::Text(over.as_bytes()));
        let base = match (writing.tool, &writing.over) {
            (Tool::Edit, Some(over)) => Base::Text(over.as_bytes().to_vec()),
            (Tool::Edit, None) => Base::Version(Version::ABSENT),
            _ => Base::Seen,
        };
        let commit = file.adopt(&Wrote { text: writing.text.as_bytes(), over, base }).unwrap();
        let is_conflict = matches!(commit.outcome, Outcome::Conflict { .. });
        if let Some(known) = writing.known.as_ref().filter(|_| !is_conflict) {
            file.mark_seen(&file.shown(known.as_bytes()).unwrap()).unwrap();
        }
        self.heal(who);
        self.sessions[who].known.clone_from(&writing.known);
        let now = self.text();
        self.told(format!("  {:?}: {now:?}", commit.outcome));
    }

    /// Of settings single lines are not put back unasked.
    fn heal(&self, who: usize) {
        if self.kind == Kind::Notes {
            let _ = self.file(who).heal_own().unwrap();
        }
    }

    /// All that is written down was long ago.
    fn wait(&mut self) {
        const LONG: u64 = 10_000;
        self.told("time goes by".to_owned());
        let history = self.world.root().join("history");
        let folders = fs::read_dir(history).into_iter().flatten().flatten();
        for log in folders.map(|folder| folder.path().join("log.jsonl")) {
            let Ok(text) = fs::read_to_string(&log) else { continue };
            let mut parts = text.split("\"time\":");
            let mut aged = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let end = part.find(|char: char| !char.is_ascii_digit()).unwrap();
                let time: u64 = part[..end].parse().unwrap();
                let _ = write!(aged, "\"time\":{}{}", time - LONG, &part[end..]);
            }
            outside(&log, aged);
        }
    }

    /// What must hold at any time.
    pub(super) fn check(&self) -> Result<(), String> {
        let text = self.text().unwrap_or_default();
        if self.was_filled && text.trim().is_empty() {
            return Err(format!("the file is empty\n{}", self.story.join("\n")));
        }
        let parses = || serde_json::from_str::<serde_json::Value>(&text).is_ok();
        if self.kind == Kind::Settings && self.was_filled && !parses() {
            return Err(format!("no JSON: {text}\n{}", self.story.join("\n")));
        }
        Ok(())
    }

    /// Each word that somebody told of is somewhere.
    pub(super) fn end(mut self, all_tell: bool) -> Result<(), String> {
        for who in (0..SESSIONS).rev() {
            if all_tell {
                self.tell(who);
            } else {
                self.forgets(who);
            }
        }
        self.seen_by_somebody();
        let file = self.file(0);
        look(&file);
        self.heal(0);
        self.check()?;
        let text = self.text().unwrap_or_default();
        let mut found = words(&text);
        for copy in file.conflict_copies().unwrap() {
            found.extend(words(&fs::read_to_string(copy).unwrap()));
        }
        let mut named = Vec::new();
        for loss in file.losses().unwrap() {
            assert!(loss.problem.is_none(), "{loss:?}");
            for line in &loss.lines {
                let line = String::from_utf8_lossy(&line.text).into_owned();
                found.extend(words(&line));
                named.push((loss.record.n, line));
            }
        }
        let lost: Vec<&String> =
            self.known.iter().filter(|word| !self.dropped.contains(*word)).collect();
        let lost: Vec<&&String> = lost.iter().filter(|word| !found.contains(**word)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let records = file.history().unwrap().records().unwrap();
        let records: Vec<String> =
            records.effective().map(|record| format!("{record:?}")).collect();
        let (story, records) = (self.story.join("\n"), records.join("\n"));
        Err(format!("{lost:?} lost\n{story}\nat the end: {text:?}\nnamed: {named:?}\n{records}"))
    }
}
