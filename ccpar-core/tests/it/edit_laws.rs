//! The laws of the merge over texts of a page, edited by chance as people edit
//! them: lines added, dropped, reworded, moved, indented; with any line ends.

use std::collections::HashSet;

use ccpar_core::merge::{Merge, Rules};
use proptest::collection::vec;
use proptest::prelude::*;

/// What lines there are.
const NOTES: [&str; 24] = [
    "# h",
    "## a",
    "## b",
    "- [A](a.md) one",
    "- [B](b.md) two",
    "- [C](c.md) three",
    "",
    "",
    "",
    "text of some words here",
    "other words in a text",
    "1. x",
    "2. y",
    "3. z",
    "  - child one",
    "  - child two",
    "| a | b |",
    "|---|---|",
    "| c | d |",
    "```",
    "key: 1",
    " ",
    "---",
    "\t",
];
const LETTERS: [&str; 7] = ["a", "b", "c", "d", "", " ", "\t"];

#[derive(Debug, Clone)]
enum Edit {
    Add(usize, Vec<&'static str>),
    Drop(usize, usize),
    Reword(usize, &'static str),
    Indent(usize),
    Move(usize, usize, usize),
}

fn line() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => prop::sample::select(&NOTES[..]), 1 => prop::sample::select(&LETTERS[..])]
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = 0..40_usize;
    prop_oneof![
        (place.clone(), vec(line(), 1..4)).prop_map(|(at, lines)| Edit::Add(at, lines)),
        (place.clone(), 1..3_usize).prop_map(|(at, count)| Edit::Drop(at, count)),
        (place.clone(), prop::sample::select(&[" more", " x", "!"][..]))
            .prop_map(|(at, more)| Edit::Reword(at, more)),
        place.clone().prop_map(Edit::Indent),
        (place.clone(), 1..3_usize, place).prop_map(|(at, count, to)| Edit::Move(at, count, to)),
    ]
}

fn edited(base: &[String], edits: &[Edit]) -> Vec<String> {
    let mut lines = base.to_vec();
    for edit in edits {
        let place = |at: usize| at % (lines.len() + 1);
        match edit {
            Edit::Add(at, new) => {
                let at = place(*at);
                lines.splice(at..at, new.iter().map(|line| (*line).to_owned()));
            }
            Edit::Drop(at, count) => {
                let at = place(*at);
                lines.drain(at..(at + count).min(lines.len()));
            }
            Edit::Reword(at, more) => {
                let at = place(*at);
                lines[at..].iter_mut().take(1).for_each(|line| line.push_str(more));
            }
            Edit::Indent(at) => {
                let at = place(*at);
                lines[at..].iter_mut().take(1).for_each(|line| line.insert_str(0, "  "));
            }
            Edit::Move(at, count, to) => {
                let at = place(*at);
                let moved: Vec<String> = lines.drain(at..(at + count).min(lines.len())).collect();
                let to = to % (lines.len() + 1);
                lines.splice(to..to, moved);
            }
        }
    }
    lines
}

/// How a text is put together from its lines.
type Ends = (bool, bool);

fn text(lines: &[String], (is_crlf, newline_at_end): Ends) -> Vec<u8> {
    let newline = if is_crlf { "\r\n" } else { "\n" };
    let mut text = lines.join(newline);
    if newline_at_end && !lines.is_empty() {
        text.push_str(newline);
    }
    text.into_bytes()
}

fn ends() -> impl Strategy<Value = Ends> {
    (prop::bool::weighted(0.1), prop::bool::weighted(0.9))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let black = |line: &&[u8]| !line.is_empty();
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(black)
}

fn laws_hold(rules: Rules, [base, ours, theirs]: [&[u8]; 3]) -> Result<(), TestCaseError> {
    let merge = |base, ours, theirs| Merge::with_rules(rules, base, ours, theirs);
    for (o, t, expected) in [(ours, ours, ours), (base, theirs, theirs), (ours, base, ours)] {
        let merged = merge(base, o, t);
        prop_assert!(merged.is_clean(), "only one changed it");
        prop_assert_eq!(&*merged.keep_theirs(), expected, "only one changed it");
    }
    let merged = merge(base, ours, theirs);
    prop_assert_eq!(merged.is_clean(), merge(base, theirs, ours).is_clean(), "symmetry");
    if !merged.is_clean() {
        return Ok(());
    }
    let text = merged.keep_theirs();
    for (o, t) in [(ours, &text[..]), (&text, theirs)] {
        let again = merge(base, o, t);
        prop_assert!(again.is_clean(), "a retry is a conflict");
        prop_assert_eq!(&again.keep_theirs(), &text, "a retry changes nothing");
    }
    // Nothing that a side added is lost, and nothing comes from nowhere.
    let [b, o, t, m] = [base, ours, theirs, &text].map(|text| lines(text).collect::<HashSet<_>>());
    let is_number = |line: &[u8]| line.first().is_some_and(u8::is_ascii_digit);
    for line in o.union(&t).filter(|line| !is_number(line)) {
        let is_new = !b.contains(line);
        prop_assert!(!is_new || m.contains(line), "{} is lost", line.escape_ascii());
    }
    for line in m.iter().filter(|line| !is_number(line)) {
        prop_assert!(o.contains(line) || t.contains(line), "{} is new", line.escape_ascii());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_laws_hold_for_pages(
        base in vec(line(), 0..30),
        by_ours in vec(edit(), 1..5),
        by_theirs in vec(edit(), 1..5),
        ends in [ends(), ends(), ends()],
    ) {
        let base: Vec<String> = base.into_iter().map(str::to_owned).collect();
        let sides = [base.clone(), edited(&base, &by_ours), edited(&base, &by_theirs)];
        let texts = [0, 1, 2].map(|n| text(&sides[n], ends[n]));
        for rules in [Rules::Lines, Rules::Markdown] {
            laws_hold(rules, texts.each_ref().map(Vec::as_slice)).map_err(|error| {
                let texts = texts.each_ref().map(|text| String::from_utf8_lossy(text));
                TestCaseError::fail(format!("{rules:?}: {error}: {texts:#?}"))
            })?;
        }
    }
}

/// What entries of a list look like that are much alike, given two numbers.
const FORMS: [fn(usize, usize) -> String; 4] = [
    // All link to one page.
    |w, n| format!("- [w{w}-{n}](x.md)"),
    |w, n| format!("- [w{w}-{n}](x.md): w{w} wrote this, and it is number {n}"),
    // Each has a page of its own.
    |w, n| format!("- [w{w}-{n}](w{w}-{n}.md): w{w} wrote this, and it is number {n}"),
    |w, n| format!("| [w{w}-{n}](x.md) | w{w} wrote this, and it is number {n} |"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_entry_is_taken_for_another_wording_of_one_that_is_much_like_it(
        form in prop::sample::select(&FORMS[..]),
        base in vec((0..4_usize, 780..783_usize), 0..5),
        kept in [vec(any::<bool>(), 5), vec(any::<bool>(), 5)],
        added in [vec((0..4_usize, 780..784_usize, 0..6_usize), 0..4), vec((0..4_usize, 780..784_usize, 0..6_usize), 0..4)],
    ) {
        let base: Vec<String> = base.into_iter().map(|(w, n)| form(w, n)).collect();
        let [ours, theirs] = [0, 1].map(|side| {
            let mut lines: Vec<String> = base
                .iter()
                .zip(&kept[side])
                .filter(|(_, kept)| **kept)
                .map(|(line, _)| line.clone())
                .collect();
            for &(w, n, at) in &added[side] {
                lines.insert(at.min(lines.len()), form(w, n));
            }
            lines
        });
        let texts = [&base, &ours, &theirs].map(|lines| text(lines, (false, true)));
        let merge = Merge::with_rules(Rules::Markdown, &texts[0], &texts[1], &texts[2]);
        let merged = merge.keep_theirs();
        let merged: HashSet<&[u8]> = lines(&merged).collect();
        let in_conflict: HashSet<&[u8]> =
            merge.conflicts().flat_map(|region| merge.sides(region)[1]).copied().collect();
        for line in ours.iter().chain(&theirs).filter(|line| !base.contains(line)) {
            let is_there = merged.contains(line.as_bytes()) || in_conflict.contains(line.as_bytes());
            prop_assert!(is_there, "{line} is lost: {base:#?} {ours:#?} {theirs:#?}");
        }
    }
}
