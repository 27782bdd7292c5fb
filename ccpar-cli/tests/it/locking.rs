//! `ccpar lock`, and everything that waits.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use crate::support::{CCPAR, Home, run, there_is};

#[test]
fn it_ends_as_flock_does() {
    let home = Home::new();
    assert_eq!(home.ccpar(&["lock", "n.md", "--", "echo", "hi"]).quiet(), "hi\n");
    home.ccpar(&["lock", "n.md", "sh", "-c", "exit 5"]).ended(5, "");
    home.ccpar(&["lock", "n.md", "--", "sh", "-c", "kill -9 $$"]).ended(137, "");
    home.ccpar(&["lock", "n.md", "--", "no-such-command"]).ended(69, "no-such-command");
    home.ccpar(&["lock", "--no-such-option"]).ended(64, "--no-such-option");
    assert!(home.names().is_empty(), "a lock does not create its target");
}

#[test]
fn a_busy_lock_ends_with_the_code_that_was_asked_for() {
    let home = Home::new();
    let mut holder = home
        .command(CCPAR)
        .args(["lock", "n.md", "--session", "s7", "--", "sh", "-c", "echo held; cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(holder.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    home.ccpar(&["lock", "-n", "n.md", "true"]).ended(1, "held by session s7");
    home.ccpar(&["lock", "-n", "-E", "9", "n.md", "true"]).ended(9, "`n.md` is locked, held");
    home.ccpar(&["lock", "-w", "0.3", "n.md", "true"]).ended(1, "waiting for `n.md`");
    // A wait that nobody notices is not worth a word.
    let short = home.ccpar(&["lock", "-w", "0.05", "n.md", "true"]).ended(1, "still after 0.1 s");
    assert!(!short.stderr.contains("waiting"), "{short:?}");
    home.ccpar(&["lock", "-n", "-s", "n.md", "true"]).ended(1, "");
    home.pipe(&["locked-write", "n.md", "--wait", "0.05"], "x").ended(1, "held by session s7");
    // Readers never wait.
    home.ccpar(&["locked-read", "n.md", "--session", "r"]).ended(0, "does not exist");
    assert!(home.names().is_empty());
    drop(holder.stdin.take());
    said.read_to_string(&mut line).unwrap();
    holder.wait().unwrap();
    home.ccpar(&["lock", "-n", "n.md", "true"]).quiet();
}

#[test]
fn shared_locks_do_not_exclude_each_other() {
    let home = Home::new();
    let inner = "ccpar lock -s -n n.md echo both";
    let outer = ["lock", "-s", "n.md", "--", "sh", "-c", inner];
    assert_eq!(home.ccpar(&outer).quiet(), "both\n");
}

#[test]
fn whoever_waits_for_its_own_caller_is_told_at_once() {
    let home = Home::new();
    let write = "echo x | ccpar locked-write n.md";
    let advice = "locked by the command that this one runs in";
    home.ccpar(&["lock", "n.md", "--", "sh", "-c", write]).ended(2, advice);
    home.ccpar(&["lock", "-o", "n.md", "--", "sh", "-c", write]).ended(2, advice);
    home.ccpar(&["locked-edit", "n.md", "--", "sh", "-c", write]).ended(2, advice);
    // Who does not wait gets flock(1)'s answer.
    let nested = ["lock", "n.md", "--", "ccpar", "lock", "-n", "-E", "9", "n.md", "true"];
    home.ccpar(&nested).ended(9, "is locked");
    home.ccpar(&["lock", "other.md", "--", "sh", "-c", write]).quiet();
    if cfg!(target_os = "linux") && there_is("flock") {
        home.sh(&format!("flock $(ccpar lock --print-path n.md) sh -c '{write}'")).ended(2, advice);
    }
}

#[test]
fn a_command_in_the_background_keeps_the_lock_unless_it_is_not_passed_on() {
    let home = Home::new();
    home.sh("ccpar lock n.md -- sh -c 'sleep 60 >&- 2>&- & echo $! > pid'").quiet();
    home.ccpar(&["lock", "-n", "n.md", "true"]).ended(1, "");
    home.sh("kill $(cat pid)").quiet();
    home.ccpar(&["lock", "-w", "30", "n.md", "true"]).ended(0, "");
    home.sh("ccpar lock -o n.md -- sh -c 'sleep 60 >&- 2>&- & echo $! > pid'").quiet();
    home.ccpar(&["lock", "-n", "n.md", "true"]).quiet();
    home.sh("kill $(cat pid)").quiet();
}

#[test]
fn what_a_caller_of_locked_write_leaves_running_does_not_keep_the_lock() {
    let home = Home::new();
    home.sh("sleep 60 >&- 2>&- <&- & echo $! > pid; echo x | ccpar locked-write n.md").quiet();
    home.pipe(&["locked-write", "n.md", "--wait", "0"], "x\ny\n").quiet();
    home.sh("kill $(cat pid)").quiet();
}

#[test]
fn scripts_that_keep_using_flock_are_excluded_and_exclude() {
    if !there_is("flock") {
        return;
    }
    let home = Home::new();
    let path = home.ccpar(&["lock", "--print-path", "n.md"]).quiet();
    let path = path.trim_end();
    assert_eq!(home.ccpar(&["lock", "n.md", "--", "flock", "-n", path, "true"]).code, 1);
    // Held by a process that is no ancestor of the writer.
    let mut holder = home.command("flock");
    let holder = holder.args([path, "sh", "-c", "echo held; cat"]).stdin(Stdio::piped());
    let mut holder = holder.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    home.pipe(&["locked-write", "n.md", "--wait", "0"], "x").ended(1, "is locked");
    drop(holder.stdin.take());
    holder.wait().unwrap();
    home.pipe(&["locked-write", "n.md", "--wait", "0"], "x").quiet();
}

#[test]
fn a_root_of_somebody_elses_is_refused() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("root")).unwrap();
    let mut command = home.command("chmod");
    run(command.args(["0777", "root"]), b"").quiet();
    let mut command = home.command(CCPAR);
    let root = home.path("root");
    let ran = run(command.args(["locked-write", "n.md"]).env("CCPAR_ROOT", root), b"x");
    ran.ended(2, "can be written by others");
    assert!(!home.path("n.md").exists());
}
