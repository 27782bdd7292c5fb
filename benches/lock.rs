//! A lock against raw open, flock(2) and close: alone, and handed over.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use ccpar_core::Lock;
use ccpar_core::lock::{Mode, Owner, Request, Wait};
use criterion::{Criterion, criterion_group, criterion_main};
use rustix::fs::{FlockOperation, flock};

fn raw(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path);
    let file = file.expect("the folder is there");
    flock(&file, FlockOperation::LockExclusive).expect("flock works here");
    file
}

fn uncontended(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = Utf8Path::from_path(folder.path()).expect("UTF-8").join("locks").join("x.lock");
    drop(Lock::try_acquire(&path, Mode::Exclusive));
    let owner =
        Owner { pid: std::process::id(), start: Some(1), session: None, branch: None, since: 1 };
    let mut group = c.benchmark_group("lock uncontended");
    group.bench_function("raw", |b| b.iter(|| black_box(raw(path.as_std_path()))));
    group.bench_function("ccpar without record", |b| {
        b.iter(|| Lock::acquire(&path, Mode::Exclusive, Request::new(Wait::Forever)));
    });
    group.bench_function("ccpar with record", |b| {
        let request = Request { owner: Some(&owner), ..Request::new(Wait::Forever) };
        b.iter(|| Lock::acquire(&path, Mode::Exclusive, request));
    });
    group.finish();
}

/// From the release to the moment at which a blocked waiter has the lock.
fn hand_over<L>(times: u64, take: impl Fn() -> L + Sync) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        let held = take();
        let (send, receive) = mpsc::channel();
        total += thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                send.send(()).expect("the holder listens");
                let lock = take();
                let now = Instant::now();
                drop(lock);
                now
            });
            receive.recv().expect("the waiter speaks");
            // Long enough for the waiter, and its helper, to be blocked.
            thread::sleep(Duration::from_millis(2));
            let released = Instant::now();
            drop(held);
            waiter.join().expect("it does not panic").duration_since(released)
        });
    }
    total
}

fn handed_over(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = Utf8Path::from_path(folder.path()).expect("UTF-8").join("locks").join("x.lock");
    drop(Lock::try_acquire(&path, Mode::Exclusive));
    let ccpar = |wait| {
        let path = path.clone();
        move || Lock::acquire(&path, Mode::Exclusive, Request::new(wait)).expect("it is released")
    };
    let mut group = c.benchmark_group("lock handed over");
    group.sample_size(40);
    group.bench_function("raw", |b| {
        b.iter_custom(|times| hand_over(times, || raw(path.as_std_path())));
    });
    group.bench_function("ccpar forever", |b| {
        b.iter_custom(|times| hand_over(times, ccpar(Wait::Forever)));
    });
    group.bench_function("ccpar for a time", |b| {
        b.iter_custom(|times| hand_over(times, ccpar(Wait::For(Duration::from_secs(60)))));
    });
    group.finish();
}

criterion_group!(benches, uncontended, handed_over);
criterion_main!(benches);
