//! Locks between real processes.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ccpar_core::lock::{Mode, NOTICEABLE, Request};
use ccpar_core::{Error, Lock, Wait};

use crate::support::World;

/// Another process that holds the lock of `notes.md`.
fn holder(world: &World) -> Child {
    let mut child = world.worker("holder", &[world.path("notes.md").as_os_str()]);
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    child
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_waiter_with_a_limit_gives_up_names_the_holder_and_leaves_nothing_behind() {
    let world = World::new();
    let child = holder(&world);
    let told = std::sync::Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let session = world
        .session(Some("waiter"))
        .with_wait(Wait::For(NOTICEABLE + Duration::from_millis(50)))
        .on_wait(move |path, owner| tell.lock().unwrap().push((path.to_owned(), owner.cloned())));
    let error = session.file(world.path("notes.md")).append(b"x\n").unwrap_err();
    let Error::Busy { path, owner, .. } = &error else { panic!("{error}") };
    assert_eq!(*path, world.path("notes.md"));
    assert_eq!(owner.as_ref().unwrap().pid, child.id());
    assert!(error.to_string().contains("held by session holder"), "{error}");
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "waiting is said once");
    assert_eq!(told[0].1.as_ref().unwrap().session.as_deref(), Some("holder"));
    assert!(world.names().is_empty());
    end(child);
    // The helper that was left behind lets go at once when it wins too late.
    let session = world.session(None).with_wait(Wait::For(Duration::from_secs(20)));
    let _ = session.file(world.path("notes.md")).append(b"x\n").unwrap();
}

#[test]
fn a_holder_that_is_killed_frees_the_lock_at_once() {
    let world = World::new();
    let mut child = holder(&world);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let session = world.session(None);
            let _ = session.file(world.path("notes.md")).append(b"x\n").unwrap();
            send.send(()).unwrap();
        });
        assert!(receive.recv_timeout(Duration::from_millis(100)).is_err(), "it blocks");
        child.kill().unwrap();
        receive.recv_timeout(Duration::from_secs(20)).expect("it unblocks");
    });
    child.wait().unwrap();
}

#[test]
fn try_acquire_says_no_while_another_holds_it() {
    let world = World::new();
    let child = holder(&world);
    let session = world.session(None);
    let path = session.file(world.path("notes.md")).lock_path().unwrap();
    assert!(Lock::try_acquire(&path, Mode::Exclusive).unwrap().is_none());
    assert!(Lock::owner_of(&path).is_some());
    end(child);
    let one = Lock::try_acquire(&path, Mode::Shared).unwrap().expect("free");
    let two = Lock::try_acquire(&path, Mode::Shared).unwrap().expect("shared locks do not exclude");
    assert!(Lock::try_acquire(&path, Mode::Exclusive).unwrap().is_none());
    drop((one, two));
    assert!(Lock::try_acquire(&path, Mode::Exclusive).unwrap().is_some());
    assert!(Lock::owner_of(&path).is_none(), "who released it is not named");
}

#[test]
fn two_threads_of_one_process_exclude_each_other() {
    let world = World::new();
    let count = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let session = world.session(None).with_wait(Wait::For(Duration::from_secs(60)));
                for _ in 0..20 {
                    let file = session.file(world.path("notes.md"));
                    let lock = file.lock(Mode::Exclusive).unwrap();
                    let mut inside = count.try_lock().expect("nobody else is in here");
                    *inside += 1;
                    drop(inside);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(*count.lock().unwrap(), 160);
}

#[test]
fn a_lock_whose_file_was_removed_or_replaced_is_taken_again() {
    let world = World::new();
    let path = world.root().join("locks").join("x.lock");
    let held = Lock::try_acquire(&path, Mode::Exclusive).unwrap().expect("free");
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        let waiter = &path;
        scope.spawn(move || {
            let told = || send.send(()).unwrap();
            let request = Request { on_wait: Some(&|_| told()), ..Request::new(Wait::Forever) };
            let lock = Lock::acquire(waiter, Mode::Exclusive, request).unwrap();
            // It is the file of that name that is locked, not the one waited for.
            assert!(Lock::try_acquire(waiter, Mode::Exclusive).unwrap().is_none());
            drop(lock);
        });
        receive.recv().unwrap();
        std::fs::remove_file(&path).unwrap();
        drop(held);
    });
}

#[cfg(unix)]
#[test]
fn a_target_that_becomes_a_link_while_it_is_waited_for_is_the_file_it_links_to() {
    let world = World::new();
    let path = world.write("notes.md", "old\n");
    world.write("elsewhere.md", "elsewhere\n");
    let child = holder(&world);
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        scope.spawn(|| {
            let session = world.session(None).on_wait(move |_, _| send.send(()).unwrap());
            let _ = session.file(&path).append(b"new\n").unwrap();
        });
        receive.recv().unwrap();
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere.md", &path).unwrap();
        end(child);
    });
    assert!(path.is_symlink());
    assert_eq!(world.text("elsewhere.md"), "elsewhere\nnew\n");
    assert_eq!(world.names(), ["elsewhere.md", "notes.md"]);
}

#[test]
fn a_lock_file_that_is_no_file_is_refused() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let path = file.lock_path().unwrap();
    std::fs::create_dir_all(&path).unwrap();
    assert!(file.append(b"x\n").is_err());
    std::fs::remove_dir(&path).unwrap();
    #[cfg(unix)]
    {
        let elsewhere = world.write("elsewhere", "");
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(file.append(b"x\n").is_err(), "a link is not followed");
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path.as_std_path(),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let error = file.append(b"x\n").unwrap_err();
        assert!(error.to_string().contains("not a plain file"), "{error}");
    }
}
