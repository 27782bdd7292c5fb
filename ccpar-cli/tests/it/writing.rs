//! The verbs that read and write.

use serde_json::Value;

use crate::support::{CCPAR, Home, run};

#[test]
fn it_stands_in_for_the_flock_wrapper() {
    let home = Home::new();
    for text in ["one\n", "", "two\nlines", "x\n"] {
        assert_eq!(home.pipe(&["locked-write", "deep/er/notes.md"], text).quiet(), "");
        assert_eq!(home.text("deep/er/notes.md"), text);
    }
}

#[test]
fn a_session_that_read_is_merged_with_what_came_in_between() {
    let home = Home::new();
    home.write("notes.md", "one\n");
    for session in ["a", "b"] {
        let read = home.ccpar(&["locked-read", "notes.md", "--session", session]);
        assert_eq!(read.quiet(), "one\n");
    }
    home.pipe(&["locked-write", "notes.md", "--session", "a"], "one\na\n").quiet();
    let ran = home.pipe(&["locked-write", "notes.md", "--session", "b", "--json"], "b\none\n");
    let json: Value = serde_json::from_str(&ran.quiet()).unwrap();
    assert_eq!(json["outcome"], "merged");
    assert_eq!(home.text("notes.md"), "b\none\na\n");
    let log = home.ccpar(&["log", "notes.md"]).quiet();
    assert_eq!(log.lines().count(), 3, "{log}");
    assert!(log.lines().next().unwrap().contains("merge"), "{log}");
}

#[test]
fn outside_a_session_the_read_says_which_base_to_pass() {
    let home = Home::new();
    home.write("notes.md", "one\n");
    let read = home.ccpar(&["locked-read", "notes.md"]).ended(0, "--base ");
    let base = read.stderr.trim_end().rsplit(' ').next().unwrap().to_owned();
    home.write("notes.md", "one\nsibling\n");
    home.pipe(&["locked-write", "notes.md", "--base", &base], "zero\none\n").quiet();
    assert_eq!(home.text("notes.md"), "zero\none\nsibling\n");
    // A file that holds the base does as well, and the beginning of a version.
    home.write("base.md", "one\n");
    home.pipe(&["locked-write", "notes.md", "--base", "base.md"], "one\nmore\n").quiet();
    home.pipe(&["locked-write", "notes.md", "--base", &base[..8]], "first\none\n").quiet();
    assert_eq!(home.text("notes.md"), "zero\nfirst\none\nsibling\nmore\n");
    home.pipe(&["locked-write", "notes.md", "--base", "nothing"], "x")
        .ended(2, "neither a version");
}

#[test]
fn in_a_session_of_claude_code_the_session_is_known() {
    let home = Home::new();
    home.write("notes.md", "one\n");
    let ccpar = |words: &[&str], text: &str| {
        run(home.command(CCPAR).args(words).env("CLAUDE_CODE_SESSION_ID", "0f3"), text.as_bytes())
    };
    assert_eq!(ccpar(&["locked-read", "notes.md"], "").quiet(), "one\n");
    home.write("notes.md", "one\nsibling\n");
    ccpar(&["locked-write", "notes.md"], "zero\none\n").quiet();
    assert_eq!(home.text("notes.md"), "zero\none\nsibling\n");
}

#[test]
fn a_text_without_a_base_replaces_and_what_it_swallowed_comes_back_by_one_command() {
    let home = Home::new();
    for text in ["a\nb\nc\n", "a\nb\nc\nfrom a sibling\n"] {
        home.pipe(&["locked-write", "my notes.md"], text).quiet();
    }
    let ran = home.pipe(&["locked-write", "my notes.md"], "a\nb\nc\nmine\n").ended(0, "1 line");
    assert!(ran.stderr.contains("    from a sibling\n"), "{ran:?}");
    let command = "ccpar restore --lost 'my notes.md'";
    assert!(ran.stderr.trim_end().ends_with(command), "{ran:?}");
    home.sh(command).ended(0, "put back");
    assert_eq!(home.text("my notes.md"), "a\nb\nc\nmine\nfrom a sibling\n");
    home.sh(command).ended(0, "nothing is lost");
    let words = ["locked-write", "my notes.md", "--require-base"];
    home.pipe(&words, "x\n").ended(1, "no base");
}

#[test]
fn a_conflict_exits_with_1_and_names_both_files() {
    let home = Home::new();
    home.write("base.md", "value: 1\n");
    home.write("notes.md", "value: 2\n");
    let ran = home.pipe(&["locked-write", "notes.md", "--base", "base.md"], "value: 3\n");
    let ran = ran.ended(1, "`notes.md`: 1 place could not be merged");
    let copy = home.names().into_iter().find(|name| name.contains(".conflict-")).unwrap();
    assert!(ran.stderr.contains(&copy), "{ran:?}");
    assert_eq!(
        (home.text("notes.md"), home.text(&copy)),
        ("value: 2\n".into(), "value: 3\n".into())
    );
    // Nothing of it was merged.
    let status = home.ccpar(&["status"]).ended(1, "1 to look at");
    assert!(status.stdout.contains("written") && !status.stdout.contains("merged"), "{status:?}");
}

#[test]
fn append_edit_show_and_restore() {
    let home = Home::new();
    home.pipe(&["locked-write", "n.md"], "one").quiet();
    home.pipe(&["locked-write", "n.md", "--append"], "two\n").quiet();
    home.ccpar(&["locked-edit", "n.md", "--", "sed", "s/two/2/"]).quiet();
    assert_eq!(home.text("n.md"), "one\n2\n");
    assert_eq!(home.ccpar(&["show", "n.md@2"]).quiet(), "one\ntwo\n");
    home.ccpar(&["restore", "n.md@1"]).quiet();
    assert_eq!(home.text("n.md"), "one");
    home.ccpar(&["restore", "n.md@3"]).quiet();
    assert_eq!(home.text("n.md"), "one\n2\n");
    home.ccpar(&["show", "n.md@9"]).ended(2, "newest is 5");
    home.ccpar(&["show", "n.md"]).ended(2, "path@3");
    home.ccpar(&["log", "other.md"]).ended(0, "no history");
}

#[test]
fn a_failing_filter_changes_nothing_and_its_exit_code_passes_through() {
    let home = Home::new();
    home.write("n.md", "one\n");
    let filter = ["locked-edit", "n.md", "--", "sh", "-c", "echo half; exit 7"];
    home.ccpar(&filter).ended(7, "");
    home.ccpar(&["locked-edit", "n.md", "--", "no-such-filter"]).ended(2, "nothing was changed");
    assert_eq!(home.text("n.md"), "one\n");
    // What a filter leaves running keeps nobody waiting.
    let filter = "cat; sleep 60 2>/dev/null & echo $! > pid";
    home.ccpar(&["locked-edit", "n.md", "--wait", "0", "--", "sh", "-c", filter]).quiet();
    home.pipe(&["locked-write", "n.md", "--wait", "0"], "one\n").quiet();
    home.sh("kill $(cat pid)").quiet();
}

#[test]
fn the_text_is_read_to_its_end_before_the_lock_is_taken() {
    let home = Home::new();
    let slow = "{ echo slow; printf x | ccpar locked-write n.md --wait 0 >&2; } | \
                ccpar locked-write n.md --wait 0";
    home.sh(slow).quiet();
    assert_eq!(home.text("n.md"), "slow\n");
}

#[test]
fn the_clients_own_state_is_declined() {
    let home = Home::new();
    home.write(".claude.json", "{}\n");
    home.sh("ln -s .claude.json linked.md").quiet();
    for path in [".claude.json", "./.claude.json", "linked.md"] {
        home.pipe(&["locked-write", path], "x").ended(2, "Claude Code's own");
    }
    home.ccpar(&["locked-edit", ".claude.json", "--", "cat"]).ended(2, "Claude Code's own");
    assert_eq!(home.text(".claude.json"), "{}\n");
}

#[test]
fn a_reader_that_stops_early_is_no_error() {
    let home = Home::new();
    home.write("n.md", "line\n".repeat(100_000));
    home.sh("ccpar locked-read n.md --session s | head -n 1 > out; exit ${PIPESTATUS:-0}").quiet();
    assert_eq!(home.text("out"), "line\n");
}

#[test]
fn bad_words_are_named() {
    let home = Home::new();
    home.pipe(&["locked-write", "n.md", "--wait", "soon"], "x").ended(2, "number of seconds");
    home.pipe(&["locked-write", "n.md", "--append", "--merge"], "x").ended(2, "--merge");
    home.pipe(&["locked-write", "n.md", "--base", "a", "--append"], "x").ended(2, "--append");
    let mut command = home.command(CCPAR);
    run(command.args(["log", "n.md"]).env_remove("HOME"), b"").ended(2, "set CCPAR_ROOT");
    let mut command = home.command(CCPAR);
    run(command.args(["locked-write", "n"]).env("CCPAR_WAIT", "x"), b"").ended(2, "CCPAR_WAIT");
    home.pipe(&["locked-write", "new/"], "x").ended(2, "names a folder");
    home.pipe(&["locked-write", "new/../n.md"], "x").ended(2, "that does not exist");
    assert!(home.names().is_empty());
}

#[test]
fn a_conflict_is_settled_as_its_hint_says() {
    let home = Home::new();
    home.write("n.md", "a\nb\nc\n");
    let read = |session: &str| home.ccpar(&["locked-read", "--session", session, "n.md"]).quiet();
    let write = |session: &str, text: &str| {
        home.pipe(&["locked-write", "--session", session, "n.md"], text)
    };
    for session in ["one", "two"] {
        read(session);
    }
    write("one", "a\nONE\nc\n").ended(0, "");
    write("two", "a\nTWO\nc\n").ended(1, "then read it anew, write the result");
    assert_eq!(read("two"), "a\nONE\nc\n");
    write("two", "a\nONE TWO\nc\n").quiet();
    assert_eq!(home.text("n.md"), "a\nONE TWO\nc\n");
    home.sh("rm n.md.conflict-*").quiet();
    home.ccpar(&["status"]).ended(0, "all in order");
}
