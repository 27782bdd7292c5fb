//! What is kept, and what becomes of damage.

use std::fs::OpenOptions;
use std::io::Write as _;

use ccpar_core::history::How;
use ccpar_core::{CommitOptions, Error, Version};

use crate::support::{World, commit, outside};

fn log_file(world: &World) -> std::path::PathBuf {
    let folder = std::fs::read_dir(world.root().join("history")).unwrap().next().unwrap();
    folder.unwrap().path().join("log.jsonl")
}

#[test]
fn every_version_is_kept_and_can_be_put_back() {
    let world = World::new();
    let path = world.write("notes.md", "found\n");
    let session = world.session(Some("a"));
    let file = session.file(&path);
    file.read().unwrap();
    for text in ["one\n", "two\n"] {
        let _ = commit(&file, text);
    }
    let parsed = file.history().unwrap().records().unwrap();
    let how: Vec<_> = parsed.effective().map(|record| (record.n, record.how)).collect();
    assert_eq!(how, [(1, How::Outside), (2, How::Write), (3, How::Write)]);
    let _ = file.restore(file.find("1").unwrap()).unwrap();
    assert_eq!(world.text("notes.md"), "found\n");
    let two = file.find(&Version::of(b"two\n").to_string()[..6]).unwrap();
    assert_eq!(file.version(two).unwrap(), b"two\n");
    let _ = file.remove().unwrap();
    assert!(!path.exists());
    let _ = file.restore(two).unwrap();
    assert_eq!(world.text("notes.md"), "two\n");
}

#[test]
fn a_version_that_does_not_exist_is_named_with_what_does() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "one\n");
    for wanted in ["7", "abc", "zzzz", "0000000"] {
        let error = file.find(wanted).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("newest is 1"), "{error}");
    }
}

#[test]
fn what_is_written_outside_becomes_a_version_at_the_next_touch() {
    let world = World::new();
    let session = world.session(Some("a"));
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "one\n");
    outside(&world.path("notes.md"), "one\noutside\n");
    assert_eq!(commit(&file, "zero\none\n").version, Version::of(b"zero\none\noutside\n"));
    let parsed = file.history().unwrap().records().unwrap();
    assert_eq!(parsed.records[1].how, How::Outside);
    assert_eq!(parsed.records[1].session, None);
    assert_eq!(file.version(parsed.records[1].version).unwrap(), b"one\noutside\n");
}

#[test]
fn a_torn_last_line_is_cut_off_and_a_broken_one_passed_over() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "one\n");
    let mut log = OpenOptions::new().append(true).open(log_file(&world)).unwrap();
    log.write_all(b"not a record\n{\"n\":9,\"versi").unwrap();
    let parsed = file.history().unwrap().records().unwrap();
    assert_eq!(parsed.broken.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3]);
    let _ = commit(&file, "one\ntwo\n");
    let parsed = file.history().unwrap().records().unwrap();
    assert_eq!(parsed.effective().count(), 2);
    assert_eq!(parsed.broken.len(), 1);
}

#[test]
fn a_log_of_a_newer_format_is_left_alone() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "one\n");
    outside(&log_file(&world), "{\"format\":2,\"target\":\"x\"}\nwho knows\n");
    for error in [
        file.commit(b"two\n", &CommitOptions::default()).unwrap_err(),
        file.history().unwrap().records().unwrap_err(),
    ] {
        assert!(matches!(error, Error::Record { line: 1, .. }), "{error}");
        assert!(error.to_string().contains("newer ccpar"), "{error}");
    }
    assert_eq!(world.text("notes.md"), "one\n");
}

#[test]
fn a_content_that_was_damaged_is_not_taken_for_whole() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let version = commit(&file, "one\n").version;
    let kept = log_file(&world).with_file_name(version.to_string());
    outside(&kept, "on");
    let error = file.version(version).unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
    // The next to put it writes it anew.
    file.read().unwrap();
    assert_eq!(file.version(version).unwrap(), b"one\n");
}
