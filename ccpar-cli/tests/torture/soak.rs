//! All at once, for long: writers through the library and through `ccpar`, others that
//! know nothing of it, a watch that heals, prunes, looks and claims.
//!
//! What was acknowledged stands in the file in the end, or is named as lost and is in
//! the history; nobody waits for ever; what is open, in memory and on the disk does
//! not grow.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ccpar_core::registry::{Release, Terms};
use ccpar_core::{
    Author, CommitOptions, Durability, Error, Harness, Limits, Outcome, SharedFile, Wait,
};

use crate::rig::{CCPAR, Random, Run, World, said};

const WRITERS: usize = 16;
const OUTSIDE: usize = 4;

/// How many lines a file holds before its writers drop their oldest.
const LINES: usize = 150;

/// How much of each history is kept, about.
const KEPT: u64 = 4 << 20;

/// What was kept so lately is not made old.
const YOUNG: Duration = Duration::from_secs(10);

struct Soak {
    world: World,
    until: Instant,
    /// Lines that were acknowledged, and those that their own writer has dropped.
    written: Mutex<BTreeSet<String>>,
    dropped: Mutex<BTreeSet<String>>,
    longest: Mutex<Duration>,
    count: Count,
}

#[derive(Default)]
struct Count {
    writes: AtomicUsize,
    by_process: AtomicUsize,
    outside: AtomicUsize,
    conflicts: AtomicUsize,
    claims: AtomicUsize,
    prunes: AtomicUsize,
    looks: AtomicUsize,
}

impl Soak {
    fn target(&self) -> PathBuf {
        self.world.path("notes.md")
    }

    fn harness(&self, session: &str) -> Result<Harness, String> {
        let author = Author { session: Some(session.to_owned()), ..Author::default() };
        let harness = Harness::open(self.world.root()).map_err(said)?.with_author(author);
        let limits = Limits { age: Duration::ZERO, bytes: KEPT };
        let harness = harness.with_limits(limits).with_wait(Wait::For(Duration::from_secs(60)));
        Ok(harness.with_durability(Durability::Process))
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn timed<T>(&self, act: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = act();
        let mut longest = self.longest.lock().expect("nobody panics with it");
        *longest = begun.elapsed().max(*longest);
        done
    }

    /// Adds a line, and drops this writer's oldest if there are many.
    fn write(&self, file: &SharedFile<'_>, name: &str, n: usize) -> Result<(), String> {
        let line =
            format!("- [{name}-{n}]({name}-{n}.md): {name} wrote this, and it is number {n}");
        let base = file.read().map_err(said)?;
        let text = String::from_utf8_lossy(base.content()).into_owned();
        let mut lines: Vec<&str> = text.lines().collect();
        let own = format!("- [{name}-");
        let mut gone = Vec::new();
        while lines.len() + 1 > LINES
            && gone.len() < 2
            && let Some(at) = lines.iter().position(|line| line.starts_with(&own))
        {
            gone.push(lines.remove(at).to_owned());
        }
        lines.push(&line);
        let ours = lines.join("\n") + "\n";
        let options = CommitOptions::from(&base);
        let commit = self.timed(|| file.commit(ours.as_bytes(), &options));
        let commit = match commit {
            Err(Error::Claimed { .. }) => return Ok(()),
            commit => commit.map_err(said)?,
        };
        self.count.writes.fetch_add(1, SeqCst);
        // What its writer dropped is no loss, whatever became of the rest.
        self.dropped.lock().expect("as above").extend(gone);
        if let Outcome::Conflict { copy, .. } = commit.outcome {
            self.count.conflicts.fetch_add(1, SeqCst);
            std::fs::remove_file(copy).map_err(said)?;
        } else {
            self.written.lock().expect("as above").insert(line);
        }
        Ok(())
    }

    fn writer(&self, name: &str, mut random: Random) -> Result<(), String> {
        let harness = self.harness(name)?;
        let file = harness.file(self.target());
        for n in 0.. {
            if self.is_over() {
                break;
            }
            let kind = random.below(20);
            if kind == 0 {
                self.by_process(name, n)?;
            } else if kind == 1 {
                let claimed =
                    self.timed(|| harness.registry().claim(&[self.target()], &Terms::default()));
                claimed.map_err(said)?;
                self.count.claims.fetch_add(1, SeqCst);
                self.write(&file, name, n)?;
                harness.registry().release(Release::All).map_err(said)?;
            } else {
                self.write(&file, name, n)?;
            }
            thread::sleep(random.micros(40_000));
        }
        Ok(())
    }

    fn by_process(&self, name: &str, n: usize) -> Result<(), String> {
        use std::io::Write as _;
        let line = format!("- [{name}-{n}]({name}-{n}.md): a process wrote this");
        let mut command = self.world.command(CCPAR);
        command.args(["locked-write", "--append", "--session", name]).arg(self.target());
        command.env("CCPAR_DURABILITY", "process").stdin(Stdio::piped());
        let mut child = command.spawn().map_err(said)?;
        let mut stdin = child.stdin.take().expect("it is piped");
        let _ = writeln!(stdin, "{line}");
        drop(stdin);
        let output = self.timed(|| child.wait_with_output()).map_err(said)?;
        match output.status.code() {
            Some(0) => {
                self.written.lock().expect("as above").insert(line);
                self.count.by_process.fetch_add(1, SeqCst);
                Ok(())
            }
            _ => Err(format!("{output:?}")),
        }
    }

    /// Reads, thinks and writes, as if nobody else did.
    #[expect(clippy::disallowed_methods, reason = "this is the outside writer")]
    fn outside(&self, name: &str, mut random: Random) -> Result<(), String> {
        for n in 0.. {
            if self.is_over() {
                break;
            }
            let text = std::fs::read_to_string(self.target()).map_err(said)?;
            thread::sleep(random.micros(20_000));
            // Half of what another writes at this moment is nothing to go on from.
            if text.lines().count() >= 4 && text.ends_with('\n') {
                let mut lines: Vec<&str> = text.lines().collect();
                let line = format!("- [{name}-{n}]({name}-{n}.md): by hand");
                let own = format!("- [{name}-");
                if let Some(at) = lines.iter().position(|line| line.starts_with(&own)) {
                    lines.remove(at);
                }
                lines.push(&line);
                std::fs::write(self.target(), lines.join("\n") + "\n").map_err(said)?;
                self.count.outside.fetch_add(1, SeqCst);
            }
            thread::sleep(Duration::from_millis(500) + random.micros(2_000_000));
        }
        Ok(())
    }

    fn pruner(&self) -> Result<(), String> {
        let harness = self.harness("pruner")?;
        let file = harness.file(self.target());
        while !self.is_over() {
            self.age();
            file.prune().map_err(said)?;
            self.count.prunes.fetch_add(1, SeqCst);
            let _ = harness.survey().map_err(said)?;
            self.count.looks.fetch_add(1, SeqCst);
            thread::sleep(Duration::from_millis(300));
        }
        Ok(())
    }

    /// Makes old what was kept a while ago: ccpar keeps for an hour whatever comes.
    fn age(&self) {
        let now = SystemTime::now();
        let histories = std::fs::read_dir(self.world.path("root/history"));
        for history in histories.into_iter().flatten().flatten() {
            let contents = std::fs::read_dir(history.path()).into_iter().flatten().flatten();
            for content in contents.filter(|content| content.file_name().len() == 64) {
                let touched = content.metadata().and_then(|metadata| metadata.modified());
                let age = touched.ok().and_then(|touched| now.duration_since(touched).ok());
                if age.is_some_and(|age| age > YOUNG) {
                    let file = std::fs::File::options().write(true).open(content.path());
                    let day = Duration::from_secs(86_400);
                    let _ = file.and_then(|file| file.set_modified(now - day));
                }
            }
        }
    }

    /// What is open and in memory, here and in the watch; and what the root holds.
    fn sizes(&self, watch: u32) -> Sizes {
        let of = |pid: &str| {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.unwrap_or_default();
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            (open, kib.unwrap_or(0))
        };
        let root = self.world.path("root");
        let log = std::fs::read_dir(root.join("history")).into_iter().flatten().flatten();
        let log = log.filter_map(|history| history.path().join("log.jsonl").metadata().ok());
        let log = log.map(|metadata| metadata.len() >> 10).sum();
        Sizes { own: of("self"), watch: of(&watch.to_string()), root: size(&root) >> 10, log }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Open files, and KiB.
    own: (usize, u64),
    watch: (usize, u64),
    /// What the root holds, and its logs of that, in KiB.
    root: u64,
    log: u64,
}

/// The watch, whose output is read and forgotten.
fn watch(world: &World) -> Result<Child, String> {
    let mut command: Command = world.command(CCPAR);
    command.args(["watch", "--heal", "--durability", "process", "notes.md"]);
    let mut child = command.spawn().map_err(said)?;
    let (stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    thread::spawn(move || {
        if let Some(out) = stdout {
            BufReader::new(out).lines().for_each(drop);
        }
    });
    thread::spawn(move || stderr.as_mut().map(|out| out.read_to_end(&mut Vec::new())));
    Ok(child)
}

pub(crate) fn run(run: &Run) -> Result<String, String> {
    let length = run.until.saturating_duration_since(Instant::now());
    let soak = Soak {
        world: World::new(),
        until: run.until,
        written: Mutex::default(),
        dropped: Mutex::default(),
        longest: Mutex::default(),
        count: Count::default(),
    };
    let first = (0..8).map(|n| format!("- [first-{n}](first-{n}.md): there from the beginning\n"));
    let first = first.collect::<String>();
    let harness = soak.harness("first")?;
    let _ = harness.file(soak.target()).append(first.as_bytes()).map_err(said)?;
    let mut watching = watch(&soak.world)?;
    let mut random = Random::new(run.seed);
    let (early, problems) = thread::scope(|scope| {
        let soak = &soak;
        let mut all = Vec::new();
        for n in 0..WRITERS {
            let random = Random::new(random.next());
            all.push(scope.spawn(move || soak.writer(&format!("w{n}"), random)));
        }
        for n in 0..OUTSIDE {
            let random = Random::new(random.next());
            all.push(scope.spawn(move || soak.outside(&format!("o{n}"), random)));
        }
        all.push(scope.spawn(|| soak.pruner()));
        // What a start needs is there after a quarter of the time.
        thread::sleep(length / 4);
        let early = soak.sizes(watching.id());
        let told = all
            .into_iter()
            .filter_map(|one| one.join().unwrap_or_else(|_| Err("it panicked".to_owned())).err());
        (early, told.collect::<Vec<_>>())
    });
    // The watch sees the last write.
    thread::sleep(Duration::from_millis(500));
    let late = soak.sizes(watching.id());
    let _ = watching.kill();
    let _ = watching.wait();
    let ended = ends_well(&soak, early, late, &problems);
    let count = |count: &AtomicUsize| count.load(SeqCst);
    let figures = format!(
        "{} writes by {WRITERS} writers, {} by processes, {} by {OUTSIDE} others, {} claims, {} \
         conflicts, {} prunes, {} looks; longest wait {:?}; {early:?} after a quarter, {late:?} in \
         the end",
        count(&soak.count.writes),
        count(&soak.count.by_process),
        count(&soak.count.outside),
        count(&soak.count.claims),
        count(&soak.count.conflicts),
        count(&soak.count.prunes),
        count(&soak.count.looks),
        *soak.longest.lock().expect("as above"),
    );
    match ended {
        Ok(lost) => Ok(format!("{figures}; {lost}")),
        Err(problem) => {
            let kept = soak.world.keep();
            Err(format!("--seed {}: {problem}\n{figures}\nleft in {}", run.seed, kept.display()))
        }
    }
}

fn ends_well(
    soak: &Soak,
    early: Sizes,
    late: Sizes,
    problems: &[String],
) -> Result<String, String> {
    if let Some(problem) = problems.first() {
        return Err(problem.clone());
    }
    let harness = soak.harness("last")?;
    let file = harness.file(soak.target());
    let _ = file.settle().map_err(said)?;
    let losses = file.losses().map_err(said)?;
    let named: BTreeSet<String> = losses
        .iter()
        .flat_map(|loss| &loss.lines)
        .map(|line| String::from_utf8_lossy(&line.text).into_owned())
        .collect();
    let _ = file.restore_lost().map_err(said)?;
    let _ = file.append(b"- [last](last.md): the end\n").map_err(said)?;
    let text = std::fs::read_to_string(soak.target()).map_err(said)?;
    let there: BTreeSet<&str> = text.lines().collect();
    let dropped = soak.dropped.lock().expect("as above");
    let written = soak.written.lock().expect("as above");
    let missing: Vec<&String> = written
        .iter()
        .filter(|line| !there.contains(line.as_str()) && !dropped.contains(*line))
        .collect();
    let unnamed: Vec<&&String> = missing.iter().filter(|line| !named.contains(**line)).collect();
    if !unnamed.is_empty() {
        return Err(format!(
            "{} of {} acknowledged lines are neither there nor named as lost: {:?}",
            unnamed.len(),
            written.len(),
            &unnamed[..unnamed.len().min(5)]
        ));
    }
    let names = soak.world.names();
    if let Some(litter) = names.iter().find(|name| name.contains(".ccpar-")) {
        return Err(format!("{litter} is left behind"));
    }
    let log = late.log;
    for (who, early, late) in [("here", early.own, late.own), ("watch", early.watch, late.watch)] {
        // Those who were at work then have ended.
        if late.0 > early.0 + 8 {
            return Err(format!("{who}: {} files are open after {}", late.0, early.0));
        }
        // Each thread keeps as much as it took once to read the whole log.
        if late.1 > early.1 + (16 << 10) + 2 * (WRITERS as u64) * log {
            return Err(format!("{who}: {} KiB after {}", late.1, early.1));
        }
    }
    if late.root - late.log > (early.root - early.log) * 2 + (KEPT >> 10) {
        return Err(format!("the root holds {} KiB after {}", late.root, early.root));
    }
    Ok(format!(
        "{} lines acknowledged, {} there, {} dropped by their writers, {} missing and named, 0 \
         lost",
        written.len(),
        there.len(),
        dropped.len(),
        missing.len(),
    ))
}

fn size(folder: &PathBuf) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
