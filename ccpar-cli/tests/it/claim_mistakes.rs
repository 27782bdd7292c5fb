//! Claims and sessions of people who err, of processes that are stopped, and of
//! records that something else has made.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use crate::claims::{Agent, forge, record, token};
use crate::support::{CCPAR, Home, run, skip, there_is};

/// A command that was started, once it has said that it waits.
fn started(home: &Home, words: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let mut command = home.command(CCPAR);
    let command = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    (child, said)
}

#[test]
fn a_renewal_that_is_refused_leaves_the_claim_as_it_was() {
    let home = Home::new();
    let agent = Agent::start();
    let me = ["--session", "me", "--pid", &agent.pid()];
    let claim =
        |files: &[&str], more: &[&str]| home.ccpar(&[&["claim"], files, &me[..], more].concat());
    let first = token(claim(&["a.md"], &[]));
    let before = home.ccpar(&["sessions", "--claims", "--json"]).quiet();
    let mut lock = home.command(CCPAR);
    lock.args(["lock", "a.md", "--", "sh", "-c", "echo held; cat"]);
    let mut lock = lock.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(lock.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    claim(&["a.md"], &["--wait", "0", "--ttl", "5"]).ended(1, "a.md` is locked, held by pid");
    claim(&["a.md", "b.md"], &["--wait", "0.1"]).ended(1, "a.md` is locked, still after 0.1 s");
    let until = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let after = home.ccpar(&["sessions", "--claims", "--json"]).quiet();
    assert_eq!(until(&after), until(&before));
    drop(lock.stdin.take());
    lock.wait().unwrap();
    home.pipe(&["locked-write", "a.md", "--claim", &first], "x").ended(0, "");
    assert_eq!(token(claim(&["a.md"], &[])), first);
    let second = token(claim(&["a.md", "b.md"], &[]));
    assert!(second.parse::<u64>().unwrap() > first.parse().unwrap());
}

#[test]
fn a_process_that_does_not_live_stands_for_no_session_and_ends_none() {
    if !cfg!(unix) {
        skip("nothing proves the death of a process here");
        return;
    }
    let home = Home::new();
    let agent = Agent::start();
    home.ccpar(&["claim", "a.md", "--session", "me", "--pid", &agent.pid()]).ended(0, "");
    for words in [&["heartbeat"][..], &["claim", "b.md"], &["heartbeat", "--every", "9"]] {
        let wrong = [words, &["--session", "me", "--pid", "999999"]].concat();
        home.ccpar(&wrong).ended(2, "there is no process 999999");
        let mut command = home.command(CCPAR);
        command.args(words).env("CLAUDE_PID", "999999").env("CLAUDE_CODE_SESSION_ID", "me");
        run(&mut command, b"").ended(2, "with `--pid`");
    }
    home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "0"]).ended(1, "by session me");
    home.ccpar(&["sessions", "--claims", "b.md"]).ended(0, "`b.md` is not claimed");
    let unshare = "unshare --pid --fork --mount-proc";
    if !cfg!(target_os = "linux") || home.sh(&format!("{unshare} true")).code != 0 {
        skip("no pid namespace can be made here");
        return;
    }
    // Who runs it cannot be seen from in there.
    home.sh(&format!("{unshare} {CCPAR} claim b.md --session in")).ended(2, "no process 0");
}

#[test]
fn what_a_claim_cannot_guard_is_refused() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("notes")).unwrap();
    for folder in ["notes", "notes/", "."] {
        home.ccpar(&["claim", folder, "--session", "me"]).ended(2, "is a folder: name the file");
    }
    if cfg!(unix) {
        home.ccpar(&["claim", "/dev/null", "--session", "me"]).ended(2, "not a plain file");
    }
    for ttl in ["0", "0.0004"] {
        home.ccpar(&["claim", "a.md", "--session", "me", "--ttl", ttl]).ended(2, "give --ttl");
    }
    home.ccpar(&["heartbeat", "--session", "me", "--every", "0"]).ended(2, "give --every");
    for flag in ["--session", "--holder"] {
        home.ccpar(&["claim", "a.md", flag, ""]).ended(2, flag);
    }
    home.pipe(&["locked-write", "a.md", "--session", ""], "x").ended(2, "--session");
    home.ccpar(&["sessions", "--claims"]).ended(0, "nothing is claimed");
}

#[test]
fn a_number_of_seconds_may_be_of_any_size() {
    let home = Home::new();
    let mut agent = Agent::start();
    let me = ["--session", "me", "--pid", &agent.pid()];
    home.ccpar(&[&["claim", "a.md", "--ttl", "1e19"][..], &me].concat()).ended(0, "");
    for words in [&["sessions"][..], &["sessions", "--claims"], &["sessions", "--json"]] {
        assert!(home.ccpar(words).quiet().contains("a.md"));
    }
    home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "0"]).ended(1, "by session me");
    let mut command = home.command(CCPAR);
    command.args(["heartbeat", "--every", "1e19", "--json"]).args(me).stdout(Stdio::piped());
    let mut beats = command.spawn().unwrap();
    BufReader::new(beats.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    agent.kill();
    assert!(cfg!(not(unix)) || beats.wait().unwrap().success());
    let _ = beats.kill();
}

#[test]
fn a_heartbeat_of_another_session_says_nothing_of_a_claim_and_one_that_is_forged_stops_nobody() {
    let home = Home::new();
    let agent = Agent::start();
    home.ccpar(&["claim", "a.md", "--session", "me", "--pid", &agent.pid()]).ended(0, "");
    forge(&record(&home, "sessions/me.json"), |me| {
        (me["session"], me["pid"], me["start"]) = ("other".into(), 999_999.into(), 1.into());
    });
    let ask = || home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "0"]);
    ask().ended(1, "claimed by session me");
    for (name, most) in [("wall", "up"), ("up", "wall")] {
        let text = format!(
            r#"{{"session":"{name}","pid":1,"host":"x","since":{0},"term":{0},"clock":{{"{name}":{0},"{most}":1}}}}"#,
            u64::MAX
        );
        home.write(&format!(".claude/ccpar/sessions/{name}.json"), text);
        home.ccpar(&["sessions"]).ended(0, "");
        home.ccpar(&["heartbeat", "--session", name]).ended(0, "");
    }
    ask().ended(1, "claimed by session me");
}

#[test]
fn who_does_not_wait_is_not_granted_before_who_does() {
    let home = Home::new();
    let agent = Agent::start();
    let pid = agent.pid();
    home.ccpar(&["claim", "a.md", "--session", "first", "--pid", &pid]).ended(0, "");
    let both = ["claim", "a.md", "b.md", "--session", "w", "--pid", &pid, "--wait", "60"];
    let (mut waiter, _said) = started(&home, &both);
    // It is first in both queues.
    home.ccpar(&["claim", "b.md", "--session", "hasty", "--wait", "0"]).ended(1, "b.md` is locked");
    home.ccpar(&["claim", "a.md", "--session", "hasty", "--wait", "0"]).ended(1, "session first");
    // Who holds a file goes on.
    home.ccpar(&["claim", "a.md", "--session", "first", "--wait", "0"]).ended(0, "");
    home.ccpar(&["release", "--session", "first"]).quiet();
    assert!(waiter.wait().unwrap().success());
    home.ccpar(&["claim", "b.md", "--session", "hasty", "--wait", "0"]).ended(1, "session w");
}

#[test]
fn a_waiter_that_is_stopped_keeps_nobody_from_a_file_that_is_free() {
    if !cfg!(target_os = "linux") {
        skip("only Linux says which process is stopped");
        return;
    }
    let home = Home::new();
    let agent = Agent::start();
    let pid = agent.pid();
    let claim = |session: &'static str| ["claim", "a.md", "--pid", &pid, "--session", session];
    home.ccpar(&claim("first")).ended(0, "");
    let (mut stopped, mut said) =
        started(&home, &[&claim("stopped")[..], &["--wait", "60"]].concat());
    let (mut behind, _said) = started(&home, &[&claim("behind")[..], &["--wait", "2"]].concat());
    let signal = |name: &str| home.sh(&format!("kill -{name} {}", stopped.id())).quiet();
    signal("STOP");
    home.ccpar(&["release", "--session", "first"]).quiet();
    assert!(behind.wait().unwrap().success(), "it had come before that was stopped");
    home.ccpar(&["release", "--session", "behind"]).quiet();
    home.ccpar(&[&claim("later")[..], &["--wait", "0"]].concat()).ended(0, "");
    home.ccpar(&["release", "--session", "later"]).quiet();
    signal("CONT");
    said.read_to_string(&mut String::new()).unwrap();
    assert!(stopped.wait().unwrap().success());
}

#[test]
fn a_release_says_which_file_it_did_not_hold() {
    let home = Home::new();
    home.ccpar(&["claim", "a.md", "--session", "me"]).ended(0, "");
    let ran = home.ccpar(&["release", "b.md", "a.md", "c.md", "--session", "me", "--json"]);
    let ran = ran.ended(1, "session me has no claim on `b.md` (any more)");
    assert!(ran.stderr.contains("on `c.md`") && !ran.stderr.contains("a.md"), "{ran:?}");
    assert!(ran.stdout.contains("a.md"), "{ran:?}");
    home.ccpar(&["sessions", "--claims"]).ended(0, "nothing is claimed");
    home.pipe(&["locked-write", "a.md", "--claim", "1"], "x").ended(1, "nobody has claimed now");
}

#[test]
fn a_refusal_says_since_when_and_how_long_and_a_short_wait_says_nothing_else() {
    let home = Home::new();
    home.ccpar(&["claim", "a.md", "--session", "me", "--reason", "sorting"]).ended(0, "");
    let ask = |wait| home.ccpar(&["claim", "a.md", "--session", "you", "--wait", wait]);
    let ran = ask("0").ended(1, "claimed by session me for \"sorting\"; its term ends in ");
    assert!(ran.stderr.contains("\nhint: claimed at 20") && ran.stderr.lines().count() == 2);
    let ran = ask("0.1").ended(1, "\"sorting\", still after 0.1 s; its term");
    assert!(!ran.stderr.contains("waiting"), "{ran:?}");
    ask("0.3").ended(1, "ccpar: waiting for");
}

#[test]
fn a_session_is_listed_as_long_as_a_claim_of_it_binds() {
    if !cfg!(target_os = "linux") {
        skip("only Linux has pid namespaces");
        return;
    }
    let home = Home::new();
    home.ccpar(&["claim", "a.md", "--session", "far", "--ttl", "7200"]).ended(0, "");
    let hour = Duration::from_secs(3600);
    let ms = u64::try_from(hour.as_millis()).unwrap();
    let heartbeat = record(&home, "sessions/far.json");
    forge(&heartbeat, |far| {
        far["pid_namespace"] = 1.into();
        for clock in ["wall", "up"] {
            far["clock"][clock] = (far["clock"][clock].as_u64().unwrap().saturating_sub(ms)).into();
        }
    });
    let file = std::fs::File::options().write(true).open(&heartbeat).unwrap();
    file.set_modified(std::time::SystemTime::now() - hour).unwrap();
    assert!(home.ccpar(&["sessions"]).quiet().contains("claims a.md"));
    home.ccpar(&["release", "--session", "far"]).quiet();
    // Silent for longer than its term.
    home.ccpar(&["sessions"]).ended(0, "no session is at work");
}

#[test]
fn a_watch_says_once_what_is_wrong() {
    let home = Home::new();
    home.ccpar(&["heartbeat", "--session", "me"]).quiet();
    home.write(".claude/ccpar/sessions/bad.json", "");
    let mut command = home.command(CCPAR);
    command.args(["sessions", "--watch", "--json"]).stdout(Stdio::piped());
    let mut watch = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let agent = Agent::start();
    for n in 0..3 {
        let id = format!("other-{n}");
        home.ccpar(&["heartbeat", "--session", &id, "--pid", &agent.pid()]).quiet();
        while !lines.next().unwrap().unwrap().contains(&id) {}
    }
    watch.kill().unwrap();
    let output = watch.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("bad.json").count(), 1, "{said}");
}

#[test]
fn a_listing_does_not_wait_for_who_changes_the_claims() {
    let home = Home::new();
    if !there_is("flock") {
        return;
    }
    let mut agent = Agent::start();
    home.ccpar(&["heartbeat", "--session", "dead", "--pid", &agent.pid()]).quiet();
    agent.kill();
    let begun = Instant::now();
    home.sh("flock -o .claude/ccpar/registry.lock ccpar sessions")
        .ended(0, "no session is at work");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn a_beat_that_repeats_mends_its_heartbeat_and_leaves_no_temp_file_of_others() {
    let home = Home::new();
    let agent = Agent::start();
    home.ccpar(&["heartbeat", "--session", "me", "--pid", &agent.pid()]).quiet();
    let names = || {
        let names = std::fs::read_dir(record(&home, "sessions")).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let mut command = home.command(CCPAR);
    command.args(["heartbeat", "--every", "0.05", "--session", "me", "--pid", &agent.pid()]);
    let mut beats = command.spawn().unwrap();
    // A beat that was killed between its temp file and its name.
    home.write(".claude/ccpar/sessions/.tmp", "{\"session\":");
    home.write(".claude/ccpar/sessions/me.json", "");
    let begun = Instant::now();
    while home.text(".claude/ccpar/sessions/me.json").is_empty() || names().len() > 1 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", names());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(names(), ["me.json"]);
    beats.kill().unwrap();
    beats.wait().unwrap();
}

#[test]
fn a_claim_on_nothing_says_what_to_do() {
    let home = Home::new();
    let ran = home.ccpar(&["claim"]).ended(2, "name the files to claim");
    assert!(ran.stderr.contains("ccpar sessions --claims"), "{ran:?}");
}
