//! The laws of the merge, in a world that is small enough to walk through: all
//! triples of texts of up to three lines over a heading, two entries and a
//! blank.

use std::collections::BTreeMap;

use ccpar_core::merge::{Merge, Rules};

fn world() -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut longest = texts.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|text| ["# h", "- a", "- b", ""].map(|line| format!("{text}{line}\n")))
            .collect();
        texts.extend(longest.iter().cloned());
    }
    texts
}

fn merge(rules: Rules, base: &str, ours: &str, theirs: &str) -> (String, bool) {
    let merge = Merge::with_rules(rules, base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
    (String::from_utf8(merge.keep_theirs()).unwrap(), merge.is_clean())
}

fn lines(text: &str) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        *count.entry(line).or_default() += 1;
    }
    count
}

const RETRY: &str = "a retry changes nothing";

/// How often each line stands under each heading, blank ones aside.
fn by_heading(text: &str) -> BTreeMap<(&str, &str), usize> {
    let mut heading = "";
    let mut count = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            heading = line;
        }
        *count.entry((heading, line)).or_default() += 1;
    }
    count
}

fn laws_hold(rules: Rules) {
    let world = world();
    let mut broken: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    // Bases of two lines, sides of three.
    for base in world.iter().filter(|base| base.lines().count() <= 2) {
        for ours in &world {
            for (o, t, expected) in [(ours, ours, ours), (base, ours, ours), (ours, base, ours)] {
                assert_eq!(merge(rules, base, o, t), (expected.clone(), true));
            }
            for theirs in &world {
                let story = || format!("{base:?} {ours:?} {theirs:?}");
                let mut check = |law: &'static str, holds: bool| {
                    if !holds {
                        broken.entry(law).or_default().push(story());
                    }
                };
                let (merged, is_clean) = merge(rules, base, ours, theirs);
                check("conflicts are symmetric", is_clean == merge(rules, base, theirs, ours).1);
                if !is_clean {
                    continue;
                }
                for (o, t) in [(ours, &merged), (&merged, theirs)] {
                    let (again, is_clean) = merge(rules, base, o, t);
                    check(RETRY, is_clean && again == merged);
                }
                let (in_ours, in_theirs) = (by_heading(ours), by_heading(theirs));
                check(
                    "under a heading no line stands more often than in either side",
                    // Blocks are kept whole: of plain text, and where both added one line
                    // in blocks of their own at two places.
                    rules == Rules::Lines
                        || by_heading(&merged).iter().all(|(line, count)| {
                            let [o, t] = [&in_ours, &in_theirs]
                                .map(|side| side.get(line).copied().unwrap_or_default());
                            let [total_o, total_t, total] = [&**ours, theirs, &merged]
                                .map(|text| text.lines().filter(|other| *other == line.1).count());
                            let in_base = base.lines().filter(|other| *other == line.1).count();
                            *count <= o.max(t)
                                || total <= total_o.max(total_t)
                                || !base.is_empty() && total_o > in_base && total_t > in_base
                        }),
                );
                let adds = |side: &str| {
                    let mut lines = side.lines();
                    base.lines().all(|line| lines.any(|kept| kept == line))
                };
                let only_adds = (adds(ours), adds(theirs));
                let [b, o, t, m] = [base, ours, theirs, &merged].map(|text| lines(text));
                let count =
                    |of: &BTreeMap<&str, usize>, line: &str| of.get(line).copied().unwrap_or(0);
                for line in ["# h", "- a", "- b"] {
                    let [b, o, t, m] = [&b, &o, &t, &m].map(|of| count(of, line));
                    check("what a side added is there", m >= 1 || o <= b && t <= b);
                    check(
                        "no line stands more often than added",
                        m <= b + o.saturating_sub(b) + t.saturating_sub(b),
                    );
                    let gone = |b: usize, one: usize, two: usize| b > 0 && one == 0 && two <= b;
                    check(
                        "what one side deleted and the other left alone is gone",
                        !(m > 0 && (gone(b, o, t) && only_adds.1 || gone(b, t, o) && only_adds.0)),
                    );
                }
            }
        }
    }
    for (law, stories) in &broken {
        println!("{law}: {} broken, as in", stories.len());
        for story in stories.iter().take(6) {
            println!("    {story}");
        }
    }
    assert!(broken.is_empty());
}

#[test]
fn the_laws_hold_for_markdown() {
    laws_hold(Rules::Markdown);
}

#[test]
fn the_laws_hold_for_lines() {
    laws_hold(Rules::Lines);
}
