use super::*;

fn merge(base: &str, ours: &str, theirs: &str) -> (String, bool) {
    let merge = Merge::new(base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
    (String::from_utf8(merge.keep_theirs()).unwrap(), merge.is_clean())
}

fn clean(base: &str, ours: &str, theirs: &str) -> String {
    let (text, clean) = merge(base, ours, theirs);
    assert!(clean, "a conflict, with theirs: {text:?}");
    text
}

#[test]
fn two_additions_at_one_place_are_both_kept_theirs_first() {
    assert_eq!(clean("a\n", "a\no\n", "a\nt\n"), "a\nt\no\n");
    assert_eq!(clean("", "o\n", "t\n"), "t\no\n");
}

#[test]
fn a_block_that_the_other_addition_holds_is_taken_once() {
    assert_eq!(clean("a\n", "a\nx\n", "a\nx\ny\n"), "a\nx\ny\n");
    assert_eq!(clean("a\n", "a\nw\nx\ny\n", "a\nx\n"), "a\nw\nx\ny\n");
}

#[test]
fn an_edit_against_a_deletion_is_a_conflict_that_keeps_theirs() {
    assert_eq!(merge("a\nb\nc\n", "a\nB\nc\n", "a\nc\n"), ("a\nc\n".to_owned(), false));
}

#[test]
fn a_missing_newline_at_the_end_glues_nothing() {
    assert_eq!(clean("a", "a\no", "a\nt"), "a\nt\no");
    assert_eq!(clean("a", "a\no\n", "a\nt"), "a\nt\no\n");
    assert_eq!(clean("a\n", "a\no", "t\na\n"), "t\na\no");
}

#[test]
fn crlf_and_bytes_that_are_no_text_come_through() {
    assert_eq!(clean("a\r\nb\r\n", "a\r\nb\r\nc\r\n", "z\r\na\r\nb\r\n"), "z\r\na\r\nb\r\nc\r\n");
    // Who changed the ends of the lines decides, and nothing else changes by it.
    assert_eq!(clean("a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\nc\n"), "a\r\nc\r\n");
    assert_eq!(clean("a\nb\nc\n", "a\nc\n", "a\r\nb\r\nc\r\nd\r\n"), "a\r\nc\r\nd\r\n");
    assert_eq!(clean("a\r\nb", "a\r\nb\r\no", "t\r\na\r\nb"), "t\r\na\r\nb\r\no");
    assert_eq!(clean("a\r\nb", "a\nb\n", "a\r\nb\r\nt"), "a\nb\nt\n");
    assert_eq!(clean("a", "a\r\no\r\n", "t\na"), "t\na\no\n");
    // Where a text has both, the ends are part of its lines.
    assert_eq!(clean("a\r\nb\n", "a\r\nb\no\n", "t\r\na\r\nb\n"), "t\r\na\r\nb\no\n");
    let merge = Merge::new(b"a\r\n", b"o\r\n", b"t\r\n");
    let marked = merge.with_markers(Markers::default());
    assert!(marked.split_inclusive(|byte| *byte == b'\n').all(|line| line.ends_with(b"\r\n")));
    let merge = Merge::new(b"\xff\n", b"\xff\n\xfe", b"\x00\n\xff\n");
    assert_eq!(merge.keep_theirs(), b"\x00\n\xff\n\xfe");
}

#[test]
fn markers_follow_the_styles_of_git() {
    let merge = Merge::new(b"a\nb\nc\n", b"a\no\nc\n", b"a\nt\nc");
    let plain = merge.with_markers(Markers::default());
    assert_eq!(
        String::from_utf8(plain).unwrap(),
        "a\n<<<<<<< ours\no\n=======\nt\n>>>>>>> theirs\nc\n"
    );
    let diff3 = Markers { size: 3, diff3: true, labels: ["b", "o\n", "t"] };
    assert_eq!(
        String::from_utf8(merge.with_markers(diff3)).unwrap(),
        "a\n<<< o \no\n||| b\nb\n===\nt\n>>> t\nc\n"
    );
}

#[test]
fn entries_that_link_to_one_page_are_not_taken_for_each_other() {
    let list = |names: &[&str]| -> String {
        let entries: Vec<String> = names.iter().map(|name| format!("- [{name}](x.md)\n")).collect();
        entries.concat()
    };
    let base = list(&["w0-783", "w7-782", "w10-781"]);
    let ours = list(&["w0-783", "w10-781", "w7-783"]);
    let theirs = list(&["w7-782", "w10-782", "w9-736"]);
    let merge =
        Merge::with_rules(Rules::Markdown, base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
    let merged = String::from_utf8(merge.keep_theirs()).unwrap();
    assert!(merged.contains("[w10-782]") && merged.contains("[w9-736]"), "{merged}");

    // Nor are two that each have a page of their own, however much they are alike.
    let entry =
        |w, n| format!("- [w{w}-{n}](w{w}-{n}.md): w{w} wrote this, and it is number {n}\n");
    let [base, ours, theirs] = [entry(7, 782), entry(10, 781), entry(10, 782)];
    let merge =
        Merge::with_rules(Rules::Markdown, base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
    let conflicts: Vec<_> = merge.conflicts().map(|region| merge.sides(region)).collect();
    assert_eq!(merge.keep_theirs(), theirs.as_bytes());
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");

    // The same entry in two wordings, of which one has the other's change, still is one.
    let base = b"- [a](a.md): the quick brown fox\n";
    let ours = b"- [a](a.md): a quick brown dog\n";
    let theirs = b"- [a](a.md): a quick brown fox\n";
    let merge = Merge::with_rules(Rules::Markdown, base, ours, theirs);
    assert!(merge.is_clean() && merge.keep_theirs() == ours);
}

/// All triples of texts of up to three different lines over three letters,
/// with and without a newline at the end.
#[test]
fn the_laws_hold_in_a_tiny_world() {
    let mut texts: Vec<Vec<&str>> = vec![Vec::new()];
    for _ in 0..3 {
        for text in texts.clone() {
            let new = ["a", "b", "c"].into_iter().filter(|line| !text.contains(line));
            texts.extend(new.map(|line| [&text[..], &[line]].concat()));
        }
        texts.sort();
        texts.dedup();
    }
    let world: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            let text = text.join("\n");
            if text.is_empty() { vec![text] } else { vec![format!("{text}\n"), text] }
        })
        .collect();
    for base in &world {
        for ours in &world {
            assert_eq!(clean(base, ours, ours), *ours, "{base:?} {ours:?} twice");
            assert_eq!(clean(base, base, ours), *ours, "{base:?}, theirs {ours:?}");
            assert_eq!(clean(base, ours, base), *ours, "{base:?}, ours {ours:?}");
            for theirs in &world {
                let (merged, is_clean) = merge(base, ours, theirs);
                let (_, mirrored) = merge(base, theirs, ours);
                assert_eq!(is_clean, mirrored, "{base:?} {ours:?} {theirs:?}");
                // A side that only adds keeps all of base, in its order.
                let adds = |side: &str| {
                    let mut lines = side.lines();
                    base.lines().all(|line| lines.any(|kept| kept == line))
                };
                if is_clean && adds(ours) && adds(theirs) {
                    let again = clean(base, ours, &merged);
                    assert_eq!(again, merged, "{base:?} {ours:?} {theirs:?} retried");
                }
            }
        }
    }
}

#[test]
fn a_section_that_was_moved_is_the_same_one_if_most_of_it_is() {
    let section = |name: &str, lines: usize| {
        let lines = (0..lines).map(|n| format!("{name} says the {n} thing\n\n"));
        lines.fold(format!("# {name}\n\n"), |text, line| text + &line)
    };
    let (one, two) = (section("One", 9), section("Two", 14));
    let mine = one.replace("One says the 4 thing", "quite another");
    let mine = mine.replace("One says the 7 thing", "and something else");
    let edited = |text: &str| text.replace("One says the 0 thing", "One says the first thing");
    let [base, ours, theirs] = [(&one, &two), (&two, &mine), (&edited(&one), &two)]
        .map(|(first, second)| format!("{first}{second}# End\n"));
    let three = [base.as_bytes(), ours.as_bytes(), theirs.as_bytes()];
    let merge = Merge::with_rules(Rules::Markdown, three[0], three[1], three[2]);
    assert!(merge.is_clean());
    let merged = String::from_utf8(merge.keep_theirs()).unwrap();
    assert_eq!(merged, format!("{two}{}# End\n", edited(&mine)));
}
