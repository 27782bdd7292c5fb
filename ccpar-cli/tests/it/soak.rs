//! Eight plain shell writers that know nothing of ccpar, at one file, under
//! `ccpar watch`.
//!
//! Each reads, thinks, adds a line (and now and then drops one of its own), and
//! writes; what it had read and what it wrote it leaves beside, with the times,
//! so that in the end it can be told which line a stale writer swallowed and
//! which was dropped by somebody who had seen it.
//!
//! The suite runs a short form. `CCPAR_SOAK=200`, with `--release`, runs as many
//! rounds, with the pauses that people make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Home, there_is};
use crate::watching::Watcher;

const WRITERS: usize = 8;

/// One writer: `sh writer FILE FOLDER NAME PAUSE PAUSE ...`, two pauses a round.
const WRITER: &str = r#"
f=$1 d=$2 w=$3 i=0
shift 3
while [ $# -ge 2 ]; do
    cat "$f" > "$d/$w.$i.base"
    sleep "$1"
    text=$(cat "$d/$w.$i.base")
    # Every fifth round a line of its own goes, on purpose.
    if [ $((i % 5)) = 4 ]; then
        text=$(grep -v "^- $w\.$((i - 2)) " "$d/$w.$i.base")
    fi
    text="$text
- $w.$i a line of its own"
    printf '%s\n' "$text" > "$d/$w.$i.text"
    date +%s%N > "$d/$w.$i.begun"
    printf '%s\n' "$text" > "$f"
    date +%s%N > "$d/$w.$i.done"
    sleep "$2"
    shift 2
    i=$((i + 1))
done
"#;

/// One write, as its writer tells it.
struct Write {
    begun: u64,
    done: u64,
    base: BTreeSet<String>,
    text: BTreeSet<String>,
    /// Whether nobody else was writing meanwhile: of two who do, one may have
    /// overwritten the other before anybody could read it, whatever the times say.
    alone: bool,
}

/// The lines of writers that a text holds.
fn lines(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with("- w")).map(str::to_owned).collect()
}

fn writes(folder: &Path) -> Vec<Write> {
    let mut writes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "done") {
            let read = |kind| std::fs::read_to_string(path.with_extension(kind)).unwrap();
            let time = |kind| read(kind).trim().parse::<u64>().unwrap() / 1_000_000;
            writes.push(Write {
                begun: time("begun"),
                done: time("done"),
                base: lines(&read("base")),
                text: lines(&read("text")),
                alone: true,
            });
        }
    }
    writes.sort_by_key(|write| write.done);
    let times: Vec<_> = writes.iter().map(|write| (write.begun, write.done)).collect();
    for write in &mut writes {
        let meanwhile = |&&(begun, done): &&_| begun <= write.done && write.begun <= done;
        // It is one of them itself.
        write.alone = times.iter().filter(meanwhile).count() == 1;
    }
    writes
}

/// How long each line stood at a stretch, at the most, in milliseconds.
fn stood(writes: &[Write]) -> BTreeMap<String, u64> {
    let mut since: BTreeMap<&String, u64> = BTreeMap::new();
    let mut stood: BTreeMap<String, u64> = BTreeMap::new();
    for write in writes {
        since.retain(|line, begun| {
            let stays = write.text.contains(*line);
            if !stays {
                let longest = stood.entry((*line).clone()).or_default();
                *longest = (*longest).max(write.begun.saturating_sub(*begun));
            }
            stays
        });
        for line in &write.text {
            since.entry(line).or_insert(write.done);
        }
    }
    for line in since.into_keys() {
        stood.insert(line.clone(), u64::MAX);
    }
    stood
}

struct Run {
    writes: Vec<Write>,
    /// What stands in the file in the end.
    left: BTreeSet<String>,
    /// The lines that `ccpar lost` names, and whether they may have been meant.
    named: BTreeMap<String, bool>,
    /// All lines that any version in the history has.
    known: BTreeSet<String>,
}

/// How many rounds the long form runs, if that was asked for.
fn rounds() -> Option<usize> {
    std::env::var("CCPAR_SOAK").ok().and_then(|rounds| rounds.parse().ok())
}

fn run(words: &[&str]) -> Run {
    let (rounds, longest) = rounds().map_or((12, 120), |rounds| (rounds, 500));
    let home = Home::new();
    let start = (0..10).map(|n| format!("line {n} of the beginning\n"));
    home.write("notes.md", start.collect::<Vec<_>>().concat());
    home.sh("mkdir told").quiet();
    home.write("writer", WRITER);
    let watch = Watcher::new(&home, &[words, &["notes.md", "--durability", "process"]].concat());
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut pause = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        format!("0.{:03}", 5 + random % (longest - 5))
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let mut command = home.command("sh");
            command.args(["writer", "notes.md", "told", &format!("w{n}")]);
            command.args((0..rounds * 2).map(|_| pause()));
            command.spawn().unwrap()
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    // What is written last is looked at too, and healed: until nothing has come for a while.
    let state = || {
        let folders = std::fs::read_dir(home.path(".claude/ccpar/history")).unwrap();
        let logs = folders.map(|folder| folder.unwrap().path().join("log.jsonl"));
        let lengths = logs.map(|log| std::fs::metadata(log).map_or(0, |log| log.len()));
        lengths.collect::<Vec<_>>()
    };
    let (begun, mut since, mut last) = (Instant::now(), Instant::now(), state());
    while since.elapsed() < Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
        let now = state();
        if now != last {
            (since, last) = (Instant::now(), now);
        }
    }
    drop(watch);
    let lost = home.ccpar(&["lost", "notes.md", "--json"]);
    let mut named = BTreeMap::new();
    for loss in lost.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        assert!(loss["problem"].is_null(), "{loss}");
        for line in loss["lines"].as_array().unwrap() {
            let maybe = loss["maybe"].as_bool().unwrap();
            let line = line["text"].as_str().unwrap().to_owned();
            *named.entry(line).or_insert(maybe) &= maybe;
        }
    }
    let mut known = BTreeSet::new();
    for entry in std::fs::read_dir(home.path(".claude/ccpar/history")).unwrap() {
        for content in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            known.extend(lines(&String::from_utf8_lossy(
                &std::fs::read(content.unwrap().path()).unwrap(),
            )));
        }
    }
    let writes = writes(&home.path("told"));
    assert_eq!(writes.len(), WRITERS * rounds);
    Run { writes, left: lines(&home.text("notes.md")), named, known }
}

impl Run {
    /// Lines that are missing in the end, and that nobody who had seen them
    /// dropped.
    fn swallowed(&self) -> BTreeSet<&String> {
        let all: BTreeSet<&String> = self.writes.iter().flat_map(|write| &write.text).collect();
        all.into_iter().filter(|line| !self.left.contains(*line) && !self.dropped(line)).collect()
    }

    /// Those of them that nobody else can have overwritten before they were read.
    fn swallowed_alone(&self) -> BTreeSet<&String> {
        let mut swallowed = self.swallowed();
        let writes = self.writes.iter().filter(|write| write.alone);
        let alone: BTreeSet<&String> =
            writes.flat_map(|write| write.text.difference(&write.base)).collect();
        swallowed.retain(|line| alone.contains(line));
        swallowed
    }

    /// Whether somebody dropped the line who had seen it.
    fn dropped(&self, line: &String) -> bool {
        self.writes.iter().any(|write| write.base.contains(line) && !write.text.contains(line))
    }

    /// Whether somebody took the line away for good who had seen it. Of writes at
    /// the same time nobody knows which was first, and of one that was overwritten
    /// before anybody saw it nobody knows at all.
    fn removed_on_purpose(&self, line: &String) -> bool {
        const SAME: u64 = 10;
        let last = self.writes.iter().rposition(|write| write.text.contains(line));
        let [last, next] = [0, 1].map(|n| self.writes.get(last.unwrap_or(usize::MAX - 1) + n));
        last.zip(next).is_some_and(|(last, next)| {
            let seen = next.text.difference(&next.base).all(|own| self.known.contains(own));
            next.base.contains(line) && next.begun >= last.done + SAME && seen
        })
    }

    fn report(&self, title: &str) {
        let swallowed = self.swallowed();
        let named = swallowed.iter().filter(|line| self.named.contains_key(**line)).count();
        let maybe = self.named.values().filter(|maybe| **maybe).count();
        let wrong = self.named.keys().filter(|line| self.removed_on_purpose(line)).count();
        eprintln!(
            "{title}: {} writes; {} lines left; {} swallowed, {} of them in the history, {named} \
             named; {} named in all, {maybe} perhaps, {wrong} that was \
             dropped on purpose",
            self.writes.len(),
            self.left.len(),
            swallowed.len(),
            swallowed.iter().filter(|line| self.known.contains(**line)).count(),
            self.named.len(),
        );
        let alone = self.swallowed_alone();
        let named = alone.iter().filter(|line| self.named.contains_key(**line)).count();
        eprintln!("    swallowed of those who wrote alone: {}, {named} of them named", alone.len());
        let stood = stood(&self.writes);
        for least in [100, 1000] {
            let long: Vec<_> = stood.iter().filter(|(_, stood)| **stood >= least).collect();
            let known = long.iter().filter(|(line, _)| self.known.contains(*line)).count();
            eprintln!("    stood for {least} ms: {}, in the history: {known}", long.len());
        }
        let missing = stood.iter().filter(|(line, _)| !self.known.contains(*line));
        let mut missing: Vec<u64> = missing.map(|(_, stood)| *stood).collect();
        missing.sort_unstable();
        eprintln!("    not in the history, by how many ms they stood: {missing:?}");
    }

    /// Those that stood long enough to be in the history, and are neither in the
    /// file nor named. What a writer overwrites within a few milliseconds nobody
    /// can have read.
    fn forgotten(&self) -> (usize, Vec<&String>) {
        let mut swallowed = self.swallowed();
        swallowed.retain(|line| self.known.contains(*line));
        let all = swallowed.len();
        (all, swallowed.into_iter().filter(|line| !self.named.contains_key(*line)).collect())
    }

    /// What stood for so long on disk is in the history.
    fn check_history(&self) {
        let stood = stood(&self.writes);
        let missing = |least: u64| {
            let long = stood.iter().filter(|(_, stood)| **stood >= least);
            let (mut all, mut missing) = (0, Vec::new());
            for (line, stood) in long {
                all += 1;
                if !self.known.contains(line) {
                    missing.push((line, stood));
                }
            }
            (all, missing)
        };
        let (all, gone) = missing(100);
        assert!(
            gone.len() * 100 <= all.max(100),
            "{} of {all} that stood 100 ms: {gone:?}",
            gone.len()
        );
        let (all, gone) = missing(1000);
        // In the short form none need stand for so long.
        assert!(all > 0 || rounds().is_none(), "no line stood 1 s");
        assert!(gone.is_empty(), "of {all} that stood 1 s: {gone:?}");
    }
}

#[test]
fn what_stale_shell_writers_swallow_is_in_the_history_and_named() {
    if !there_is("sh") || !there_is("date") {
        return;
    }
    let run = run(&[]);
    run.report("watch");
    run.check_history();
    let (all, unnamed) = run.forgotten();
    assert!(all > 0, "nobody was stale");
    assert!(
        unnamed.len() * 100 <= all.max(100),
        "{} of {all} are not named: {unnamed:?}",
        unnamed.len()
    );
    let all = run.swallowed_alone();
    let unnamed: Vec<_> = all.iter().filter(|line| !run.named.contains_key(**line)).collect();
    assert!(
        unnamed.len() * 100 <= all.len().max(100),
        "{} of {} are not named whose writers wrote alone: {unnamed:?}",
        unnamed.len(),
        all.len()
    );
    // Who had seen a line and dropped it lost nothing: none is called lost for
    // sure.
    let wrong: Vec<_> =
        run.named.iter().filter(|(line, maybe)| !**maybe && run.removed_on_purpose(line)).collect();
    assert!(wrong.is_empty(), "dropped on purpose: {wrong:?}");
}

#[test]
fn with_heal_what_they_swallow_stands_in_the_file_in_the_end() {
    if !there_is("sh") || !there_is("date") {
        return;
    }
    let run = run(&["--heal"]);
    run.report("watch --heal");
    run.check_history();
    let open: Vec<_> = run.named.iter().filter(|(_, maybe)| !**maybe).collect();
    assert!(open.is_empty(), "named and not merged back: {open:?}");
    // Nearly each line is swallowed at some time: of all of them hardly one may be
    // neither there nor named.
    let (_, gone) = run.forgotten();
    let all = run.known.len();
    assert!(gone.len() * 100 <= all.max(100), "{} of {all} are gone: {gone:?}", gone.len());
}
