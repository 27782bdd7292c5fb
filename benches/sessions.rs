//! Sessions and claims against what each has to be measured by: a beat against
//! touch(1), claim and release against two starts of an empty program and their
//! syncs, a listing against reading the files bare, and the hand-over of a claim
//! against that of a flock. `CCPAR` names the program, as in `process.rs`;
//! `EMPTY` one that does nothing, `/bin/true` if it is not set.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use ccpar_core::registry::{Release, Terms};
use ccpar_core::{Author, Durability, Harness};
use criterion::{Criterion, criterion_group, criterion_main};
use rustix::fs::{FlockOperation, flock};

fn run(command: &mut Command) {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    assert!(quiet.status().expect("it is installed").success());
}

fn program(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(default), PathBuf::from)
}

fn harness(folder: &Path, session: &str) -> Harness {
    let root = Utf8PathBuf::from_path_buf(folder.join("root")).expect("UTF-8");
    let author = Author { session: Some(session.to_owned()), ..Author::default() };
    let harness = Harness::open(root).expect("a root of our own").with_author(author);
    harness.with_durability(Durability::Process)
}

fn processes(c: &mut Criterion) {
    let folder = tempfile::tempdir_in(".").expect("a folder on a real disk");
    let ccpar = |words: &[&str]| {
        let mut command = Command::new(program("CCPAR", "../target/release/ccpar"));
        command.args(words).args(["--session", "bench"]).current_dir(folder.path());
        command.env("CCPAR_ROOT", folder.path().join("root"));
        command
    };
    let mut beat = ccpar(&["heartbeat"]);
    run(&mut beat);
    let mut group = c.benchmark_group("a beat in a process");
    let mut touch = Command::new("touch");
    touch.arg(folder.path().join("touched"));
    group.bench_function("touch", |b| b.iter(|| run(&mut touch)));
    group.bench_function("ccpar heartbeat", |b| b.iter(|| run(&mut beat)));
    group.finish();

    let mut group = c.benchmark_group("claim and release in two processes");
    let mut empty = Command::new(program("EMPTY", "/bin/true"));
    group.bench_function("two empty programs", |b| {
        b.iter(|| {
            run(&mut empty);
            run(&mut empty);
        });
    });
    let synced = File::create_new(folder.path().join("synced")).expect("a fresh file");
    group.bench_function("two empty programs, two syncs in 64", |b| {
        let mut n = 0_u64;
        b.iter(|| {
            run(&mut empty);
            run(&mut empty);
            n += 1;
            if n.is_multiple_of(64) {
                for part in 0..2 {
                    synced.write_all_at(b"x", n + part).expect("there is room");
                    synced.sync_all().expect("it can be synced");
                }
            }
        });
    });
    let (mut claim, mut release) = (ccpar(&["claim", "x.md"]), ccpar(&["release"]));
    group.bench_function("ccpar claim, ccpar release", |b| {
        b.iter(|| {
            run(&mut claim);
            run(&mut release);
        });
    });
    group.finish();
}

fn listing(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for n in 0..64 {
        let session = harness(folder.path(), &format!("session-{n}"));
        session.registry().beat(&ccpar_core::registry::Beat::default()).expect("a heartbeat");
    }
    let harness = harness(folder.path(), "reader");
    let sessions = folder.path().join("root/sessions");
    let mut group = c.benchmark_group("listing 64 sessions");
    group.bench_function("read and parsed bare", |b| {
        b.iter(|| {
            let entries = std::fs::read_dir(&sessions).expect("a folder");
            let parse = |entry: std::fs::DirEntry| {
                let text = std::fs::read(entry.path()).expect("a file");
                serde_json::from_slice::<serde_json::Value>(&text).expect("JSON")
            };
            let all: Vec<_> = entries.map(|entry| parse(entry.expect("an entry"))).collect();
            assert_eq!(black_box(all).len(), 64);
        });
    });
    group.bench_function("ccpar", |b| {
        b.iter(|| {
            let (listed, problems) = harness.registry().sessions().expect("a listing");
            assert_eq!((listed.len(), problems.len()), (64, 0));
        });
    });
    group.finish();
}

/// From the release to the moment at which a waiter has it.
fn hand_over<L>(
    times: u64,
    take: impl Fn(bool) -> L + Sync,
    release: impl Fn(L) + Sync,
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        let held = take(true);
        let (send, receive) = mpsc::channel();
        total += thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                send.send(()).expect("the holder listens");
                let taken = take(false);
                let now = Instant::now();
                release(taken);
                now
            });
            receive.recv().expect("the waiter speaks");
            // Long enough for the waiter to be blocked.
            thread::sleep(Duration::from_millis(4));
            let released = Instant::now();
            release(held);
            waiter.join().expect("it does not panic").duration_since(released)
        });
    }
    total
}

fn handed_over(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sessions = [harness(folder.path(), "one"), harness(folder.path(), "two")];
    let lock = folder.path().join("lock");
    drop(File::create_new(&lock).expect("a fresh file"));
    let mut group = c.benchmark_group("a claim handed over");
    group.sample_size(40);
    group.bench_function("flock", |b| {
        let take = |_| {
            let file = File::open(&lock).expect("it is there");
            flock(&file, FlockOperation::LockExclusive).expect("flock works here");
            file
        };
        b.iter_custom(|times| hand_over(times, take, drop));
    });
    group.bench_function("ccpar", |b| {
        let path = folder.path().join("x.md");
        let take = |first: bool| {
            let session = &sessions[usize::from(first)];
            let claim = session.registry().claim(std::slice::from_ref(&path), &Terms::default());
            (first, claim.expect("a turn").token)
        };
        let release = |(first, token): (bool, u64)| {
            let session = &sessions[usize::from(first)];
            let released = session.registry().release(Release::Token(token));
            assert_eq!(released.expect("a release").len(), 1);
        };
        b.iter_custom(|times| hand_over(times, take, release));
    });
    group.finish();
}

criterion_group!(benches, processes, listing, handed_over);
criterion_main!(benches);
