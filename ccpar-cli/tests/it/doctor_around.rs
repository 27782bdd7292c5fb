//! What the doctor says of all that histories are not: the root, its locks, what lies
//! around.

use serde_json::Value;

use crate::faults::strace_works;
use crate::support::{CCPAR, Home, run, skip, there_is};

/// A home with one note that is known.
fn with_note() -> Home {
    let home = Home::new();
    home.pipe(&["locked-write", "n.md"], "one\n").quiet();
    home.ccpar(&["doctor"]).ended(0, "all is in order");
    home
}

#[test]
fn what_another_user_left_in_the_root_is_trouble() {
    let home = with_note();
    if home.sh("id -u").stdout != "0\n" {
        skip("only root may give files away");
        return;
    }
    home.sh("chown 4321 .claude/ccpar/history/*").quiet();
    let ran = home.ccpar(&["doctor"]).ended(2, "1 problem, 0 mended");
    assert!(ran.stdout.contains("1 thing in it of another user, like `"), "{ran:?}");
    home.sh("chown 0 .claude/ccpar/history/*").quiet();
    home.ccpar(&["doctor"]).ended(0, "all is in order");
}

#[test]
fn locks_that_keep_nobody_out_are_trouble() {
    if !strace_works() {
        return;
    }
    let home = with_note();
    // A file system that says yes to each who asks.
    let lies = "inject=flock:retval=0";
    let mut command = home.command("strace");
    let ran = run(command.args(["-f", "-o", "trace", "-e", lies, CCPAR, "doctor", "-n"]), b"");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("two processes held one lock at once"), "{ran:?}");
    assert!(ran.stdout.contains("CCPAR_ROOT"), "{ran:?}");
    // And one that has none.
    let mut command = home.command("strace");
    let none = "inject=flock:error=ENOLCK";
    let ran = run(command.args(["-f", "-o", "trace", "-e", none, CCPAR, "doctor", "-n"]), b"");
    assert_eq!(ran.code, 2, "{ran:?}");
    home.ccpar(&["doctor"]).ended(0, "all is in order");
    let left = home.sh("ls .claude/ccpar/locks").quiet();
    assert!(!left.contains("doctor"), "{left}");
}

#[test]
fn what_a_killed_writer_left_is_swept() {
    let home = with_note();
    let target = home.path("n.md").canonicalize().unwrap();
    let root = home.path(".claude/ccpar").canonicalize().unwrap();
    let name = ccpar_core::layout::temp_name(root.to_str().unwrap().into(), &target);
    home.write(&name, "half a te");
    let dry = home.ccpar(&["doctor", "--dry-run"]).ended(0, "1 problem, 1 can be mended");
    assert!(dry.stdout.contains("died and left this"), "{dry:?}");
    assert!(home.path(&name).exists());
    // Who holds the lock is at work.
    let held = home.sh("ccpar lock n.md -- ccpar doctor --dry-run");
    assert!(!held.stdout.contains("died and left this"), "{held:?}");
    home.ccpar(&["doctor"]).ended(0, "1 problem, 1 mended");
    assert!(!home.path(&name).exists());
    assert_eq!(home.text("n.md"), "one\n");
}

#[test]
fn a_heartbeat_that_cannot_be_read_is_named() {
    let home = with_note();
    home.sh("mkdir -p .claude/ccpar/sessions").quiet();
    home.write(".claude/ccpar/sessions/x.json", "{");
    let ran = home.ccpar(&["doctor"]).ended(1, "1 problem, 0 mended");
    assert!(ran.stdout.contains("x.json"), "{ran:?}");
}

#[test]
fn a_namespace_whose_branch_is_gone_is_named_with_the_way_out() {
    if !there_is("git") {
        return;
    }
    let home = with_note();
    home.sh("mkdir notes && echo hi > notes/a.md && git init -q . && git checkout -q -b main")
        .quiet();
    home.sh("git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x").quiet();
    home.sh("git checkout -q -b gone").quiet();
    home.sh("ccpar namespace start --of notes").ended(0, "");
    home.ccpar(&["doctor"]).ended(0, "all is in order");
    home.sh("git checkout -q main && git branch -q -D gone").quiet();
    let ran = home.ccpar(&["doctor"]).ended(1, "1 problem");
    assert!(ran.stdout.contains("mend with: ccpar namespace "), "{ran:?}");
}

#[test]
fn an_index_that_does_not_say_what_lies_beside_it_is_named() {
    let home = Home::new();
    home.sh("mkdir -p .claude/skills/one").quiet();
    home.write(".claude/skills/one/SKILL.md", "---\nname: one\ndescription: what\n---\n");
    home.pipe(&["locked-write", ".claude/skills/INDEX.md"], "# Skills\n").quiet();
    let ran = home.ccpar(&["doctor"]).ended(1, "1 problem");
    let way = ran.stdout.split_once("see which with: ").expect(&ran.stdout).1;
    home.sh(&format!("{} --fix", way.trim())).ended(0, "");
    home.ccpar(&["doctor"]).ended(0, "all is in order");
}

#[test]
fn hooks_of_others_that_are_gone_are_worth_a_note() {
    let home = Home::new();
    home.sh("mkdir .claude").quiet();
    let theirs = r#"{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "theirs"}]}]}}"#;
    home.write(".claude/settings.json", theirs);
    home.ccpar(&["install"]).ended(0, "installed");
    let both = home.text(".claude/settings.json");
    let quiet = home.ccpar(&["doctor"]).ended(0, "all is in order");
    assert!(!quiet.stderr.contains("of others"), "{quiet:?}");
    let line = both.lines().find(|line| line.contains("\"theirs\"")).unwrap();
    assert!(both.contains(line));
    let mut json: Value = serde_json::from_str(&both).unwrap();
    let stop = json["hooks"]["Stop"].as_array_mut().unwrap();
    stop.retain(|group| !group.to_string().contains("theirs"));
    home.write(".claude/settings.json", json.to_string());
    home.ccpar(&["status"]);
    let ran = home.ccpar(&["doctor"]);
    assert!(ran.stderr.contains("1 hook of others, which version"), "{ran:?}");
    assert!(ran.stderr.contains("ccpar diff "), "{ran:?}");
}

#[test]
fn a_client_that_is_too_old_is_named_and_one_that_is_not_is_not() {
    let home = with_note();
    home.sh("mkdir bin").quiet();
    for (says, code, found) in [
        ("1.0.3 (Claude Code)", 1, "version 1.0.3"),
        ("2.1.330 (Claude Code)", 0, ""),
        ("2.1.999 (Claude Code)", 0, ""),
        ("who knows", 1, "does not tell its version"),
    ] {
        home.write("bin/claude", format!("#!/bin/sh\necho '{says}'\n"));
        let ran = home.sh("chmod +x bin/claude; PATH=\"$PWD/bin:$PATH\" ccpar doctor");
        assert_eq!(ran.code, code, "{says}: {ran:?}");
        assert!(ran.stdout.contains(found), "{says}: {ran:?}");
    }
    home.write("bin/claude", "#!/bin/sh\necho 3.0.0\n");
    let ran = home.sh("PATH=\"$PWD/bin:$PATH\" ccpar doctor --json").ended(0, "all is in order");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["severity"], "note");
}
