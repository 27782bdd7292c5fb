//! The verbs that look back: what a user types, and gets.

use serde_json::Value;

use crate::support::{CCPAR, Home, run};

pub(crate) fn json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A write by a session, which is merged if it has read.
pub(crate) fn write(home: &Home, path: &str, session: &str, text: &str) {
    home.pipe(&["locked-write", path, "--session", session], text).quiet();
}

/// Milliseconds that pass, so that times differ.
pub(crate) fn tick() {
    std::thread::sleep(std::time::Duration::from_millis(3));
}

/// A stale outside write that swallowed a line of session `ada`.
fn with_a_loss() -> Home {
    let home = Home::new();
    home.pipe(&["locked-write", "my notes.md"], "a\nb\nc\n").quiet();
    home.ccpar(&["locked-read", "my notes.md", "--session", "ada"]).quiet();
    write(&home, "my notes.md", "ada", "a\nb\nc\nfrom ada\n");
    home.write("my notes.md", "a\nb\nc\nmine\n");
    home
}

#[test]
fn log_lists_all_files_or_one_by_time_session_and_number() {
    let home = Home::new();
    write(&home, "a.md", "s", "1\n");
    tick();
    write(&home, "b.md", "t", "2\n");
    tick();
    write(&home, "a.md", "s", "1\n3\n");
    let all = home.ccpar(&["log"]).quiet();
    let rows: Vec<&str> = all.lines().collect();
    assert_eq!(rows.len(), 3, "{all}");
    assert!(rows[0].ends_with("a.md") && rows[1].ends_with("b.md"), "{all}");
    assert_eq!(home.ccpar(&["log", "--session", "t"]).quiet().lines().count(), 1);
    assert_eq!(home.ccpar(&["log", "-n", "1"]).quiet().lines().count(), 1);
    assert_eq!(home.ccpar(&["log", "--since", "1h"]).quiet().lines().count(), 3);
    assert_eq!(home.ccpar(&["log", "."]).quiet(), all);
    home.ccpar(&["log", "--since", "2999-01-01"]).ended(0, "no version is as asked for");
    home.ccpar(&["log", "--since", "soon"]).ended(2, "`soon` is no time");

    let objects = json(&home.ccpar(&["log", "a.md", "--json", "-p"]).quiet());
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["session"], "s");
    assert_eq!(objects[0]["n"], 2);
    assert!(objects[0]["patch"].as_str().unwrap().ends_with("@@ -1 +1,2 @@\n 1\n+3\n"));
    let patch = home.ccpar(&["log", "a.md", "-p", "-n", "1"]).quiet();
    assert!(patch.contains("\n+3\n") && !patch.contains('\u{1b}'), "{patch}");
}

#[test]
fn diff_says_what_changed_and_patch_can_read_it() {
    let home = Home::new();
    for text in ["1\n2\n3\n", "1\nX\n3\n", "1\nX\n3\n4"] {
        home.pipe(&["locked-write", "n.md"], text).quiet();
    }
    let last = home.ccpar(&["diff", "n.md"]).quiet();
    assert!(last.ends_with("\n 3\n+4\n\\ No newline at end of file\n"), "{last}");
    for second in ["@2", "2", "n.md@2"] {
        assert!(home.ccpar(&["diff", "n.md@1", second]).quiet().ends_with("-2\n+X\n 3\n"));
    }
    home.ccpar(&["diff", "n.md@1", "other.md@2"]).ended(2, "no version `other.md@2`");
    assert_eq!(home.ccpar(&["diff", "n.md@3"]).quiet(), "");
    home.sh("ccpar show n.md@1 > old; ccpar diff n.md@1 > d; patch -s old < d; cmp old n.md")
        .quiet();
    let object = &json(&home.ccpar(&["diff", "n.md@1", "3", "--json"]).quiet())[0];
    assert!(object["diff"].as_str().unwrap().contains("+X\n"), "{object}");
    home.ccpar(&["diff", "n.md@9"]).ended(2, "newest is 3");
    home.ccpar(&["diff", "other.md"]).ended(2, "no history");
    // A name may hold an `@` of its own.
    home.pipe(&["locked-write", "n@2"], "x\n").quiet();
    assert!(home.ccpar(&["diff", "n@2"]).quiet().ends_with("+x\n"));
}

#[test]
fn blame_names_session_branch_and_time_of_each_line() {
    let home = Home::new();
    home.sh("mkdir -p .git && echo 'ref: refs/heads/feat/x' > .git/HEAD").quiet();
    write(&home, "n.md", "s", "one\ntwo\n");
    write(&home, "n.md", "t", "zero\none\n");
    home.ccpar(&["restore", "n.md@1"]).quiet();
    home.write("n.md", "one\ntwo\nthree\n");
    let text = home.ccpar(&["blame", "n.md"]).quiet();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].contains("s on feat/x") && rows[0].ends_with("  one"), "{text}");
    assert!(rows[1].contains("s on feat/x") && rows[1].ends_with("  two"), "restored: {text}");
    assert!(rows[2].contains("outside"), "{text}");
    let objects = json(&home.ccpar(&["blame", "n.md@2", "--json"]).quiet());
    let told: Vec<_> = objects.iter().map(|line| (&line["text"], &line["session"])).collect();
    assert_eq!(told, [(&"zero".into(), &"t".into()), (&"one".into(), &"s".into())]);
    home.ccpar(&["blame", "other.md"]).ended(0, "no history");
}

#[test]
fn a_loss_is_named_with_both_authors_and_comes_back_by_the_command_that_is_printed() {
    let home = with_a_loss();
    let ran = home.ccpar(&["lost"]).ended(0, "ccpar restore --lost ");
    assert!(
        ran.stdout.starts_with("my notes.md: 1 line overwritten unseen by version 3 "),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("of session ada") && ran.stdout.ends_with("    from ada\n"),
        "{ran:?}"
    );
    let object = &json(&home.ccpar(&["lost", "my notes.md", "--json"]).quiet())[0];
    assert_eq!(object["lines"][0]["text"], "from ada");
    assert_eq!(object["lines"][0]["writer"]["session"], "ada");
    assert_eq!(object["by"]["how"], "outside");
    let dry = home.ccpar(&["restore", "--lost", "my notes.md", "--dry-run"]).ended(0, "1 line");
    assert_eq!(dry.stdout, "+from ada\n");
    assert_eq!(home.text("my notes.md"), "a\nb\nc\nmine\n");
    let command =
        ran.stderr.lines().last().unwrap().split_once(": ").unwrap().1.split_once(": ").unwrap().1;
    home.sh(command).ended(0, "put back");
    assert_eq!(home.text("my notes.md"), "a\nb\nc\nmine\nfrom ada\n");
    home.sh(command).ended(0, "nothing is lost");
    home.ccpar(&["lost"]).ended(0, "nothing is lost");
    home.ccpar(&["lost", "my note.md"]).ended(0, "`my note.md` has no history");
}

#[test]
fn a_loss_that_was_meant_is_dismissed() {
    let home = with_a_loss();
    home.ccpar(&["lost", "--dismiss"]).ended(2, "required");
    home.ccpar(&["lost", "my notes.md", "--dismiss", "--only", "9"]).ended(0, "no such loss");
    home.ccpar(&["lost", "my notes.md", "--dismiss"]).ended(0, "dismissed 1 loss");
    home.ccpar(&["lost", "my notes.md", "--dismiss"]).ended(0, "no such loss");
    home.ccpar(&["lost"]).ended(0, "nothing is lost");
    assert!(home.ccpar(&["log", "my notes.md"]).quiet().contains("dismiss"));
}

#[test]
fn each_verb_that_looks_says_what_an_outside_writer_swallowed() {
    for words in [
        &["log", "my notes.md"][..],
        &["show", "my notes.md@1"],
        &["diff", "my notes.md"],
        &["blame", "my notes.md"],
        &["locked-read", "my notes.md", "--session", "s"],
    ] {
        let home = with_a_loss();
        let said = "had not seen 1 line; put back with: ccpar restore --lost 'my notes.md'";
        home.ccpar(words).ended(0, said);
        // Once.
        home.ccpar(words).quiet();
    }
}

#[test]
fn status_names_what_needs_somebody_and_nothing_else() {
    let home = with_a_loss();
    home.pipe(&["locked-write", "fine.md"], "k: 1\n").quiet();
    for (name, text) in [("s.json", "{\"a\": 1}\n"), ("e.md", "text\n"), ("gone.md", "x\n")] {
        home.pipe(&["locked-write", name], text).quiet();
    }
    home.ccpar(&["status"]).ended(1, "5 known files, 1 to look at");
    home.write("s.json", "{\"a\": }\n");
    home.write("e.md", "");
    home.sh("rm gone.md").quiet();
    home.write("base.md", "k: 0\n");
    home.pipe(&["locked-write", "fine.md", "--base", "base.md"], "k: 2\n").ended(1, "conflict");
    for again in [false, true] {
        let ran = home.ccpar(&["status"]).ended(1, "5 known files, 4 to look at, 1 to know of");
        for said in [
            "1 line overwritten by somebody who had not seen",
            "no longer parses as JSON",
            "was emptied",
            "was removed, as seen",
            "conflict copy `fine.md.conflict-ours-",
        ] {
            assert!(ran.stdout.contains(said), "{again} {said}: {ran:?}");
        }
    }
    let objects = json(&home.ccpar(&["status", "--json"]).ended(1, "").stdout);
    assert_eq!(objects.iter().filter(|object| object["kind"] == "file").count(), 5);
    // What is damaged or gone comes back by its path alone.
    for (name, text) in [("s.json", "{\"a\": 1}\n"), ("e.md", "text\n"), ("gone.md", "x\n")] {
        home.ccpar(&["restore", name]).ended(0, "was in order");
        assert_eq!(home.text(name), text);
        home.ccpar(&["restore", name]).ended(2, "in order");
    }
    home.sh("rm fine.md.conflict-*; ccpar restore --lost 'my notes.md' 2>&1").quiet();
    home.ccpar(&["status"]).ended(0, "5 known files, all in order");
}

#[test]
fn what_only_shows_works_where_the_history_cannot_be_written() {
    let home = Home::new();
    for text in ["one\n", "two\n"] {
        write(&home, "n.md", "s", text);
    }
    home.write("n.md", "two\nthree\n");
    home.sh("chmod -R a-w .claude/ccpar").quiet();
    for (words, shown) in [
        (&["diff", "n.md@2"][..], " two\n+three\n"),
        (&["restore", "n.md@1", "--dry-run"], "would restore +1 -2     n.md\n"),
        (&["restore", "n.md", "--at", "0s", "--dry-run"], "would restore +0 -1     n.md\n"),
        (&["restore", "--session", "s", "--dry-run"], "would restore +0 -1     n.md\n"),
    ] {
        let Some(ran) = home.bound(words, "") else { break };
        // That it could not be recorded is said.
        let ran = ran.ended(0, "cannot open");
        assert!(ran.stdout.ends_with(shown), "{words:?}: {ran:?}");
    }
    home.sh("chmod -R u+w .claude/ccpar").quiet();
}

#[test]
fn what_could_not_be_looked_at_is_not_called_well() {
    // A target that cannot be read, and one of which nothing can be written down.
    for change in ["chmod 000 n.md", "echo more >> n.md; chmod -R a-w .claude/ccpar"] {
        let home = Home::new();
        write(&home, "n.md", "s", "one\n");
        home.sh(change).quiet();
        for words in [
            &["lost"][..],
            &["lost", "n.md"],
            &["log"],
            &["log", "n.md"],
            &["blame", "n.md"],
            &["diff", "n.md"],
            &["restore", "n.md"],
            &["restore", "--lost", "n.md", "--dry-run"],
            &["status"],
        ] {
            let Some(ran) = home.bound(words, "") else { break };
            let said = if words == ["status"] { "1 to look at" } else { "cannot " };
            let ran = ran.ended(2, said);
            for well in ["nothing is lost", "in order", "no history"] {
                assert!(!ran.stderr.contains(well), "{change} {words:?}: {ran:?}");
            }
        }
        home.sh("chmod -R u+rw .claude/ccpar n.md").quiet();
    }
}

#[test]
fn in_a_folder_that_is_gone_the_losses_are_found() {
    let home = Home::new();
    home.pipe(&["locked-write", "m/n.md"], "a\n").quiet();
    write(&home, "m/n.md", "ada", "a\nfrom ada\n");
    home.write("m/n.md", "a\nmine\n");
    home.ccpar(&["lost", "m"]).ended(0, "ccpar restore --lost");
    home.sh("rm -r m").quiet();
    for folder in ["m", "m/"] {
        let ran = home.ccpar(&["lost", folder]).ended(0, "ccpar restore --lost");
        assert!(ran.stdout.ends_with("    from ada\n"), "{ran:?}");
    }
}

#[test]
fn a_file_that_a_link_took_the_place_of_is_not_forgotten() {
    let home = Home::new();
    for name in ["a.md", "b.md", "memory/n.md", "gone.md"] {
        for n in 1..=2 {
            write(&home, name, "s", &format!("{name} {n}\n"));
        }
    }
    home.sh("rm gone.md").quiet();
    home.ccpar(&["status"]).ended(0, "1 to know of");
    // Only what has not changed for a while is told by its stamp.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    home.ccpar(&["status"]).ended(0, "1 to know of");
    home.sh("rm a.md; ln -s b.md a.md; ln -s b.md gone.md").quiet();
    home.sh("mv memory moved && ln -s moved memory").quiet();
    for _ in 0..2 {
        let ran = home.ccpar(&["status"]).ended(0, "4 known files, 3 to know of");
        for said in [
            "a.md\n        is a link now, to `b.md`\n            mv ",
            "gone.md\n        is a link now, to `b.md`\n",
            "memory/n.md\n        is `moved/n.md` now, through the link `memory`\n",
        ] {
            assert!(ran.stdout.contains(said), "{said}: {ran:?}");
        }
    }
    let objects = json(&home.ccpar(&["status", "--json"]).quiet());
    assert!(objects[1]["linked"].as_str().unwrap().ends_with("/b.md"), "{objects:?}");
    // Among all files each is what it was itself.
    assert_eq!(home.ccpar(&["log"]).quiet().matches("a.md").count(), 2);
    home.ccpar(&["log", "memory"]).ended(0, "no file in `memory` has a history");
    let said = "note: `a.md` is a link now, to `b.md`";
    assert_eq!(home.ccpar(&["show", "a.md@1"]).ended(0, said).stdout, "b.md 1\n");
    let text = home.text("b.md");
    home.ccpar(&["restore", "a.md@1"]).ended(2, "`a.md` is a link now, to `b.md`");
    home.ccpar(&["restore", ".", "--at", "0s"]).ended(0, "links now: 3 files (");
    assert_eq!(home.text("b.md"), text);
    let ran = home.ccpar(&["log", "a.md"]).ended(0, said);
    let own = home.sh(ran.stderr.trim_end().rsplit_once("with: ").unwrap().1);
    assert_eq!(own.stdout.lines().count(), 3, "{own:?}");
    home.ccpar(&["restore", "a.md"]).ended(0, "was in order");
    assert_eq!((home.text("a.md"), home.text("b.md")), ("a.md 2\n".to_owned(), text));
    // A link that was always one is not spoken of.
    home.sh("ln -s b.md always.md").quiet();
    home.ccpar(&["log", "always.md"]).quiet();
}

#[test]
fn a_damaged_history_is_named_and_the_others_are_shown() {
    let home = Home::new();
    for name in ["a.md", "b.md", "c.md"] {
        home.pipe(&["locked-write", name], "x\n").quiet();
    }
    home.sh("for f in .claude/ccpar/history/a.md-*/log.jsonl; do echo junk > $f; done").quiet();
    home.sh("for f in .claude/ccpar/history/b.md-*/log.jsonl; do echo junk >> $f; done").quiet();
    for verb in ["log", "lost"] {
        let ran = home.ccpar(&[verb]).ended(2, "whose history this is cannot be read");
        assert!(ran.stderr.contains("a.md-"), "{ran:?}");
    }
    let ran = home.ccpar(&["log"]).ended(2, "b.md`: line 3 of its log cannot be read");
    assert_eq!(ran.stdout.lines().count(), 2, "{ran:?}");
    let ran = home.ccpar(&["status"]).ended(2, "3 known files");
    assert!(ran.stdout.contains("1 line of its log cannot be read"), "{ran:?}");
}

#[test]
fn colour_is_for_terminals_alone() {
    let home = with_a_loss();
    for words in [&["log"][..], &["log", "-p"], &["lost"], &["status"], &["diff", "my notes.md"]] {
        let ran = home.ccpar(words);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
    let forced =
        |words: &[&str]| run(home.command(CCPAR).args(words).env("CLICOLOR_FORCE", "1"), b"");
    for words in [
        &["log", "my notes.md", "-p"][..],
        &["diff", "my notes.md@1"],
        &["blame", "my notes.md"],
        &["lost", "my notes.md"],
        &["restore", "my notes.md@1", "--dry-run"],
        &["status"],
    ] {
        let objects = json(&forced(&[words, &["--json"]].concat()).stdout);
        assert!(!objects.is_empty(), "{words:?}");
        let plain = objects.iter().all(|object| !object.to_string().contains("\\u001b"));
        assert!(plain, "{words:?}: {objects:?}");
    }
    let ran = forced(&["diff", "my notes.md@1"]);
    assert!(ran.stdout.contains("\u{1b}[32m+mine\u{1b}[0m"), "{ran:?}");
}

#[test]
#[cfg(unix)]
fn the_log_of_a_renamed_file_says_what_it_was() {
    let home = Home::new();
    home.pipe(&["locked-write", "old/sub/n.md"], "a\n").quiet();
    home.pipe(&["locked-write", "other.md"], "a\n").quiet();
    home.sh("mv old new; ccpar status").ended(0, "");
    let log = home.ccpar(&["log", "old/sub/n.md"]).quiet();
    assert!(log.contains("new/sub/n.md` now"), "{log}");
    home.ccpar(&["log", "new/sub/n.md"]).ended(0, "was `old/sub/n.md` before: ccpar log ");
    let ran = home.ccpar(&["log", "other.md"]);
    assert!(!ran.stderr.contains("before"), "{ran:?}");
}
