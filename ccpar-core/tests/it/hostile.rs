//! Ground that somebody else prepared: links, fifos and folders where files are
//! expected, and folders in which anybody may write.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ccpar_core::registry::{Beat, Release, Terms};
use ccpar_core::{CommitOptions, Error, Harness, Wait};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{World, commit, harness};

/// Another user.
const OTHER: u32 = 12;

/// Whether files can be given to another user here; says aloud if not.
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: only root can make links of another user");
    }
    is_root
}

/// A folder in which all may write, and take away but their own.
fn shared_folder(world: &World) -> PathBuf {
    let folder = world.path("tmp");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)).unwrap();
    folder
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn a_link_of_another_user_is_not_followed_where_anybody_may_make_one() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let shared = shared_folder(&world);
    fs::create_dir_all(world.path("private")).unwrap();
    let victim = world.write("private/notes.md", "mine\n");
    let refused = |path: &Path| {
        let session = world.session(Some("s"));
        let file = session.file(path);
        let done = [
            file.append(b"x\n").map(|_| ()),
            file.read().map(|_| ()),
            file.commit(b"x\n", &CommitOptions::default()).map(|_| ()),
            session.registry().claim(&[path.to_owned()], &Terms::default()).map(|_| ()),
        ];
        let is_refused = |done: &Result<(), Error>| match done {
            Err(error) => error.to_string().contains("another user"),
            Ok(()) => false,
        };
        let count = done.iter().filter(|done| is_refused(done)).count();
        session.registry().release(Release::All).unwrap();
        count
    };
    let link = |name: &str, to: &Path, owner: u32| {
        let path = shared.join(name);
        let _ = fs::remove_file(&path);
        symlink(to, &path).unwrap();
        lchown(&path, Some(owner), None).unwrap();
        path
    };
    // To a file, to one that is not there yet, by a chain, and as a folder above it.
    let file = link("notes.md", &victim, OTHER);
    let dangling = link("new.md", &world.path("private/new.md"), OTHER);
    let chain = link("chain.md", Path::new("notes.md"), 0);
    let folder = link("folder", &world.path("private"), OTHER);
    let beyond = [folder.join("notes.md"), folder.join("new.md"), folder.join("../x/new.md")];
    for path in [&file, &dangling, &chain].into_iter().chain(&beyond) {
        assert_eq!(refused(path), 4, "{}", path.display());
    }
    assert_eq!(world.text("private/notes.md"), "mine\n");
    assert_eq!(fs::read_dir(world.path("private")).unwrap().count(), 1);
    // Nor is a root.
    let root = link("root", &world.path("private"), OTHER);
    let error = Harness::open(camino::Utf8Path::from_path(&root).unwrap()).unwrap_err();
    assert!(error.to_string().contains("another user"), "{error}");
    let mode = fs::metadata(world.path("private")).unwrap().permissions().mode();
    assert_ne!(mode & 0o777, 0o700, "it was not taken over");

    // One's own is followed, and that of the folder's owner, and any where not all may
    // write.
    assert_eq!(refused(&link("own.md", &victim, 0)), 0);
    assert_eq!(refused(&folder_of_other(&world, &shared, &victim)), 0);
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refused(&file), 0);
}

fn folder_of_other(world: &World, shared: &Path, victim: &Path) -> PathBuf {
    let folder = world.path("theirs");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::metadata(shared).unwrap().permissions()).unwrap();
    chown(&folder, Some(OTHER), None).unwrap();
    let link = folder.join("notes.md");
    symlink(victim, &link).unwrap();
    lchown(&link, Some(OTHER), None).unwrap();
    link
}

#[test]
fn a_link_that_comes_and_goes_in_a_shared_folder_leads_no_write_astray() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let shared = shared_folder(&world);
    fs::create_dir_all(world.path("private")).unwrap();
    let victim = world.write("private/notes.md", "mine\n");
    let over = AtomicBool::new(false);
    let (mut written, mut refused) = (0, 0);
    thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let (link, plain) = (shared.join("link"), shared.join("plain"));
            while !over.load(SeqCst) {
                fs::File::create_new(&plain).unwrap();
                swap(&plain, &shared.join("notes.md"));
                thread::yield_now();
                symlink(&victim, &link).unwrap();
                lchown(&link, Some(OTHER), None).unwrap();
                swap(&link, &shared.join("notes.md"));
                thread::yield_now();
            }
        });
        let session = world.session(None).with_wait(Wait::For(Duration::from_secs(5)));
        while written < 50 || refused < 50 {
            match session.file(shared.join("notes.md")).append(b"x\n") {
                Ok(_) => written += 1,
                Err(_) => refused += 1,
            }
            assert_eq!(fs::read_to_string(&victim).unwrap(), "mine\n");
        }
        over.store(true, SeqCst);
        attacker.join().unwrap();
    });
    assert_eq!(fs::read_dir(world.path("private")).unwrap().count(), 1);
}

#[expect(clippy::disallowed_methods, reason = "this is the attacker")]
fn swap(from: &Path, to: &Path) {
    let _ = fs::rename(from, to);
}

#[test]
fn what_lies_in_the_place_of_a_temp_file_is_not_written_through() {
    let world = World::new();
    let victim = world.write("victim", "mine\n");
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = file.append(b"one\n").unwrap();
    let real = file.real_path().unwrap();
    let temp = real.with_file_name(ccpar_core::layout::temp_name(session.root(), &real));
    symlink(&victim, &temp).unwrap();
    let _ = file.append(b"two\n").unwrap();
    fs::hard_link(&victim, &temp).unwrap();
    let _ = file.append(b"three\n").unwrap();
    fifo(&temp);
    let _ = file.append(b"four\n").unwrap();
    assert_eq!(world.text("notes.md"), "one\ntwo\nthree\nfour\n");
    // A folder is somebody's: it stays, and so does the target.
    fs::create_dir_all(&temp).unwrap();
    assert!(file.append(b"five\n").is_err());
    fs::remove_dir(&temp).unwrap();
    assert_eq!(world.text("notes.md"), "one\ntwo\nthree\nfour\n");
    assert_eq!(world.text("victim"), "mine\n");
    assert!(!fs::symlink_metadata(&real).unwrap().is_symlink());
    assert_eq!(world.names(), ["notes.md", "victim"]);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut look) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = look.pop() {
        if path.is_dir() {
            look.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// All that writes or reads in a root; each may fail.
fn everything(root: &camino::Utf8Path, target: &Path) {
    let session = harness(root, Some("s")).with_wait(Wait::For(Duration::from_secs(2)));
    let file = session.file(target);
    let registry = session.registry();
    let _ = registry.beat(&Beat::default());
    let _ = registry.claim(&[target.to_owned()], &Terms::default());
    let _ = registry.sessions();
    let _ = file.read();
    let _ = file.commit(b"one\ntwo\n", &CommitOptions::default());
    let _ = file.append(b"three\n");
    let _ = file.settle();
    let _ = file.losses();
    let _ = file.restore_lost();
    let _ = file.prune();
    let _ = session.survey();
    let _ = registry.release(Release::All);
}

/// Puts something at the first path, which leads to the second if it can.
type Put = fn(&Path, &Path);

#[test]
fn nothing_of_its_own_is_followed_or_waited_for_that_is_no_plain_file() {
    let others: [(&str, Put); 3] = [
        ("a link", |path, victim| symlink(victim, path).unwrap()),
        ("a fifo", |path, _| fifo(path)),
        ("a folder", |path, _| fs::create_dir_all(path).unwrap()),
    ];
    let prepare = |world: &World| {
        let target = world.write("notes.md", "zero\n");
        everything(&world.root(), &target);
        world.write("notes.md", "one\nfour\n");
        everything(&world.root(), &target);
        (target, files(world.root().as_std_path()))
    };
    let count = prepare(&World::new()).1.len();
    assert!(count > 8, "{count}");
    for n in 0..count {
        for (what, put) in others {
            let world = World::new();
            let (target, own) = prepare(&world);
            let Some(path) = own.get(n) else { continue };
            let victim = world.write("victim", "mine\n");
            fs::remove_file(path).unwrap();
            put(path, &victim);
            let (send, done) = mpsc::channel();
            let (root, shown) = (world.root(), path.display());
            thread::spawn(move || {
                everything(&root, &target);
                let _ = send.send(());
            });
            let waited = done.recv_timeout(Duration::from_secs(60));
            assert!(waited.is_ok(), "somebody waits for ever: {what} in the place of {shown}");
            assert_eq!(world.text("victim"), "mine\n", "{what} in the place of {shown}");
            let text = world.text("notes.md");
            assert!(text.ends_with('\n') && !text.contains("mine"), "{text:?}");
        }
    }
}

#[test]
fn a_lock_file_that_is_replaced_while_it_is_held_lets_no_line_be_lost() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = file.append(b"begin\n").unwrap();
    let lock = file.lock_path().unwrap();
    let over = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (world, over) = (&world, &over);
                scope.spawn(move || {
                    let session = world.session(None).with_wait(Wait::For(Duration::from_secs(9)));
                    let file = session.file(world.path("notes.md"));
                    let mut written = Vec::new();
                    for n in 0.. {
                        if over.load(SeqCst) {
                            break;
                        }
                        let line = format!("{writer}-{n}");
                        if file.append(format!("{line}\n").as_bytes()).is_ok() {
                            written.push(line);
                        }
                    }
                    written
                })
            })
            .collect();
        let victim = world.write("victim", "mine\n");
        for n in 0..40 {
            thread::sleep(Duration::from_millis(10));
            // Nobody can keep an owner from this; what cannot be locked is refused.
            let holder =
                session.file(world.path("notes.md")).lock(ccpar_core::lock::Mode::Exclusive);
            let Ok(holder) = holder else { continue };
            fs::remove_file(&lock).unwrap();
            match n % 3 {
                0 => symlink(&victim, &lock).unwrap(),
                1 => fifo(lock.as_std_path()),
                _ => fs::create_dir_all(&lock).unwrap(),
            }
            drop(holder);
            thread::sleep(Duration::from_millis(2));
            if n % 3 == 2 {
                fs::remove_dir(&lock).unwrap();
            } else {
                fs::remove_file(&lock).unwrap();
            }
        }
        over.store(true, SeqCst);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
    });
    let text = world.text("notes.md");
    let there: std::collections::HashSet<&str> = text.lines().collect();
    let missing: Vec<_> = written.iter().filter(|line| !there.contains(&***line)).collect();
    assert!(missing.is_empty() && written.len() > 40, "{missing:?} of {}", written.len());
    assert_eq!(world.text("victim"), "mine\n");
}

#[test]
fn a_history_that_others_could_write_is_shut_by_the_root() {
    if !is_root() {
        return;
    }
    let world = World::new();
    // All of the way there is open but for the root itself.
    fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = commit(&world.session(None).file(world.path("notes.md")), "one\n");
    let history = world.root().join("history");
    for folder in fs::read_dir(&history).unwrap().map(|entry| entry.unwrap().path()) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(&history, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = commit(&world.session(None).file(world.path("notes.md")), "one\ntwo\n");
    let mut other = std::process::Command::new("setpriv");
    other.args(["--reuid=12", "--regid=12", "--clear-groups", "sh", "-c"]);
    let write = format!("cd '{}' && echo x > '{history}/evil' || exit 9", world.path("").display());
    match other.arg(write).stderr(std::process::Stdio::null()).status() {
        Ok(status) => assert_eq!(status.code(), Some(9)),
        Err(_) => eprintln!("SKIPPED: there is no setpriv here"),
    }
    assert!(!history.join("evil").exists());
}
