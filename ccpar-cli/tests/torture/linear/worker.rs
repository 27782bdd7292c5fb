//! One worker of a history: what it does next, and what it is told.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ccpar_core::Version;

use super::History;
use super::model::{Act, Answer, Change, Lines, Op, Text, Write};
use super::process::Agent;
use super::text::{line, lines, numbers, text};
use crate::rig::Random;

/// What is asked of ccpar.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Read,
    /// These lines, against a version, or against what was seen if that is `None`.
    Commit(Option<Version>, Vec<usize>),
    Append(usize),
    /// Adds a line, and drops one.
    Edit(usize, Option<usize>),
    Restore(Version),
    Remove,
    Claim,
    Release,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Told {
    Answer(Answer),
    /// A text that was read.
    Read(Version, Vec<u8>),
    /// The lock was not free in time: nothing happened.
    Busy,
    /// It was killed before it said anything.
    Killed,
}

/// How a call is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) token: Option<u64>,
    pub(crate) wait: Duration,
}

/// The longest that anybody has to wait, however loaded the machine.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

/// What a worker has read.
#[derive(Debug, Clone)]
struct Base {
    version: Version,
    content: Vec<u8>,
    text: Text,
}

pub(crate) struct Worker {
    pub(crate) history: Arc<History>,
    pub(crate) holder: u8,
    pub(crate) random: Random,
    /// Set if it is a process of its own each time, and the process that stands for
    /// its session.
    pub(crate) agent: Option<Agent>,
    pub(crate) ops: Vec<Op>,
    base: Option<Base>,
    /// The commit before, to be sent once more.
    last: Option<(Base, Vec<usize>)>,
    known: Vec<(Version, Text)>,
    token: Option<u64>,
    /// It may have a claim and not know it.
    in_doubt: bool,
    outdated: Option<u64>,
}

impl Worker {
    pub(crate) fn new(history: Arc<History>, random: Random, agent: Option<Agent>) -> Worker {
        let holder = history.new_holder();
        Worker {
            history,
            holder,
            random,
            agent,
            ops: Vec::new(),
            base: None,
            last: None,
            known: vec![(Version::ABSENT, None)],
            token: None,
            in_doubt: false,
            outdated: None,
        }
    }

    pub(crate) fn run(mut self, count: usize) -> Result<Vec<Op>, String> {
        for _ in 0..count {
            self.step()?;
        }
        if self.token.is_some() || self.in_doubt {
            while matches!(self.call(&Call::Release, None)?, Told::Killed) {}
        }
        if let Some(agent) = self.agent {
            agent.end();
        }
        Ok(self.ops)
    }

    fn step(&mut self) -> Result<(), String> {
        if self.agent.is_some() && self.random.percent(2) {
            return self.die();
        }
        if self.in_doubt || (self.token.is_some() && self.random.percent(35)) {
            return self.call(&Call::Release, None).map(|_| ());
        }
        let own = self.token.filter(|_| self.random.percent(50));
        let old = self.outdated.filter(|_| self.random.percent(5));
        let token = old.or(own);
        match self.random.below(100) {
            0..30 => self.call(&Call::Read, None)?,
            30..60 => return self.commit(token),
            60..72 => {
                let Some(number) = self.history.new_line() else { return Ok(()) };
                self.call(&Call::Append(number), token)?
            }
            72..84 => {
                let Some(number) = self.history.new_line() else { return Ok(()) };
                let there = self.base.as_ref().and_then(|base| base.text);
                let there: Vec<usize> = there.into_iter().flat_map(Lines::iter).collect();
                let drop = (!there.is_empty() && self.random.percent(40) && self.agent.is_none())
                    .then(|| there[self.random.below(there.len())]);
                self.call(&Call::Edit(number, drop), token)?
            }
            84..90 => {
                let version = self.known[self.random.below(self.known.len())].0;
                self.call(&Call::Restore(version), token)?
            }
            90..92 if self.agent.is_none() => self.call(&Call::Remove, token)?,
            _ if self.token.is_none() => self.call(&Call::Claim, None)?,
            _ => self.call(&Call::Read, None)?,
        };
        Ok(())
    }

    fn commit(&mut self, token: Option<u64>) -> Result<(), String> {
        if let Some((base, ours)) = self.last.clone()
            && self.random.percent(10)
        {
            return self.send(base, ours, true, token);
        }
        let Some(base) = self.base.clone() else {
            return self.call(&Call::Read, None).map(|_| ());
        };
        let mut ours = numbers(&base.content)?;
        if !ours.is_empty() && self.random.percent(35) {
            ours.remove(self.random.below(ours.len()));
        }
        let Some(number) = self.history.new_line() else { return Ok(()) };
        ours.insert(self.random.below(ours.len() + 1), number);
        let by_hand = self.random.percent(50);
        self.send(base, ours, by_hand, token)
    }

    fn send(
        &mut self,
        base: Base,
        ours: Vec<usize>,
        by_hand: bool,
        token: Option<u64>,
    ) -> Result<(), String> {
        let version = by_hand.then_some(base.version);
        self.last = Some((base.clone(), ours.clone()));
        let before = self.base.replace(base);
        let content = text(ours.iter().copied());
        match self.call(&Call::Commit(version, ours), token)? {
            Told::Answer(Answer::Wrote(_)) => {
                self.history.acknowledged(&content);
                let text = Some(lines(&content)?);
                self.base = Some(Base { version: Version::of(&content), content, text });
            }
            Told::Answer(Answer::Conflict(_)) => {
                self.history.acknowledged(&content);
                self.base = before;
            }
            // What it has seen is not known then.
            Told::Killed => self.base = None,
            _ => self.base = before,
        }
        Ok(())
    }

    /// The process that stands for this session is killed, and another session
    /// begins: what it had claimed is free.
    fn die(&mut self) -> Result<(), String> {
        let begun = self.history.tick();
        self.ops.push(Op {
            holder: self.holder,
            act: Act::Release,
            begun,
            done: None,
            left: [None; 3],
        });
        self.history.count.deaths.fetch_add(1, SeqCst);
        let world = &self.history.world;
        let agent = Agent::start(world)?;
        self.agent.replace(agent).into_iter().for_each(Agent::end);
        let Worker { history, random, agent, ops, .. } =
            std::mem::replace(self, Worker::new(self.history.clone(), self.random.clone(), None));
        *self = Worker { random, agent, ops, ..Worker::new(history, Random::new(0), None) };
        Ok(())
    }

    fn call(&mut self, call: &Call, token: Option<u64>) -> Result<Told, String> {
        let waits = match *call {
            Call::Claim => self.random.percent(70),
            _ => self.random.percent(60),
        };
        let briefly =
            if matches!(*call, Call::Claim) { Duration::from_millis(20) } else { Duration::ZERO };
        let terms = Terms { token, wait: if waits { STUCK } else { briefly } };
        let write = self.change(call).map(|change| Write { change, token });
        let act = match (call, write) {
            (_, Some(write)) => Act::Write(write),
            (Call::Claim, None) => Act::Claim,
            (Call::Release, None) => Act::Release,
            _ => Act::Read,
        };
        let holder = self.holder;
        let begun = self.history.tick();
        let mut told = match &self.agent {
            Some(agent) => {
                let (history, agent) = (self.history.clone(), agent.pid());
                super::process::call(&history, agent, holder, &mut self.random, call, terms)
            }
            None => super::library::call(&self.history, holder, call, terms),
        }
        .map_err(|problem| format!("{problem}\n  in {call:?} by s{holder} with {terms:?}"))?;
        let done = self.history.tick();
        let mut record = |act, answer: Option<Answer>| {
            let done = answer.map(|answer| (done, answer));
            self.ops.push(Op { holder, act, begun, done, left: [None; 3] });
        };
        match &told {
            Told::Read(version, content) => {
                let text = if version.is_absent() { None } else { Some(lines(content)?) };
                record(act, Some(Answer::Text(text)));
                self.known.push((*version, text));
                self.base = Some(Base { version: *version, content: content.clone(), text });
            }
            Told::Answer(answer) => record(act, Some(*answer)),
            Told::Busy if waits => return Err(format!("s{holder} is stuck in {call:?}")),
            // It may have been granted, and let go again.
            Told::Busy if matches!(act, Act::Claim) => {
                record(act, None);
                record(Act::Release, None);
            }
            Told::Busy => {}
            Told::Killed => {
                // What was read by nobody need not be in order.
                if !matches!(act, Act::Read) {
                    record(act, None);
                }
            }
        }
        match (call, &told) {
            (Call::Read, Told::Killed) => self.base = None,
            (Call::Claim | Call::Release, Told::Killed) => self.in_doubt = true,
            (_, Told::Answer(Answer::Granted(token))) => self.token = Some(*token),
            (_, Told::Answer(Answer::Released(_))) => {
                self.outdated = self.token.take().or(self.outdated);
                self.in_doubt = false;
            }
            _ => {}
        }
        if let Told::Answer(answer) = &mut told {
            self.history.counted(answer);
        }
        self.history.count.all.fetch_add(1, SeqCst);
        Ok(told)
    }

    /// What a call does to a text; `None` if it writes none.
    fn change(&self, call: &Call) -> Option<Change> {
        let line = |number| Lines::default().with(number);
        Some(match call {
            Call::Commit(_, ours) => {
                let base = self.base.as_ref().and_then(|base| base.text);
                Change::Commit {
                    base,
                    ours: ours.iter().fold(Lines::default(), |all, n| all.with(*n)),
                }
            }
            Call::Append(number) => Change::Edit { add: line(*number), drop: Lines::default() },
            Call::Edit(number, drop) => {
                Change::Edit { add: line(*number), drop: drop.map(line).unwrap_or_default() }
            }
            Call::Restore(version) => {
                let known = self.known.iter().find(|(known, _)| known == version);
                Change::Restore(known.and_then(|(_, text)| *text))
            }
            Call::Remove => Change::Restore(None),
            Call::Read | Call::Claim | Call::Release => return None,
        })
    }
}

/// The text with one line more at its end and perhaps one less.
pub(crate) fn edited(text: &[u8], add: usize, drop: Option<usize>) -> Vec<u8> {
    let dropped = drop.map(line).unwrap_or_default();
    let kept = text.split_inclusive(|byte| *byte == b'\n').filter(|l| *l != dropped.as_bytes());
    kept.chain([line(add).as_bytes()]).flatten().copied().collect()
}
