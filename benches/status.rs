//! `ccpar status` over 64 sessions and 1,000 targets against the start of an empty
//! program and the bare stats of what it looks at; its one line, which a prompt
//! prints, against that start alone. `CCPAR` names the program, as in `process.rs`;
//! `EMPTY` one that does nothing, `/bin/true` if it is not set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use camino::Utf8PathBuf;
use ccpar_core::registry::Beat;
use ccpar_core::{Author, Durability, Harness};
use criterion::{Criterion, criterion_group, criterion_main};

const SESSIONS: usize = 64;
const TARGETS: usize = 1_000;

fn run(command: &mut Command) {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(quiet.status().expect("it is installed").success());
}

fn program(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(default), PathBuf::from)
}

fn harness(home: &Path, session: usize) -> Harness {
    let root = Utf8PathBuf::from_path_buf(home.join(".claude/ccpar")).expect("UTF-8");
    let author = Author { session: Some(format!("session-{session}")), ..Author::default() };
    let harness = Harness::open(root).expect("a root of our own").with_author(author);
    harness.with_durability(Durability::Process)
}

/// A home in which sessions are at work, and all that they wrote is in order.
fn home(home: &Path) {
    for session in 0..SESSIONS {
        harness(home, session).registry().beat(&Beat::default()).expect("a heartbeat");
    }
    for target in 0..TARGETS {
        let folder = home.join(format!(".claude/skills/{}", target / 20));
        std::fs::create_dir_all(&folder).expect("a fresh folder");
        let (path, text) = (folder.join(format!("{target}.md")), format!("- {target}\n"));
        let harness = harness(home, target % SESSIONS);
        let wrote = harness.file(&path).update(|_| Ok::<_, ccpar_core::Error>(text.into_bytes()));
        let _ = wrote.expect("a commit");
        // What changed just now is looked at again.
        let file = std::fs::File::options().append(true).open(&path).expect("it is there");
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("a time");
    }
}

fn status(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().canonicalize().expect("it is there");
    home(&place);
    let mut empty = Command::new(program("EMPTY", "/bin/true"));
    let ccpar = |words: &[&str]| {
        let mut command = Command::new(program("CCPAR", "../target/release/ccpar"));
        command.args(words).env("HOME", &place).current_dir(&place);
        command.env_remove("CCPAR_ROOT").env_remove("CLAUDE_CONFIG_DIR");
        command
    };
    // A look at what was written just now does not hold for the next one.
    std::thread::sleep(Duration::from_secs(3));
    run(&mut ccpar(&["status"]));

    let root = place.join(".claude/ccpar");
    let mut stats: Vec<PathBuf> = Vec::new();
    for target in 0..TARGETS {
        stats.push(place.join(format!(".claude/skills/{}/{target}.md", target / 20)));
    }
    let entries = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    stats.extend(entries("history").into_iter().map(|folder| folder.join("log.jsonl")));
    stats.extend(entries("sessions"));

    let mut group = c.benchmark_group("status over 64 sessions and 1,000 targets");
    group.bench_function("empty program", |b| b.iter(|| run(&mut empty)));
    group.bench_function("empty program, bare stats", |b| {
        b.iter(|| {
            run(&mut empty);
            for path in &stats {
                std::fs::symlink_metadata(path).expect("it is there");
            }
        });
    });
    for words in [&["status"][..], &["status", "--json"], &["status", "--line"]] {
        let mut status = ccpar(words);
        group.bench_function(format!("ccpar {}", words.join(" ")), |b| b.iter(|| run(&mut status)));
    }
    group.finish();
}

criterion_group!(benches, status);
criterion_main!(benches);
