//! What must not happen between a namespace and the folder that it was forked from.

use std::fs;
use std::path::{Path, PathBuf};

use ccpar_core::namespace::Namespace;
use ccpar_core::registry::Terms;
use ccpar_core::{Error, Wait};

use crate::namespace::{append, make, start, told, world};
use crate::support::outside;

#[expect(clippy::disallowed_methods, reason = "somebody else moves a folder")]
fn moved(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}

#[test]
fn a_file_that_another_session_has_claimed_is_not_passed_on_to_and_the_others_are() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    let harness = harness.with_wait(Wait::Never);
    append(&voice.folder().join("build.md"), "x");
    append(&voice.folder().join("sub/deep.md"), "x");
    fs::remove_file(voice.folder().join("emit.md")).unwrap();
    let other = world.session(Some("other"));
    let claimed = ["memory/build.md", "memory/emit.md"].map(|name| world.path(name));
    let claim = other.registry().claim(&claimed, &Terms::default()).unwrap();
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(passed.changes.len(), 1, "{passed:?}");
    assert_eq!(world.text("memory/sub/deep.md"), "Deep.\nx\n");
    for problem in &passed.problems {
        assert!(matches!(problem, Error::Claimed { .. }), "{problem}");
    }
    assert_eq!(passed.problems.len(), 2);
    assert_eq!(world.text("memory/build.md"), "Build with make.\n");
    // Its holder may.
    let own = other.with_token(Some(claim.token)).with_wait(Wait::Never);
    assert_eq!(told(&voice.promote(&own).unwrap()), ["remove emit.md", "write build.md"]);
}

#[test]
fn what_an_update_could_not_bring_in_is_not_taken_for_removed() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    outside(&voice.folder().join("part"), "No folder.\n");
    make(&world.path("memory/part"));
    world.write("memory/part/a.md", "Theirs.\n");
    fs::remove_file(voice.folder().join("build.md")).unwrap();
    make(&voice.folder().join("build.md"));
    outside(&voice.folder().join("build.md/x.md"), "x\n");
    append(&world.path("memory/build.md"), "Theirs.");
    let passed = voice.update(&harness).unwrap();
    assert_eq!(told(&passed), ["blocked build.md", "blocked part/a.md"]);
    let changes = ["wait build.md", "blocked build.md/x.md", "blocked part"];
    assert_eq!(told(&voice.promote(&harness).unwrap()), changes);
    fs::remove_file(passed.changes[0].copy.as_ref().unwrap()).unwrap();
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["keep build.md"]);
    assert_eq!(world.text("memory/part/a.md"), "Theirs.\n");
    assert_eq!(world.text("memory/build.md"), "Build with make.\nTheirs.\n");
}

#[test]
fn a_note_never_comes_into_the_namespace_of_another_branch() {
    let world = world();
    let (harness, voice) = start(&world, "feat/voice");
    let (_, other) = start(&world, "part");
    make(&voice.folder().join("part"));
    outside(&voice.folder().join("part/x.md"), "x\n");
    outside(&voice.folder().join("part/MEMORY.md"), "x\n");
    fs::remove_file(voice.folder().join("emit.md")).unwrap();
    let planned = voice.plan_promote(&harness).unwrap();
    let passed = voice.promote(&harness).unwrap();
    let changes = ["remove emit.md", "blocked part/MEMORY.md", "blocked part/x.md"];
    assert_eq!((told(&planned), told(&passed)), (changes.map(String::from).into(), told(&planned)));
    assert!(!other.folder().join("x.md").exists());
    assert!(other.compare(&harness).unwrap().iter().all(|file| file.ours == file.base));
    let copy = passed.changes[2].copy.as_ref().unwrap();
    assert_eq!(copy.parent(), other.folder().parent());
    assert_eq!(fs::read_to_string(copy).unwrap(), "x\n");
}

#[cfg(unix)]
#[test]
fn nothing_is_written_nor_removed_through_a_link_to_a_folder() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    moved(&world.path("memory/sub"), &world.path("else"));
    std::os::unix::fs::symlink(world.path("else"), world.path("memory/sub")).unwrap();
    fs::remove_file(voice.folder().join("sub/deep.md")).unwrap();
    outside(&voice.folder().join("sub/new.md"), "New.\n");
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(told(&passed), ["blocked sub/new.md"]);
    assert_eq!(fs::read_dir(world.path("else")).unwrap().count(), 1);
    assert_eq!(world.text("else/deep.md"), "Deep.\n");
}

#[test]
fn an_update_leaves_a_text_that_a_promote_could_not_merge_until_that_is_settled() {
    let world = world();
    let (harness, voice) = start(&world, "feat/voice");
    let (other, reader) = start(&world, "other");
    outside(&voice.folder().join("build.md"), "Build with ninja.\n");
    world.write("memory/build.md", "Build with bazel.\n");
    let conflict = voice.promote(&harness).unwrap();
    let copy = conflict.changes[0].copy.clone().unwrap();
    assert_eq!(conflict.open, [""; 0].map(PathBuf::from));
    // Whoever was not told is told later.
    assert_eq!(voice.promote(&harness).unwrap().open, std::slice::from_ref(&copy));
    assert_eq!(voice.plan_promote(&harness).unwrap().open, std::slice::from_ref(&copy));
    let waits = voice.update(&harness).unwrap();
    assert_eq!(
        (told(&waits), &waits.changes[0].copy),
        (vec!["wait build.md".into()], &Some(copy.clone()))
    );
    assert_eq!(world.text("memory/feat-voice/build.md"), "Build with ninja.\n");
    // It is nobody else's matter.
    assert_eq!(told(&reader.update(&other).unwrap()), ["write build.md"]);
    assert!(reader.promote(&other).unwrap().open.is_empty());
    world.write("memory/build.md", "Build with both.\n");
    fs::remove_file(copy).unwrap();
    assert_eq!(told(&voice.update(&harness).unwrap()), ["write build.md"]);
    assert_eq!(world.text("memory/feat-voice/build.md"), "Build with both.\n");
}

#[test]
fn a_shared_folder_that_is_gone_empties_no_namespace() {
    let world = world();
    let harness = crate::namespace::acting(&world, "v");
    let fork = ccpar_core::namespace::Fork {
        at: Some(world.path("apart")),
        ..ccpar_core::namespace::Fork::new(world.path("memory"), "v")
    };
    let (apart, _) = Namespace::start(&harness, &fork).unwrap();
    moved(&world.path("memory"), &world.path("away"));
    for update in [apart.plan_update(&harness), apart.update(&harness)] {
        let error = update.unwrap_err().to_string();
        assert!(error.contains("memory") && error.contains("holds no file any more"), "{error}");
    }
    assert_eq!(world.text("apart/build.md"), "Build with make.\n");
}

#[test]
fn a_folder_that_lost_its_marker_is_neither_gone_nor_forgotten() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    append(&voice.folder().join("build.md"), "Mine.");
    let marker = voice.folder().join(".ccpar-namespace");
    fs::remove_file(&marker).unwrap();
    let fork = ccpar_core::namespace::Fork::new(world.path("memory"), "v");
    for error in [
        voice.promote(&harness).map(|_| ()).unwrap_err(),
        voice.discard(&harness).map(|_| ()).unwrap_err(),
        Namespace::start(&harness, &fork).map(|_| ()).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("memory/v` has lost its `.ccpar-namespace`"), "{error}");
    }
    // As it says.
    outside(&marker, "");
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["write build.md"]);
    assert_eq!(voice.discard(&harness).unwrap().files, 4);
    assert!(!voice.folder().exists());
}

#[test]
fn a_record_that_is_broken_says_how_to_go_on() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    append(&voice.folder().join("build.md"), "Mine.");
    let entries = fs::read_dir(world.root().join("namespaces")).unwrap();
    let dir = entries.map(|entry| entry.unwrap().path()).next().unwrap();
    let log = dir.join("log.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    outside(&log, text.replacen("{\"path\"", "{\"pa", 1));
    let error = voice.promote(&harness).unwrap_err().to_string();
    let (folder, dir) = (voice.folder().display(), fs::canonicalize(dir).unwrap());
    assert!(error.contains("log.jsonl`, line 2: "), "{error}");
    assert!(error.contains(&format!("promote --from {folder}`")), "{error}");
    assert!(error.contains(&format!("remove `{}`", dir.display())), "{error}");
    // As it says.
    let passed = ccpar_core::namespace::rescue(&harness, voice.folder(), voice.shared(), false);
    assert_eq!(told(&passed.unwrap()), ["write build.md"]);
    fs::remove_dir_all(dir).unwrap();
    assert!(Namespace::open(&harness, voice.shared(), "v").unwrap().is_none());
}

#[test]
fn a_folder_around_the_shared_one_is_not_rescued() {
    let world = world();
    let harness = crate::namespace::acting(&world, "v");
    for from in ["", "memory"] {
        let rescued = ccpar_core::namespace::rescue(
            &harness,
            &world.path(from),
            &world.path("memory"),
            false,
        );
        let error = rescued.unwrap_err().to_string();
        assert!(error.contains("is the shared folder, or holds it"), "{error}");
    }
}

#[test]
fn what_is_kept_of_a_namespace_does_not_grow_with_each_promote() {
    let world = world();
    let large = "A line that is neither long nor short.\n".repeat(1000);
    world.write("memory/large.md", &large);
    let (harness, voice) = start(&world, "v");
    let own = voice.folder().join("large.md");
    let entries = fs::read_dir(world.root().join("namespaces")).unwrap();
    let dir = entries.map(|entry| entry.unwrap().path()).next().unwrap();
    let (mut most, mut compacted) = (0, 0);
    for n in 0..120 {
        append(&own, &format!("Line {n}."));
        let small = if n % 2 == 0 { "a.md" } else { "b.md" };
        append(&voice.folder().join(small), "x");
        assert_eq!(voice.promote(&harness).unwrap().changes.len(), 2);
        // All bases stand, those too that were not touched.
        assert!(voice.compare(&harness).unwrap().is_empty());
        let sizes =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let size: u64 = sizes.sum();
        compacted += u64::from(size < most);
        most = most.max(size);
    }
    let live = fs::metadata(&own).unwrap().len();
    assert!(compacted > 10 && most < 8 * live, "{most} bytes at the most, {live} of them live");
    append(&voice.folder().join("emit.md"), "Mine.");
    append(&world.path("memory/emit.md"), "Theirs.");
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["merge emit.md"]);
    assert_eq!(voice.discard(&harness).unwrap().left, [""; 0].map(PathBuf::from));
    assert!(!dir.exists());
}
