//! Writers that know nothing of ccpar: what they did is known at the next look,
//! and what they swallowed is named and comes back.

use ccpar_core::history::{Damage, How};
use ccpar_core::{CommitOptions, Error, Outcome, Settled, SharedFile, Version};

use crate::support::{World, commit, look, outside};

/// The lines that are lost, as text.
fn lost(file: &SharedFile<'_>) -> Vec<String> {
    let losses = file.losses().unwrap();
    let lines = losses.into_iter().flat_map(|loss| loss.lines);
    lines.map(|line| String::from_utf8(line.text).unwrap()).collect()
}

/// Writes these texts from outside, one after the other, each looked at.
fn write_all(file: &SharedFile<'_>, texts: &[&str]) {
    for text in texts {
        outside(file.path(), text);
        look(file);
    }
}

#[test]
fn a_stale_write_is_found_with_its_base_and_what_it_swallowed_comes_back() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let session = world.session(Some("ada"));
    let file = session.file(&path);
    file.read().unwrap();
    let _ = commit(&file, "a\nb\nc\nfrom ada\n");
    outside(&path, "a\nb\nc\nmine\n");
    let settled = look(&file);
    let Settled::Outside(record) = settled else { panic!("{settled:?}") };
    assert_eq!(record.how, How::Outside);
    assert_eq!(record.base, Some(Version::of(b"a\nb\nc\n")));
    assert_eq!((record.lost, record.maybe), (Some(1), false));
    assert_eq!(look(&file), Settled::Known);

    let losses = file.losses().unwrap();
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!(loss.record.n, record.n);
    let [line] = &loss.lines[..] else { panic!("{loss:?}") };
    assert_eq!(line.text, b"from ada");
    let writer = line.writer.as_ref().expect("who wrote it is known");
    assert_eq!(writer.session.as_deref(), Some("ada"));

    for closed in [1, 0] {
        let (n, _) = file.restore_lost().unwrap();
        assert_eq!(n, closed);
        assert_eq!(world.text("notes.md"), "a\nb\nc\nmine\nfrom ada\n");
        assert_eq!(lost(&file), [""; 0]);
    }
}

#[test]
fn what_an_outside_writer_had_seen_and_dropped_is_no_loss() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\nd\n");
    let session = world.session(None);
    let file = session.file(&path);
    let _ = commit(&file, "a\nb\nc\nd\nL\n");
    write_all(&file, &["a\nc\nd\nL\nm\n", "a\nd\nL\nm\nn\n"]);
    assert_eq!(lost(&file), [""; 0]);
    // Stale, and with a line dropped that it had seen: only the other is lost.
    let _ = file.append(b"new\n").unwrap();
    write_all(&file, &["d\nL\nm\nn\nmore\n"]);
    assert_eq!(lost(&file), ["new"]);
}

#[test]
fn one_line_that_is_edited_again_and_again_is_no_loss_each_time() {
    let world = World::new();
    let path = world.write("notes.md", "count: 0\nrest\n");
    let session = world.session(None);
    let file = session.file(&path);
    let _ = commit(&file, "count: 1\nrest\n");
    write_all(&file, &["count: 2\nrest\n", "count: 3\nrest\n", "count: 4\nrest\n"]);
    assert_eq!(lost(&file), [""; 0]);
}

#[test]
fn a_line_that_came_back_and_was_then_dropped_is_no_longer_lost() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["a\nb\nc\nL1\nL2\n", "a\nb\nc\nm\n"]);
    assert_eq!(lost(&file), ["L1", "L2"]);
    let more = "k1 keeps\nk2 keeps\n";
    write_all(&file, &[&format!("a\nb\nc\nm\nL1\n{more}"), &format!("a\nb\nc\nm\n{more}n\n")]);
    assert_eq!(lost(&file), ["L2"]);
    // Restoring does not bring back what was dropped.
    assert_eq!(file.restore_lost().unwrap().0, 1);
    assert_eq!(world.text("notes.md"), format!("a\nb\nc\nm\n{more}n\nL2\n"));
}

#[test]
fn what_came_back_by_itself_is_looked_into_once_and_there_is_nothing_to_heal_then() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    let texts = ["a\nb\nc\nL1\nL2\n", "a\nb\nc\nm\n", "a\nb\nc\nL1\nL2\nm\n"];
    write_all(&file, &texts);
    assert!(file.may_be_healed().unwrap());
    for _ in 0..2 {
        assert_eq!(file.heal().unwrap().0, 0);
        assert_eq!(world.text("notes.md"), texts[2]);
        assert!(!file.may_be_healed().unwrap());
        assert_eq!(file.history().unwrap().recent(9).unwrap().len(), 5);
    }
}

#[test]
fn a_loss_that_was_meant_is_dismissed_once() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["a\nb\nc\nL\n", "a\nb\nc\nm\n", "a\nb\nc\nm\nM\n", "a\nb\nc\nm\nn\n"]);
    let first = file.losses().unwrap()[0].record.n;
    assert_eq!(lost(&file), ["L", "M"]);
    assert_eq!(file.dismiss(Some(first)).unwrap(), 1);
    assert_eq!(lost(&file), ["M"]);
    assert_eq!(file.dismiss(None).unwrap(), 1);
    assert_eq!(file.dismiss(None).unwrap(), 0);
    assert_eq!(lost(&file), [""; 0]);
    assert_eq!(file.restore_lost().unwrap().0, 0);
    assert_eq!(world.text("notes.md"), "a\nb\nc\nm\nn\n");
    let how = file.history().unwrap().recent(1).unwrap()[0].how;
    assert_eq!(how, How::Dismiss);
}

#[test]
fn a_removal_or_damage_that_was_meant_is_dismissed_too() {
    let world = World::new();
    let session = world.session(None);
    let path = world.write("settings.json", "{}\n");
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["{,}\n"]);
    assert!(file.last_good().unwrap().is_some());
    let damage = || session.survey().unwrap()[0].found.damage;
    assert_eq!(damage(), Some(Damage::Unparsable));
    assert_eq!([1, 0].map(|_| file.dismiss(None).unwrap()), [1, 0]);
    assert_eq!(damage(), None);
    std::fs::remove_file(&path).unwrap();
    look(&file);
    assert_eq!([1, 0].map(|_| file.dismiss(None).unwrap()), [1, 0]);
    let gone = session.survey().unwrap().remove(0).found.gone.unwrap();
    assert_eq!(gone.how, How::Dismiss);
}

#[test]
fn an_older_text_or_none_at_all_may_be_meant_and_is_not_healed() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["a\nb\nL\n", "a\nb\n"]);
    assert!(file.losses().unwrap()[0].record.maybe);
    assert_eq!(file.heal().unwrap().0, 0);
    assert_eq!(world.text("notes.md"), "a\nb\n");
    write_all(&file, &["a\nb\nM\n", ""]);
    assert_eq!(file.heal().unwrap().0, 0);
    let head = file.history().unwrap().recent(1).unwrap().remove(0);
    assert_eq!(head.damage, Some(Damage::Emptied));
    assert_eq!(lost(&file), ["L", "a", "b", "M"]);
    assert_eq!(file.restore_lost().unwrap().0, 2);
    assert_eq!(world.text("notes.md").lines().count(), 4);
}

#[test]
fn a_write_that_was_seen_half_done_is_one_write() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    // A stale one: what it swallowed is named, what it kept is not.
    write_all(&file, &["a\nb\nc\nL\n", "", "a\nb", "a\nb\nc\nmine\n"]);
    assert_eq!(lost(&file), ["L"]);
    let head = file.history().unwrap().recent(1).unwrap().remove(0);
    assert_eq!(head.base, Some(Version::of(b"a\nb\nc\n")));
    assert_eq!(head.damage, None);
    // One that had seen everything: nothing.
    write_all(&file, &["", "a\nb\nc\nmine\nmore\n"]);
    assert_eq!(lost(&file), ["L"]);
    // A whole text is not taken for half of the next that begins with it.
    let _ = file.restore_lost().unwrap();
    write_all(&file, &["a\nb\nc\nmine\n", "a\nb\nc\nmine\nnext\n"]);
    assert_eq!(lost(&file), ["more", "L"]);
}

#[test]
fn json_that_stops_parsing_is_known_until_it_parses_again() {
    let world = World::new();
    let path = world.write("settings.json", "{\"a\": 1}\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    let damage = |text: &str| {
        write_all(&file, &[text]);
        file.history().unwrap().recent(1).unwrap().remove(0).damage
    };
    assert_eq!(damage("{\"a\": 2,}\n"), Some(Damage::Unparsable));
    assert_eq!(damage("{\"a\": 2,,}\n"), Some(Damage::Unparsable));
    assert_eq!(damage("{\"a\": 2}\n"), None);
    assert_eq!(damage("\n"), Some(Damage::Emptied));
}

#[test]
fn a_target_that_was_removed_or_renamed_is_known_and_comes_back() {
    let world = World::new();
    std::fs::create_dir_all(world.path("sub")).unwrap();
    let path = world.write("sub/notes.md", "a\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    let _ = file.append(b"b\n").unwrap();
    #[expect(clippy::disallowed_methods, reason = "the outside writer")]
    std::fs::rename(&path, world.path("sub/other.md")).unwrap();
    look(&file);
    let head = file.history().unwrap().recent(1).unwrap().remove(0);
    assert!(head.version.is_absent());
    if cfg!(unix) {
        assert!(head.moved_to.unwrap().ends_with("other.md"));
    }
    // Another file that gets the inode which was freed is not the same file.
    let next = world.write("sub/next.md", "next\n");
    let next_file = session.file(&next);
    look(&next_file);
    std::fs::remove_file(&next).unwrap();
    world.write("sub/reused.md", "reused\n");
    look(&next_file);
    assert_eq!(next_file.history().unwrap().recent(1).unwrap()[0].moved_to, None);
    std::fs::remove_dir_all(world.path("sub")).unwrap();
    let _ = file.restore(file.find("2").unwrap()).unwrap();
    assert_eq!(world.text("sub/notes.md"), "a\nb\n");
}

#[test]
#[cfg(unix)]
fn a_target_whose_folder_was_renamed_is_known_to_be_the_same_file() {
    let world = World::new();
    std::fs::create_dir_all(world.path("top/sub/deep")).unwrap();
    let session = world.session(None);
    let files = ["top/sub/deep/a.md", "top/sub/b.md"].map(|name| {
        let file = session.file(world.write(name, name));
        look(&file);
        file
    });
    #[expect(clippy::disallowed_methods, reason = "the outside writer")]
    std::fs::rename(world.path("top/sub"), world.path("top/new")).unwrap();
    // One that is changed as well is another, as far as can be told.
    world.write("top/new/b.md", "changed");
    let moved = files.map(|file| {
        look(&file);
        file.history().unwrap().recent(1).unwrap().remove(0).moved_to
    });
    let to = std::fs::canonicalize(world.path("top/new/deep/a.md")).unwrap();
    assert_eq!(moved, [Some(to.to_string_lossy().into_owned()), None]);
}

#[test]
fn a_look_waits_for_nobody_and_leaves_what_was_never_there_alone() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("nope.md"));
    assert_eq!(look(&file), Settled::Known);
    assert!(!world.root().exists());
    let path = world.write("notes.md", "a\n");
    let file = session.file(&path);
    let lock = file.lock(ccpar_core::lock::Mode::Exclusive).unwrap();
    assert!(matches!(file.settle().unwrap(), Settled::Busy));
    drop(lock);
    assert!(matches!(look(&file), Settled::Outside(_)));
}

#[test]
fn what_one_session_wrote_is_taken_back_and_what_others_wrote_stays() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let (s, t) = (world.session(Some("s")), world.session(Some("t")));
    let (s, t) = (s.file(&path), t.file(&path));
    for (file, line) in [(&s, "s1\n"), (&t, "t1\n"), (&s, "s2\n"), (&t, "t2\n")] {
        let text = [file.read().unwrap().content(), line.as_bytes()].concat();
        let _ = file.commit(&text, &CommitOptions::default()).unwrap();
    }
    let (_, text, conflicts) = t.would_take_back("s").unwrap().unwrap();
    assert_eq!((&*text, conflicts), (&b"a\nb\nc\nt1\nt2\n"[..], 0));
    for _ in 0..2 {
        let _ = t.take_back("s").unwrap().unwrap();
        assert_eq!(world.text("notes.md"), "a\nb\nc\nt1\nt2\n");
    }
    assert!(t.take_back("nobody").unwrap().is_none());

    // Created by it, and nobody else wrote: it goes.
    let created = world.session(Some("s"));
    let created = created.file(world.path("new.md"));
    let _ = commit(&created, "mine\n");
    assert!(created.take_back("s").unwrap().unwrap().version.is_absent());
    assert!(!world.path("new.md").exists());
    // Removed by it: it comes back.
    let _ = commit(&t, "a\n");
    let _ = s.remove().unwrap();
    let _ = t.take_back("s").unwrap().unwrap();
    assert_eq!(world.text("notes.md"), "a\n");
}

#[test]
fn where_others_changed_the_same_lines_since_then_theirs_stay() {
    let world = World::new();
    let path = world.write("notes.md", "value: 1\nrest\n");
    let (s, t) = (world.session(Some("s")), world.session(Some("t")));
    let (s, t) = (s.file(&path), t.file(&path));
    s.read().unwrap();
    let _ = commit(&s, "value: 2\nrest\nfrom s\n");
    t.read().unwrap();
    let _ = commit(&t, "value: 3\nrest\nfrom s\n");
    let commit = t.take_back("s").unwrap().unwrap();
    let Outcome::Conflict { copy, regions } = commit.outcome else { panic!("{commit:?}") };
    assert_eq!(regions, 1);
    assert_eq!(world.text("notes.md"), "value: 3\nrest\n");
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "value: 1\nrest\n");
}

#[test]
fn an_entry_is_taken_back_from_beside_one_that_looks_like_it() {
    let world = World::new();
    let path = world.write("index.md", "# Index\n\n- [A](a.md) by a\n");
    let [s, t] = [world.session(Some("s")), world.session(Some("t"))];
    let (ours, theirs) = (s.file(&path), t.file(&path));
    let _ = ours.append(b"- [S](s.md) by s\n").unwrap();
    let _ = theirs.append(b"- [T](t.md) by t\n").unwrap();
    let commit = theirs.take_back("s").unwrap().unwrap();
    assert_eq!(commit.outcome, Outcome::Written);
    assert_eq!(world.text("index.md"), "# Index\n\n- [A](a.md) by a\n- [T](t.md) by t\n");
}

#[test]
fn a_loss_whose_contents_are_gone_is_named_and_the_others_are_told() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["a\nb\nc\nL\n", "a\nb\nc\nm\n", "a\nb\nc\nm\nM\n", "a\nb\nc\nm\nn\n"]);
    let folder = std::fs::read_dir(world.root().join("history")).unwrap().next().unwrap();
    let content = folder.unwrap().path().join(Version::of(b"a\nb\nc\nL\n").to_string());
    std::fs::remove_file(content).unwrap();
    let losses = file.losses().unwrap();
    assert!(matches!(losses[0].problem, Some(Error::UnknownVersion { .. })), "{losses:?}");
    assert_eq!(lost(&file), ["M"]);
}

#[test]
fn a_plain_write_that_comes_between_look_and_replacement_is_merged_in() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\nd\n");
    let session = world.session(None);
    let file = session.file(&path);
    let commit = file
        .update(|text| {
            // In place, as a shell does it: the file keeps its inode.
            outside(&path, "zero\na\nb\nc\nd\n");
            Ok::<_, Error>([text, b"mine\n"].concat())
        })
        .unwrap();
    assert_eq!(world.text("notes.md"), "zero\na\nb\nc\nd\nmine\n");
    assert_eq!(commit.version, Version::of(b"zero\na\nb\nc\nd\nmine\n"));
    // It is told as what it is: nobody's text but its own author's.
    let parsed = file.history().unwrap().records().unwrap();
    let [.., edit, outside_write, merge] = &parsed.records[..] else { panic!("{parsed:?}") };
    assert_eq!(
        [edit, outside_write, merge].map(|record| record.how),
        [How::Edit, How::Outside, How::Merge]
    );
    assert_eq!(outside_write.version, Version::of(b"zero\na\nb\nc\nd\n"));
    assert!(file.losses().unwrap().is_empty());
    assert_eq!(look(&file), Settled::Known);
    // Where the two cannot be merged, both are kept.
    let _ = file.update(|_| Ok::<_, Error>(b"value: 0\n".to_vec())).unwrap();
    let _ = file
        .update(|_| {
            outside(&path, "value: 1\n");
            Ok::<_, Error>(b"value: 2\n".to_vec())
        })
        .unwrap();
    assert_eq!(world.text("notes.md"), "value: 2\n");
    let copy = world.names().into_iter().find(|name| name.contains(".conflict-")).unwrap();
    assert_eq!(world.text(copy), "value: 1\n");
}

#[test]
fn who_read_what_was_merged_in_a_moment_later_swallowed_the_rest() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\nc\nd\n");
    let session = world.session(None);
    let file = session.file(&path);
    let between = "a\nb\nc\nd\nwritten in between\n";
    let _ = file
        .update(|text| {
            outside(&path, between);
            Ok::<_, Error>([b"committed\n", text].concat())
        })
        .unwrap();
    assert_eq!(world.text("notes.md"), format!("committed\n{between}"));
    // Two who had read it before it was merged, one after the other.
    for line in ["of one reader\n", "of another\n"] {
        write_all(&file, &[&format!("{between}{line}")]);
    }
    assert_eq!(lost(&file), ["committed", "of one reader"]);
    assert_eq!(file.heal().unwrap().0, 2);
    assert_eq!(world.text("notes.md"), format!("committed\n{between}of another\nof one reader\n"));
}

#[test]
fn who_read_a_file_while_it_was_filled_swallowed_what_it_had_not_read() {
    let world = World::new();
    let whole = (0..20).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
    let path = world.write("notes.md", &whole);
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["line 0\nline 1\nmine\n"]);
    assert_eq!(lost(&file).len(), 18);
    assert!(file.losses().unwrap()[0].record.maybe);
    assert_eq!(file.restore_lost().unwrap().0, 1);
    assert_eq!(world.text("notes.md").lines().count(), 21);
    // A line that is cut off is sure: that is healed.
    let long: String = (0..20).fold(String::new(), |text, n| text + &format!("a long line {n}\n"));
    write_all(&file, &[&long, "a long line 0\na long line 1\na long li\nmine\n"]);
    assert_eq!(file.heal().unwrap().0, 1);
    assert_eq!(world.text("notes.md"), format!("{long}mine\n"));
    // Where one read it half done, the next did too, and the next.
    write_all(&file, &[&long, "\nof one\n", "\nof two\n", "\nof three\n"]);
    assert!(lost(&file).ends_with(&["of one".to_owned(), "of two".to_owned()]));
    // Also behind one who went on from such a part.
    write_all(&file, &["\nof three\nof four\n", "\nof five\n"]);
    assert!(lost(&file).ends_with(&["of three".to_owned(), "of four".to_owned()]));
    let _ = file.heal().unwrap();
    let healed = world.text("notes.md");
    for line in [&long, "of one\n", "of two\n", "of three\n", "of four\n", "of five\n"] {
        assert!(healed.contains(line), "{healed}");
    }
}

#[test]
fn of_two_who_wrote_at_once_neither_dropped_what_the_other_wrote_over() {
    let world = World::new();
    let lines = |from, to| (from..to).fold(String::new(), |text, n| text + &format!("line {n}\n"));
    let path = world.write("notes.md", "begin\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    let (long, short) = (lines(10, 30), lines(50, 55));
    let torn = format!("{short}of one\n{}of another\n", &long[short.len() + 7..]);
    write_all(&file, &[&long, &short, &torn]);
    assert_eq!(file.heal().unwrap().0, 1);
    let healed = world.text("notes.md");
    for line in [&long, "of one\n", "of another\n"].into_iter().flat_map(|text| text.lines()) {
        assert!(healed.lines().any(|other| other == line), "{line}: {healed}");
    }
}

#[test]
fn a_line_that_is_written_anew_and_anew_swallows_nothing() {
    let world = World::new();
    let path = world.write("notes.md", "at: 1\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["at: 2\n", "at: 3\n", "all done\n", "at: 4\n"]);
    assert!(lost(&file).is_empty());
}

#[test]
fn what_is_filled_again_while_a_commit_replaces_it_is_there_whole_with_what_was_committed() {
    use std::io::Write as _;
    let whole = (0..20).fold(String::new(), |text, n| text + &format!("line {n}\n"));
    for left in ["", "line 0\n"] {
        let world = World::new();
        let path = world.write("notes.md", &whole);
        let session = world.session(None);
        let file = session.file(&path);
        look(&file);
        let open = std::fs::OpenOptions::new().write(true).truncate(true).open(&path);
        let mut other = open.unwrap();
        other.write_all(left.as_bytes()).unwrap();
        let _ = file
            .update(|found| {
                assert_eq!(found, left.as_bytes());
                let rest = format!("{}by hand\n", &whole[left.len()..]);
                other.write_all(rest.as_bytes()).unwrap();
                Ok::<_, Error>(format!("{left}committed\n").into_bytes())
            })
            .unwrap();
        let mut lines: Vec<String> = world.text("notes.md").lines().map(str::to_owned).collect();
        lines.retain(|line| !whole.lines().any(|old| old == line));
        lines.sort();
        assert_eq!(lines, ["by hand", "committed"], "{left:?}");
        assert_eq!(world.text("notes.md").lines().count(), 22, "{left:?}");
        assert_eq!(file.losses().unwrap().len(), 0, "{left:?}");
    }
}

#[test]
fn a_lost_line_is_not_back_where_it_came_to_a_file_that_had_lost_its_name() {
    let world = World::new();
    let old = (0..20).fold(String::new(), |text, n| text + &format!("line {n}\n"));
    let path = world.write("notes.md", &old);
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    let committed = format!("{old}committed\n");
    let _ = file.append(b"committed\n").unwrap();
    write_all(&file, &[&format!("{old}of one\n")]);
    assert_eq!(lost(&file), ["committed"]);
    // Its author had read what was committed.
    let _ = file
        .update(|found| {
            outside(&path, format!("{committed}of another\n"));
            Ok::<_, Error>([b"first\n", found].concat())
        })
        .unwrap();
    let text = world.text("notes.md");
    assert!(text.starts_with("first\n") && text.contains("of another\n"), "{text}");
    assert!(
        text.contains("committed\n") != lost(&file).contains(&"committed".to_owned()),
        "{text}"
    );
}

#[test]
fn lines_that_come_back_never_leave_json_that_does_not_parse() {
    let world = World::new();
    let parses = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let path = world.write("s.json", "{\n  \"a\": 1,\n  \"b\": [\n    1\n  ]\n}\n");
    let ada = world.session(Some("ada"));
    let file = ada.file(&path);
    look(&file);
    let more = "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    {\"c\": 2}\n  ],\n  \"d\": {\n    \"e\": 3\n  }\n}\n";
    let _ = commit(&file, more);
    // Stale, and laid out in another way.
    outside(&path, "{\"a\": 1, \"b\": [1],\n \"x\": 4}\n");
    look(&file);
    let _ = file.heal();
    assert!(parses(&world.text("s.json")), "{}", world.text("s.json"));
    let _ = file.restore_lost();
    assert!(parses(&world.text("s.json")), "{}", world.text("s.json"));
}

#[test]
fn what_was_emptied_is_in_order_when_something_stands_there_again() {
    let world = World::new();
    let path = world.write("notes.md", "a\nb\n");
    let session = world.session(None);
    let file = session.file(&path);
    look(&file);
    write_all(&file, &["\n\n"]);
    let damage = || file.history().unwrap().recent(1).unwrap().remove(0).damage;
    assert_eq!(damage(), Some(Damage::Emptied));
    write_all(&file, &[" \n"]);
    assert_eq!(damage(), Some(Damage::Emptied));
    write_all(&file, &["no JSON, and need be none\n"]);
    assert_eq!(damage(), None);
}
