//! Commits and replacements, against what a careful program would write by
//! hand with the standard library.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use camino::Utf8Path;
use ccpar_core::{Author, Base, CommitOptions, Durability, Harness};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// Write beside, sync, rename, sync the folder.
#[expect(clippy::disallowed_methods, reason = "this is the peer")]
fn by_hand(path: &Path, content: &[u8], durability: Durability) {
    let temp = path.with_extension("tmp");
    let mut file = File::create(&temp).expect("the folder is there");
    file.write_all(content).expect("there is space");
    if durability == Durability::Disk {
        file.sync_all().expect("it syncs");
    }
    fs::rename(&temp, path).expect("one folder");
    if durability == Durability::Disk {
        let folder = File::open(path.parent().expect("it lies in one")).expect("it is there");
        folder.sync_all().expect("it syncs");
    }
}

fn replace(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, size) in [("4 KiB", 4 << 10), ("1 MiB", 1 << 20)] {
        let mut group = c.benchmark_group(format!("replace {name}"));
        group.throughput(Throughput::Bytes(size as u64));
        let path = folder.path().join(name);
        for durability in [Durability::Process, Durability::Disk] {
            let mut n = 0_u8;
            let mut content = || {
                n = n.wrapping_add(1);
                vec![n; size]
            };
            group.bench_function(format!("by hand, {durability:?}"), |b| {
                b.iter_batched(
                    &mut content,
                    |content| by_hand(&path, &content, durability),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(format!("ccpar, {durability:?}"), |b| {
                b.iter_batched(
                    &mut content,
                    |content| ccpar_core::replace(&path, &content, durability),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
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
    let root = Utf8Path::from_path(folder.path()).expect("UTF-8").join("root");
    for durability in [Durability::Process, Durability::Disk] {
        let mut group = c.benchmark_group(format!("commit 4 KiB, {durability:?}"));
        let author = Author { session: Some("s".to_owned()), ..Author::default() };
        let harness = Harness::open(&root).expect("a fresh root");
        let harness = harness.with_durability(durability).with_author(author);
        let mut n = 0;
        group.bench_function("by hand", |b| {
            let path = folder.path().join("by-hand.md");
            b.iter(|| {
                n += 1;
                by_hand(&path, &index(n), durability);
            });
        });
        group.bench_function("clean", |b| {
            let file = harness.file(folder.path().join(format!("clean-{durability:?}.md")));
            b.iter(|| {
                n += 1;
                file.commit(&index(n), &CommitOptions::default()).expect("a commit")
            });
        });
        group.bench_function("merged", |b| {
            let file = harness.file(folder.path().join(format!("merged-{durability:?}.md")));
            b.iter(|| {
                n += 1;
                // The base is the text before theirs, ours adds at the top.
                let base = index(n);
                let theirs = [&base[..], b"- theirs\n"].concat();
                let ours = [b"- ours\n", &base[..]].concat();
                let _ = file.update(|_| Ok::<_, ccpar_core::Error>(theirs)).expect("a commit");
                let options = CommitOptions { base: Base::Text(base), ..CommitOptions::default() };
                file.commit(&ours, &options).expect("a commit")
            });
        });
        group.finish();
    }
}

criterion_group!(benches, replace, commit);
criterion_main!(benches);
