//! What is kept, and what becomes of damage.

use std::fs::OpenOptions;
use std::io::Write as _;

use ccpar_core::history::How;
use ccpar_core::{CommitOptions, Error, Outcome, Version};

use crate::support::{World, commit, commit_on, look, outside};

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
fn a_log_that_died_before_it_said_whose_it_is_says_so_at_the_next_write() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "one\n");
    outside(&log_file(&world), "{\"format\":1,\"targ");
    assert_eq!(session.targets(None).unwrap().0.len(), 0);
    let _ = commit(&file, "one\ntwo\n");
    assert_eq!(session.targets(None).unwrap().0.len(), 1);
    assert_eq!(file.history().unwrap().records().unwrap().broken.len(), 0);
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

#[test]
fn an_acknowledged_version_that_somebody_took_back_stays_in_the_history() {
    // Created and then removed outside; written and then put back as it was, by
    // a rename whose file gets the inode that was freed.
    let world = World::new();
    let session = world.session(Some("a"));
    let created = session.file(world.path("created.md"));
    let _ = commit(&created, "created\n");
    std::fs::remove_file(created.path()).unwrap();
    let other = world.session(Some("b"));
    let _ = commit(&other.file(created.path()), "other\n");
    assert_eq!(created.version(created.find("1").unwrap()).unwrap(), b"created\n");
    let by = commit(&created, "created\nmore\n");
    assert_eq!(by.outcome, Outcome::Merged);

    let path = world.write("reverted.md", "v1\n");
    let reverted = session.file(&path);
    let _ = commit(&reverted, "v2\n");
    for _ in 0..8 {
        let temp = world.write("temp", "v1\n");
        std::process::Command::new("mv").args([&temp, &path]).status().unwrap();
        let _ = commit(&reverted, "v1\nnext\n");
        let parsed = reverted.history().unwrap().records().unwrap();
        assert!(parsed.records.iter().all(|record| record.how != How::Aborted), "{parsed:?}");
        let _ = commit(&reverted, "v2\n");
    }
}

#[test]
fn a_base_that_was_seen_and_is_damaged_is_no_reason_to_overwrite() {
    let world = World::new();
    let path = world.write("notes.md", "base\n");
    let session = world.session(Some("s"));
    let file = session.file(&path);
    let seen = file.read().unwrap().version();
    let _ = commit(&world.session(Some("t")).file(&path), "base\nsibling\n");
    outside(&log_file(&world).with_file_name(seen.to_string()), "ba");
    let error = file.commit(b"base\nmine\n", &CommitOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
    assert_eq!(world.text("notes.md"), "base\nsibling\n");
    file.read().unwrap();
    let _ = commit(&file, "base\nsibling\nmine\n");
}

#[test]
fn a_text_that_conflicts_is_in_the_history_too() {
    let world = World::new();
    let path = world.write("notes.md", "value: 2\n");
    let session = world.session(Some("s"));
    let file = session.file(&path);
    for _ in 0..2 {
        let outcome = commit_on(&file, "value: 1\n", "value: 3\n").outcome;
        assert!(matches!(outcome, Outcome::Conflict { .. }), "{outcome:?}");
    }
    let ours = Version::of(b"value: 3\n");
    assert_eq!(file.version(ours).unwrap(), b"value: 3\n");
    let parsed = file.history().unwrap().records().unwrap();
    let conflicts: Vec<_> =
        parsed.effective().filter(|record| record.how == How::Conflict).collect();
    assert_eq!(conflicts.len(), 1, "the same conflict is told once");
    assert!(conflicts[0].parents.contains(&ours));
}

#[test]
fn of_a_loss_that_cannot_be_merged_back_whole_the_copy_stays_open() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let rest = "line\n".repeat(20);
    for text in [format!("k: 1\n{rest}"), format!("k: 2 important\n{rest}new\n")] {
        let _ = commit(&file, &text);
    }
    let stale = commit(&file, &format!("k: 3\n{rest}"));
    assert!(stale.swallowed.is_some());
    {
        let (closed, commit) = file.restore_lost().unwrap();
        let Outcome::Conflict { copy, .. } = commit.outcome else { panic!("{commit:?}") };
        assert_eq!(closed, 1);
        assert!(std::fs::read_to_string(copy).unwrap().starts_with("k: 2 important\n"));
        assert_eq!(world.text("notes.md"), format!("k: 3\n{rest}new\n"));
    }
    // What is then settled by hand is not undone.
    let _ = commit(&file, &format!("k: 4\n{rest}"));
    let (closed, again) = world.session(None).file(file.path()).restore_lost().unwrap();
    assert!(closed <= 1, "{again:?}");
    let (closed, again) = file.restore_lost().unwrap();
    assert_eq!((closed, again.outcome), (0, Outcome::Unchanged));
}

#[test]
fn a_damaged_loss_does_not_keep_the_others_from_being_restored() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let mut replaced = Vec::new();
    let mut base = "a\nb\nc\n".to_owned();
    let _ = commit(&file, &base);
    for (lost, kept) in [("one", "x"), ("two", "y")] {
        replaced.push(commit(&file, &format!("{base}{lost}\n")).version);
        base.push_str(kept);
        base.push('\n');
        assert!(commit(&file, &base).swallowed.is_some());
    }
    outside(&log_file(&world).with_file_name(replaced[0].to_string()), "damaged");
    let error = file.restore_lost().unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
    assert_eq!(world.text("notes.md"), "a\nb\nc\nx\ny\ntwo\n");
}

#[test]
fn restoring_what_was_never_there_creates_nothing() {
    let world = World::new();
    let session = world.session(None);
    let (closed, commit) = session.file(world.path("nope.md")).restore_lost().unwrap();
    assert_eq!((closed, commit.version), (0, Version::ABSENT));
    assert!(world.names().is_empty());
}

#[test]
fn a_note_of_what_was_seen_that_died_empty_wedges_nobody() {
    let world = World::new();
    let path = world.write("notes.md", "a\n");
    let session = world.session(Some("s"));
    let file = session.file(&path);
    file.read().unwrap();
    let notes = std::fs::read_dir(world.root().join("seen").join("s")).unwrap();
    outside(&notes.map(|note| note.unwrap().path()).next().unwrap(), "");
    let _ = commit(&file, "a\nb\n");
    assert_eq!(world.text("notes.md"), "a\nb\n");
}

#[test]
fn what_only_a_look_recorded_is_whole_once_it_is_replaced_or_removed() {
    // A look syncs nothing: a power loss may have left an empty file, or none.
    for (remove, gone) in [(false, false), (false, true), (true, false)] {
        let world = World::new();
        let path = world.write("notes.md", "old\n");
        let session = world.session(None);
        let file = session.file(&path);
        look(&file);
        let old = Version::of(b"old\n");
        let content = log_file(&world).with_file_name(old.to_string());
        if gone {
            std::fs::remove_file(content).unwrap();
        } else {
            OpenOptions::new().write(true).open(content).unwrap().set_len(0).unwrap();
        }
        let _ = if remove { file.remove() } else { file.append(b"new\n") }.unwrap();
        assert_eq!(file.version(old).unwrap(), b"old\n");
    }
}
