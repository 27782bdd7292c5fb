//! `ccpar heartbeat` and `ccpar sessions`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::claims::{Agent, forge, record, table};
use crate::support::{CCPAR, Home, run, there_is};

fn listed(home: &Home) -> Vec<Value> {
    let ran = home.ccpar(&["sessions", "--json"]);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(home: &Home) -> Vec<String> {
    let id = |one: &Value| one["session"].as_str().unwrap().to_owned();
    listed(home).iter().map(id).collect()
}

#[test]
fn a_session_is_listed_with_all_it_says_of_itself_while_its_process_lives() {
    let home = Home::new();
    if there_is("git") {
        home.sh("git init -q -b feat/x .").quiet();
    }
    let mut agent = Agent::start();
    let me = ["--session", "me", "--pid", &agent.pid()];
    home.ccpar(&[&["heartbeat"][..], &me, &["--expect", "a.md", "b.md"]].concat()).quiet();
    home.ccpar(&[&["claim", "c.md", "--reason", "index"][..], &me].concat()).ended(0, "");
    let text = home.ccpar(&["sessions"]).quiet();
    for said in ["me", "on feat/x", "expects a.md", "expects b.md", "claims c.md", ": index"] {
        assert!(text.contains(said), "{said} in {text}");
    }
    let one = &listed(&home)[0];
    assert_eq!(one["pid"].to_string(), agent.pid());
    assert_eq!((&one["life"], &one["guarded"]), (&"lives".into(), &true.into()));
    assert!(one["start"].is_u64() == cfg!(target_os = "linux"));
    let claims = home.ccpar(&["sessions", "--claims", "c.md"]).quiet();
    assert!(claims.contains("session me on feat/x  c.md (token 1"), "{claims}");
    let none = home.ccpar(&["sessions", "--claims", "a.md"]).ended(0, "`a.md` is not claimed");
    assert_eq!(none.stdout, "");
    agent.kill();
    assert_eq!(ids(&home), [""; 0]);
    assert!(!record(&home, "sessions/me.json").exists(), "the dead are forgotten");
    home.ccpar(&["heartbeat", "--session", "x", "--pid", "999999"]).ended(2, "no process 999999");
}

#[test]
fn a_beat_touches_and_rewrites_only_what_changed() {
    let home = Home::new();
    let beat = |more: &[&str]| home.ccpar(&[&["heartbeat", "--session", "me"], more].concat());
    beat(&["--expect", "a.md"]).quiet();
    let path = record(&home, "sessions/me.json");
    let look = || (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap());
    let (first, before) = look();
    beat(&[]).quiet();
    let (second, after) = look();
    assert_eq!(first, second);
    assert!(after.modified().unwrap() > before.modified().unwrap());
    beat(&["--expect", "b.md"]).quiet();
    let now: Value = serde_json::from_slice(&look().0).unwrap();
    assert!(now["expects"][0].as_str().unwrap().ends_with("b.md"));
    let then: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(now["since"], then["since"]);
}

#[test]
fn a_beat_that_repeats_ends_with_its_session_and_takes_its_claims_along() {
    let home = Home::new();
    let mut agent = Agent::start();
    let me = ["--session", "me", "--pid", &agent.pid()];
    home.ccpar(&[&["claim", "a.md"][..], &me].concat()).ended(0, "");
    let mut command = home.command(CCPAR);
    let command = command.args([&["heartbeat", "--json", "--every", "3600"][..], &me].concat());
    let mut beats = command.stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(beats.stdout.take().unwrap()).lines().next();
    assert!(said.unwrap().unwrap().contains("\"term\":10800000"));
    let begun = Instant::now();
    agent.kill();
    assert!(beats.wait().unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(10), "it waited for its next beat");
    assert!(!record(&home, "sessions/me.json").exists());
    assert_eq!(table(&home)["claims"], Value::Array(Vec::new()));
    // From a script it ends with the script.
    home.sh("ccpar heartbeat --every 3600 --session s >/dev/null 2>&1 & sleep 0.3").quiet();
    while record(&home, "sessions/s.json").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it outlives its script");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn many_beats_at_once_leave_one_whole_heartbeat() {
    let home = Home::new();
    let script = "for i in 1 2 3 4 5 6 7 8; do
        for s in a b; do ccpar heartbeat --session $s --expect f$i.md & done
    done; wait; ccpar sessions --json";
    let ran = home.sh(script).quiet();
    assert_eq!(ran.lines().count(), 2, "{ran}");
}

#[test]
fn sessions_that_only_claude_code_knows_are_unguarded() {
    let home = Home::new();
    let agent = Agent::start();
    std::fs::create_dir_all(home.path(".claude/sessions")).unwrap();
    let entry = |pid: &str, id: &str, start: &str| {
        let more = r#""cwd":"/w","startedAt":1795395233453,"status":"busy","peerProtocol":1"#;
        let text = format!(r#"{{"pid":{pid},"sessionId":"{id}","procStart":"{start}",{more}}}"#);
        home.write(&format!(".claude/sessions/{id}.json"), text);
    };
    let start = home.sh(&format!("cut -d' ' -f22 /proc/{}/stat", agent.pid()));
    let start = start.stdout.trim().to_owned();
    entry(&agent.pid(), "guarded", &start);
    entry(&agent.pid(), "unknown", &start);
    if cfg!(target_os = "linux") {
        entry(&agent.pid(), "reused", "1");
    }
    home.write(".claude/sessions/torn.json", "{\"pid\":");
    let before = home.sh("ls -l .claude/sessions").quiet();
    home.ccpar(&["heartbeat", "--session", "guarded", "--pid", &agent.pid()]).quiet();
    let text = home.ccpar(&["sessions"]).quiet();
    assert!(text.contains("unknown  unguarded, pid"), "{text}");
    assert_eq!(ids(&home), ["guarded", "unknown"]);
    assert_eq!(listed(&home)[1]["guarded"], false);
    assert_eq!(home.sh("ls -l .claude/sessions").quiet(), before, "it is read only");
    // Within a session of Claude Code that is who acts.
    let mut command = home.command(CCPAR);
    command.env("CLAUDE_CODE_SESSION_ID", "unknown").env("CLAUDE_PID", agent.pid());
    run(command.arg("heartbeat"), b"").quiet();
    assert!(listed(&home).iter().all(|one| one["guarded"] == true));
}

#[test]
fn a_bad_heartbeat_is_named_and_stops_nobody() {
    let home = Home::new();
    home.ccpar(&["heartbeat", "--session", "good"]).quiet();
    home.write(".claude/ccpar/sessions/empty.json", "");
    home.write(".claude/ccpar/sessions/torn.json", "{\"format\":1,\"session\":\"to");
    home.write(".claude/ccpar/sessions/foreign.json", "[1,2,3]");
    home.write(".claude/ccpar/sessions/notes.txt", "not of ours");
    std::fs::create_dir_all(home.path(".claude/ccpar/sessions/folder.json")).unwrap();
    std::fs::copy(record(&home, "sessions/good.json"), record(&home, "sessions/newer.json"))
        .unwrap();
    forge(&record(&home, "sessions/newer.json"), |newer| newer["format"] = 9.into());
    forge(&record(&home, "sessions/good.json"), |good| good["later"] = "unknown".into());
    let ran = home.ccpar(&["sessions", "--json"]).ended(2, "the heartbeat is empty");
    assert_eq!(ran.stdout.lines().count(), 1, "{ran:?}");
    for bad in ["empty", "torn", "foreign", "folder", "newer"] {
        assert!(ran.stderr.contains(&format!("{bad}.json")), "{bad} in {ran:?}");
    }
    home.ccpar(&["claim", "a.md", "--session", "good"]).ended(0, "");
    home.pipe(&["locked-write", "a.md", "--session", "good"], "x").ended(0, "");
    // Whose heartbeat it is makes a new one.
    for bad in ["empty", "torn", "foreign"] {
        home.ccpar(&["heartbeat", "--session", bad]).quiet();
    }
    assert_eq!(ids(&home).len(), 4);
}

#[test]
fn a_heartbeat_that_cannot_be_read_frees_nothing() {
    let home = Home::new();
    let mut agent = Agent::start();
    home.ccpar(&["claim", "a.md", "--session", "me", "--pid", &agent.pid()]).ended(0, "");
    home.write(".claude/ccpar/sessions/me.json", "");
    let ask = || home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "0"]);
    ask().ended(1, "claimed by session me");
    agent.kill();
    ask().ended(0, "");
}

#[test]
fn a_folder_that_is_missing_is_made_and_one_that_is_none_is_named() {
    let home = Home::new();
    home.ccpar(&["sessions"]).ended(0, "no session is at work");
    home.ccpar(&["heartbeat", "--session", "me"]).quiet();
    std::fs::remove_dir_all(record(&home, "sessions")).unwrap();
    home.ccpar(&["heartbeat", "--session", "me"]).quiet();
    assert_eq!(ids(&home), ["me"]);
    std::fs::remove_dir_all(record(&home, "sessions")).unwrap();
    home.write(".claude/ccpar/sessions", "a file");
    home.ccpar(&["heartbeat", "--session", "me"]).ended(2, "ccpar/sessions");
    home.pipe(&["locked-write", "a.md", "--session", "me"], "x").quiet();
}

#[test]
fn files_of_another_user_and_a_folder_that_cannot_be_written() {
    let home = Home::new();
    let me = home.sh("id -u").quiet();
    let drop = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    if me.trim() != "0" || home.sh(&format!("{drop} {CCPAR} --version")).code != 0 {
        eprintln!("SKIPPED: this test plays two users, which needs root and setpriv");
        return;
    }
    // Root once did something in the folder of a user.
    home.ccpar(&["heartbeat", "--session", "roots"]).quiet();
    home.sh("chown 65534 . .claude .claude/ccpar .claude/ccpar/* && chmod 0711 .").quiet();
    let user = |words: &str| home.sh(&format!("{drop} env HOME=$PWD {CCPAR} {words}"));
    user("sessions").ended(2, "roots.json");
    let agent = Agent::start();
    let user = |words: &str| user(&format!("{words} --pid {}", agent.pid()));
    user("heartbeat --session mine").quiet();
    user("heartbeat --session roots").quiet();
    user("claim a.md --session mine").ended(0, "");
    let sessions = || {
        let ran = home.sh(&format!("{drop} env HOME=$PWD {CCPAR} sessions --json")).quiet();
        ran.lines().count()
    };
    assert_eq!(sessions(), 2);
    home.sh("chmod 0500 .claude/ccpar/sessions").quiet();
    assert_eq!(sessions(), 2);
    user("heartbeat --session another").ended(2, "ccpar/sessions");
    home.sh("chmod 0700 .claude/ccpar/sessions").quiet();
}

#[test]
fn ten_thousand_dead_sessions_are_in_nobodys_way() {
    let home = Home::new();
    home.ccpar(&["heartbeat", "--session", "alive"]).quiet();
    let whole: Value =
        serde_json::from_slice(&std::fs::read(record(&home, "sessions/alive.json")).unwrap())
            .unwrap();
    for n in 0..10_000 {
        let mut dead = whole.clone();
        dead["session"] = format!("dead-{n}").into();
        dead["start"] = 1.into();
        dead["pid"] = (if cfg!(target_os = "linux") { 1 } else { 999_999 }).into();
        home.write(&format!(".claude/ccpar/sessions/dead-{n}.json"), dead.to_string());
    }
    home.ccpar(&["claim", "a.md", "--session", "alive", "--wait", "0"]).ended(0, "");
    home.pipe(&["locked-write", "a.md", "--session", "alive"], "x").quiet();
    assert_eq!(ids(&home), ["alive"]);
    for _ in 0..10 {
        home.ccpar(&["sessions"]).quiet();
    }
    let left = std::fs::read_dir(record(&home, "sessions")).unwrap().count();
    assert_eq!(left, 1, "each look forgets a part of them");
}

#[test]
fn a_watch_tells_who_comes_and_goes() {
    let home = Home::new();
    let mut agent = Agent::start();
    let mut command = home.command(CCPAR);
    let command = command.args(["sessions", "--watch", "--json"]).stdout(Stdio::piped());
    let mut watch = command.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let words = ["heartbeat", "--session", "me", "--pid", &agent.pid()];
    home.ccpar(&words).quiet();
    assert!(lines.next().unwrap().unwrap().contains("\"session\":\"me\""));
    let claim = ["claim", "a.md", "--session", "me", "--pid", &agent.pid()];
    home.ccpar(&claim).ended(0, "");
    let mut line = || lines.next().unwrap().unwrap();
    while !line().contains("\"token\":1") {}
    home.ccpar(&["heartbeat", "--session", "second"]).quiet();
    while !line().contains("\"session\":\"second\"") {}
    agent.kill();
    watch.kill().unwrap();
    watch.wait().unwrap();
}
