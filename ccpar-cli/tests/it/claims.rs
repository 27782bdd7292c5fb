//! `ccpar claim`, `ccpar release`, and the verbs that heed them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{CCPAR, Home, Ran, run, there_is};

/// A process that stands for an agent, until it is killed.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn start() -> Agent {
        let quiet = || Stdio::null();
        let mut command = Command::new("sleep");
        Agent(command.arg("600").stdin(quiet()).stdout(quiet()).spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Kills it, and does not ask how it ended: it stays a zombie.
    fn kill_and_forget(&mut self) {
        self.0.kill().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn token(ran: Ran) -> String {
    ran.quiet().trim_end().to_owned()
}

/// The one file in a folder of the root.
pub(crate) fn record(home: &Home, name: &str) -> PathBuf {
    home.path(".claude/ccpar").join(name)
}

/// Changes a record as something else might.
#[expect(clippy::disallowed_methods, reason = "forges what is on disk")]
pub(crate) fn forge(path: &std::path::Path, change: impl FnOnce(&mut Value)) {
    let changed = std::fs::metadata(path).unwrap().modified().unwrap();
    let mut value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
}

const TABLES: [&str; 2] = ["registry.0.json", "registry.1.json"];

/// The later of the two changes of the claims that are on disk, and its sequence.
fn change(home: &Home) -> (u64, Value) {
    let change = |name| {
        let text = home.text(&format!(".claude/ccpar/{name}"));
        let (header, rest) = text.split_once('\n').unwrap();
        let header: Value = serde_json::from_str(header).unwrap();
        let length = usize::try_from(header["length"].as_u64().unwrap()).unwrap();
        (header["sequence"].as_u64().unwrap(), serde_json::from_str(&rest[..length]).unwrap())
    };
    TABLES.map(change).into_iter().max_by_key(|(sequence, _)| *sequence).unwrap()
}

/// The claims as they are on disk.
pub(crate) fn table(home: &Home) -> Value {
    change(home).1
}

/// Changes them as something else might.
fn forge_table(home: &Home, forge: impl FnOnce(&mut Value)) {
    let (sequence, mut table) = change(home);
    forge(&mut table);
    let text = table.to_string();
    let bytes = sequence.to_le_bytes();
    let checksum = bytes.iter().chain(text.as_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let header = serde_json::json!({
        "format": 2, "sequence": sequence, "length": text.len(), "checksum": checksum,
    });
    let name = TABLES[usize::try_from(sequence % 2).unwrap()];
    home.write(&format!(".claude/ccpar/{name}"), format!("{header}\n{text}left over"));
}

#[test]
fn a_claim_refuses_others_by_name_until_it_is_released() {
    let home = Home::new();
    home.write("a.md", "one\n");
    let why = ["--reason", "sorting"];
    let mine = ["claim", "a.md", "b.md", "--session", "me"];
    let first = token(home.ccpar(&[&mine[..], &why].concat()));
    let asked = home.ccpar(&["claim", "c.md", "b.md", "--session", "you", "--wait", "0"]);
    let asked = asked.ended(1, "is claimed by session me for \"sorting\"");
    assert!(asked.stderr.contains("b.md` is claimed"), "{asked:?}");
    // Nothing of it was claimed: all or none.
    home.ccpar(&["claim", "c.md", "--session", "third", "--wait", "0"]).ended(0, "");
    let quick = ["--session", "you", "--wait", "0.05"];
    let edit = ["locked-edit", "a.md", "--session", "you", "--wait", "0.05", "--", "cat"];
    home.pipe(&[&["locked-write", "a.md"][..], &quick].concat(), "x").ended(1, "session me");
    home.ccpar(&edit).ended(1, "claimed by session me");
    home.ccpar(&["log", "a.md"]).ended(0, "");
    home.ccpar(&["restore", "a.md@absent", "--wait", "0.05"]).ended(1, "claimed by session me");
    assert_eq!(home.text("a.md"), "one\n");
    // Who holds it writes, and an agent of the same session is somebody else.
    home.pipe(&["locked-write", "a.md", "--session", "me"], "two\n").ended(0, "");
    home.pipe(&["locked-write", "a.md", "--claim", &first], "three\n").ended(0, "");
    home.ccpar(&["claim", "a.md", "--session", "me", "--holder", "sub", "--wait", "0"])
        .ended(1, "claimed by session me");
    home.ccpar(&["release", "a.md", "--session", "you"]).ended(1, "you has no claim on `a.md`");
    assert_eq!(token(home.ccpar(&mine)), first, "asked for again it is the same");
    home.ccpar(&["release", "--session", "me"]).quiet();
    let second = token(home.ccpar(&["claim", "a.md", "--session", "you"]));
    assert!(second.parse::<u64>().unwrap() > first.parse().unwrap());
    let stale = home.pipe(&["locked-write", "a.md", "--claim", &first], "stale\n");
    stale.ended(1, &format!("token {first} holds no claim")).ended(1, "session you has claimed");
    assert_eq!(home.text("a.md"), "three\n");
    home.ccpar(&["release", "--claim", &first]).ended(1, "holds no claim (any more)");
}

#[test]
fn a_refused_write_leaves_no_trace_in_the_history() {
    let home = Home::new();
    home.pipe(&["locked-write", "a.md", "--session", "me"], "one\n").quiet();
    home.ccpar(&["claim", "a.md", "--session", "me"]).ended(0, "");
    let before = home.ccpar(&["log", "a.md", "--json"]).quiet();
    home.pipe(&["locked-write", "a.md", "--session", "you", "--wait", "0"], "x\n").ended(1, "me");
    assert_eq!(home.ccpar(&["log", "a.md", "--json"]).quiet(), before);
    // And no lock: what is outside of claims goes on.
    home.ccpar(&["lock", "-n", "a.md", "true"]).quiet();
}

/// How long a waiter waited after `act`, which ends what it waits for.
fn woken(home: &Home, words: &[&str], act: impl FnOnce()) -> (Duration, Ran) {
    let mut command = home.command(CCPAR);
    let command = command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut waiter = command.spawn().unwrap();
    // It has said that it waits.
    let mut said = std::io::BufReader::new(waiter.stderr.take().unwrap());
    let mut stderr = String::new();
    std::io::BufRead::read_line(&mut said, &mut stderr).unwrap();
    assert!(stderr.contains("waiting for"), "{stderr}");
    let begun = Instant::now();
    act();
    std::io::Read::read_to_string(&mut said, &mut stderr).unwrap();
    let took = begun.elapsed();
    let output = waiter.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (took, Ran { code: output.status.code().unwrap(), stdout, stderr })
}

/// Far more than a wake-up takes, far less than any other end of the waiting.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_waiter_wakes_when_the_claim_is_released_and_when_its_session_is_killed() {
    let home = Home::new();
    let mut agent = Agent::start();
    let held = ["claim", "a.md", "--session", "me", "--pid", &agent.pid()];
    home.ccpar(&held).ended(0, "");
    let wait = ["claim", "a.md", "--session", "you", "--wait", "60"];
    let (took, ran) = woken(&home, &wait, || {
        home.ccpar(&["release", "--session", "me"]).quiet();
    });
    assert!(ran.code == 0 && took < SOON, "{took:?} {ran:?}");
    home.ccpar(&["release", "--session", "you"]).quiet();
    home.ccpar(&held).ended(0, "");
    if !cfg!(unix) {
        eprintln!("SKIPPED: nothing proves the death of a process here");
        return;
    }
    let (took, ran) = woken(&home, &wait, || {
        if cfg!(target_os = "linux") { agent.kill_and_forget() } else { agent.kill() }
    });
    assert!(ran.code == 0 && took < SOON, "{took:?} {ran:?}");
    // So does a writer.
    let write = ["locked-edit", "a.md", "--session", "w", "--wait", "60", "--", "echo", "x"];
    let (took, ran) = woken(&home, &write, || {
        home.ccpar(&["heartbeat", "--end", "--session", "you"]).quiet();
    });
    assert!(ran.code == 0 && took < SOON, "{took:?} {ran:?}");
    assert_eq!(home.text("a.md"), "x\n");
}

#[test]
fn who_asks_again_for_what_it_holds_waits_behind_nobody() {
    let home = Home::new();
    let first = token(home.ccpar(&["claim", "a.md", "--session", "me"]));
    let mut more = None;
    // Somebody else is first in the queue, and waits for this holder.
    let wait = ["claim", "a.md", "--session", "you", "--wait", "60"];
    let (took, ran) = woken(&home, &wait, || {
        assert_eq!(token(home.ccpar(&["claim", "a.md", "--session", "me"])), first);
        let both = ["claim", "a.md", "b.md", "--session", "me"];
        more = Some(token(home.ccpar(&both)));
        home.ccpar(&["release", "--session", "me"]).quiet();
    });
    assert!(ran.code == 0 && took < SOON, "{took:?} {ran:?}");
    assert!(ran.stdout.trim().parse::<u64>().unwrap() > more.unwrap().parse().unwrap());
}

#[test]
fn death_frees_at_once_and_age_alone_never_before_the_term() {
    if !cfg!(unix) {
        eprintln!("SKIPPED: nothing proves the death of a process here");
        return;
    }
    let home = Home::new();
    let mut agent = Agent::start();
    let claim = |name: &str| ["claim", "a.md", "--wait", "0", "--session", name].map(str::to_owned);
    let ask = |name: &str| home.ccpar(&claim(name).each_ref().map(|word| &**word));
    home.ccpar(&["claim", "a.md", "--session", "me", "--pid", &agent.pid()]).ended(0, "");
    // A day without a beat, by the wall clock alone: the clock was set.
    let heartbeat = record(&home, "sessions/me.json");
    let day = Duration::from_secs(86_400);
    let file = std::fs::File::options().write(true).open(&heartbeat).unwrap();
    for moved in [std::time::SystemTime::now() - day, std::time::SystemTime::now() + day] {
        file.set_modified(moved).unwrap();
        ask("you").ended(1, "claimed by session me");
    }
    // What the table says of the wall clock decides nothing either.
    forge_table(&home, |table| {
        table["claims"][0]["granted"]["wall"] = 5.into();
    });
    ask("you").ended(1, "claimed by session me");
    agent.kill();
    ask("you").ended(0, "");
    // A term that has passed frees the claim of a session that lives.
    home.ccpar(&["release", "--session", "you"]).quiet();
    let short = ["claim", "a.md", "--session", "me", "--ttl", "0.2"];
    let old = token(home.ccpar(&short));
    let waits = home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "30"]);
    assert_eq!(waits.code, 0, "{waits:?}");
    home.pipe(&["locked-write", "a.md", "--claim", &old], "x").ended(1, "holds no claim");
}

#[test]
fn a_beat_renews_a_claim() {
    let home = Home::new();
    home.ccpar(&["claim", "a.md", "--session", "me", "--ttl", "3"]).ended(0, "");
    let mut beats = home.command(CCPAR);
    let mut beats = beats.args(["heartbeat", "--every", "0.1", "--session", "me"]).spawn().unwrap();
    let ask = |wait| home.ccpar(&["claim", "a.md", "--session", "you", "--wait", wait]);
    ask("4").ended(1, "claimed by session me");
    beats.kill().unwrap();
    beats.wait().unwrap();
    ask("20").ended(0, "waiting for");
}

#[test]
fn each_place_that_a_session_may_be_in_has_its_rule() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: only Linux tells start times and boots");
        return;
    }
    let home = Home::new();
    let agent = Agent::start();
    let heartbeat = record(&home, "sessions/me.json");
    let ask = || home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "0"]);
    let stage = |ttl: &str, change: fn(&mut Value)| {
        home.ccpar(&["release", "--session", "you"]).quiet();
        let words = ["claim", "a.md", "--session", "me", "--pid", &agent.pid(), "--ttl", ttl];
        home.ccpar(&words).ended(0, "");
        forge(&heartbeat, change);
    };
    stage("60", |me| me["start"] = 1.into());
    ask().ended(0, ""); // the pid was used again
    stage("60", |me| me["boot"] = "an earlier one".into());
    ask().ended(0, ""); // the machine was booted
    for change in [
        (|me| me["pid_namespace"] = 1.into()) as fn(&mut Value),
        |me| (me["boot"], me["machine"]) = ("x".into(), "another".into()),
        |me| (me["boot"], me["host"]) = ("x".into(), "another".into()),
    ] {
        // A container, or a second host: its pid says nothing here.
        stage("60", |me| me["pid"] = 999_999.into());
        forge(&heartbeat, change);
        ask().ended(1, "claimed by session me");
        home.ccpar(&["release", "--session", "me"]).quiet();
    }
    stage("0.3", |me| (me["pid"], me["pid_namespace"]) = (999_999.into(), 1.into()));
    let wait = home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "30"]);
    assert_eq!(wait.code, 0, "its term is all it has: {wait:?}");
    // A resumed session has another process and the same id.
    home.ccpar(&["release", "--session", "you"]).quiet();
    let mut old = Agent::start();
    home.ccpar(&["claim", "a.md", "--session", "me", "--pid", &old.pid()]).ended(0, "");
    home.ccpar(&["heartbeat", "--session", "me", "--pid", &agent.pid()]).quiet();
    old.kill();
    ask().ended(1, "claimed by session me");
}

#[test]
fn a_script_in_its_own_pid_namespace_holds_its_claim_against_the_outside() {
    let home = Home::new();
    let unshare = "unshare --pid --fork --mount-proc";
    if !cfg!(target_os = "linux") || home.sh(&format!("{unshare} true")).code != 0 {
        eprintln!("SKIPPED: no pid namespace can be made here");
        return;
    }
    let claim = "ccpar claim a.md --session in --ttl 60";
    home.sh(&format!("{unshare} sh -c '{claim}; true'")).quiet();
    // Its process is gone, but nothing out here proves that.
    home.ccpar(&["claim", "a.md", "--session", "out", "--wait", "0"]).ended(1, "session in");
    assert!(home.ccpar(&["sessions"]).quiet().contains("on host"));
}

#[test]
fn a_script_is_its_own_session_also_from_a_subshell() {
    let script = "
        token=$(cd . && ccpar claim a.md --wait 0 || exit)
        echo mine | (ccpar locked-write a.md)
        (ccpar claim a.md --wait 0) | grep -qx $token
        ccpar claim a.md --session other --wait 0 2>/dev/null && exit 3
        echo $token";
    for shell in ["sh", "bash"].into_iter().filter(|shell| there_is(shell)) {
        let home = Home::new();
        let ran = run(home.command(shell).args(["-c", script]), b"");
        let token: u64 = ran.quiet().trim().parse().unwrap();
        // The script is over, and so is its claim.
        home.pipe(&["locked-write", "a.md", "--wait", "0"], "x").ended(0, "");
        home.pipe(&["locked-write", "a.md", "--claim", &token.to_string()], "x").ended(1, "");
    }
}

#[test]
fn a_command_under_a_lock_cannot_claim_what_it_waits_for() {
    let home = Home::new();
    let claim = "ccpar claim n.md --session me";
    home.ccpar(&["lock", "n.md", "--", "sh", "-c", claim]).ended(2, "this one runs in");
    home.ccpar(&["claim", "n.md", "--session", "you", "--wait", "0"]).ended(0, "");
}

#[test]
fn a_table_that_cannot_be_read_is_put_aside_and_tokens_still_grow() {
    let home = Home::new();
    let first = token(home.ccpar(&["claim", "a.md", "--session", "me"]));
    for name in TABLES {
        home.write(&format!(".claude/ccpar/{name}"), "{\"token\": 1, \"cla");
    }
    home.pipe(&["locked-write", "a.md", "--session", "you"], "x\n").ended(0, "");
    home.pipe(&["locked-write", "a.md", "--claim", &first], "x\n").ended(1, "holds no claim");
    let second = token(home.ccpar(&["claim", "a.md", "--session", "you"]));
    assert!(second.parse::<u64>().unwrap() > first.parse().unwrap());
    assert!(record(&home, "registry.0.json.unreadable").exists());
    // One that has counted too far is damaged too: tokens never start anew.
    forge_table(&home, |table| table["token"] = u64::MAX.into());
    let third = token(home.ccpar(&["claim", "a.md", "--session", "third"]));
    assert!(third.parse::<u64>().unwrap() > second.parse().unwrap());
    let newer = "{\"format\": 9, \"sequence\": 0, \"length\": 0, \"checksum\": 0}\n";
    home.write(".claude/ccpar/registry.0.json", newer);
    home.ccpar(&["claim", "b.md", "--session", "you"]).ended(2, "of a newer ccpar");
    home.pipe(&["locked-write", "b.md"], "x").ended(2, "registry.0.json");
}

#[test]
fn a_change_of_the_table_that_was_cut_short_leaves_the_one_before_and_no_token_twice() {
    let home = Home::new();
    let first = token(home.ccpar(&["claim", "a.md", "--session", "me"]));
    let second = token(home.ccpar(&["claim", "b.md", "--session", "me"]));
    // What is left when a writer was killed in the middle, or one file is gone.
    let cut = |name: &str| {
        let text = home.text(&format!(".claude/ccpar/{name}"));
        home.write(&format!(".claude/ccpar/{name}"), &text[..text.len() - 9]);
    };
    let (sequence, _) = change(&home);
    cut(TABLES[usize::try_from(sequence % 2).unwrap()]);
    home.ccpar(&["claim", "a.md", "--session", "you", "--wait", "0"]).ended(1, "session me");
    home.pipe(&["locked-write", "a.md", "--claim", &first], "x").ended(0, "");
    let third = token(home.ccpar(&["claim", "b.md", "--session", "you"]));
    assert!(third.parse::<u64>().unwrap() > second.parse().unwrap(), "{third} after {second}");
    let (sequence, _) = change(&home);
    std::fs::remove_file(record(&home, TABLES[usize::try_from(sequence % 2).unwrap()])).unwrap();
    let fourth = token(home.ccpar(&["claim", "c.md", "--session", "me"]));
    assert!(fourth.parse::<u64>().unwrap() > third.parse().unwrap(), "{fourth} after {third}");
}

#[test]
fn the_table_of_the_first_format_is_taken_over() {
    let home = Home::new();
    let agent = Agent::start();
    let first = token(home.ccpar(&["claim", "a.md", "--session", "me", "--pid", &agent.pid()]));
    let mut old = table(&home);
    old["format"] = 1.into();
    for name in TABLES {
        std::fs::remove_file(record(&home, name)).unwrap();
    }
    home.write(".claude/ccpar/registry.json", old.to_string());
    home.pipe(&["locked-write", "a.md", "--wait", "0"], "x").ended(1, "claimed by session me");
    let second = token(home.ccpar(&["claim", "b.md", "--session", "me"]));
    assert!(second.parse::<u64>().unwrap() > first.parse().unwrap());
    assert!(!record(&home, "registry.json").exists());
    home.pipe(&["locked-write", "a.md", "--claim", &first], "x").ended(0, "");
}

#[test]
fn a_token_that_a_power_loss_took_is_not_given_again() {
    let home = Home::new();
    let first = token(home.ccpar(&["claim", "a.md", "--session", "me"]));
    // What stands there after a boot: the table of before, from another boot.
    forge_table(&home, |table| {
        table["boot"] = "an earlier one".into();
        table["token"] = 0.into();
        table["claims"] = Vec::<Value>::new().into();
    });
    let second = token(home.ccpar(&["claim", "a.md", "--session", "me"]));
    assert!(second.parse::<u64>().unwrap() > first.parse::<u64>().unwrap() + 60);
}
