//! Texts that were read in passing, and overwritten before anybody could judge
//! them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccpar_core::history::{How, Record};
use ccpar_core::{Glimpses, Harness, Settled, SharedFile, Version};

use crate::support::{World, commit, look, outside};

const START: &str = "a\nb\nc\n";

/// Who watches a file, which has one version.
fn watching(world: &World) -> (Harness, Arc<Glimpses>, PathBuf) {
    let glimpses = Arc::new(Glimpses::default());
    let harness = world.session(None).with_glimpses(Arc::clone(&glimpses));
    let path = world.write("notes.md", START);
    let file = harness.file(&path);
    look(&file);
    let real = file.real_path().unwrap();
    glimpses.follow(real.clone());
    (harness, glimpses, real)
}

/// Something writes, and that is seen in passing.
fn pass(glimpses: &Glimpses, real: &Path, text: &str) {
    outside(real, text);
    glimpses.take(real);
}

/// Until the clock shows another time.
fn let_time_pass() {
    let begun = std::time::Instant::now();
    while begun.elapsed().as_millis() < 3 {
        std::thread::yield_now();
    }
}

fn records(file: &SharedFile<'_>) -> Vec<Record> {
    file.history().unwrap().after(0).unwrap()
}

/// The texts of its versions, in the order of the log.
fn texts(file: &SharedFile<'_>) -> Vec<String> {
    let text = |record: &Record| String::from_utf8(file.version(record.version).unwrap()).unwrap();
    records(file).iter().map(text).collect()
}

fn lost(file: &SharedFile<'_>) -> Vec<(String, bool)> {
    let lines =
        file.losses().unwrap().into_iter().flat_map(|loss| {
            loss.lines.into_iter().map(move |line| (line.text, loss.record.maybe))
        });
    lines.map(|(line, maybe)| (String::from_utf8(line).unwrap(), maybe)).collect()
}

#[test]
fn each_text_that_was_overwritten_before_the_look_is_a_version_and_its_lines_are_lost() {
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let stale = |line: &str| format!("{START}{line}\n");
    for line in ["one", "two", "two"] {
        pass(&glimpses, &real, &stale(line));
    }
    // It is emptied before it is filled.
    pass(&glimpses, &real, "");
    outside(&real, stale("three"));
    let settled = look(&file);
    assert!(matches!(settled, Settled::Outside(_)), "{settled:?}");
    assert_eq!(texts(&file), [START, &stale("one"), &stale("two"), &stale("three")]);
    let sure = |line: &str| (line.to_owned(), false);
    assert_eq!(lost(&file), [sure("one"), sure("two")]);
    assert_eq!(look(&file), Settled::Known);
    let times: Vec<u64> = records(&file).iter().map(|record| record.time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn what_is_recorded_already_is_no_version_again() {
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let session = world.session(Some("ada"));
    let ada = session.file(&real);
    ada.read().unwrap();
    for text in ["a\nb\nc\nd\n", "a\nb\nc\nd\ne\n"] {
        let _ = commit(&ada, text);
        glimpses.take(&real);
    }
    assert_eq!(look(&file), Settled::Known);
    // Somebody else was quicker.
    pass(&glimpses, &real, "a\nb\nc\nd\ne\nf\n");
    look(&ada);
    let _ = ada.append(b"g\n").unwrap();
    assert_eq!(look(&file), Settled::Known);
    assert_eq!(records(&file).len(), 5);
}

#[test]
fn the_log_may_have_gone_on_past_it() {
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let session = world.session(Some("ada"));
    let ada = session.file(&real);
    let passing = [format!("{START}one line\n"), format!("b\nc\n{}\n", "two lines")];
    for text in &passing {
        pass(&glimpses, &real, text);
    }
    let_time_pass();
    outside(&real, format!("{START}theirs\n"));
    let _ = ada.append(b"from ada\n").unwrap();
    let now = format!("{START}theirs\nfrom ada\n");
    assert_eq!(world.text("notes.md"), now);
    look(&file);
    let [one, two] = &passing;
    let theirs = format!("{START}theirs\n");
    assert_eq!(texts(&file), [START, &theirs, &now, one, two, &now]);
    assert_eq!(look(&file), Settled::Known);
    // `a` was dropped by somebody who had seen it, and stands there.
    let sure = |line: &str| (line.to_owned(), false);
    assert_eq!(lost(&file), [sure("one line"), sure("two lines")]);
    let again = records(&file).pop().unwrap();
    assert_eq!((again.how, again.session.as_deref()), (How::Append, Some("ada")));
    assert_eq!(file.restore_lost().unwrap().0, 2);
    let whole = world.text("notes.md");
    assert!(["theirs", "from ada", "one line", "two lines"].iter().all(|l| whole.contains(l)));
    assert!(whole.starts_with(START), "{whole}");
}

#[test]
fn what_the_log_has_already_may_be_made_from_what_was_seen_in_passing() {
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let base = format!("{START}one line\n");
    pass(&glimpses, &real, &base);
    pass(&glimpses, &real, &format!("{base}two lines\n"));
    let_time_pass();
    // Recorded by somebody who saw neither.
    let stale = format!("{base}by who had seen one\n");
    outside(&real, &stale);
    look(&world.session(None).file(&real));
    look(&file);
    assert_eq!(lost(&file), [("two lines".to_owned(), false)]);
    let newest = records(&file).pop().unwrap();
    assert_eq!(
        (newest.version, newest.base),
        (Version::of(stale.as_bytes()), Some(Version::of(base.as_bytes())))
    );
    assert_eq!(file.heal().unwrap().0, 1);
    assert_eq!(world.text("notes.md"), format!("{stale}two lines\n"));
}

#[test]
fn what_is_written_while_a_commit_is_under_way_may_be_made_from_what_was_seen_in_passing() {
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let base = format!("{START}one line\n");
    let stale = format!("{base}by who had seen one\n");
    let _ = file
        .update(|_| {
            pass(&glimpses, &real, &base);
            pass(&glimpses, &real, &format!("{base}two lines\n"));
            outside(&real, &stale);
            Ok::<_, ccpar_core::Error>(format!("{START}of ccpar\n").into_bytes())
        })
        .unwrap();
    let _ = file.heal().unwrap();
    let text = world.text("notes.md");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b", "by who had seen one", "c", "of ccpar", "one line", "two lines"]);
    let told = records(&file).into_iter().find(|one| one.version == Version::of(stale.as_bytes()));
    assert_eq!(told.and_then(|told| told.base), Some(Version::of(base.as_bytes())));
}

#[test]
fn what_is_not_followed_or_has_no_room_is_looked_at_as_it_stands() {
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let huge = "x".repeat(33 << 20);
    pass(&glimpses, &real, &huge);
    let other = world.write("other.md", "1\n");
    let second = harness.file(&other);
    look(&second);
    pass(&glimpses, &second.real_path().unwrap(), "2\n");
    for path in [&real, &other] {
        outside(path, "y\n");
        look(&harness.file(path));
    }
    assert_eq!(texts(&file), [START, "y\n"]);
    assert_eq!(texts(&second), ["1\n", "y\n"]);
}

/// The target as a plain writer has it open while a commit replaces it.
fn replaced_by_a_commit(file: &SharedFile<'_>, real: &Path) -> std::fs::File {
    let plain = std::fs::OpenOptions::new().write(true).truncate(false).open(real).unwrap();
    let_time_pass();
    let _ = file.append(b"merged back\n").unwrap();
    plain
}

#[test]
fn what_is_written_into_a_file_that_a_commit_has_replaced_is_seen_too() {
    use std::io::Write as _;
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let mut plain = replaced_by_a_commit(&file, &real);
    let now = world.text("notes.md");
    plain.write_all(format!("{START}of a plain writer\n").as_bytes()).unwrap();
    glimpses.take(&real);
    look(&file);
    assert_eq!(world.text("notes.md"), now);
    assert_eq!(lost(&file), [("of a plain writer".to_owned(), false)]);
    assert_eq!(look(&file), Settled::Known);
    assert_eq!(file.heal().unwrap().0, 1);
    assert_eq!(world.text("notes.md"), format!("{now}of a plain writer\n"));
}

#[test]
fn a_text_that_came_in_place_of_one_after_the_other_is_not_its_own_base() {
    use std::io::{Seek as _, Write as _};
    let world = World::new();
    let (harness, glimpses, real) = watching(&world);
    let file = harness.file(&real);
    let mut plain = replaced_by_a_commit(&file, &real);
    let_time_pass();
    outside(&real, format!("{START}merged back\nby one who had seen it\n"));
    look(&file);
    let now = world.text("notes.md");
    for name in ["one", "two"] {
        plain.rewind().unwrap();
        plain.write_all(format!("{START}{name} of a plain writer\n").as_bytes()).unwrap();
        glimpses.take(&real);
        look(&file);
    }
    assert_eq!(world.text("notes.md"), now);
    let sure = |name: &str| (format!("{name} of a plain writer"), false);
    let mut lost = lost(&file);
    lost.sort();
    lost.dedup();
    assert_eq!(lost, [sure("one"), sure("two")]);
}

#[test]
fn a_text_that_is_judged_long_after_it_was_seen_is_not_taken_for_one_that_came_back() {
    let world = World::new();
    let (watcher, glimpses, real) = watching(&world);
    let session = world.session(Some("s"));
    let file = session.file(&real);
    file.read().unwrap();
    let _ = commit(&file, "a\nb\nc\nthis line is swallowed\n");
    let_time_pass();
    glimpses.take(&real);
    let_time_pass();
    outside(&real, "a\nb\nc\na stale writer wrote this\n");
    assert!(matches!(look(&file), Settled::Outside(_)));
    let expected = [("this line is swallowed".to_owned(), false)];
    assert_eq!(lost(&file), expected);
    // Many write before the watcher's turn comes.
    for n in 0..100 {
        let _ = file.append(format!("line {n}\n").as_bytes()).unwrap();
    }
    let before = records(&file).len();
    look(&watcher.file(&real));
    assert_eq!(lost(&file), expected);
    assert_eq!(records(&file).len(), before, "it is in the log already");
}

#[test]
fn what_a_text_swallowed_that_is_judged_long_after_is_told_by_what_stood_there_then() {
    let world = World::new();
    let (watcher, glimpses, real) = watching(&world);
    let session = world.session(Some("s"));
    let file = session.file(&real);
    let _ = file.append(b"this line is swallowed\n").unwrap();
    let_time_pass();
    let stale = "a\nb\nc\na stale writer wrote this\n";
    pass(&glimpses, &real, stale);
    let_time_pass();
    // Another, in its place, that had seen neither.
    outside(&real, "a\nb\nc\nanother wrote this\n");
    for n in 0..100 {
        let _ = file.append(format!("line {n}\n").as_bytes()).unwrap();
    }
    look(&watcher.file(&real));
    // Both swallowed the first line, and each is told by what it had seen.
    let base = Version::of(b"a\nb\nc\n");
    let told = records(&file).into_iter().find(|one| one.version == Version::of(stale.as_bytes()));
    assert_eq!(told.map(|one| (one.base, one.lost)), Some((Some(base), Some(1))));
    let there = file.losses().unwrap();
    let lines: BTreeSet<_> = there
        .iter()
        .flat_map(|loss| &loss.lines)
        .map(|line| String::from_utf8_lossy(&line.text).into_owned())
        .collect();
    // And nothing of the hundred that came since.
    assert_eq!(
        lines,
        ["a stale writer wrote this", "this line is swallowed"].map(str::to_owned).into(),
        "{there:?}"
    );
}
