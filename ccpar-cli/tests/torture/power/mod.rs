//! The power goes.
//!
//! What a verb does to the disk is recorded once. Then each disk that a power loss
//! could leave is built, and ccpar has to keep its promises on it. And each sync is
//! there for a reason: without it there is a disk on which it does not.

mod disk;
mod scenarios;
mod trace;

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ccpar_core::history::Record;
use ccpar_core::registry::{Release, Terms};
use ccpar_core::{Author, Durability, Harness, Version};

use crate::faults::{Home, traced_with};
use crate::rig::{Random, Run, said, skip};
use disk::{Disk, Id, Node, Op};
use scenarios::{SCENARIOS, Scenario, UNSYNCED};

/// What was recorded.
struct Recorded {
    start: Disk,
    ops: Vec<Op>,
    /// Where each inode lies in the end, or lay.
    paths: BTreeMap<Id, PathBuf>,
    /// Inodes of which nothing is asked.
    sure: Vec<Id>,
    /// What it printed.
    told: String,
}

#[derive(Default)]
struct Count {
    states: usize,
    looked_at: usize,
    syncs: usize,
}

pub(crate) fn run(limits: &Run) -> Result<String, String> {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        skip("there is no strace, or it may not trace: no power is lost");
        return Ok("nothing was done".to_owned());
    }
    let mut count = Count::default();
    let most = if limits.short { 100 } else { 5_000 };
    let mut problems = Vec::new();
    let mut done = 0;
    for (n, scenario) in SCENARIOS.iter().enumerate() {
        if !scenario.name.contains(&limits.only) {
            continue;
        }
        if n > 0 && limits.is_over() {
            break;
        }
        done += 1;
        let home = Home::new();
        (scenario.set_up)(&home);
        let recorded = record(&home, scenario)?;
        let mut random = Random::new(limits.seed);
        let before = (count.states, count.looked_at);
        let found =
            look_at_all(&home, scenario, &recorded, &recorded.ops, most, &mut random, &mut count);
        if !limits.short {
            println!(
                "  `{}`: {} operations, {} states, {} different",
                scenario.name,
                recorded.ops.len(),
                count.states - before.0,
                count.looked_at - before.1
            );
        }
        if let Err(problem) = found {
            problems.push(format!("`{}`: {problem}", scenario.name));
            continue;
        }
        for group in syncs(&recorded) {
            if n > 0 && limits.is_over() {
                break;
            }
            count.syncs += 1;
            let mut fewer = recorded.ops.clone();
            let what = name(&recorded, &fewer[group[0]]);
            group.iter().rev().for_each(|n| drop(fewer.remove(*n)));
            let found =
                look_at_all(&home, scenario, &recorded, &fewer, most, &mut random, &mut count);
            match found {
                Ok(()) => problems.push(format!("`{}` needs no sync of {what}", scenario.name)),
                Err(why) if !limits.short => println!("    without the sync of {what}: {why}"),
                Err(_) => {}
            }
        }
    }
    let figures = format!(
        "{done} recorded verbs, {} states, {} of them different, {} syncs taken out",
        count.states, count.looked_at, count.syncs
    );
    if problems.is_empty() {
        return Ok(format!("{figures} and each missed: 0 violations"));
    }
    Err(format!("--seed {}, {figures}:\n{}", limits.seed, problems.join("\n")))
}

/// The syncs by the inode that they are of: those of one inode between two moments
/// at which something can be seen (a name that is put in place, an answer) are one.
/// One before which nothing was done to its inode syncs nothing here.
fn syncs(recorded: &Recorded) -> Vec<Vec<usize>> {
    let mut moment = 0;
    let mut syncs: BTreeMap<(usize, Id), Vec<usize>> = BTreeMap::new();
    let mut changed = HashSet::new();
    for (n, op) in recorded.ops.iter().enumerate() {
        match op {
            Op::Sync(inode) => {
                let group = syncs.entry((moment, *inode)).or_default();
                if changed.remove(inode) || !group.is_empty() {
                    group.push(n);
                }
            }
            Op::Move { .. } | Op::Told => moment += 1,
            _ => {}
        }
        changed.extend(op.inode());
    }
    syncs.into_values().filter(|group| !group.is_empty()).collect()
}

fn name(recorded: &Recorded, op: &Op) -> String {
    let Op::Sync(inode) = op else { return format!("{op:?}") };
    let path = recorded.paths.get(inode);
    path.map_or_else(|| "a file that is gone".to_owned(), |path| format!("`{}`", path.display()))
}

fn record(home: &Home, scenario: &Scenario) -> Result<Recorded, String> {
    let folder = home.folder();
    let start = Disk::read(&folder);
    let more = ["-s", "1000000", "-xx", "-e", &format!("trace={}", trace::CALLS)];
    let (mut ops, mut end) = (Vec::new(), start.clone());
    let (words, input) = scenario.first;
    if !words.is_empty() {
        let (_, text) = traced_with(home, &more, words, input);
        (ops, end) = trace::read(&folder, &end, &text)?;
        ops.retain(|op| *op != Op::Told);
    }
    let (ran, text) = traced_with(home, &more, scenario.words, scenario.input);
    let (more, end) = trace::read(&folder, &end, &text)?;
    ops.extend(more);
    if !ops.contains(&Op::Told) {
        return Err(format!("`{}` says nothing: {ran:?}", scenario.name));
    }
    let mut paths = BTreeMap::new();
    walk(&end, 0, Path::new(""), &mut paths);
    walk(&start, 0, Path::new(""), &mut paths);
    let mut start = start;
    start.nodes.resize_with(end.nodes.len(), || Node::File(Vec::new()));
    start.numbers.resize(end.nodes.len(), None);
    for (id, node) in end.nodes.iter().enumerate() {
        if let (Node::Folder(_), Node::File(_)) = (node, &start.nodes[id]) {
            start.nodes[id] = Node::Folder(BTreeMap::new());
        }
        if start.numbers[id].is_none()
            && let Some(path) = paths.get(&id)
        {
            let found = folder.join(path).metadata();
            start.numbers[id] = found.ok().map(|metadata| metadata.ino());
        }
    }
    // What is in a lock file is information, and believed of the living alone.
    let is_lock = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "lock");
    let sure = paths.iter().filter(|(_, path)| is_lock(path)).map(|(id, _)| *id).collect();
    Ok(Recorded { start, ops, paths, sure, told: ran.stdout })
}

fn walk(disk: &Disk, id: Id, path: &Path, paths: &mut BTreeMap<Id, PathBuf>) {
    paths.entry(id).or_insert_with(|| path.to_owned());
    if let Node::Folder(names) = &disk.nodes[id] {
        for (name, id) in names {
            walk(disk, *id, &path.join(name), paths);
        }
    }
}

fn look_at_all(
    home: &Home,
    scenario: &Scenario,
    recorded: &Recorded,
    ops: &[Op],
    most: usize,
    random: &mut Random,
    count: &mut Count,
) -> Result<(), String> {
    let mut seen = HashSet::new();
    disk::crashes(&recorded.start, ops, &recorded.sure, most, random, |disk, told| {
        count.states += 1;
        if !seen.insert((disk.image(), told)) {
            return Ok(());
        }
        count.looked_at += 1;
        put_on_disk(home, disk);
        look(home, scenario, recorded, told).map_err(|problem| {
            let when = if told { "after it was told" } else { "before it was told" };
            format!("{when}: {problem}")
        })
    })
}

/// Makes the home what a disk is. The numbers of inodes that ccpar has written down
/// become those that they have now.
#[expect(clippy::disallowed_methods, reason = "this is the disk")]
fn put_on_disk(home: &Home, disk: &Disk) {
    let folder = home.folder();
    std::fs::remove_dir_all(&folder).expect("the home can be removed");
    let mut paths = BTreeMap::new();
    walk(disk, 0, Path::new(""), &mut paths);
    let mut numbers = BTreeMap::new();
    for (id, path) in &paths {
        let path = folder.join(path);
        // A folder comes before what is in it: its path is shorter.
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
        match &disk.nodes[*id] {
            Node::File(bytes) => std::fs::write(&path, bytes).expect("it can be written"),
            Node::Folder(_) => std::fs::create_dir_all(&path).expect("it can be made"),
        }
        let number = path.metadata().expect("it is there").ino();
        if let Some(old) = disk.numbers[*id] {
            numbers.insert(old, number);
        }
    }
    for (id, path) in &paths {
        if path.ends_with("log.jsonl")
            && let Node::File(bytes) = &disk.nodes[*id]
        {
            std::fs::write(folder.join(path), renumbered(bytes, &numbers)).expect("as before");
        }
    }
}

/// A log in which `[device,inode]` names the inodes that are there now.
fn renumbered(log: &[u8], numbers: &BTreeMap<u64, u64>) -> Vec<u8> {
    let mut renumbered = Vec::with_capacity(log.len());
    let mut rest = log;
    while let Some(at) = rest.iter().position(|byte| *byte == b',') {
        renumbered.extend_from_slice(&rest[..=at]);
        rest = &rest[at + 1..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = std::str::from_utf8(&rest[..digits]).ok().and_then(|n| n.parse().ok());
        if rest.get(digits) == Some(&b']')
            && let Some(now) = number.and_then(|number: u64| numbers.get(&number))
        {
            renumbered.extend_from_slice(now.to_string().as_bytes());
            rest = &rest[digits..];
        }
    }
    renumbered.extend_from_slice(rest);
    renumbered
}

/// The promises, on what is in the home now.
fn look(home: &Home, scenario: &Scenario, recorded: &Recorded, told: bool) -> Result<(), String> {
    if !told && scenario.first.0 == UNSYNCED {
        // What was not synced was promised nothing.
        return Ok(());
    }
    let folder = home.folder();
    let root = folder.join("root");
    let author = Author { session: Some("s2".to_owned()), ..Author::default() };
    let harness = Harness::open(root.to_str().expect("it is UTF-8")).map_err(said)?;
    let harness = harness.with_author(author).with_durability(Durability::Process);
    let file = harness.file(folder.join(scenario.target));
    let found = file.look_only().map_err(said)?;
    let text = (!found.version().is_absent()).then(|| String::from_utf8_lossy(found.content()));
    let text = text.as_deref();
    if text != Some(scenario.new) && (told || text != scenario.old) {
        return Err(format!("the target holds {text:?}"));
    }
    let history = file.history().map_err(said)?;
    let records = history.records().map_err(said)?;
    let keeps = |text: &str| -> Result<(), String> {
        let kept = file.version(Version::of(text.as_bytes()));
        kept.map(|_| ()).map_err(|error| format!("{text:?} is not in the history: {}", said(error)))
    };
    // What it replaces is safe before it is replaced.
    let replaced = scenario.old != Some(scenario.new) && text == Some(scenario.new);
    if told || replaced {
        scenario.kept.iter().try_for_each(|text| keeps(text))?;
    }
    if told {
        let new = Version::of(scenario.new.as_bytes());
        let last = records.effective().next_back();
        let ours = scenario.copy.map(|ours| Version::of(ours.as_bytes()));
        let is_it = |record: &Record| {
            record.version == new && ours.is_none_or(|ours| record.parents.contains(&ours))
        };
        if !last.is_some_and(is_it) {
            return Err("the log does not know of it".to_owned());
        }
        let copies = file.conflict_copies().map_err(said)?;
        let held = copies
            .iter()
            .any(|copy| std::fs::read(copy).ok().as_deref() == scenario.copy.map(str::as_bytes));
        if scenario.copy.is_some() && !held {
            return Err(format!("no conflict copy holds ours: {copies:?}"));
        }
    }
    if scenario.words[0] == "claim" {
        return next_token(&harness, &folder.join(scenario.target), recorded, told);
    }
    // The next writer is not in its way, and what it replaces is kept.
    let _ = file.append(b"- [n](n.md): next\n").map_err(said)?;
    let expected = format!("{}- [n](n.md): next\n", text.unwrap_or_default());
    let now = file.look_only().map_err(said)?;
    if now.content() != expected.as_bytes() {
        return Err(format!("the next made of it {:?}", String::from_utf8_lossy(now.content())));
    }
    text.into_iter().try_for_each(keeps)?;
    let broken = history.records().map_err(said)?.broken;
    if !broken.is_empty() {
        return Err(format!("the log is broken: {broken:?}"));
    }
    let around = folder.join(scenario.target);
    let entries = std::fs::read_dir(around.parent().expect("it has a folder"));
    for entry in entries.map_err(said)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".ccpar-") {
            return Err(format!("{name} is left behind"));
        }
    }
    Ok(())
}

/// Tokens only grow.
fn next_token(
    harness: &Harness,
    target: &Path,
    recorded: &Recorded,
    told: bool,
) -> Result<(), String> {
    let last: u64 = recorded.told.trim().parse().map_err(|_| recorded.told.clone())?;
    let registry = harness.registry();
    registry.release(Release::Token(last)).map_err(said)?;
    let claim = registry.claim(&[target.to_owned()], &Terms::default());
    let token = claim.map_err(said)?.token;
    if told && token <= last {
        return Err(format!("token {token} came after {last}"));
    }
    Ok(())
}
