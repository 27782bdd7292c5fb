//! `ccpar status`: one screen, one line, and what programs read.

use serde_json::Value;

use crate::claims::Agent;
use crate::support::{CCPAR, Home};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn a_first_look_finds_nothing_and_leaves_nothing() {
    let home = Home::new();
    let ran = home.ccpar(&["status"]).ended(0, "0 known files, all in order");
    assert!(ran.stdout.contains("none at work") && ran.stdout.contains("ccpar install"), "{ran:?}");
    let line = home.ccpar(&["status", "--line"]).quiet();
    assert_eq!(line, "ccpar: 0 sessions, all in order\n");
    assert!(!home.path(".claude").exists());
}

#[test]
fn who_is_at_work_and_what_was_done_today_is_told() {
    let home = Home::new();
    let agent = Agent::start();
    let words = ["--session", "s1", "--pid", &agent.pid()];
    home.write("a.md", "one\ntwo\n");
    let of_session = |verb: &[&str]| home.ccpar(&[verb, &words[..]].concat());
    of_session(&["claim", "a.md"]).ended(0, "");
    of_session(&["heartbeat", "--expect", "b.md"]).ended(0, "");
    home.pipe(&["locked-write", "--session", "s1", "a.md"], "one\ntwo\nthree\n").ended(0, "");
    // One of the client's own, that never registered.
    home.sh("mkdir -p .claude/sessions").ended(0, "");
    let start = home.sh(&format!("cut -d' ' -f22 /proc/{}/stat", agent.pid())).stdout;
    home.write(
        ".claude/sessions/9.json",
        format!(
            r#"{{"pid": {}, "sessionId": "0a1b2c3d-aaaa-bbbb-cccc-000000000000", "cwd": "/w",
                "procStart": "{}"}}"#,
            agent.pid(),
            start.trim()
        ),
    );
    let ran = home.ccpar(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in ["2 at work, 1 unguarded", "s1", "claims ~/a.md", "expects ~/b.md", "0a1b2c3d "] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    let all = objects(&home.ccpar(&["status", "--json"]).quiet());
    assert_eq!(of(&all, "session").len(), 2, "{all:?}");
    // What stood there before the first write counts too.
    assert_eq!(of(&all, "today")[0]["written"], 2, "{all:?}");
    assert_eq!(of(&all, "hooks")[0]["state"]["state"], "missing");
    let line = home.ccpar(&["status", "--line"]).quiet();
    assert_eq!(line, "ccpar: 2 sessions, 1 unguarded, 1 claim, all in order\n");
}

#[test]
fn what_needs_somebody_ends_with_one_until_it_is_seen_to() {
    let home = Home::new();
    for text in ["a\nb\nc\nd\n", "a\nb\nc\nd\nfrom one\n"] {
        home.pipe(&["locked-write", "--session", "s1", "n.md"], text).ended(0, "");
    }
    home.write("n.md", "a\nb\nc\nd\nfrom outside\n");
    let ran = home.ccpar(&["status"]).ended(1, "1 known file, 1 to look at");
    assert!(ran.stdout.contains("ccpar lost "), "{ran:?}");
    let line = home.ccpar(&["status", "--line"]);
    assert_eq!((line.code, &*line.stdout), (1, "ccpar: 0 sessions, 1 to look at\n"));
    home.ccpar(&["restore", "--lost", "n.md"]).ended(0, "");
    assert!(home.text("n.md").contains("from one"));
    let line = home.ccpar(&["status", "--line"]);
    assert_eq!((line.code, &*line.stdout), (0, "ccpar: 0 sessions, all in order\n"));
    let ran = home.ccpar(&["status"]).ended(0, "all in order");
    assert!(ran.stdout.contains("1 line overwritten unseen, 1 loss closed"), "{ran:?}");
}

#[test]
fn hooks_that_cannot_work_are_something_to_look_at() {
    let home = Home::new();
    home.ccpar(&["install"]).ended(0, "installed");
    let state = || {
        let all = objects(&home.ccpar(&["status", "--json"]).stdout);
        of(&all, "hooks")[0]["state"]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "installed");
    home.ccpar(&["status"]).ended(0, "all in order");
    let settings = home.text(".claude/settings.json");
    for (text, expected) in [
        (settings.replace(CCPAR, "/gone/ccpar"), "gone"),
        (settings.replacen("\"timeout\": 10", "\"timeout\": 3", 1), "stale"),
        (settings.replacen('{', "{\"disableAllHooks\": true,", 1), "disabled"),
        ("{".to_owned(), "unreadable"),
    ] {
        home.write(".claude/settings.json", &text);
        assert_eq!(state(), expected);
        home.ccpar(&["status"]).ended(1, "to look at");
        let ran = home.ccpar(&["doctor"]).ended(1, "1 problem");
        assert!(ran.stdout.contains("mend with: ccpar install"), "{ran:?}");
    }
    home.write(".claude/settings.json", "{}");
    assert_eq!(state(), "missing");
    home.pipe(&["hook"], "not JSON").ended(0, "");
    home.ccpar(&["doctor"]).ended(0, "note: a hook failed at ");
}

#[test]
fn a_name_cannot_drive_the_terminal_and_a_closed_pipe_is_no_trouble() {
    let home = Home::new();
    home.sh("printf x | ccpar locked-write \"$(printf 'n\\033[31m.md')\"").ended(0, "");
    home.sh("printf 'y' > \"$(printf 'n\\033[31m.md')\"").ended(0, "");
    let ran = home.ccpar(&["status"]);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    home.sh("ccpar status --json | true; exit ${PIPESTATUS:-0}").ended(0, "");
}
