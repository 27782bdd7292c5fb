//! Tools that write by themselves and tell afterwards: what they wrote becomes a
//! version with the base that it was made from, and what it swallowed comes back.

use ccpar_core::history::How;
use ccpar_core::shared_file::{Stood, Wrote};
use ccpar_core::{Base, Commit, Outcome, SharedFile};

use crate::support::{World, look, outside};

const BASE: &str = "# Notes\n\n- one\n- two\n- three\n";

/// What an edit of `over` came to, told after the fact.
fn tell(file: &SharedFile<'_>, over: Stood<'_>, text: &str) -> Commit {
    file.adopt(&Wrote { text: text.as_bytes(), over, base: base(over) }).unwrap()
}

fn base(over: Stood<'_>) -> Base {
    match over {
        Stood::Text(text) => Base::Text(text.to_vec()),
        Stood::Absent | Stood::Unknown => Base::Seen,
    }
}

fn hows(file: &SharedFile<'_>) -> Vec<How> {
    file.history().unwrap().records().unwrap().effective().map(|record| record.how).collect()
}

#[test]
fn a_write_that_nothing_came_between_is_recorded_as_its_authors_and_left_in_place() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let ada = world.session(Some("ada"));
    let file = ada.file(&path);
    look(&file);
    let new = format!("{BASE}- four\n");
    outside(&path, &new);
    let stamp = std::fs::metadata(&path).unwrap().modified().unwrap();
    for outcome in [Outcome::Written, Outcome::Unchanged] {
        let told = tell(&file, Stood::Text(BASE.as_bytes()), &new);
        assert_eq!(told.outcome, outcome);
    }
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), stamp);
    let records = file.history().unwrap().records().unwrap();
    let last = records.effective().next_back().unwrap();
    assert_eq!((last.how, last.session.as_deref()), (How::Hook, Some("ada")));
    assert_eq!(hows(&file).iter().filter(|how| **how == How::Hook).count(), 1);
    assert_eq!(file.seen().unwrap(), None, "the tool was not shown the whole");
}

#[test]
fn of_two_that_wrote_at_once_both_lines_stand_in_whatever_order_they_tell() {
    for looked_between in [false, true] {
        for order in [[0, 1], [1, 0]] {
            let world = World::new();
            let path = world.write("n.md", BASE);
            let sessions = ["ada", "bob"].map(|name| world.session(Some(name)));
            let files = [0, 1].map(|n: usize| sessions[n].file(&path));
            look(&files[0]);
            let texts = ["ada", "bob"].map(|name| format!("{BASE}- by {name}\n"));
            outside(&path, &texts[0]);
            outside(&path, &texts[1]);
            if looked_between {
                look(&files[0]);
            }
            for n in order {
                let _ = tell(&files[n], Stood::Text(BASE.as_bytes()), &texts[n]);
            }
            let text = world.text("n.md");
            assert!(text.starts_with(BASE), "{order:?}: {text}");
            assert!(text.contains("- by ada\n") && text.contains("- by bob\n"), "{order:?} {text}");
            assert!(files[0].losses().unwrap().is_empty(), "{order:?}");
            // To tell again changes nothing.
            for n in order {
                let _ = tell(&files[n], Stood::Text(BASE.as_bytes()), &texts[n]);
                assert_eq!(world.text("n.md"), text);
            }
        }
    }
}

#[test]
fn a_stale_whole_text_is_merged_by_what_its_author_had_seen_and_its_seen_does_not_move() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let [ada, bob] = ["ada", "bob"].map(|name| world.session(Some(name)));
    let (file, other) = (ada.file(&path), bob.file(&path));
    let seen = file.read().unwrap().version();
    let _ = other.append(b"- by bob\n").unwrap();
    let stood = world.text("n.md");
    let mine = BASE.replace("- two\n", "- two, by ada\n");
    outside(&path, &mine);
    let wrote =
        Wrote { text: mine.as_bytes(), over: Stood::Text(stood.as_bytes()), base: Base::Seen };
    let told = file.adopt(&wrote).unwrap();
    assert_eq!(told.outcome, Outcome::Merged);
    assert_eq!(world.text("n.md"), stood.replace("- two\n", "- two, by ada\n"));
    assert!(file.losses().unwrap().is_empty());
    assert_eq!(file.seen().unwrap(), Some(seen));
    assert_eq!(hows(&file)[1..], [How::Append, How::Hook, How::Merge]);
}

#[test]
fn a_text_that_cannot_be_merged_goes_to_a_copy_and_theirs_stays() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let [ada, bob] = ["ada", "bob"].map(|name| world.session(Some(name)));
    let (file, other) = (ada.file(&path), bob.file(&path));
    let _ = file.read().unwrap();
    let by = |name: &str| BASE.replace("- two\n", &format!("- {name} has another two\n"));
    let _ = other.commit(by("bob").as_bytes(), &ccpar_core::CommitOptions::default()).unwrap();
    let (stood, mine) = (by("bob"), by("ada"));
    outside(&path, &mine);
    let wrote =
        Wrote { text: mine.as_bytes(), over: Stood::Text(stood.as_bytes()), base: Base::Seen };
    let told = file.adopt(&wrote).unwrap();
    let Outcome::Conflict { copy, regions: 1 } = told.outcome else { panic!("{told:?}") };
    assert_eq!(world.text("n.md"), by("bob"));
    assert_eq!(std::fs::read_to_string(copy).unwrap(), by("ada"));
    assert!(file.losses().unwrap().is_empty());
}

#[test]
fn what_a_stranger_wrote_before_and_after_is_recorded_and_what_it_swallowed_comes_back() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let ada = world.session(Some("ada"));
    let file = ada.file(&path);
    look(&file);
    // Nobody looked when this was written.
    let stranger = format!("{BASE}- by a stranger\n");
    let mine = format!("{stranger}- by ada\n");
    // Another stranger writes over it, and had not seen it.
    let stale = stranger.replace("- one\n", "- one, twice\n");
    outside(&path, &stale);
    let _ = tell(&file, Stood::Text(stranger.as_bytes()), &mine);
    assert_eq!(world.text("n.md"), mine.replace("- one\n", "- one, twice\n"));
    let kept = hows(&file);
    assert_eq!(kept[1..], [How::Outside, How::Hook, How::Outside, How::Restore], "{kept:?}");
    // Who had seen it and dropped it again is not contradicted.
    let whole = world.text("n.md");
    let dropped = whole.replace("- by ada\n", "");
    outside(&path, &dropped);
    let _ = tell(&file, Stood::Text(whole.as_bytes()), &dropped);
    assert_eq!(world.text("n.md"), dropped);
}

#[test]
fn two_that_created_a_file_at_once_both_stand_in_it() {
    for order in [[0, 1], [1, 0]] {
        let world = World::new();
        let path = world.path("new.md");
        let sessions = ["ada", "bob"].map(|name| world.session(Some(name)));
        let files = [0, 1].map(|n: usize| sessions[n].file(&path));
        let texts = ["# From ada\n\nada's\n", "# From bob\n\nbob's\n"];
        outside(&path, texts[0]);
        outside(&path, texts[1]);
        for n in order {
            let _ = tell(&files[n], Stood::Absent, texts[n]);
        }
        let text = world.text("new.md");
        assert!(text.contains("ada's\n") && text.contains("bob's\n"), "{order:?}: {text}");
    }
}

#[test]
fn a_tool_that_shows_texts_without_their_line_ends_changes_none() {
    let world = World::new();
    let disk = "\u{feff}a\r\nb\r\n";
    let path = world.write("n.md", disk);
    let ada = world.session(Some("ada"));
    let file = ada.file(&path);
    look(&file);
    let shown = file.shown(b"a\nb\n").unwrap();
    assert_eq!(shown.content(), disk.as_bytes());
    let new = format!("{disk}c\r\n");
    outside(&path, &new);
    let told = tell(&file, Stood::Text(b"a\nb\n"), "a\nb\nc\n");
    assert_eq!((told.outcome, world.text("n.md")), (Outcome::Written, new));
    assert_eq!(hows(&file).len(), 2);
}

#[test]
fn a_text_that_was_put_back_is_not_taken_for_one_that_was_seen_before() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let ada = world.session(Some("ada"));
    let file = ada.file(&path);
    look(&file);
    // Another wrote this and has not told yet; it is put back as it was.
    let other = BASE.replace("- one\n", "- 1\n");
    outside(&path, &other);
    outside(&path, BASE);
    let _ = tell(&file, Stood::Text(other.as_bytes()), BASE);
    assert_eq!(world.text("n.md"), BASE);
    assert_eq!(world.names(), ["n.md"], "no conflict copy");
    // Nor with nothing known of what it replaced.
    let _ = file.adopt(&Wrote {
        text: BASE.as_bytes(),
        over: Stood::Unknown,
        base: Base::Text(other.into_bytes()),
    });
    assert_eq!(world.text("n.md"), BASE);
}

#[test]
fn a_file_with_ends_of_its_own_is_merged_in_its_own_form() {
    let world = World::new();
    let dos = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let path = world.write("n.md", dos(BASE));
    let sessions = ["ada", "bob"].map(|name| world.session(Some(name)));
    let files = [0, 1].map(|n: usize| sessions[n].file(&path));
    look(&files[0]);
    let texts = ["ada", "bob"].map(|name| format!("{BASE}- by {name}\n"));
    outside(&path, dos(&texts[0]));
    outside(&path, dos(&texts[1]));
    for n in [0, 1] {
        let _ = tell(&files[n], Stood::Text(BASE.as_bytes()), &texts[n]);
    }
    let text = world.text("n.md");
    assert!(text.starts_with(&dos(BASE)), "{text:?}");
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count(), "{text:?}");
    assert_eq!(text.lines().count(), BASE.lines().count() + 2, "{text:?}");
    assert!(files[0].losses().unwrap().is_empty());
}

#[test]
fn a_file_that_a_tool_shows_otherwise_is_left_as_it_wrote_it() {
    let world = World::new();
    let wide = |text: &str| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect::<Vec<u8>>()
    };
    let path = world.write("s.json", wide("{\"a\": 1}\n"));
    let ada = world.session(Some("ada"));
    let file = ada.file(&path);
    look(&file);
    outside(&path, wide("{\"a\": 2}\n"));
    let _ = tell(&file, Stood::Text(b"{\"a\": 1}\n"), "{\"a\": 2}\n");
    assert_eq!(std::fs::read(&path).unwrap(), wide("{\"a\": 2}\n"));
    let records = file.history().unwrap().records().unwrap();
    let last = records.effective().next_back().unwrap();
    assert_eq!((last.how, last.session.as_deref()), (How::Outside, Some("ada")));
}

#[test]
fn no_claim_of_another_stops_what_comes_back_after_the_fact() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let [ada, bob] = ["ada", "bob"].map(|name| {
        world
            .session(Some(name))
            .with_wait(ccpar_core::Wait::For(std::time::Duration::from_millis(50)))
    });
    let file = ada.file(&path);
    look(&file);
    let terms = ccpar_core::registry::Terms::default();
    bob.registry().claim(std::slice::from_ref(&path), &terms).unwrap();
    let mine = format!("{BASE}- by ada\n");
    let stale = BASE.replace("- one\n", "- one, twice\n");
    outside(&path, &stale);
    let _ = tell(&file, Stood::Text(BASE.as_bytes()), &mine);
    assert_eq!(world.text("n.md"), mine.replace("- one\n", "- one, twice\n"));
}

#[test]
fn what_was_inferred_of_a_text_gives_way_to_what_its_author_tells_later() {
    let world = World::new();
    let first = "a\nb\nc\nd\ne\nf\ng\n";
    let path = world.write("n.md", first);
    let [ada, bob] = ["ada", "bob"].map(|name| world.session(Some(name)));
    let (file, other) = (ada.file(&path), bob.file(&path));
    look(&file);
    let _ = other.update(|_| Ok::<_, ccpar_core::Error>(b"b\nc\nd\ne\nf\ng\nfrom bob\n".to_vec()));
    // As near to the one as to the other: it cannot be told what it was made from.
    let mine = "by ada\nb\nc\nd\ne\nf\ng\n";
    outside(&path, mine);
    look(&file);
    let _ = other.append(b"later\n").unwrap();
    assert!(!world.text("n.md").contains("from bob"));
    for _ in 0..2 {
        let _ = tell(&file, Stood::Text(first.as_bytes()), mine);
        let text = world.text("n.md");
        for line in ["by ada\n", "from bob\n", "later\n"] {
            assert_eq!(text.matches(line).count(), 1, "{line:?}: {text}");
        }
    }
}

#[test]
fn what_was_put_back_stays_whoever_saw_it_and_what_was_written_is_kept() {
    for seen in [false, true] {
        let world = World::new();
        let path = world.write("n.md", BASE);
        let ada = world.session(Some("ada"));
        let file = ada.file(&path);
        look(&file);
        let mine = format!("{BASE}- by ada\n");
        for text in [&*mine, BASE] {
            outside(&path, text);
            if seen {
                look(&file);
            }
        }
        let mut versions = Vec::new();
        for _ in 0..2 {
            let _ = tell(&file, Stood::Text(BASE.as_bytes()), &mine);
            assert_eq!(world.text("n.md"), BASE, "{seen}");
            versions.push(hows(&file).len());
        }
        assert_eq!(versions[0], versions[1], "{seen}: told once");
        let history = file.history().unwrap();
        let kept = history.get(ccpar_core::Version::of(mine.as_bytes())).unwrap();
        assert!(kept.is_some(), "{seen}");
    }
}

#[test]
fn a_file_that_was_removed_meanwhile_takes_nothing_from_what_is_written_anew() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let [ada, bob] = ["ada", "bob"].map(|name| world.session(Some(name)));
    let file = ada.file(&path);
    look(&file);
    let _ = bob.file(&path).remove().unwrap();
    let mine = format!("{BASE}- by ada\n");
    outside(&path, &mine);
    let _ = tell(&file, Stood::Text(BASE.as_bytes()), &mine);
    assert_eq!((world.text("n.md"), world.names()), (mine, vec!["n.md".to_owned()]));
}

#[test]
fn what_a_stale_text_swallowed_was_not_deleted_by_its_author() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let sessions = ["ada", "bob", "eve"].map(|name| world.session(Some(name)));
    let [ada, bob, eve] = [0, 1, 2].map(|n: usize| sessions[n].file(&path));
    look(&ada);
    let second = format!("{BASE}- by bob\n");
    outside(&path, &second);
    let _ = tell(&bob, Stood::Text(BASE.as_bytes()), &second);
    // One who had not seen that, and who has not told yet; then one who had.
    outside(&path, BASE.replace("- one\n", "- one, by ada\n"));
    look(&ada);
    let third = second.replace("- three\n", "- three, by eve\n");
    outside(&path, &third);
    let _ = tell(&eve, Stood::Text(second.as_bytes()), &third);
    let text = world.text("n.md");
    for line in ["- one, by ada\n", "- by bob\n", "- three, by eve\n"] {
        assert!(text.contains(line), "{line:?}: {text}");
    }
}

#[test]
fn a_lost_line_is_not_back_where_a_merge_came_at_once_in_place_of_the_text_that_has_it() {
    let world = World::new();
    let path = world.write("n.md", BASE);
    let [ada, bob] = ["ada", "bob"].map(|name| world.session(Some(name)));
    let (file, other) = (ada.file(&path), bob.file(&path));
    look(&file);
    let _ = other.append(b"- by bob\n").unwrap();
    let seen = world.text("n.md");
    // Put back as it was, by who may have meant that.
    outside(&path, BASE);
    look(&file);
    let named = |file: &SharedFile<'_>| -> Vec<Vec<u8>> {
        let losses = file.losses().unwrap();
        losses.into_iter().flat_map(|loss| loss.lines).map(|line| line.text).collect()
    };
    assert_eq!(named(&file), [b"- by bob"]);
    // A tool that had read what is gone writes, and its text gives way to the merge.
    let mine = format!("{seen}- by ada\n");
    outside(&path, &mine);
    let base = Base::Text(seen.into_bytes());
    let over = Stood::Text(BASE.as_bytes());
    let told = file.adopt(&Wrote { text: mine.as_bytes(), over, base }).unwrap();
    assert_eq!(told.outcome, Outcome::Merged);
    assert_eq!(world.text("n.md"), format!("{BASE}- by ada\n"));
    assert_eq!(named(&file), [b"- by bob"]);
}
