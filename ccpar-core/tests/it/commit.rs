//! What a commit leaves, told as the stories in which naive designs lose.

use ccpar_core::{Base, CommitOptions, Error, Outcome, Version, WithoutBase};

use crate::support::{World, commit, commit_on, outside};

#[test]
fn a_session_that_does_not_know_the_merge_does_not_undo_it() {
    // A reads v0, B adds a line, A writes v0+a (merged), then A writes v0+a+b
    // from its own context, in which B's line never was.
    let world = World::new();
    let path = world.write("notes.md", "v0\n");
    let (a, b) = (world.session(Some("a")), world.session(Some("b")));
    let (a, b) = (a.file(&path), b.file(&path));
    a.read().unwrap();
    b.read().unwrap();
    assert_eq!(commit(&b, "from b\nv0\n").outcome, Outcome::Written);
    assert_eq!(commit(&a, "v0\na\n").outcome, Outcome::Merged);
    assert_eq!(commit(&a, "v0\na\nb\n").outcome, Outcome::Merged);
    assert_eq!(world.text("notes.md"), "from b\nv0\na\nb\n");
    // What A then drops having seen it, is dropped.
    a.read().unwrap();
    assert_eq!(commit(&a, "v0\nb\n").outcome, Outcome::Written);
    assert_eq!(world.text("notes.md"), "v0\nb\n");
}

#[test]
fn the_same_commit_twice_leaves_what_once_leaves() {
    let world = World::new();
    let path = world.write("notes.md", "one\ntwo\n");
    let session = world.session(None);
    let file = session.file(&path);
    let _ = commit_on(&file, "one\ntwo\n", "one\ntwo\ntheirs\n");
    for expected in [Outcome::Merged, Outcome::Unchanged] {
        let commit = commit_on(&file, "one\ntwo\n", "ours\none\ntwo\n");
        assert_eq!(commit.outcome, expected);
        assert_eq!(world.text("notes.md"), "ours\none\ntwo\ntheirs\n");
    }
}

#[test]
fn a_base_whose_file_was_removed_meanwhile_is_written_whole_and_said() {
    let world = World::new();
    let path = world.write("notes.md", "one\n");
    let (a, b) = (world.session(Some("a")), world.session(Some("b")));
    a.file(&path).read().unwrap();
    let _ = b.file(&path).remove().unwrap();
    let commit = commit(&a.file(&path), "one\ntwo\n");
    assert_eq!(world.text("notes.md"), "one\ntwo\n");
    let by = commit.removed_meanwhile.expect("the removal is told");
    assert_eq!(by.session.as_deref(), Some("b"));
}

#[test]
fn a_conflict_keeps_both_sides_and_says_so() {
    let world = World::new();
    let path = world.write("notes.md", "head\nvalue: 1\ntail\n");
    let session = world.session(Some("a"));
    let file = session.file(&path);
    file.read().unwrap();
    outside(&path, "head\nvalue: 2\ntail\nadded\n");
    let ours = "ours\nhead\nvalue: 3\ntail\n";
    for _ in 0..2 {
        // The same conflict finds its own copy, and what was seen stays.
        let Outcome::Conflict { copy, regions } = commit(&file, ours).outcome else {
            panic!("both edited one line")
        };
        assert_eq!(regions, 1);
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), ours);
        assert_eq!(world.text("notes.md"), "ours\nhead\nvalue: 2\ntail\nadded\n");
        assert_eq!(world.names().len(), 2);
        let name = copy.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("notes.md.conflict-a-"), "{name}");
    }
}

#[test]
fn a_conflict_copy_that_somebody_works_on_is_not_overwritten() {
    let world = World::new();
    let path = world.write("n.md", "1\n");
    let session = world.session(Some("a"));
    let file = session.file(&path);
    let conflict = || match commit_on(&file, "0\n", "2\n").outcome {
        Outcome::Conflict { copy, .. } => copy,
        other => panic!("{other:?}"),
    };
    let first = conflict();
    outside(&first, "half settled\n");
    let second = conflict();
    assert_ne!(first, second);
    assert_eq!(std::fs::read_to_string(first).unwrap(), "half settled\n");
    assert_eq!(std::fs::read_to_string(second).unwrap(), "2\n");
}

#[test]
fn json_that_would_no_longer_parse_is_a_conflict() {
    let world = World::new();
    let base = "{\n  \"a\": 1\n}\n";
    let path = world.write("settings.json", base);
    let session = world.session(Some("s"));
    let file = session.file(&path);
    let theirs = "{\n  \"a\": 1,\n  \"b\": 2\n}\n";
    let _ = commit_on(&file, base, theirs);
    let outcome = commit_on(&file, base, "{\n  \"a\": 1,\n  \"c\": 3\n}\n").outcome;
    let text = world.text("settings.json");
    serde_json::from_str::<serde_json::Value>(&text).expect("it still parses");
    assert!(text.contains("\"b\""), "{outcome:?} left {text}");
}

#[test]
fn without_a_base_a_text_replaces_and_names_what_a_stale_author_swallowed() {
    let world = World::new();
    let path = world.path("notes.md");
    let nobody = world.session(None);
    let file = nobody.file(&path);
    for text in ["a\nb\nc\n", "a\nb\nc\nsibling\n"] {
        assert_eq!(commit(&file, text).swallowed, None, "an addition swallows nothing");
    }
    let stale = commit(&file, "a\nb\nc\nmine\n");
    assert_eq!(stale.outcome, Outcome::Written);
    assert_eq!(world.text("notes.md"), "a\nb\nc\nmine\n");
    let swallowed = stale.swallowed.expect("the sibling's line is gone");
    assert_eq!(swallowed.lines, [b"sibling"]);
    assert_eq!(swallowed.base, Version::of(b"a\nb\nc\n"));

    let (closed, _) = file.restore_lost().unwrap();
    assert_eq!(closed, 1);
    assert_eq!(world.text("notes.md"), "a\nb\nc\nmine\nsibling\n");
    let (closed, again) = file.restore_lost().unwrap();
    assert_eq!((closed, again.outcome), (0, Outcome::Unchanged));
}

#[test]
fn without_a_base_a_deletion_that_was_meant_is_not_called_a_loss() {
    let world = World::new();
    let path = world.path("notes.md");
    let nobody = world.session(None);
    let file = nobody.file(&path);
    for text in ["a\nb\n", "a\nb\nc\nd\n", "a\nc\nd\n"] {
        assert_eq!(commit(&file, text).swallowed, None);
    }
}

#[test]
fn without_a_base_a_text_can_be_merged_or_refused() {
    let world = World::new();
    let path = world.path("notes.md");
    let nobody = world.session(None);
    let file = nobody.file(&path);
    let refuse = CommitOptions { without_base: WithoutBase::Refuse, ..CommitOptions::default() };
    // A new file needs no base: there is nothing to overwrite.
    let _ = file.commit(b"a\nb\n", &refuse).unwrap();
    let _ = commit(&file, "a\nb\nsibling\n");
    let error = file.commit(b"a\nb\nmine\n", &refuse).unwrap_err();
    assert!(matches!(error, Error::NoBase { .. }), "{error}");
    assert_eq!(world.text("notes.md"), "a\nb\nsibling\n");

    let merge = CommitOptions { without_base: WithoutBase::Merge, ..CommitOptions::default() };
    let commit = file.commit(b"a\nb\nmine\n", &merge).unwrap();
    assert_eq!(commit.outcome, Outcome::Merged);
    assert_eq!(world.text("notes.md"), "a\nb\nsibling\nmine\n");
}

#[test]
fn a_version_that_is_not_kept_is_no_base() {
    let world = World::new();
    let path = world.write("notes.md", "a\n");
    let session = world.session(None);
    let options = CommitOptions {
        base: Base::Version(Version::of(b"never seen")),
        ..CommitOptions::default()
    };
    let error = session.file(&path).commit(b"b\n", &options).unwrap_err();
    assert!(matches!(error, Error::UnknownVersion { .. }), "{error}");
    assert_eq!(world.text("notes.md"), "a\n");
}

#[test]
fn appending_never_glues_two_lines() {
    let world = World::new();
    let path = world.write("notes.md", "no newline");
    let session = world.session(None);
    let _ = session.file(&path).append(b"next\n").unwrap();
    assert_eq!(world.text("notes.md"), "no newline\nnext\n");
}

#[test]
fn an_update_sees_the_newest_text_and_leaves_what_was_seen_alone() {
    let world = World::new();
    let path = world.write("notes.md", "one\n");
    let session = world.session(Some("a"));
    let file = session.file(&path);
    file.read().unwrap();
    let _ = file.update(|text| Ok::<_, Error>([text, b"two\n"].concat())).unwrap();
    // The session has not seen `two`, so its next text does not take it away.
    assert_eq!(commit(&file, "zero\none\n").outcome, Outcome::Merged);
    assert_eq!(world.text("notes.md"), "zero\none\ntwo\n");
}

#[test]
fn a_failed_update_changes_nothing() {
    let world = World::new();
    let path = world.write("notes.md", "one\n");
    let session = world.session(None);
    let outcome = session
        .file(&path)
        .update(|_| Err::<Vec<u8>, _>(Error::NoBase { path: "as good as any".into() }));
    assert!(outcome.is_err());
    assert_eq!(world.text("notes.md"), "one\n");
    assert_eq!(world.names(), ["notes.md"]);
}

#[test]
fn a_command_of_a_session_has_seen_what_the_session_has() {
    use ccpar_core::Author;
    let world = World::new();
    let path = world.write("notes.md", "one\n");
    let author = |agent: Option<&str>| Author {
        session: Some("s".to_owned()),
        agent: agent.map(str::to_owned),
        branch: None,
    };
    let session = world.session(None).with_author(author(None));
    session.file(&path).read().unwrap();
    outside(&path, "one\nsibling\n");
    let command = world.session(None).with_author(author(Some(Author::COMMAND)));
    assert_eq!(commit(&command.file(&path), "mine\none\n").outcome, Outcome::Merged);
    // A subagent has a context of its own: nothing is known of what it saw.
    let subagent = world.session(None).with_author(author(Some("explore-1")));
    assert!(commit(&subagent.file(&path), "one\n").swallowed.is_some());
}
