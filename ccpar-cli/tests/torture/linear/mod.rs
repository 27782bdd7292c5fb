//! Histories of one target: threads through the library and processes through
//! `ccpar`, some killed, some stopped, all at once. What each was told has to fit
//! *some* order of all of them, one at a time.

mod checker;
mod library;
mod model;
mod process;
mod text;
mod worker;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ccpar_core::history::{How, Record};
use ccpar_core::{Settled, SharedFile, Version};

use crate::rig::{Random, Run, World, said};
use model::{Answer, Lines, Op, State};
use worker::{STUCK, Terms, Worker};

/// How many lines the target has at first.
const FIRST: usize = 4;

/// How many histories are made at once.
const AT_ONCE: usize = 4;

/// What was done, over all histories.
#[derive(Default)]
pub(crate) struct Count {
    all: AtomicUsize,
    by_process: AtomicUsize,
    kills: AtomicUsize,
    stops: AtomicUsize,
    deaths: AtomicUsize,
    reads: AtomicUsize,
    writes: AtomicUsize,
    conflicts: AtomicUsize,
    refused: AtomicUsize,
    grants: AtomicUsize,
    /// How long a process takes that is left alone, about.
    usual_micros: AtomicU64,
}

/// One history, while it is made.
pub(crate) struct History {
    world: World,
    clock: AtomicU64,
    holders: AtomicUsize,
    lines: AtomicUsize,
    acknowledged: Mutex<Vec<Version>>,
    count: Arc<Count>,
}

impl History {
    fn new(count: Arc<Count>) -> History {
        History {
            world: World::new(),
            clock: AtomicU64::new(1),
            holders: AtomicUsize::new(0),
            lines: AtomicUsize::new(FIRST),
            acknowledged: Mutex::default(),
            count,
        }
    }

    fn target(&self) -> PathBuf {
        self.world.path("notes.md")
    }

    /// The next moment: what ticks later was later.
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, SeqCst)
    }

    fn new_holder(&self) -> u8 {
        u8::try_from(self.holders.fetch_add(1, SeqCst)).expect("there are fewer than 256 workers")
    }

    fn new_line(&self) -> Option<usize> {
        Some(self.lines.fetch_add(1, SeqCst)).filter(|line| *line < Lines::MOST)
    }

    fn acknowledged(&self, text: &[u8]) {
        self.acknowledged.lock().expect("nobody panics with it").push(Version::of(text));
    }

    fn counted(&self, answer: &Answer) {
        let count = match answer {
            Answer::Text(_) => &self.count.reads,
            Answer::Wrote(_) => &self.count.writes,
            Answer::Conflict(_) => &self.count.conflicts,
            Answer::Granted(_) => &self.count.grants,
            Answer::Held(_) | Answer::Outdated => &self.count.refused,
            Answer::Released(_) => return,
        };
        count.fetch_add(1, SeqCst);
    }
}

pub(crate) fn run(run: &Run) -> Result<String, String> {
    let count = Arc::new(Count { usual_micros: AtomicU64::new(8_000), ..Count::default() });
    let seed = AtomicU64::new(run.seed);
    let problem = Mutex::new(None);
    // Most of a history is waiting.
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while !run.is_over() && problem.lock().expect("as below").is_none() {
                    let seed = seed.fetch_add(1, SeqCst);
                    if let Err(found) = held_against_model(&count, seed) {
                        *problem.lock().expect("nobody panics with it") = Some(found);
                    }
                }
            });
        }
    });
    if let Some(problem) = problem.into_inner().expect("nobody panics with it") {
        return Err(problem);
    }
    let histories = seed.into_inner().wrapping_sub(run.seed);
    let of = |count: &AtomicUsize| count.load(SeqCst);
    Ok(format!(
        "{histories} histories, {} operations ({} by processes), {} kills, {} stops, {} dead \
         sessions; {} writes, {} conflicts, {} claims, {} refusals; all linearizable, no \
         acknowledged line lost, no torn read, nobody stuck",
        of(&count.all),
        of(&count.by_process),
        of(&count.kills),
        of(&count.stops),
        of(&count.deaths),
        of(&count.writes),
        of(&count.conflicts),
        of(&count.grants),
        of(&count.refused),
    ))
}

fn held_against_model(count: &Arc<Count>, seed: u64) -> Result<(), String> {
    let history = Arc::new(History::new(count.clone()));
    one(&history, seed).map_err(|problem| {
        let kept = Arc::into_inner(history).map(|history| history.world.keep());
        let kept = kept.map_or_else(String::new, |kept| format!("\nleft in {}", kept.display()));
        format!("history of --seed {seed}: {problem}{kept}")
    })
}

/// One history.
fn one(history: &Arc<History>, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let first = text::text(0..FIRST);
    ccpar_core::replace(&history.target(), &first, ccpar_core::Durability::Process)
        .map_err(said)?;
    let threads = 2 + random.below(5);
    let processes = random.below(3);
    let operations = 40 + random.below(120);
    let (send, told) = mpsc::channel();
    for n in 0..threads + processes {
        let agent = (n >= threads).then(|| process::Agent::start(&history.world)).transpose()?;
        // A process takes so much longer that it does less in the same time.
        let share = operations / (threads + processes);
        let share = if agent.is_some() { share / 4 + 1 } else { share };
        let worker = Worker::new(history.clone(), Random::new(random.next()), agent);
        let send = send.clone();
        thread::spawn(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| worker.run(share)));
            let _ = send.send(done.unwrap_or_else(|_| Err("a worker panicked".to_owned())));
        });
    }
    let mut ops = Vec::new();
    for _ in 0..threads + processes {
        let done = told.recv_timeout(STUCK + Duration::from_secs(30));
        ops.extend(done.map_err(|_| "a worker is stuck".to_owned())??);
    }
    ops.sort_by_key(|op| op.begun);
    ends_well(history, &mut ops)?;
    let start =
        State { text: Some((0..FIRST).fold(Lines::default(), Lines::with)), ..State::default() };
    if checker::is_linear(&ops, start) {
        return Ok(());
    }
    let mut shown = "no order of these explains what was told:".to_owned();
    for op in checker::shrink(&ops, start) {
        let done = op.done.map_or("never".to_owned(), |(done, _)| done.to_string());
        let answer = op.done.map(|(_, answer)| answer);
        let (Op { begun, holder, act, .. }, answer) = (op, format!("{answer:?}"));
        let _ = write!(shown, "\n  {begun:>4} to {done:>5}  s{holder:<3} {act:?} -> {answer}");
    }
    Err(shown)
}

/// The next writer sweeps, the history is whole, and what was acknowledged is in it.
fn ends_well(history: &History, ops: &mut Vec<Op>) -> Result<(), String> {
    let holder = history.new_holder();
    let terms = Terms { token: None, wait: STUCK };
    // What all of it came to is part of the history.
    for call in [worker::Call::Append(255), worker::Call::Read] {
        let begun = history.tick();
        let told = library::call(history, holder, &call, terms)?;
        let (act, answer) = match told {
            worker::Told::Read(version, content) => {
                let text = if version.is_absent() { None } else { Some(text::lines(&content)?) };
                (model::Act::Read, Answer::Text(text))
            }
            worker::Told::Answer(answer) => {
                let change =
                    model::Change::Edit { add: Lines::default().with(255), drop: Lines::default() };
                (model::Act::Write(model::Write { change, token: None }), answer)
            }
            told => return Err(format!("at the end: {told:?}")),
        };
        ops.push(Op { holder, act, begun, done: Some((history.tick(), answer)), left: [None; 3] });
    }
    let mut names = history.world.names();
    names.retain(|name| name != "notes.md" && !name.starts_with("notes.md.conflict-"));
    if !names.is_empty() {
        return Err(format!("litter: {names:?}"));
    }
    let harness = library::harness(history, holder, terms).map_err(said)?;
    let file = harness.file(history.target());
    match file.settle().map_err(said)? {
        Settled::Known => {}
        settled => return Err(format!("at the end the target is not known: {settled:?}")),
    }
    let records = file.history().and_then(|history| history.records()).map_err(said)?;
    if let Some(broken) = records.broken.first() {
        return Err(format!("a broken line in the log: {broken:?}"));
    }
    if let Some(outside) =
        records.records.iter().find(|record| record.how == How::Outside && record.n > 1)
    {
        return Err(format!("nobody wrote by other means, and the log says so: {outside:?}"));
    }
    let mut conflicts: Vec<&Record> = records.records.iter().collect();
    conflicts.retain(|record| record.how == How::Conflict);
    for op in ops.iter_mut().filter(|op| op.done.is_none()) {
        op.left = left_by(op, &file, &conflicts)?;
    }
    let acknowledged = history.acknowledged.lock().expect("nobody panics with it");
    for version in acknowledged.iter() {
        file.version(*version)
            .map_err(|error| format!("an acknowledged text is not in the history: {error}"))?;
    }
    Ok(())
}

/// What a commit that was killed may have come to, if it had conflicts: nobody was told,
/// but its record is there, among those of the same text by the same session.
fn left_by(
    op: &Op,
    file: &SharedFile<'_>,
    conflicts: &[&Record],
) -> Result<[Option<Lines>; 3], String> {
    let mut left = [None; 3];
    let model::Act::Write(model::Write { change: model::Change::Commit { ours, .. }, .. }) = op.act
    else {
        return Ok(left);
    };
    let holder = format!("s{}", op.holder);
    let lines = |version| text::lines(&file.version(version).map_err(said)?);
    for record in conflicts {
        if record.session.as_ref() == Some(&holder)
            && let Some(own) = record.parents.last()
            && lines(*own)? == ours
        {
            let text = Some(lines(record.version)?);
            if !left.contains(&text)
                && let Some(free) = left.iter_mut().find(|left| left.is_none())
            {
                *free = text;
            }
        }
    }
    Ok(left)
}
