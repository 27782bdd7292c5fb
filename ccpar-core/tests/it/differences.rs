//! What git says of the same merges: where ccpar differs, and why.
//!
//! The table of the cases in which they differ stands in the documentation; with
//! `CCPAR_BLESS` set, the test writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ccpar_core::merge::{Merge, Resolution, Rule, Rules};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A case of which peers are known to make a mess, and what ccpar makes of it;
/// `None` is a conflict.
struct Case {
    name: &'static str,
    texts: [&'static str; 3],
    expected: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        name: "both add an entry at one place",
        texts: ["- a\n", "- a\n- ours\n", "- a\n- theirs\n"],
        expected: Some("- a\n- ours\n- theirs\n"),
    },
    Case {
        name: "both edit an entry, neighbours",
        texts: ["- a: 1\n- b: 1\n", "- a: 2\n- b: 1\n", "- a: 1\n- b: 2\n"],
        expected: Some("- a: 2\n- b: 2\n"),
    },
    Case {
        name: "two new sections share an entry",
        texts: ["# N\n", "# N\n\n## O\n\n- same\n- o\n", "# N\n\n## T\n\n- same\n- t\n"],
        expected: Some("# N\n\n## O\n\n- same\n- o\n\n## T\n\n- same\n- t\n"),
    },
    Case {
        name: "both open the same section",
        texts: ["# N\n", "# N\n\n## Today\n\n- o\n", "# N\n\n## Today\n\n- t\n"],
        expected: Some("# N\n\n## Today\n\n- o\n- t\n"),
    },
    Case {
        name: "one deletes an entry, the other adds below it",
        texts: ["- a\n- b\n", "- b\n", "- a\n- b\n- c\n"],
        expected: Some("- b\n- c\n"),
    },
    Case {
        name: "one edits what the other deletes",
        texts: ["- a: 1\n- b\n", "- a: 2\n- b\n", "- b\n"],
        expected: None,
    },
    Case {
        name: "both edit one entry",
        texts: ["- a: 1\n", "- a: 2\n", "- a: 3\n"],
        expected: None,
    },
    Case {
        name: "one moves an entry that the other edits",
        texts: ["- a: 1\n- b\n- c\n", "- b\n- c\n- a: 1\n", "- a: 2\n- b\n- c\n"],
        expected: Some("- b\n- c\n- a: 2\n"),
    },
    Case {
        name: "both move one entry",
        texts: ["- a\n- b\n- c\n- d\n", "- b\n- c\n- d\n- a\n", "- b\n- a\n- c\n- d\n"],
        expected: Some("- b\n- c\n- d\n- a\n"),
    },
    Case {
        name: "both add the same entry in two places of a list",
        texts: ["- a\n- b\n- c\n", "- a\n- x\n- b\n- c\n", "- a\n- b\n- x\n- c\n"],
        expected: Some("- a\n- x\n- b\n- c\n"),
    },
    Case {
        name: "both add to a numbered list",
        texts: ["1. a\n2. b\n", "1. a\n2. b\n3. ours\n", "1. a\n2. b\n3. theirs\n"],
        expected: Some("1. a\n2. b\n3. ours\n4. theirs\n"),
    },
    Case {
        name: "both write the same prose",
        texts: ["a\n", "a\n\nprose\n", "a\n\nprose\n"],
        expected: Some("a\n\nprose\n"),
    },
    Case {
        name: "a stamp that every write renews",
        texts: [
            "---\nmodified: 1\n---\none\n",
            "---\nmodified: 3\n---\none\ntwo\n",
            "---\nmodified: 2\n---\nzero\none\n",
        ],
        expected: Some("---\nmodified: 3\n---\nzero\none\ntwo\n"),
    },
    Case {
        name: "no newline at the end, both append",
        texts: ["- a", "- a\n- o", "- a\n- t"],
        expected: Some("- a\n- o\n- t"),
    },
    Case {
        name: "an index made anew, an entry added by hand",
        texts: ["# I\n\n- a\n- b\n", "# I\n\n- a\n- b\n- c\n", "# I\n\n- a\n- hand\n- b\n"],
        expected: Some("# I\n\n- a\n- hand\n- b\n- c\n"),
    },
];

fn ccpar(texts: [&str; 3]) -> Option<String> {
    let [base, ours, theirs] = texts.map(str::as_bytes);
    let merge = Merge::ours_first(Rules::Markdown, base, ours, theirs);
    merge.is_clean().then(|| String::from_utf8(merge.keep_theirs()).unwrap())
}

/// What `git merge-file` makes of it; without `union`, `None` is a conflict.
#[expect(clippy::disallowed_methods, reason = "a folder of the test's own")]
fn git(folder: &Path, texts: [&str; 3], union: bool) -> Option<String> {
    let paths = ["base", "ours", "theirs"].map(|name| folder.join(name));
    for (path, text) in paths.iter().zip(texts) {
        fs::write(path, text).unwrap();
    }
    let [base, ours, theirs] = paths;
    let mut git = Command::new("git");
    git.args(["merge-file", "-p", "-q"]).args(union.then_some("--union"));
    let ran = git.args([ours, base, theirs]).stderr(Stdio::inherit()).output().unwrap();
    ran.status.success().then(|| String::from_utf8(ran.stdout).unwrap())
}

fn has_git() -> bool {
    let there = Command::new("git").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("SKIPPED: no git to compare with");
    }
    there
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the table in the sources, if asked")]
fn the_table_of_differences_is_as_documented() {
    if !has_git() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::from(
        "| | base | ours | theirs | git | `--union` | ccpar |\n|---|---|---|---|---|---|---|\n",
    );
    for Case { name, texts, expected } in CASES {
        let merged = ccpar(*texts);
        assert_eq!(merged.as_deref(), *expected, "{name}");
        let by_git = git(folder.path(), *texts, false);
        let by_union = git(folder.path(), *texts, true);
        let cell = |text: Option<&str>| match text {
            Some(text) => {
                let lines = text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
                    Some("") => "⏎".to_owned(),
                    Some(line) => format!("`{line}`"),
                    None => format!("`{line}` (no newline)"),
                });
                lines.collect::<Vec<_>>().join("<br>")
            }
            None => "conflict".to_owned(),
        };
        let [base, ours, theirs] = texts.map(|text| cell(Some(text)));
        let [by_git, by_union, merged] =
            [by_git, by_union, merged].map(|text| cell(text.as_deref()));
        if by_git != merged || by_union != merged {
            let _ = writeln!(
                table,
                "| {name} | {base} | {ours} | {theirs} | {by_git} | {by_union} | {merged} |"
            );
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/merge/differences.md");
    if std::env::var_os("CCPAR_BLESS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), table, "run with CCPAR_BLESS=1");
}

/// What looks alike is not the same, and stands in the merge twice.
#[test]
fn what_only_looks_alike_is_kept_twice() {
    for (one, two) in [
        ("```\nprint('a b')\n```\n", "```\nprint('ab')\n```\n"),
        ("- port: 80\n", "- port: 8080\n"),
        ("- a: use not able\n", "- a: use notable\n"),
        ("- delta\n", "1. delta\n"),
    ] {
        let [base, ours, theirs] =
            [String::new(), one.to_owned(), two.to_owned()].map(|added| format!("# P\n\n{added}"));
        let merged = ccpar([&base, &ours, &theirs]).unwrap();
        for line in one.lines().chain(two.lines()) {
            assert!(merged.lines().any(|other| other == line), "{line} is lost: {merged}");
        }
    }
}

#[test]
fn two_tables_at_one_place_are_kept_whole() {
    let ours = "x\n\n| k | v |\n|---|---|\n| a | 1 |\n";
    let theirs = "x\n\n| n | w |\n|---|---|\n| b | 1 |\n";
    let both = "x\n\n| k | v |\n|---|---|\n| a | 1 |\n\n| n | w |\n|---|---|\n| b | 1 |\n";
    assert_eq!(ccpar(["x\n", ours, theirs]).as_deref(), Some(both));
    let same_head = "x\n\n| k | v |\n|---|---|\n| b | 2 |\n";
    let one_table = "x\n\n| k | v |\n|---|---|\n| a | 1 |\n| b | 2 |\n";
    assert_eq!(ccpar(["x\n", ours, same_head]).as_deref(), Some(one_table));
}

#[test]
fn a_move_is_kept_where_the_other_side_only_adds() {
    let base = "- a\n- b\n- c\n- d\n";
    let merged = ccpar([base, "- c\n- d\n- a\n- b\n", "- a\n- b\n- z\n- c\n- d\n"]).unwrap();
    let places = ["- c", "- d", "- a", "- b"].map(|line| merged.lines().position(|l| l == line));
    assert!(places.is_sorted() && merged.contains("- z\n"), "{merged}");
}

/// Small texts of headings, entries and prose, and what two sides made of them.
fn texts() -> impl Strategy<Value = [String; 3]> {
    let line = prop::sample::select(vec![
        "# h",
        "## i",
        "- a",
        "- b",
        "- c: 1",
        "- c: 2",
        "prose one",
        "prose two",
        "",
    ]);
    let edit = (0_usize..3, 0_usize..12, line.clone());
    let edits = || prop::collection::vec(edit.clone(), 1..3);
    (prop::collection::vec(line, 3..12), edits(), edits()).prop_map(|(base, ours, theirs)| {
        let apply = |edits: Vec<(usize, usize, &'static str)>| {
            let mut lines = base.clone();
            for (kind, at, line) in edits {
                let at = at % (lines.len() + 1);
                match kind {
                    0 => lines.insert(at, line),
                    1 if at < lines.len() => drop(lines.remove(at)),
                    _ if at < lines.len() => lines[at] = line,
                    _ => lines.push(line),
                }
            }
            lines
        };
        let text = |lines: Vec<&str>| lines.iter().flat_map(|line| [*line, "\n"]).collect();
        [text(base.clone()), text(apply(ours)), text(apply(theirs))]
    })
}

/// What git merges cleanly comes out the same, but for what these reasons cover.
#[test]
fn what_git_merges_cleanly_comes_out_the_same_or_there_is_a_reason() {
    if !has_git() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = Config { failure_persistence: None, ..Config::with_cases(400) };
    let seen = std::cell::Cell::new((0, 0));
    let test = |texts: [String; 3]| {
        let texts = texts.each_ref().map(String::as_str);
        let Some(by_git) = git(folder.path(), texts, false) else { return Ok(()) };
        let [base, ours, theirs] = texts.map(str::as_bytes);
        let merge = Merge::ours_first(Rules::Markdown, base, ours, theirs);
        let text = String::from_utf8(merge.keep_theirs()).unwrap();
        let (clean, differing) = seen.get();
        if merge.is_clean() && text == by_git {
            seen.set((clean + 1, differing));
            return Ok(());
        }
        seen.set((clean, differing + 1));
        let repeats = texts.iter().any(|text| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            lines.windows(2).any(|two| two[0] == two[1])
        });
        let count = |text: &str, line: &str| text.lines().filter(|other| *other == line).count();
        let most = |line: &str| count(texts[1], line).max(count(texts[2], line));
        let is_doubled = by_git.lines().any(|line| count(&by_git, line) > most(line));
        let is_followed = merge.regions().iter().any(|region| {
            matches!(
                region.resolution,
                Resolution::Merged(Rule::Moved | Rule::Blanks | Rule::BothAdded | Rule::Held, _)
            )
        });
        // 1. A line that repeats: which one a side meant is a guess.
        // 2. Git doubled what both added or moved.
        // 3. An entry was followed to where it was moved, or blank lines were settled.
        prop_assert!(
            repeats || is_doubled || is_followed,
            "{texts:?}\ngit: {by_git:?}\nccpar: {text:?}, clean: {}",
            merge.is_clean()
        );
        Ok(())
    };
    TestRunner::new(config).run(&texts(), test).unwrap();
    let (same, differing) = seen.get();
    assert!(same > 3 * differing, "{same} the same, {differing} not");
}
