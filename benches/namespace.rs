//! Start and promote of a memory of 500 notes with 20 changed, against `cp -r` of
//! the same folder.
//!
//! Run it on a disk that is a disk: `TMPDIR=. cargo bench --bench namespace`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use camino::Utf8Path;
use ccpar_core::namespace::{Fork, Namespace};
use ccpar_core::{Durability, Harness};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};

const NOTES: usize = 500;
const CHANGED: usize = 20;

#[expect(clippy::disallowed_methods, reason = "this is the outside writer")]
fn outside(path: &Path, text: &str) {
    fs::write(path, text).expect("there is space");
}

/// A folder with a memory in it: 2 KiB a note, and an index.
fn memory() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let memory = folder.path().join("memory");
    fs::DirBuilder::new().create(&memory).expect("a folder");
    let mut index = String::from("# Memory\n\n");
    for n in 0..NOTES {
        let _ = writeln!(index, "- [note {n}](note-{n}.md): what is known of {n}");
        let line = format!("Note {n} has a sentence of its own, and another one.\n");
        outside(&memory.join(format!("note-{n}.md")), &line.repeat(2048 / line.len()));
    }
    outside(&memory.join("MEMORY.md"), &index);
    (folder, memory)
}

fn harness(folder: &Path, durability: Durability) -> Harness {
    let root = Utf8Path::from_path(folder).expect("UTF-8").join("root");
    Harness::open(root).expect("a fresh root").with_durability(durability)
}

fn peer(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sample_size(20);
    group.bench_function("cp -r", |b| {
        b.iter_batched(
            memory,
            |(folder, memory)| {
                let copy = folder.path().join("copy");
                let status = Command::new("cp").arg("-r").arg(memory).arg(copy).status();
                assert!(status.expect("there is a cp").success());
                folder
            },
            BatchSize::PerIteration,
        );
    });
}

fn start(c: &mut Criterion) {
    let mut group = c.benchmark_group("start, 500 notes");
    peer(&mut group);
    for durability in [Durability::Process, Durability::Disk] {
        group.bench_function(format!("ccpar, {durability:?}"), |b| {
            b.iter_batched(
                || {
                    let (folder, memory) = memory();
                    (harness(folder.path(), durability), folder, memory)
                },
                |(harness, folder, memory)| {
                    let fork = Fork::new(memory, "feat/voice");
                    let (_, started) = Namespace::start(&harness, &fork).expect("a fork");
                    assert_eq!(started.files, NOTES + 1);
                    folder
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn promote(c: &mut Criterion) {
    let mut group = c.benchmark_group("promote, 20 of 500 notes changed");
    peer(&mut group);
    for durability in [Durability::Process, Durability::Disk] {
        group.bench_function(format!("ccpar, {durability:?}"), |b| {
            b.iter_batched(
                || {
                    let (folder, memory) = memory();
                    let fork = Fork::new(memory, "feat/voice");
                    let (namespace, _) =
                        Namespace::start(&harness(folder.path(), Durability::Process), &fork)
                            .expect("a fork");
                    for n in 0..CHANGED {
                        let path = namespace.folder().join(format!("note-{n}.md"));
                        let text = fs::read_to_string(&path).expect("a note");
                        outside(&path, &format!("{text}Learned something.\n"));
                    }
                    (harness(folder.path(), durability), folder, namespace)
                },
                |(harness, folder, namespace)| {
                    let passed = namespace.promote(&harness).expect("a promote");
                    assert_eq!((passed.changes.len(), passed.is_clean()), (CHANGED, true));
                    folder
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, start, promote);
criterion_main!(benches);
