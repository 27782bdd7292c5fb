//! Damage that is found, mended or named; and a history that cannot be written.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::faults::{mount_small, strace_works};
use crate::support::{CCPAR, Home, run};

/// Three versions of a note, and the folder of its history.
fn with_history() -> (Home, String) {
    let home = Home::new();
    for text in ["one\n", "two\n", "three\n"] {
        home.pipe(&["locked-write", "n.md", "--session", "s"], text).quiet();
    }
    home.ccpar(&["status"]).ended(0, "all in order");
    let folder = home.sh("echo .claude/ccpar/history/n.md-*").quiet().trim().to_owned();
    (home, folder)
}

fn hash(text: &str) -> String {
    ccpar_core::Version::of(text.as_bytes()).to_string()
}

/// Damages a content, some minutes ago: what is being put now may be half done.
fn damage(home: &Home, content: &str, text: &str) {
    home.write(content, text);
    let file = std::fs::File::options().write(true).open(home.path(content)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(120)).unwrap();
}

#[test]
fn a_content_that_may_be_half_put_is_left_alone() {
    let (home, folder) = with_history();
    let content = format!("{folder}/{}", hash("three\n"));
    home.write(&content, "thr");
    home.ccpar(&["doctor"]).ended(0, "all is in order");
    damage(&home, &content, "thr");
    home.ccpar(&["doctor", "--dry-run"]).ended(0, "1 problem");
}

#[test]
fn a_sound_history_is_in_order() {
    let (home, _) = with_history();
    home.ccpar(&["locked-read", "other.md"]);
    assert_eq!(home.ccpar(&["doctor"]).ended(0, "all is in order").stdout, "");
    assert!(!home.path(".claude/ccpar/doctor").exists());
}

#[test]
fn what_can_be_mended_is_and_a_copy_is_kept() {
    let (home, folder) = with_history();
    let log = format!("{folder}/log.jsonl");
    // A flipped bit in a line, a torn last line, a damaged content that stands
    // in the file too, one that another history has, and a missing one.
    home.pipe(&["locked-write", "m.md"], "two\n").quiet();
    home.sh(&format!("sed -i.bak '3s/\"n\":2/\"n\":x/' {log}; rm {log}.bak")).quiet();
    home.sh(&format!("printf '{{\"n\":9,' >> {log}")).quiet();
    damage(&home, &format!("{folder}/{}", hash("three\n")), "thrXe\n");
    home.sh(&format!("rm {folder}/{}", hash("two\n"))).quiet();
    let note = home.sh("echo .claude/ccpar/seen/s/*").quiet().trim().to_owned();
    home.write(&note, "garbage\n");
    let before = home.text(&log);
    let dry = home.ccpar(&["doctor", "--dry-run"]).ended(0, "problems, ");
    for said in [
        "what a session has seen",
        "line 3: ",
        "line 5: a crash tore",
        "not the one that its name says: version 3",
    ] {
        assert!(dry.stdout.contains(said), "{said}: {dry:?}");
    }
    assert!(dry.stdout.contains("would mend: it is copied from `"), "{dry:?}");
    assert_eq!(home.text(&log), before);
    home.ccpar(&["doctor"]).ended(0, "what was touched is copied to");
    home.ccpar(&["doctor"]).ended(0, "all is in order");
    let copies = home.sh("cat .claude/ccpar/doctor/*/n.md-*/log.jsonl").quiet();
    assert_eq!(copies, before);
    assert_eq!(home.ccpar(&["show", "n.md@3"]).quiet(), "three\n");
    home.pipe(&["locked-write", "n.md", "--session", "s"], "four\n").quiet();
    assert_eq!(home.ccpar(&["log", "n.md"]).quiet().lines().count(), 3);
}

#[test]
fn a_header_that_is_damaged_is_made_anew_from_what_the_last_look_knew() {
    let (home, folder) = with_history();
    let log = format!("{folder}/log.jsonl");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    home.ccpar(&["status"]).ended(0, "all in order");
    home.sh(&format!("sed -i.bak '1s/target/tXrget/' {log}; rm {log}.bak")).quiet();
    home.ccpar(&["log"]).ended(2, "whose history this is cannot be read");
    home.ccpar(&["doctor"]).ended(0, "1 mended");
    assert_eq!(home.ccpar(&["log"]).quiet().lines().count(), 3);
    // Where nobody knows, nothing is guessed.
    home.sh(&format!(
        "sed -i.bak '1s/target/tXrget/' {log}; rm {log}.bak .claude/ccpar/looked.jsonl"
    ))
    .quiet();
    home.ccpar(&["doctor"]).ended(1, "1 problem, 0 mended");
}

#[test]
fn what_cannot_be_mended_is_named_and_the_rest_works() {
    let (home, folder) = with_history();
    damage(&home, &format!("{folder}/{}", hash("one\n")), "oXe\n");
    home.write(&format!("{folder}/stray"), "?");
    home.pipe(&["locked-write", "new.md"], "x\n").quiet();
    let log = home.sh("echo .claude/ccpar/history/new.md-*/log.jsonl").quiet();
    home.write(log.trim(), "{\"format\":7}\nwho knows\n");
    let ran = home.ccpar(&["doctor", "--json"]).ended(1, "3 problems");
    let found: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let problems: Vec<&str> = found.iter().map(|one| one["problem"].as_str().unwrap()).collect();
    assert!(problems.iter().any(|one| one.contains("version 1")), "{problems:?}");
    assert!(problems.iter().any(|one| one.contains("format 7")), "{problems:?}");
    assert!(problems.iter().any(|one| one.contains("no file of ccpar's")), "{problems:?}");
    // It is gone for good, and that is said; it is not taken for whole.
    home.ccpar(&["show", "n.md@1"]).ended(2, "no version");
    home.ccpar(&["doctor"]).ended(1, "problems");
    assert_eq!(home.text(log.trim()), "{\"format\":7}\nwho knows\n");
    home.ccpar(&["restore", "n.md@2"]).quiet();
}

#[test]
fn prune_by_hand_and_by_config() {
    let (home, folder) = with_history();
    home.sh(&format!("touch -d '40 days ago' {folder}/{}", hash("one\n"))).quiet();
    home.ccpar(&["doctor", "--prune"]).ended(0, "removed 0 contents");
    home.write(".claude/ccpar/config.json", "{\"history\": {\"keep_days\": 30}, \"other\": 1}");
    home.ccpar(&["doctor", "--prune"]).ended(0, "removed 1 content ");
    home.ccpar(&["show", "n.md@1"]).ended(2, "are pruned");
    home.ccpar(&["doctor"]).ended(0, "all is in order");
    home.write(".claude/ccpar/config.json", "{");
    home.ccpar(&["doctor", "--prune", "--keep-days", "1"]).ended(0, "config.json` is not as it");
    home.pipe(&["locked-write", "n.md"], "y\n").ended(0, "config.json` is not as it");
}

#[test]
fn killed_at_each_call_of_a_prune_or_a_restore_the_rest_is_sound() {
    if !strace_works() {
        return;
    }
    for (call, words) in [
        ("rename", &["doctor", "--prune", "--keep-days", "1"][..]),
        ("unlink", &["doctor", "--prune", "--keep-days", "1"]),
        ("pwrite64", &["doctor", "--prune", "--keep-days", "1"]),
        ("write", &["restore", "n.md@1"]),
        ("rename", &["restore", "n.md@1"]),
        ("fsync", &["restore", "n.md@1"]),
    ] {
        let mut hits = 0;
        for nth in 1..30 {
            let (home, folder) = with_history();
            for text in ["one\n", "two\n"] {
                home.sh(&format!("touch -d '40 days ago' {folder}/{}", hash(text))).quiet();
            }
            let mut command = home.command("strace");
            command.args(["-f", "-o", "trace", "-e", &format!("trace={call}")]);
            command.args(["-e", &format!("inject={call}:signal=KILL:when={nth}"), CCPAR]);
            run(command.args(words), b"");
            if !home.text("trace").contains("killed by SIGKILL") {
                break;
            }
            hits += 1;
            let context = format!("killed at {call} number {nth} of {words:?}");
            let text = home.text("n.md");
            assert!(["one\n", "three\n"].contains(&&*text), "{context}: {text}");
            let ran = home.ccpar(words);
            assert_eq!(ran.code, 0, "{context}: {ran:?}");
            let ran = home.ccpar(&["doctor"]);
            assert_eq!(ran.code, 0, "{context}: {ran:?}");
            assert_eq!(
                home.sh(&format!("ls {folder} | grep -c pruned$ || true")).quiet(),
                if words[0] == "doctor" { "1\n" } else { "0\n" },
                "{context}"
            );
            home.sh("rm trace").quiet();
            assert_eq!(home.names(), ["n.md"], "{context}");
        }
        assert!(hits > 0, "{call} was never called by {words:?}");
    }
}

#[test]
fn where_the_history_cannot_be_written_nothing_is_and_there_is_a_way_round() {
    let (home, _) = with_history();
    if !mount_small(&home, ".claude/ccpar/history", "64k") {
        return;
    }
    home.sh("head -c 60000 /dev/zero > .claude/ccpar/history/full || true").quiet();
    let large = "x".repeat(20_000);
    let words = ["locked-write", "n.md", "--session", "s"];
    home.pipe(&words, &large).ended(2, "add: --no-history");
    assert_eq!(home.text("n.md"), "three\n");
    home.pipe(&[&words[..], &["--no-history"]].concat(), &large).quiet();
    assert_eq!(home.text("n.md"), large);
    home.sh("umount .claude/ccpar/history").quiet();
    let log = home.ccpar(&["log", "n.md"]).ended(0, "");
    assert!(log.stdout.lines().next().unwrap().contains("outside"), "{log:?}");
}
