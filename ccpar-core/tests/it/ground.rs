//! Paths, links, modes and bytes as they come.

use ccpar_core::{CommitOptions, Error, Outcome};

use crate::support::{World, commit};

#[test]
fn bytes_of_every_kind_come_through() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("x"));
    for content in [
        &b""[..],
        b"\n",
        b"a\r\nb\r\n",
        b"no newline",
        b"\xff\xfe\x00invalid",
        b"\xef\xbb\xbfbom\n",
    ] {
        let _ = file.commit(content, &CommitOptions::default()).unwrap();
        assert_eq!(std::fs::read(world.path("x")).unwrap(), content);
        assert_eq!(file.read().unwrap().content(), content);
    }
}

#[test]
fn a_file_of_64_mib_is_written_and_merged() {
    let world = World::new();
    let session = world.session(Some("a"));
    let file = session.file(world.path("big.txt"));
    let line = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
    let mut base = line.repeat(1 << 20);
    let _ = file.commit(&base, &CommitOptions::default()).unwrap();
    let _ = world.session(None).file(world.path("big.txt")).append(b"theirs\n").unwrap();
    base.splice(0..0, *b"ours\n");
    let merged = file.commit(&base, &CommitOptions::default()).unwrap();
    assert_eq!(merged.outcome, Outcome::Merged);
    assert_eq!(file.read().unwrap().content().len(), (64 << 20) + 12);
}

#[test]
fn a_missing_folder_is_made_and_a_folder_as_target_refused() {
    let world = World::new();
    let session = world.session(None);
    let _ = commit(&session.file(world.path("a/b/c.md")), "x\n");
    assert_eq!(world.text("a/b/c.md"), "x\n");
    let folder = session.file(world.path("a/b"));
    let error = folder.append(b"x").unwrap_err();
    assert!(error.to_string().contains("is a folder"), "{error}");
    // No history of it begins, which each look would complain about from then on.
    assert_eq!(session.survey().unwrap().len(), 1);
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: impl AsRef<std::path::Path>) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn two_spellings_of_one_path_are_one_lock() {
        let world = World::new();
        let session = world.session(None);
        fs::create_dir_all(world.path("real/sub")).unwrap();
        symlink(world.path("real"), world.path("linked")).unwrap();
        symlink("real/notes.md", world.path("alias.md")).unwrap();
        let lock = |name: &str| session.file(world.path(name)).lock_path().unwrap();
        for exists in [false, true] {
            for name in ["linked/notes.md", "real/sub/../notes.md", "alias.md", "real/./notes.md"] {
                assert_eq!(lock(name), lock("real/notes.md"), "{name}, file exists: {exists}");
            }
            world.write("real/notes.md", "x");
        }
        assert_ne!(lock("real/notes.md"), lock("real/other.md"));
        assert_eq!(
            lock("not/yet/there.md"),
            session.file(world.path("real/../not/yet/there.md")).lock_path().unwrap()
        );
    }

    #[test]
    fn a_link_stays_a_link_and_its_file_is_replaced() {
        let world = World::new();
        let session = world.session(None);
        fs::create_dir_all(world.path("dotfiles")).unwrap();
        world.write("dotfiles/settings.json", "{}\n");
        symlink("dotfiles/settings.json", world.path("settings.json")).unwrap();
        let _ = commit(&session.file(world.path("settings.json")), "{\"a\":1}\n");
        assert!(world.path("settings.json").is_symlink());
        assert_eq!(world.text("dotfiles/settings.json"), "{\"a\":1}\n");
        assert_eq!(fs::read_dir(world.path("dotfiles")).unwrap().count(), 1);

        // A dangling link is a file that does not exist yet.
        symlink("dotfiles/new.md", world.path("new.md")).unwrap();
        let _ = commit(&session.file(world.path("new.md")), "new\n");
        assert!(world.path("new.md").is_symlink());
        assert_eq!(world.text("dotfiles/new.md"), "new\n");

        symlink("loop-b", world.path("loop-a")).unwrap();
        symlink("loop-a", world.path("loop-b")).unwrap();
        assert!(session.file(world.path("loop-a")).append(b"x").is_err());
    }

    #[test]
    fn mode_survives_and_a_read_only_file_is_refused() {
        let world = World::new();
        let session = world.session(None);
        let path = world.write("notes.md", "x\n");
        for wanted in [0o600, 0o640, 0o755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
            let _ = commit(&session.file(&path), &format!("{wanted}\n"));
            assert_eq!(mode(&path), wanted);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let before = world.text("notes.md");
        let error = session.file(&path).append(b"y\n").unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
        assert_eq!((world.text("notes.md"), mode(&path)), (before, 0o444));
    }

    #[test]
    fn owner_and_extended_attributes_survive() {
        use rustix::fs::{XattrFlags, getxattr, setxattr};
        let world = World::new();
        let session = world.session(None);
        let path = world.write("notes.md", "x\n");
        if setxattr(&path, "user.ccpar", b"kept", XattrFlags::empty()).is_err() {
            eprintln!("SKIPPED: this file system has no user attributes");
            return;
        }
        let root = rustix::process::geteuid().is_root();
        if root {
            std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
        }
        let _ = commit(&session.file(&path), "y\n");
        let mut value = [0; 4];
        assert_eq!(getxattr(&path, "user.ccpar", &mut value[..]).unwrap(), 4);
        assert_eq!(&value, b"kept");
        if root {
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (12, 34));
        }
    }

    #[test]
    fn a_hard_linked_target_is_refused_unless_asked() {
        let world = World::new();
        let session = world.session(None);
        let path = world.write("notes.md", "x\n");
        fs::hard_link(&path, world.path("other.md")).unwrap();
        let error = session.file(&path).append(b"y\n").unwrap_err();
        assert!(error.to_string().contains("--break-hard-link"), "{error}");
        assert_eq!(world.text("notes.md"), "x\n");
        let session = session.with_hard_links_broken();
        let _ = session.file(&path).append(b"y\n").unwrap();
        assert_eq!(
            (world.text("notes.md"), world.text("other.md")),
            ("x\ny\n".into(), "x\n".into())
        );
    }

    #[test]
    fn names_of_any_bytes_are_targets() {
        let world = World::new();
        let session = world.session(Some("s"));
        let long = "n".repeat(255);
        for name in [&b"a b.md"[..], b"a\nb", b"\xff\xfe", b"a@b", b"-x", long.as_bytes()] {
            let path = world.path(OsStr::from_bytes(name));
            let file = session.file(&path);
            let _ = commit(&file, "x\n");
            file.read().unwrap();
            let _ = commit(&file, "x\ny\n");
            assert_eq!(fs::read(&path).unwrap(), b"x\ny\n");
            assert_eq!(file.history().unwrap().records().unwrap().records.len(), 2);
        }
    }

    #[test]
    fn the_root_is_private_whatever_the_umask() {
        let world = World::new();
        let session = world.session(Some("s"));
        let file = session.file(world.path("notes.md"));
        let _ = commit(&file, "secret\n");
        file.read().unwrap();
        let mut look = vec![world.root().into_std_path_buf()];
        let mut files = 0;
        while let Some(path) = look.pop() {
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                look.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                files += 1;
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
        assert_eq!(files, 4, "a lock, a log, a content, what was seen");
    }

    #[test]
    fn a_root_that_others_can_write_is_refused() {
        use ccpar_core::Harness;
        let world = World::new();
        let root = world.root();
        fs::create_dir_all(&root).unwrap();
        for (wanted, refused) in [(0o777, true), (0o770, true), (0o755, false), (0o700, false)] {
            fs::set_permissions(&root, fs::Permissions::from_mode(wanted)).unwrap();
            match Harness::open(&root) {
                Err(Error::Root { problem, .. }) => {
                    assert!(refused && problem.contains("chmod"), "{wanted:o} {problem}");
                }
                Err(error) => panic!("{error}"),
                Ok(_) => assert!(!refused && mode(&root) == 0o700, "{wanted:o}"),
            }
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&root, Some(12), None).unwrap();
            assert!(matches!(Harness::open(&root), Err(Error::Root { .. })));
        }
        world.write("file", "");
        assert!(Harness::open(root.with_file_name("file")).is_err());
    }

    #[test]
    fn a_new_file_gets_what_the_umask_says() {
        let world = World::new();
        let session = world.session(None);
        let _ = commit(&session.file(world.path("ours.md")), "x\n");
        world.write("plain.md", "x\n");
        assert_eq!(mode(world.path("ours.md")), mode(world.path("plain.md")));
    }

    #[test]
    fn a_fifo_as_target_is_refused_and_nobody_blocks() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let world = World::new();
        mknodat(CWD, world.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let session = world.session(None);
        let error = session.file(world.path("pipe")).append(b"x").unwrap_err();
        assert!(error.to_string().contains("not a plain file"), "{error}");
    }
}
