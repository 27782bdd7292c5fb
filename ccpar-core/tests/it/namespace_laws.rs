//! Four namespaces of one memory, changed at random, promoted in every order and
//! at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ccpar_core::namespace::{Action, Fork, Namespace};
use ccpar_core::{Author, Harness};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{World, harness, outside};

const NAMESPACES: usize = 4;
const NOTES: usize = 8;
const LINES: usize = 6;

/// How many notes are one namespace's, where they change notes of their own.
const PART: usize = NOTES / NAMESPACES;

/// Each is promoted in 24 orders, and at once.
const CASES: u32 = 2;

/// A folder, by path within it.
type Notes = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone)]
enum Op {
    Add,
    Edit(usize, usize),
    Insert(usize, usize),
    Cut(usize, usize),
    Delete(usize),
    Rename(usize),
    Hook(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let note = 0..NOTES;
    prop_oneof![
        2 => Just(Op::Add),
        3 => (note.clone(), 0..LINES).prop_map(|(note, line)| Op::Edit(note, line)),
        3 => (note.clone(), 0..LINES).prop_map(|(note, line)| Op::Insert(note, line)),
        1 => (note.clone(), 0..LINES).prop_map(|(note, line)| Op::Cut(note, line)),
        1 => note.clone().prop_map(Op::Delete),
        1 => note.clone().prop_map(Op::Rename),
        2 => note.prop_map(Op::Hook),
    ]
}

fn name(note: usize) -> String {
    if note.is_multiple_of(4) { format!("sub/note-{note}.md") } else { format!("note-{note}.md") }
}

fn entry(name: &str, hook: &str) -> String {
    format!("- [{name}]({name}): {hook}")
}

fn memory() -> Notes {
    let mut notes = Notes::new();
    let mut index = vec!["# Memory".to_owned(), String::new()];
    for note in 0..NOTES {
        let name = name(note);
        if note.is_multiple_of(PART) {
            // Lines that touch can be a conflict.
            index.extend([format!("## Part {note}"), String::new()]);
        }
        index.push(entry(&name, &format!("what note {note} says")));
        if note % PART == PART - 1 {
            index.push(String::new());
        }
        let line = |line| format!("Note {note} has a sentence of its own, number {line}.");
        notes.insert(name, (0..LINES).map(line).collect());
    }
    index.extend(["## New", "", "What was learned last."].map(str::to_owned));
    notes.insert("MEMORY.md".to_owned(), index);
    notes
}

fn index(notes: &mut Notes) -> &mut Vec<String> {
    notes.get_mut("MEMORY.md").unwrap()
}

impl Op {
    /// The same, done to notes that this one alone touches.
    fn on_notes_of(&self, n: usize) -> Op {
        let own = |note: usize| n * PART + note % PART;
        match *self {
            Op::Add => Op::Add,
            Op::Edit(note, line) => Op::Edit(own(note), line),
            Op::Insert(note, line) => Op::Insert(own(note), line),
            Op::Cut(note, line) => Op::Cut(own(note), line),
            Op::Delete(note) => Op::Delete(own(note)),
            Op::Rename(note) => Op::Rename(own(note)),
            Op::Hook(note) => Op::Hook(own(note)),
        }
    }

    /// What it makes of some notes. `who` makes each text that it adds unique.
    fn apply(&self, notes: &mut Notes, who: &str) {
        let is_of = |name: &str| format!("- [{name}](");
        match *self {
            Op::Add => {
                let name = format!("new-{who}.md");
                index(notes).push(entry(&name, &format!("learned by {who}")));
                notes.insert(name, vec![format!("All that {who} has learned.")]);
            }
            Op::Edit(note, line) => {
                if let Some(text) = notes.get_mut(&name(note)).and_then(|note| note.get_mut(line)) {
                    *text = format!("Said anew by {who}, about {note} and {line}.");
                }
            }
            Op::Insert(note, line) => {
                if let Some(note) = notes.get_mut(&name(note)) {
                    let line = line.min(note.len());
                    note.insert(line, format!("Put in by {who} at {line}."));
                }
            }
            Op::Cut(note, line) => {
                if let Some(note) = notes.get_mut(&name(note)).filter(|note| line < note.len()) {
                    note.remove(line);
                }
            }
            Op::Delete(note) => {
                notes.remove(&name(note));
                index(notes).retain(|line| !line.starts_with(&is_of(&name(note))));
            }
            Op::Rename(note) => {
                if let Some(text) = notes.remove(&name(note)) {
                    let (old, new) = (is_of(&name(note)), format!("renamed-{who}.md"));
                    for line in index(notes) {
                        if line.starts_with(&old) {
                            *line = entry(&new, &format!("what note {note} says"));
                        }
                    }
                    notes.insert(new, text);
                }
            }
            Op::Hook(note) => {
                let old = is_of(&name(note));
                for line in index(notes) {
                    if line.starts_with(&old) {
                        *line = entry(&name(note), &format!("as {who} has it"));
                    }
                }
            }
        }
    }
}

fn write(folder: &Path, notes: &Notes) {
    fs::DirBuilder::new().recursive(true).create(folder.join("sub")).unwrap();
    for (name, lines) in notes {
        outside(&folder.join(name), lines.iter().flat_map(|line| [line, "\n"]).collect::<String>());
    }
}

/// All that lies in a folder, conflict copies too, but for namespaces.
fn read(folder: &Path) -> Notes {
    let mut notes = Notes::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(dir) = folders.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.join(".ccpar-namespace").exists() || path.ends_with(".ccpar-namespace") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            let text = fs::read_to_string(&path).unwrap();
            notes.insert(name, text.lines().map(str::to_owned).collect());
        }
    }
    notes
}

fn set(notes: &Notes) -> BTreeSet<(&str, &str)> {
    notes
        .iter()
        .flat_map(|(name, lines)| lines.iter().map(move |line| (&**name, &**line)))
        .collect()
}

fn acting(world: &World, n: usize) -> Harness {
    let author = Author { branch: Some(format!("feat/{n}")), ..Author::default() };
    harness(&world.root(), None).with_author(author)
}

/// A memory and its namespaces, each changed as it wants to be.
fn forked(sides: &[Notes]) -> (World, Vec<Namespace>) {
    let world = World::new();
    let shared = world.path("memory");
    write(&shared, &memory());
    let start = |(n, notes): (usize, &Notes)| {
        let fork = Fork::new(&shared, format!("feat/{n}"));
        let (namespace, started) = Namespace::start(&acting(&world, n), &fork).unwrap();
        assert_eq!(started.files, NOTES + 1);
        for name in memory().keys().filter(|name| !notes.contains_key(*name)) {
            fs::remove_file(namespace.folder().join(name)).unwrap();
        }
        write(namespace.folder(), notes);
        namespace
    };
    let namespaces = sides.iter().enumerate().map(start).collect();
    (world, namespaces)
}

/// What the memory is in the end, and whether there was no conflict.
fn outcome(world: &World, namespaces: &[Namespace], clean: bool, sides: &[Notes]) -> (Notes, bool) {
    let shared = world.path("memory");
    let end = read(&shared);
    for (n, namespace) in namespaces.iter().enumerate() {
        let again = namespace.promote(&acting(world, n)).unwrap();
        assert!(again.changes.is_empty() && again.problems.is_empty(), "{again:?}");
    }
    assert_eq!(read(&shared), end, "a second promote changed something");
    check(&end, sides, clean);
    (end, clean)
}

fn check(end: &Notes, sides: &[Notes], clean: bool) {
    let base = memory();
    let all: BTreeSet<&str> = end.values().flatten().map(String::as_str).collect();
    let was: BTreeSet<&str> = base.values().flatten().map(String::as_str).collect();
    for side in sides {
        for line in side.values().flatten().filter(|line| !was.contains(&***line)) {
            assert!(all.contains(&**line), "`{line}` is lost: {end:#?}");
        }
    }
    for (name, text) in &base {
        let gone = sides.iter().any(|side| !side.contains_key(name));
        let left = |side: &Notes| side.get(name).is_none_or(|other| other == text);
        if gone && sides.iter().all(left) {
            assert!(!end.contains_key(name), "`{name}` is back");
        }
        for line in text.iter().filter(|line| clean && !line.is_empty()) {
            let cut = sides.iter().any(|side| side.get(name).is_some_and(|t| !t.contains(line)));
            let touched = sides.iter().any(|side| !side.contains_key(name));
            let stands = end.get(name).is_some_and(|end| end.contains(line));
            assert!(!cut || touched || !stands, "`{line}` is back in `{name}`");
        }
    }
}

fn orders() -> Vec<[usize; NAMESPACES]> {
    let mut orders = Vec::new();
    for code in 0..NAMESPACES.pow(4) {
        let order = [code / 64, code / 16 % 4, code / 4 % 4, code % 4];
        if order.iter().collect::<BTreeSet<_>>().len() == NAMESPACES {
            orders.push(order);
        }
    }
    orders
}

#[test]
fn no_line_is_lost_and_all_orders_come_to_the_same() {
    let orders = orders();
    assert_eq!(orders.len(), 24);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let ops = prop::collection::vec(prop::collection::vec(op(), 1..5), NAMESPACES);
    TestRunner::new(config)
        .run(&(ops, any::<bool>()), |(ops, apart)| {
            let side = |(n, ops): (usize, &Vec<Op>)| {
                let mut notes = memory();
                for (k, op) in ops.iter().enumerate() {
                    let op = if apart { op.on_notes_of(n) } else { op.clone() };
                    op.apply(&mut notes, &format!("n{n}-{k}"));
                }
                notes
            };
            let sides: Vec<Notes> = ops.iter().enumerate().map(side).collect();
            let mut ends: Vec<(Notes, bool)> = Vec::new();
            for order in &orders {
                let (world, namespaces) = forked(&sides);
                let mut clean = true;
                for n in *order {
                    let harness = acting(&world, n);
                    let planned = namespaces[n].plan_promote(&harness).unwrap();
                    let passed = namespaces[n].promote(&harness).unwrap();
                    assert!(passed.problems.is_empty(), "{passed:?}");
                    let without_copy = |passed: &ccpar_core::namespace::Passed| {
                        let mut changes = passed.changes.clone();
                        for change in &mut changes {
                            change.copy = None;
                        }
                        changes
                    };
                    assert_eq!(without_copy(&planned), without_copy(&passed));
                    clean &= passed.is_clean();
                }
                ends.push(outcome(&world, &namespaces, clean, &sides));
            }
            // All at once.
            let (world, namespaces) = forked(&sides);
            let clean = std::thread::scope(|scope| {
                let threads: Vec<_> = namespaces
                    .iter()
                    .enumerate()
                    .map(|(n, namespace)| {
                        let world = &world;
                        scope.spawn(move || namespace.promote(&acting(world, n)).unwrap())
                    })
                    .collect();
                threads.into_iter().all(|thread| thread.join().unwrap().is_clean())
            });
            ends.push(outcome(&world, &namespaces, clean, &sides));
            let clean = ends.iter().all(|(_, clean)| *clean);
            prop_assert!(clean || !apart, "a conflict where nobody met");
            if clean {
                for (end, _) in &ends {
                    prop_assert_eq!(set(end), set(&ends[0].0));
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn deleted_on_one_side_and_changed_on_the_other_both_orders_keep_the_change() {
    let sides = |one: Op, other: Op| {
        [one, other].map(|op| {
            let mut notes = memory();
            op.apply(&mut notes, "x");
            notes
        })
    };
    let sides = sides(Op::Delete(1), Op::Edit(1, 2));
    for (order, told) in [([0, 1], Action::BringBack), ([1, 0], Action::Keep)] {
        let (world, namespaces) = forked(&sides);
        let [_, last] = order.map(|n| namespaces[n].promote(&acting(&world, n)).unwrap());
        assert!(last.changes.iter().any(|change| change.action == told), "{last:?}");
        assert!(!last.is_clean());
        assert_eq!(read(&world.path("memory"))["note-1.md"], sides[1]["note-1.md"]);
        outcome(&world, &namespaces, false, &sides);
    }
}
