//! What a history costs, against peers in the same run: 1,000 known files looked
//! at against 1,000 bare stats, a commit with a history against one without, a
//! stale base inferred among 50 versions against 50 diffs, and a log of 10,000
//! versions.
//!
//! Run it on a disk that is a disk: `TMPDIR=. cargo bench --bench history`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use ccpar_core::{Author, CommitOptions, Durability, Harness, Version};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use similar::TextDiff;

fn root(folder: &Path) -> Utf8PathBuf {
    Utf8Path::from_path(folder).expect("UTF-8").join("root")
}

#[expect(clippy::disallowed_methods, reason = "this is the outside writer")]
fn outside(path: &Path, text: &[u8]) {
    fs::write(path, text).expect("there is space");
}

fn look(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let harness = Harness::open(root(folder.path())).expect("a fresh root");
    let harness = harness.with_durability(Durability::Process);
    let paths: Vec<PathBuf> =
        (0..1000).map(|n| folder.path().join(format!("note-{n}.md"))).collect();
    for path in &paths {
        let _ = harness.file(path).append(b"- a line\n").expect("a commit");
    }
    // What changed just now is not told apart by its stamp.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(harness.survey().expect("a look").len(), 1000);
    let mut group = c.benchmark_group("look at 1,000 files");
    group.bench_function("bare stats", |b| {
        b.iter(|| paths.iter().filter(|path| fs::metadata(path).is_ok()).count());
    });
    group.bench_function("ccpar", |b| b.iter(|| harness.survey().expect("a look").len()));
    group.finish();
}

/// An index of 80 entries, 4 KiB, in which one entry has this number.
fn index(n: u64) -> Vec<u8> {
    let mut text = String::new();
    for entry in 0..80 {
        let n = if entry == 40 { n } else { 0 };
        let _ = writeln!(text, "- [entry {entry}](entry-{entry}.md): what is known, {n:08}");
    }
    text.into_bytes()
}

fn commit(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for durability in [Durability::Process, Durability::Disk] {
        let mut group = c.benchmark_group(format!("commit of 4 KiB, {durability:?}"));
        let author = Author { session: Some("s".to_owned()), ..Author::default() };
        let harness = || {
            let harness = Harness::open(root(folder.path())).expect("a root");
            harness.with_durability(durability).with_author(author.clone())
        };
        let mut n = 0;
        for (name, harness) in
            [("without a history", harness().without_history()), ("with one", harness())]
        {
            let file = harness.file(folder.path().join(format!("{name}-{durability:?}.md")));
            let mut base = Vec::new();
            group.bench_function(name, |b| {
                b.iter(|| {
                    n += 1;
                    let text = index(n);
                    let options = CommitOptions {
                        base: ccpar_core::Base::Text(std::mem::take(&mut base)),
                        ..CommitOptions::default()
                    };
                    let commit = file.commit(&text, &options).expect("a commit");
                    base = text;
                    commit
                });
            });
        }
        group.finish();
    }
}

/// The versions of a file of 2,000 lines, to which each added one.
fn versions() -> Vec<String> {
    let line =
        |n: usize| format!("- line {n} of a long file says something of its own: {}\n", n * 7919);
    let mut text: String = (0..2000).map(line).collect::<Vec<_>>().concat();
    (0..50)
        .map(|n| {
            let at = text.match_indices('\n').nth(n * 37).map_or(0, |(at, _)| at + 1);
            text.insert_str(at, &format!("- added by version {n}\n"));
            text.clone()
        })
        .collect()
}

fn infer(c: &mut Criterion) {
    let versions = versions();
    // Made from the 20th version back, by somebody who added a line.
    let stale = format!("{}- of a stale writer\n", versions[29]);
    let mut group = c.benchmark_group("a stale base among 50 versions of 2,000 lines");
    group.sample_size(20);
    group.bench_function("50 diffs by similar", |b| {
        b.iter(|| {
            let far = |old: &String| {
                let diff = TextDiff::from_lines(old.as_str(), stale.as_str());
                diff.ops().iter().filter(|op| op.tag() != similar::DiffTag::Equal).count()
            };
            versions.iter().map(far).min()
        });
    });
    // Removed at the end: where a file system spares what was just freed, each new file
    // would wait for the thousands that went before it.
    let mut folders = Vec::new();
    group.bench_function("ccpar, with reading, lock and log", |b| {
        b.iter_batched(
            || {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let harness = Harness::open(root(folder.path())).expect("a fresh root");
                let harness = harness.with_durability(Durability::Process);
                let path = folder.path().join("long.md");
                for text in &versions {
                    outside(&path, text.as_bytes());
                    let _ = harness.file(&path).settle().expect("a look");
                }
                outside(&path, stale.as_bytes());
                folders.push(folder);
                (harness, path)
            },
            |(harness, path)| {
                let settled = harness.file(&path).settle().expect("a look");
                let ccpar_core::Settled::Outside(record) = settled else { panic!("{settled:?}") };
                assert_eq!(record.base, Some(Version::of(versions[29].as_bytes())));
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn log(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let harness = Harness::open(root(folder.path())).expect("a fresh root");
    let harness = harness.with_durability(Durability::Process);
    let path = folder.path().join("notes.md");
    let file = harness.file(&path);
    for n in 0..10_000 {
        let text = format!("version {n}\n");
        let _ = file.update(|_| Ok::<_, ccpar_core::Error>(text.into_bytes())).expect("a commit");
    }
    let ccpar = std::env::var_os("CCPAR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/ccpar"),
        PathBuf::from,
    );
    let mut group = c.benchmark_group("a log of 10,000 versions");
    group.sample_size(20);
    group.bench_function("read", |b| {
        b.iter(|| {
            file.history().and_then(|history| history.records()).expect("a log").records.len()
        });
    });
    if ccpar.exists() {
        let run = |words: &[&str]| {
            let mut command = Command::new(&ccpar);
            command.args(words).arg(&path).env("CCPAR_ROOT", root(folder.path()));
            let status = command.stdout(Stdio::null()).status().expect("it runs");
            assert!(status.success());
        };
        group.bench_function("ccpar log", |b| b.iter(|| run(&["log"])));
        group.bench_function("ccpar log -n 10", |b| b.iter(|| run(&["log", "-n", "10"])));
    }
    group.finish();
}

criterion_group!(benches, look, commit, infer, log);
criterion_main!(benches);
