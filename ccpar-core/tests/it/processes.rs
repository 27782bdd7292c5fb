//! Many processes at one file: an exact total in the end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use ccpar_core::{CommitOptions, Outcome};

use crate::support::{World, argument, harness, worker_root};

/// Where a session makes its change in a text.
fn changed(text: &str, place: &str, who: &str, round: usize) -> String {
    let line = format!("- {who} {round}\n");
    match place {
        // An index that everybody appends to.
        "append" => format!("{text}{line}"),
        // An index in which each has a section of its own.
        "insert" => {
            let heading = format!("## {who}\n");
            let at = text.find(&heading).unwrap() + heading.len();
            format!("{}{line}{}", &text[..at], &text[at..])
        }
        // A text in which each edits a line of its own.
        "edit" => text
            .split_inclusive('\n')
            .map(|old| if old.starts_with(&format!("- {who} ")) { &line } else { old })
            .collect(),
        other => panic!("no such place: {other}"),
    }
}

/// Not a test of its own: the other process, when it is told to be one. Reads,
/// thinks and writes until its rounds are over, and acknowledges each on stdout.
#[test]
fn worker() {
    let Some(path) = argument(0) else { return };
    let word = |n| argument(n).unwrap().into_string().unwrap();
    let (who, place, rounds) = (word(1), word(2), word(3).parse::<usize>().unwrap());
    let harness = harness(&worker_root(), Some(&who));
    let file = harness.file(path);
    for round in 0..rounds {
        let text = String::from_utf8(file.read().unwrap().into_content()).unwrap();
        std::thread::yield_now();
        let text = changed(&text, &place, &who, round);
        let commit = file.commit(text.as_bytes(), &CommitOptions::default()).unwrap();
        assert!(!matches!(commit.outcome, Outcome::Conflict { .. }), "{commit:?}");
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(format!("\nack - {who} {round}\n").as_bytes()).unwrap();
        stdout.flush().unwrap();
    }
}

/// Not a test of its own: takes a lock, says so, and holds it until its stdin
/// ends.
#[test]
fn holder() {
    let Some(path) = argument(0) else { return };
    let harness = harness(&worker_root(), Some("holder"));
    let lock = harness.file(path).lock(ccpar_core::lock::Mode::Exclusive).unwrap();
    println!("\nheld");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(lock);
}

fn everything_arrives(place: &str, base: &str, expected: impl Fn(usize, usize) -> bool) {
    const WORKERS: usize = 4;
    const ROUNDS: usize = 25;
    let world = World::new();
    let path = world.write("notes.md", base);
    let workers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let words = [path.as_os_str().to_owned(), format!("s{n}").into()];
            let rounds = ROUNDS.to_string();
            let words: Vec<&OsStr> = words
                .iter()
                .map(|word| &**word)
                .chain([OsStr::new(place), OsStr::new(&rounds)])
                .collect();
            world.worker("worker", &words)
        })
        .collect();
    let mut acknowledged = BTreeSet::new();
    for mut worker in workers {
        let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let acks = lines.map_while(Result::ok);
        acknowledged.extend(acks.filter_map(|line| Some(line.strip_prefix("ack ")?.to_owned())));
        assert!(worker.wait().unwrap().success());
    }
    assert_eq!(acknowledged.len(), WORKERS * ROUNDS);
    let text = world.text("notes.md");
    for n in 0..WORKERS {
        for round in 0..ROUNDS {
            let line = format!("- s{n} {round}");
            let count = text.lines().filter(|kept| *kept == line).count();
            assert_eq!(count, usize::from(expected(n, round)), "{line} in:\n{text}");
        }
    }
    assert_eq!(world.names(), ["notes.md"]);
}

#[test]
fn every_acknowledged_line_of_an_index_that_all_append_to_is_there_once() {
    everything_arrives("append", "# Index\n\n", |_, _| true);
}

#[test]
fn every_acknowledged_line_of_sections_that_all_insert_into_is_there_once() {
    let base = [0, 1, 2, 3].map(|n| format!("## s{n}\n\nwords\n\n")).concat();
    everything_arrives("insert", &base, |_, _| true);
}

#[test]
fn every_acknowledged_edit_of_lines_apart_stands_in_the_end() {
    let base = [0, 1, 2, 3].map(|n| format!("- s{n} x\n\nbetween\n\n")).concat();
    everything_arrives("edit", &base, |_, round| round == 24);
}

#[test]
fn two_sessions_that_both_saw_no_file_create_it_together() {
    let world = World::new();
    let path = world.path("new.md");
    let (a, b) = (world.session(Some("a")), world.session(Some("b")));
    for session in [&a, &b] {
        assert!(session.file(&path).read().unwrap().version().is_absent());
    }
    for (session, text) in [(&a, "- a\n"), (&b, "- b\n")] {
        let _ = session.file(&path).commit(text.as_bytes(), &CommitOptions::default()).unwrap();
    }
    assert_eq!(world.text("new.md"), "- a\n- b\n");
}

/// Not a test of its own: prunes and looks until its stdin ends. What was put a
/// while ago it makes old first.
#[test]
fn pruner() {
    use std::time::{Duration, SystemTime};
    let Some(path) = argument(0) else { return };
    let none = ccpar_core::Limits { age: Duration::ZERO, bytes: 0 };
    let harness = harness(&worker_root(), None).with_limits(none);
    let file = harness.file(path);
    let end = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let mut pruned = 0;
    while !end.is_finished() {
        let folders = std::fs::read_dir(worker_root().join("history"));
        for folder in folders.into_iter().flatten().flatten() {
            for content in std::fs::read_dir(folder.path()).unwrap().flatten() {
                let now = SystemTime::now();
                let Ok(touched) = content.metadata().and_then(|metadata| metadata.modified())
                else {
                    continue;
                };
                let name = content.file_name().into_string().unwrap();
                let old = now.duration_since(touched).is_ok_and(|age| age.as_millis() > 700);
                if old && name.len() == 64 {
                    let file = std::fs::File::options().write(true).open(content.path());
                    let _ = file.and_then(|f| f.set_modified(now - Duration::from_secs(86_400)));
                }
            }
        }
        pruned += file.prune().unwrap().contents;
        let _ = file.settle().unwrap();
        let _ = harness.survey().unwrap();
    }
    println!("\npruned {pruned}");
}

#[test]
fn processes_that_prune_look_and_commit_at_once_lose_nothing() {
    let world = World::new();
    let path = world.write("notes.md", "# Notes\n");
    let pruners: Vec<_> = (0..2).map(|_| world.worker("pruner", &[path.as_os_str()])).collect();
    let committers: Vec<_> = (0..2)
        .map(|n| {
            let who = format!("s{n}");
            let words = [path.as_os_str(), who.as_ref(), "append".as_ref(), "400".as_ref()];
            world.worker("worker", &words)
        })
        .collect();
    for worker in committers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let mut pruned = 0;
    for mut pruner in pruners {
        drop(pruner.stdin.take());
        let output = pruner.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        let count = said.lines().find_map(|line| line.strip_prefix("pruned ")).unwrap();
        pruned += count.parse::<usize>().unwrap();
    }
    let lines: BTreeSet<String> = world.text("notes.md").lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 801);
    assert!(pruned > 0, "nothing was pruned");
    let session = world.session(None);
    let parsed = session.file(&path).history().unwrap().records().unwrap();
    assert_eq!((parsed.broken.len(), parsed.effective().count()), (0, 801));
}
