//! A folder forked for a branch, and merged back.

use std::fs;
use std::path::{Path, PathBuf};

use ccpar_core::namespace::{Action, Fork, Namespace, Passed, Why, rescue};
use ccpar_core::{Author, Harness};

use crate::support::{World, harness, outside};

const INDEX: &str = "# Memory\n\n- [build](build.md): make\n- [emit](emit.md): once\n";

/// A shared memory with two notes, an index and a sub-folder.
pub(crate) fn world() -> World {
    let world = World::new();
    make(&world.path("memory/sub"));
    for (name, text) in [
        ("MEMORY.md", INDEX),
        ("build.md", "Build with make.\n"),
        ("emit.md", "Emit once.\nNever twice.\n"),
        ("sub/deep.md", "Deep.\n"),
    ] {
        world.write(&format!("memory/{name}"), text);
    }
    world
}

pub(crate) fn make(folder: &Path) {
    fs::DirBuilder::new().recursive(true).create(folder).unwrap();
}

pub(crate) fn acting(world: &World, branch: &str) -> Harness {
    let author = Author { branch: Some(branch.to_owned()), ..Author::default() };
    harness(&world.root(), None).with_author(author)
}

pub(crate) fn start(world: &World, branch: &str) -> (Harness, Namespace) {
    let harness = acting(world, branch);
    let (namespace, started) =
        Namespace::start(&harness, &Fork::new(world.path("memory"), branch)).unwrap();
    assert!(!started.before);
    (harness, namespace)
}

pub(crate) fn append(path: &Path, line: &str) {
    let text = fs::read_to_string(path).unwrap_or_default();
    outside(path, format!("{text}{line}\n"));
}

/// Each change as `action path`.
pub(crate) fn told(passed: &Passed) -> Vec<String> {
    assert!(passed.problems.is_empty(), "{passed:?}");
    let word = |action: Action| format!("{action:?}").to_lowercase();
    passed.changes.iter().map(|change| format!("{} {}", word(change.action), change.path)).collect()
}

#[test]
fn a_fork_learns_the_memory_learns_and_a_promote_brings_both_together() {
    let world = world();
    let (harness, voice) = start(&world, "feat/voice");
    assert_eq!(voice.folder(), world.path("memory/feat-voice").canonicalize().unwrap());
    assert_eq!(world.text("memory/feat-voice/sub/deep.md"), "Deep.\n");
    append(&voice.folder().join("MEMORY.md"), "- [voice](voice.md): 20 ms");
    append(&voice.folder().join("voice.md"), "Buffers are 20 ms.");
    append(&voice.folder().join("emit.md"), "Not even then.");
    fs::remove_file(voice.folder().join("sub/deep.md")).unwrap();
    append(&world.path("memory/MEMORY.md"), "- [theirs](theirs.md): new");
    append(&world.path("memory/theirs.md"), "Theirs.");

    let changes = ["remove sub/deep.md", "merge MEMORY.md", "write emit.md", "create voice.md"];
    let planned = voice.plan_promote(&harness).unwrap();
    assert_eq!(told(&planned), changes);
    assert_eq!(world.text("memory/sub/deep.md"), "Deep.\n", "a plan writes nothing");
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(passed.changes, planned.changes);
    let index = format!("{INDEX}- [theirs](theirs.md): new\n- [voice](voice.md): 20 ms\n");
    assert_eq!(world.text("memory/MEMORY.md"), index);
    assert!(!world.path("memory/sub").exists(), "the folder was empty then");
    assert_eq!(told(&voice.promote(&harness).unwrap()), [""; 0]);

    // The note that was removed can be had again.
    let deep = harness.file(world.path("memory/sub/deep.md"));
    let good = deep.last_good().unwrap().unwrap();
    assert_eq!(deep.version(good.version).unwrap(), b"Deep.\n");

    assert_eq!(told(&voice.update(&harness).unwrap()), ["write MEMORY.md", "create theirs.md"]);
    assert_eq!(world.text("memory/feat-voice/MEMORY.md"), index);
    assert!(voice.compare(&harness).unwrap().is_empty());
    append(&voice.folder().join("voice.md"), "And no more.");
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["write voice.md"]);
}

#[test]
fn branches_whose_names_look_alike_have_folders_of_their_own() {
    let world = world();
    let folders: Vec<PathBuf> = ["feat/voice-buffer", "feat-voice/buffer", "feat-voice-buffer"]
        .map(|branch| start(&world, branch).1.folder().to_owned())
        .into();
    assert!(folders[0].ends_with("feat-voice-buffer"));
    assert!(folders[0] != folders[1] && folders[1] != folders[2] && folders[0] != folders[2]);
    // A fork holds no fork.
    assert!(!folders[1].join("feat-voice-buffer").exists());
    // What is in the way is left alone.
    make(&world.path("memory/topic"));
    world.write("memory/topic/a.md", "a\n");
    let (_, topic) = start(&world, "topic");
    assert!(!topic.folder().ends_with("topic"));
    assert_eq!(fs::read_to_string(topic.folder().join("topic/a.md")).unwrap(), "a\n");
    let again = Fork::new(world.path("memory"), "feat-voice/buffer");
    let harness = acting(&world, "x");
    assert_eq!(Namespace::path(&harness, &again).unwrap(), folders[1]);
    assert!(Namespace::start(&harness, &again).unwrap().1.before);
}

#[test]
fn branches_that_start_at_once_take_no_folder_twice() {
    let world = world();
    let branches: Vec<String> = (0..32_u32)
        .map(|n| {
            let sign = |bit: u32| if n >> bit & 1 == 0 { '/' } else { '-' };
            ["a", "b", "c", "d", "e"]
                .into_iter()
                .zip(0..)
                .fold(String::new(), |name, (part, bit)| format!("{name}{part}{}", sign(bit)))
                + "end"
        })
        .collect();
    let folders: std::collections::BTreeSet<PathBuf> = std::thread::scope(|scope| {
        let world = &world;
        let fork = |branch| scope.spawn(move || start(world, branch).1.folder().to_owned());
        let threads: Vec<_> = branches.iter().map(|branch| fork(branch.as_str())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(folders.len(), branches.len());
    for folder in folders {
        assert_eq!(fs::read_to_string(folder.join("MEMORY.md")).unwrap(), INDEX);
    }
}

#[test]
fn it_lies_where_it_is_asked_for_and_nowhere_that_something_is() {
    let world = world();
    let harness = acting(&world, "x");
    let fork = |at: &str, branch: &str| Fork {
        at: Some(world.path(at)),
        ..Fork::new(world.path("memory"), branch)
    };
    let (apart, _) = Namespace::start(&harness, &fork("else/where", "x")).unwrap();
    assert_eq!(world.text("else/where/MEMORY.md"), INDEX);
    append(&apart.folder().join("build.md"), "x");
    assert_eq!(told(&apart.promote(&harness).unwrap()), ["write build.md"]);
    world.write("taken", "");
    for at in ["memory", ".", "else/where", "taken", "else"] {
        let error = Namespace::start(&harness, &fork(at, "y")).unwrap_err().to_string();
        assert!(error.contains("name another"), "{at}: {error}");
    }
}

#[test]
fn what_does_not_merge_is_kept_on_both_sides_and_told_once() {
    let world = world();
    let (harness, voice) = start(&world, "feat/voice");
    outside(&voice.folder().join("build.md"), "Build with ninja.\n");
    world.write("memory/build.md", "Build with bazel.\n");
    let planned = voice.plan_promote(&harness).unwrap();
    let passed = voice.promote(&harness).unwrap();
    assert_eq!((told(&planned), told(&passed)), (vec!["conflict build.md".into()], told(&planned)));
    assert!(!passed.is_clean());
    assert_eq!(world.text("memory/build.md"), "Build with bazel.\n");
    let copy = passed.changes[0].copy.clone().unwrap();
    assert_eq!(fs::read_to_string(&copy).unwrap(), "Build with ninja.\n");
    assert!(copy.to_string_lossy().contains("build.md.conflict-feat-voice"), "{copy:?}");
    assert!(voice.promote(&harness).unwrap().changes.is_empty());
    // The copy is nobody's note.
    let (other, namespace) = start(&world, "other");
    assert!(!namespace.folder().join(copy.file_name().unwrap()).exists());
    assert!(namespace.promote(&other).unwrap().changes.is_empty());
}

#[test]
fn an_update_that_does_not_merge_holds_the_file_back_until_it_is_settled() {
    let world = world();
    let (harness, voice) = start(&world, "feat/voice");
    outside(&voice.folder().join("build.md"), "Build with ninja.\n");
    world.write("memory/build.md", "Build with bazel.\n");
    world.write("memory/emit.md", "Emit twice.\n");
    let passed = voice.update(&harness).unwrap();
    assert_eq!(told(&passed), ["conflict build.md", "write emit.md"]);
    let copy = passed.changes[0].copy.clone().unwrap();
    assert_eq!(fs::read_to_string(&copy).unwrap(), "Build with bazel.\n");
    assert_eq!(world.text("memory/feat-voice/build.md"), "Build with ninja.\n");
    let waits = voice.promote(&harness).unwrap();
    assert_eq!(told(&waits), ["wait build.md"]);
    assert!(!waits.is_clean());
    assert_eq!(voice.plan_promote(&harness).unwrap().changes, waits.changes);
    outside(&voice.folder().join("build.md"), "Build with both.\n");
    fs::remove_file(copy).unwrap();
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["write build.md"]);
    assert_eq!(world.text("memory/build.md"), "Build with both.\n");
}

#[test]
fn removed_on_one_side_and_changed_on_the_other_comes_back_to_a_namespace_too() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    fs::remove_file(world.path("memory/build.md")).unwrap();
    fs::remove_file(world.path("memory/sub/deep.md")).unwrap();
    append(&voice.folder().join("build.md"), "Mine.");
    fs::remove_file(voice.folder().join("emit.md")).unwrap();
    append(&world.path("memory/emit.md"), "Theirs.");
    let passed = voice.update(&harness).unwrap();
    assert_eq!(told(&passed), ["keep build.md", "remove sub/deep.md", "bringback emit.md"]);
    assert!(voice.folder().join("emit.md").exists());
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["create build.md"]);
}

#[test]
fn bytes_that_are_no_text_are_taken_whole_or_kept_on_both_sides() {
    let world = world();
    // Changed apart from each other, so that lines would merge.
    let png = |a: u8, b: u8| [b"\x89PNG\n\0", &[a][..], b"\n1\n2\n3\n\xff\0", &[b]].concat();
    world.write("memory/a.png", png(1, 1));
    world.write("memory/b.png", png(1, 1));
    let (harness, voice) = start(&world, "v");
    for name in ["a.png", "b.png", "new.png"] {
        outside(&voice.folder().join(name), png(2, 1));
    }
    world.write("memory/b.png", png(1, 3));
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(told(&passed), ["write a.png", "conflict b.png", "create new.png"]);
    let [a, b, copy] = [
        world.path("memory/a.png"),
        world.path("memory/b.png"),
        passed.changes[1].copy.clone().unwrap(),
    ]
    .map(|path| fs::read(path).unwrap());
    assert_eq!((a, b, copy), (png(2, 1), png(1, 3), png(2, 1)));
}

#[cfg(unix)]
#[test]
fn links_to_files_are_files_and_others_are_named_and_left_alone() {
    use std::os::unix::fs::symlink;
    let world = world();
    make(&world.path("elsewhere"));
    world.write("elsewhere/real.md", "Real.\n");
    symlink(world.path("elsewhere/real.md"), world.path("memory/link.md")).unwrap();
    symlink(world.path("elsewhere/real.md"), world.path("memory/drop.md")).unwrap();
    symlink(world.path("elsewhere"), world.path("memory/folder")).unwrap();
    symlink("nowhere", world.path("memory/dangling.md")).unwrap();
    symlink(".", world.path("memory/loop")).unwrap();
    make(&world.path("memory/.git"));
    world.write("memory/.git/HEAD", "ref: x\n");
    let harness = acting(&world, "v");
    let (voice, started) =
        Namespace::start(&harness, &Fork::new(world.path("memory"), "v")).unwrap();
    let mut left_out = started.left_out;
    left_out.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        left_out,
        [
            ("dangling.md".into(), Why::LinkToNothing),
            ("folder".into(), Why::LinkToFolder),
            ("loop".into(), Why::LinkToFolder)
        ]
    );
    assert!(!voice.folder().join(".git").exists());
    let own = voice.folder().join("link.md");
    assert!(fs::symlink_metadata(&own).unwrap().is_file());
    append(&own, "More.");
    assert_eq!(world.text("elsewhere/real.md"), "Real.\n");
    fs::remove_file(voice.folder().join("drop.md")).unwrap();
    assert_eq!(told(&voice.promote(&harness).unwrap()), ["remove drop.md", "write link.md"]);
    assert_eq!(world.text("elsewhere/real.md"), "Real.\nMore.\n");
    assert!(fs::symlink_metadata(world.path("memory/link.md")).unwrap().is_symlink());
    assert!(fs::symlink_metadata(world.path("memory/drop.md")).is_err());
    assert!(fs::symlink_metadata(world.path("memory/dangling.md")).is_ok());
    // What became a link to a folder is not taken for removed.
    fs::remove_file(voice.folder().join("emit.md")).unwrap();
    symlink(world.path("elsewhere"), voice.folder().join("emit.md")).unwrap();
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(told(&passed), [""; 0]);
    assert_eq!(passed.left_out, [("emit.md".into(), Why::LinkToFolder)]);
    assert!(world.path("memory/emit.md").exists());
}

#[test]
fn a_note_that_is_a_folder_on_one_side() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    // Here both changes are alone, and the plan knows that what is in the way goes.
    fs::remove_file(voice.folder().join("emit.md")).unwrap();
    make(&voice.folder().join("emit.md"));
    outside(&voice.folder().join("emit.md/part.md"), "Part.\n");
    fs::remove_file(voice.folder().join("sub/deep.md")).unwrap();
    fs::remove_dir(voice.folder().join("sub")).unwrap();
    outside(&voice.folder().join("sub"), "No folder.\n");
    let planned = voice.plan_promote(&harness).unwrap();
    let passed = voice.promote(&harness).unwrap();
    let changes = ["remove emit.md", "remove sub/deep.md", "create emit.md/part.md", "create sub"];
    assert_eq!((told(&planned), told(&passed)), (changes.map(String::from).into(), told(&planned)));
    assert_eq!(world.text("memory/emit.md/part.md"), "Part.\n");
    assert_eq!(world.text("memory/sub"), "No folder.\n");

    // Here the other side wants something else.
    fs::remove_file(world.path("memory/build.md")).unwrap();
    make(&world.path("memory/build.md"));
    world.write("memory/build.md/theirs.md", "Theirs.\n");
    append(&voice.folder().join("build.md"), "Ours.");
    world.write("memory/MEMORY.md", "Theirs.\n");
    fs::remove_file(voice.folder().join("MEMORY.md")).unwrap();
    make(&voice.folder().join("MEMORY.md"));
    outside(&voice.folder().join("MEMORY.md/x.md"), "Ours.\n");
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(told(&passed), ["keep MEMORY.md", "blocked MEMORY.md/x.md", "blocked build.md"]);
    assert_eq!(world.text("memory/build.md/theirs.md"), "Theirs.\n");
    assert_eq!(world.text("memory/MEMORY.md"), "Theirs.\n");
    let copies: Vec<String> = passed.changes[1..]
        .iter()
        .map(|change| fs::read_to_string(change.copy.as_ref().unwrap()).unwrap())
        .collect();
    assert_eq!(copies, ["Ours.\n", "Build with make.\nOurs.\n"]);
    assert_eq!(told(&voice.promote(&harness).unwrap()), [""; 0]);
}

#[test]
fn a_name_that_changes_only_its_case_changes_it_there_too() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    fs::remove_file(voice.folder().join("build.md")).unwrap();
    outside(&voice.folder().join("Build.md"), "Build with make.\n");
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(told(&passed), ["remove build.md", "create Build.md"]);
    let entries = fs::read_dir(world.path("memory")).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.contains(&"Build.md".into()) && !names.contains(&"build.md".into()), "{names:?}");
}

#[test]
fn a_namespace_that_is_gone_or_empty_deletes_nothing() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    for name in ["MEMORY.md", "build.md", "emit.md", "sub/deep.md"] {
        fs::remove_file(voice.folder().join(name)).unwrap();
    }
    let error = voice.promote(&harness).unwrap_err().to_string();
    assert!(error.contains("holds no file any more"), "{error}");
    let planned = voice.clone().even_if_empty().plan_promote(&harness).unwrap();
    let all = ["MEMORY.md", "build.md", "emit.md", "sub/deep.md"];
    assert_eq!(told(&planned), all.map(|name| format!("remove {name}")));
    fs::remove_dir_all(voice.folder()).unwrap();
    for error in [voice.promote(&harness), voice.update(&harness), voice.plan_promote(&harness)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is gone: discard it, or start anew"), "{error}");
    }
    assert_eq!(world.text("memory/build.md"), "Build with make.\n");
    let (_, anew) = start(&world, "v");
    assert_eq!(anew.folder(), voice.folder());
    assert_eq!(told(&anew.promote(&harness).unwrap()), [""; 0]);
}

#[test]
fn what_arrived_before_a_crash_is_not_passed_on_again() {
    for removal in [false, true] {
        let world = world();
        let (harness, voice) = start(&world, "v");
        let path = voice.folder().join("build.md");
        if removal {
            fs::remove_file(&path).unwrap();
        } else {
            append(&path, "Twice.");
        }
        let _ = voice.promote(&harness).unwrap();
        // As a crash would have it: arrived, and not noted.
        let entries = fs::read_dir(world.root().join("namespaces")).unwrap();
        let log = entries.map(|entry| entry.unwrap().path().join("log.jsonl")).next().unwrap();
        let text = fs::read_to_string(&log).unwrap();
        let (before, last) = text.trim_end().rsplit_once('\n').unwrap();
        assert!(last.contains("\"base\"") && before.contains("\"intent\""), "{text}");
        outside(&log, format!("{before}\n{{\"torn"));
        // Somebody who had seen it wants it otherwise.
        let file = harness.file(world.path("memory/build.md"));
        if removal {
            let _ = file.append(b"Build with make.\n").unwrap();
        } else {
            let _ = file.remove().unwrap();
        }
        assert_eq!(told(&voice.promote(&harness).unwrap()), [""; 0]);
        assert_eq!(world.path("memory/build.md").exists(), removal);
    }
}

#[test]
fn a_discarded_namespace_is_gone_and_what_only_it_had_can_be_restored() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    append(&voice.folder().join("voice.md"), "Only here.");
    append(&voice.folder().join("sub/deep.md"), "Deeper.");
    let discarded = voice.discard(&harness).unwrap();
    assert_eq!((discarded.files, discarded.kept), (5, 2));
    assert!(!voice.folder().exists());
    assert_eq!(Namespace::all(&world.root()).unwrap().0, []);
    let _ = voice.discard(&harness).unwrap();
    for (name, text) in [("voice.md", "Only here.\n"), ("sub/deep.md", "Deep.\nDeeper.\n")] {
        let file = harness.file(voice.folder().join(name));
        let good = file.last_good().unwrap().unwrap();
        let _ = file.restore(good.version).unwrap();
        assert_eq!(fs::read_to_string(voice.folder().join(name)).unwrap(), text);
    }
}

#[test]
fn a_discard_leaves_what_is_no_note_and_says_so() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    make(&voice.folder().join(".git"));
    outside(&voice.folder().join(".git/HEAD"), "ref: x\n");
    let discarded = voice.discard(&harness).unwrap();
    assert_eq!(discarded.left, [voice.folder().join(".git")]);
    assert!(voice.folder().join(".git/HEAD").exists());
    // It is a folder like any other now.
    let (_, anew) = start(&world, "v");
    assert_ne!(anew.folder(), voice.folder());
}

#[test]
fn notes_that_nobody_forked_are_rescued_without_taking_anything_away() {
    let world = world();
    make(&world.path("left"));
    world
        .write("left/MEMORY.md", "# Memory\n\n- [build](build.md): make\n- [old](old.md): saved\n");
    world.write("left/old.md", "Old.\n");
    world.write("left/emit.md", "Emit once.\n");
    world.write("left/settings.json", "{\"a\": 1}\n");
    world.write("memory/settings.json", "{\"b\": 2}\n");
    let harness = acting(&world, "rescue");
    let dry = rescue(&harness, &world.path("left"), &world.path("memory"), true).unwrap();
    assert!(!world.path("memory/old.md").exists());
    let passed = rescue(&harness, &world.path("left"), &world.path("memory"), false).unwrap();
    assert_eq!(dry.changes.len(), passed.changes.len());
    assert_eq!(world.text("memory/MEMORY.md").lines().count(), 5);
    assert!(world.text("memory/MEMORY.md").contains("- [emit](emit.md): once\n"));
    assert_eq!(world.text("memory/old.md"), "Old.\n");
    assert_eq!(world.text("memory/emit.md"), "Emit once.\nNever twice.\n");
    let again = rescue(&harness, &world.path("left"), &world.path("memory"), false).unwrap();
    assert!(again.is_clean() && again.changes.is_empty(), "{again:?}");
}

#[test]
fn five_thousand_notes() {
    let world = World::new();
    make(&world.path("memory"));
    for n in 0..5000 {
        world.write(&format!("memory/note-{n}.md"), format!("Note {n}.\n"));
    }
    let (harness, voice) = start(&world, "v");
    append(&voice.folder().join("note-77.md"), "More.");
    fs::remove_file(voice.folder().join("note-78.md")).unwrap();
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(told(&passed), ["remove note-78.md", "write note-77.md"]);
    assert_eq!(world.text("memory/note-77.md"), "Note 77.\nMore.\n");
    // Only what changed got a history.
    assert_eq!(fs::read_dir(world.root().join("history")).unwrap().count(), 2);
    assert_eq!(voice.discard(&harness).unwrap().kept, 0);
    assert!(!voice.folder().exists());
}

#[test]
fn one_file_that_cannot_be_passed_on_stops_none_of_the_others() {
    let world = world();
    let (harness, voice) = start(&world, "v");
    append(&voice.folder().join("build.md"), "x");
    append(&voice.folder().join("emit.md"), "x");
    let shared = world.path("memory/build.md");
    let mut mode = fs::metadata(&shared).unwrap().permissions();
    mode.set_readonly(true);
    fs::set_permissions(&shared, mode).unwrap();
    let passed = voice.promote(&harness).unwrap();
    assert_eq!(passed.changes.len(), 1);
    assert!(passed.problems[0].to_string().contains("is read-only"), "{passed:?}");
    assert_eq!(voice.promote(&harness).unwrap().problems.len(), 1, "it is still to do");
}
