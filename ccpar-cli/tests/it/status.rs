//! `ccpar status`: one screen, one line, and what programs read.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::claims::Agent;
use crate::support::{CCPAR, Home, run, there_is};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn a_first_look_finds_nothing_and_leaves_nothing() {
    let home = Home::new();
    let ran = home.ccpar(&["status"]).ended(0, "no files are known yet");
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
    let name = "my notes/it's.md";
    for text in ["a\nb\nc\nd\n", "a\nb\nc\nd\nfrom one\n"] {
        home.pipe(&["locked-write", "--session", "s1", name], text).ended(0, "");
    }
    home.write(name, "a\nb\nc\nd\nfrom outside\n");
    let ran = home.ccpar(&["status"]).ended(1, "1 known file, 1 to look at");
    // The way back holds wherever it is copied to.
    let way = ran.stdout.lines().map(str::trim).find(|line| line.starts_with("ccpar lost "));
    let shown = home.sh(&format!("cd / && {}", way.expect("the way back")));
    assert!(shown.stdout.contains("from one"), "{shown:?}");
    assert!(cfg!(not(unix)) || way == Some(r"ccpar lost ~/'my notes/it'\''s.md'"), "{way:?}");
    let line = home.ccpar(&["status", "--line"]);
    assert_eq!((line.code, &*line.stdout), (1, "ccpar: 0 sessions, 1 to look at\n"));
    assert!(ran.stdout.contains("        1 line overwritten by somebody"), "{ran:?}");
    assert!(ran.stdout.contains(", 1 line overwritten unseen\n"), "{ran:?}");
    // What may have been meant is not told for sure.
    let log = ".claude/ccpar/history/*/log.jsonl";
    let say = |from: &str, to: &str| home.sh(&format!("sed -i 's/{from}/{to}/' {log}")).quiet();
    say(r#""lost":1,"#, r#""lost":1,"maybe":true,"#);
    let ran = home.ccpar(&["status"]).ended(1, "1 known file, 1 to look at");
    assert!(ran.stdout.contains("        perhaps 1 line overwritten by somebody"), "{ran:?}");
    assert!(ran.stdout.contains(", perhaps 1 line overwritten unseen\n"), "{ran:?}");
    say(r#""maybe":true,"#, "");
    home.ccpar(&["restore", "--lost", name]).ended(0, "");
    assert!(home.text(name).contains("from one"));
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

#[test]
fn who_watches_ends_when_nobody_reads_any_more() {
    if !there_is("timeout") {
        return;
    }
    for verb in ["status", "sessions --json"] {
        let (home, agent) = (Home::new(), Agent::start());
        home.ccpar(&["heartbeat", "--session", "s", "--pid", &agent.pid()]).quiet();
        // Nothing changes: there is nothing that it could fail to write.
        let line = format!("timeout 60 sh -c 'ccpar {verb} --watch; echo $? >ended' | head -n 1");
        home.sh(&line);
        assert_eq!(home.text("ended"), "0\n", "{verb}");
    }
}

/// A terminal of this size on which a line of shell runs; what it shows.
fn on_terminal(home: &Home, size: &str, line: &str) -> Option<String> {
    if !there_is("script") || !there_is("stty") {
        return None;
    }
    let line = format!("stty {size}; {line}");
    let mut command = home.command("script");
    let ran = run(command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm"), b"");
    Some(ran.stdout)
}

#[test]
fn a_narrow_terminal_gets_more_lines_not_longer_ones() {
    let home = Home::new();
    let agent = Agent::start();
    let words = ["heartbeat", "--session", "a-session-with-a-name", "--pid", &agent.pid()];
    home.ccpar(&words).quiet();
    let Some(wide) = on_terminal(&home, "cols 100 rows 30", "ccpar status") else { return };
    let narrow = on_terminal(&home, "cols 40 rows 30", "ccpar status").unwrap();
    assert!(narrow.lines().count() > wide.lines().count(), "{narrow}\n{wide}");
    let plain = on_terminal(&home, "cols 40 rows 30", "NO_COLOR=1 ccpar status").unwrap();
    assert!(wide.contains("\u{1b}[1m") && !plain.contains('\u{1b}'), "{wide}\n{plain}");
    let lines: Vec<_> = plain.lines().map(|line| line.trim_end().chars().count()).collect();
    assert!(lines.iter().all(|width| *width <= 40), "{plain}");
    let dumb = on_terminal(&home, "cols 40 rows 30", "TERM=dumb ccpar status").unwrap();
    assert!(!dumb.contains('\u{1b}'), "{dumb}");
}

#[test]
fn watching_on_a_terminal_draws_in_place_and_wipes_nothing_out() {
    if !there_is("timeout") {
        return;
    }
    let home = Home::new();
    let line = "timeout 2 ccpar status --watch";
    let Some(shown) = on_terminal(&home, "cols 40 rows 4", line) else { return };
    assert!(shown.contains("\u{1b}[H") && !shown.contains("\u{1b}[3J"), "{shown:?}");
    assert!(shown.contains("not shown: enlarge this"), "{shown:?}");
    let dumb = on_terminal(&home, "cols 40 rows 4", &format!("TERM=dumb {line}")).unwrap();
    assert!(!dumb.contains('\u{1b}') && dumb.matches("sessions").count() == 1, "{dumb:?}");
}

#[test]
fn long_work_says_on_a_terminal_how_far_it_has_got_and_wipes_that_out() {
    let home = Home::new();
    for name in ["a.md", "b.md"] {
        home.pipe(&["locked-write", name], "one\n").quiet();
    }
    let mut command = home.command(CCPAR);
    command.args(["lock", "a.md", "--", CCPAR, "lock", "b.md", "--", "sh", "-c"]);
    command.arg("echo held; sleep 2").stdout(Stdio::piped());
    let mut holder = command.spawn().unwrap();
    let mut held = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut held).unwrap();
    assert_eq!(held, "held\n");
    let shown = on_terminal(&home, "cols 80 rows 30", "ccpar doctor");
    holder.wait().unwrap();
    let Some(shown) = shown else { return };
    let line = "ccpar: 1 of 2 files";
    let wiped_out = format!("\r{}\r", " ".repeat(line.len()));
    assert!(shown.contains(&format!("\r{line}\r{wiped_out}")), "{shown:?}");
    let piped = home.ccpar(&["doctor"]);
    assert!(!piped.stderr.contains("of 2 files"), "{}", piped.stderr);
}

/// Waits until this is shown, and says how long that took.
fn wait_for(lines: &mut impl Iterator<Item = String>, what: &str) -> Duration {
    let begun = Instant::now();
    let found = lines.find(|line| line.contains(what));
    assert!(found.is_some(), "it ended without `{what}`");
    begun.elapsed()
}

#[test]
fn what_changes_is_shown_when_it_does_and_what_does_not_is_not_shown_again() {
    let home = Home::new();
    home.pipe(&["locked-write", "n.md"], "one\ntwo\n").quiet();
    let mut command = home.command(CCPAR);
    let mut watching = command.args(["status", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    wait_for(&mut lines, "all in order");
    // A file, then a session: each is seen well before all is looked at again.
    home.write("n.md", "");
    let took = wait_for(&mut lines, "1 to look at");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let agent = Agent::start();
    home.ccpar(&["heartbeat", "--session", "s1", "--pid", &agent.pid()]).quiet();
    let took = wait_for(&mut lines, "1 at work");
    assert!(took < Duration::from_secs(3), "{took:?}");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn a_root_that_nobody_may_write_is_shown_all_the_same() {
    let home = Home::new();
    home.pipe(&["locked-write", "n.md"], "one\n").quiet();
    home.sh("chmod -R a-w .claude").quiet();
    let ran = home.bound(&["status"], "");
    let line = home.bound(&["status", "--line"], "");
    let doctor = home.bound(&["doctor", "--dry-run"], "");
    home.sh("chmod -R u+w .claude").quiet();
    if let (Some(ran), Some(line), Some(doctor)) = (ran, line, doctor) {
        ran.ended(0, "1 known file, all in order");
        assert_eq!(line.quiet(), "ccpar: 0 sessions, all in order\n");
        assert_eq!(doctor.code, 2, "{doctor:?}");
        assert!(doctor.stdout.contains("nothing can be written there"), "{doctor:?}");
    }
}

#[test]
fn the_line_is_kept_for_a_moment_and_no_longer_than_it_is_true() {
    let home = Home::new();
    let mut agent = Agent::start();
    let session = |name: &str, pid: &str| {
        home.ccpar(&["heartbeat", "--session", name, "--pid", pid]).quiet();
    };
    let line = || home.ccpar(&["status", "--line"]).quiet();
    let kept = ".claude/ccpar/line.json";
    session("s1", &agent.pid());
    // A folder that changed just now may change again unseen: then it is not kept.
    let until_kept = |expected: &str| {
        let is_kept = |_| {
            assert_eq!(line(), format!("ccpar: {expected}, all in order\n"));
            home.path(kept).exists() && home.text(kept).contains(expected)
        };
        assert!((0..100).any(is_kept), "it is never kept");
    };
    let keep = |age: u64, expected: &str| {
        let mut last: Value = serde_json::from_str(&home.text(kept)).unwrap();
        for field in ["time", "until"] {
            last[field] = (last[field].as_u64().unwrap() - age).into();
        }
        last["line"] = expected.into();
        home.write(kept, last.to_string());
    };
    until_kept("1 session");
    keep(0, "as kept");
    assert_eq!(line(), "as kept\n");
    keep(60_000, "as kept");
    until_kept("1 session");
    // Who comes and who ends is seen at once.
    let other = Agent::start();
    session("s2", &other.pid());
    until_kept("2 sessions");
    home.ccpar(&["claim", "n.md", "--session", "s2", "--pid", &other.pid()]);
    until_kept("2 sessions, 1 claim");
    // A claim that runs out changes nothing on the disk, and a sign of life no stamp.
    home.ccpar(&["claim", "m.md", "--session", "s2", "--pid", &other.pid(), "--ttl", "3"]);
    until_kept("2 sessions, 2 claims");
    let begun = Instant::now();
    while line() != "ccpar: 2 sessions, 1 claim, all in order\n" {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is over for long");
    }
    until_kept("2 sessions, 1 claim");
    home.sh("touch -t 202001010000 .claude/ccpar/sessions/*").quiet();
    keep(6_000, "as kept");
    assert_eq!(line(), "as kept\n");
    session("s2", &other.pid());
    assert_eq!(line(), "ccpar: 2 sessions, 2 claims, all in order\n");
    home.ccpar(&["release", "m.md", "--session", "s2", "--pid", &other.pid()]);
    until_kept("2 sessions, 1 claim");
    keep(0, "as kept");
    assert_eq!(line(), "as kept\n");
    if cfg!(unix) {
        agent.kill();
        assert_eq!(line(), "ccpar: 1 session, 1 claim, all in order\n");
    }
}
