//! The disk is full, the folder is read-only, a call fails at a bad moment. What each
//! call of each verb does when it fails, `tests/torture` holds against the promises.

use std::path::Path;
use std::process::Command;

use crate::support::{CCPAR, Home, run, skip, there_is};

const OLD: &str = "old text\n";
const NEW: &str = "new text\n";

pub(crate) fn strace_works() -> bool {
    if !there_is("strace") {
        return false;
    }
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        skip("strace may not trace here");
    }
    works
}

/// Mounts a file system of this size on a folder, where that can be done.
pub(crate) fn mount_small(home: &Home, folder: &str, size: &str) -> bool {
    let mounted = home.sh(&format!("mount -t tmpfs -o size={size} none {folder}"));
    if mounted.code != 0 {
        skip(&format!(
            "no tmpfs can be mounted here: {}",
            mounted.stderr.lines().next().unwrap_or_default()
        ));
    }
    mounted.code == 0
}

fn fresh() -> Home {
    let home = Home::new();
    home.pipe(&["locked-write", "notes.md"], OLD).quiet();
    home
}

#[test]
fn a_conflict_that_could_not_be_recorded_leaves_no_copy() {
    if !strace_works() {
        return;
    }
    let mut failed = 0;
    for nth in 1..40 {
        let home = Home::new();
        home.pipe(&["locked-write", "notes.md"], "- [a](a.md): one\n").quiet();
        home.ccpar(&["locked-read", "notes.md", "--session", "s"]).quiet();
        home.pipe(&["locked-write", "notes.md"], "- [a](a.md): theirs\n");
        let mut command = home.command("strace");
        command.args(["-o", "trace", "-e", "trace=fsync"]);
        command.args(["-e", &format!("inject=fsync:error=EIO:when={nth}")]);
        command.args([CCPAR, "locked-write", "notes.md", "--session", "s"]);
        let ran = run(&mut command, b"- [a](a.md): mine\n");
        let copies = home.names().iter().filter(|name| name.contains(".conflict-")).count();
        if !home.text("trace").contains("(INJECTED)") {
            assert_eq!((ran.code, copies), (1, 1), "{ran:?}");
            break;
        }
        if ran.code == 2 && !ran.stderr.contains("not known to be durable") {
            assert_eq!(copies, 0, "sync number {nth}: {ran:?}");
            failed += 1;
        }
    }
    assert!(failed >= 6, "{failed}");
}

#[test]
fn a_full_disk_changes_nothing_and_is_said() {
    let home = Home::new();
    home.sh("mkdir disk").quiet();
    if !mount_small(&home, "disk", "256k") {
        return;
    }
    let write = |root: &str, text: &str| {
        let mut command = home.command(CCPAR);
        command.args(["locked-write", "disk/notes.md"]).env("CCPAR_ROOT", home.path(root));
        run(&mut command, text.as_bytes())
    };
    let large = "x".repeat(400 << 10);
    for root in ["root", "disk/root"] {
        write(root, OLD).quiet();
        write(root, &large).ended(2, "cannot write");
        assert_eq!(home.text("disk/notes.md"), OLD);
        let names = home.sh("ls -A disk | grep -v root").stdout;
        assert_eq!(names, "notes.md\n", "root in {root}");
        home.sh("rm -rf disk/root/history").quiet();
        write(root, NEW).ended(0, "");
        home.sh("rm -rf disk/*").quiet();
    }
    home.sh("umount disk").quiet();
}

#[test]
fn a_read_only_folder_is_named_and_nothing_changes() {
    let home = Home::new();
    home.sh("mkdir folder; echo old > folder/notes.md; chmod 0555 folder").quiet();
    if let Some(ran) = home.bound(&["locked-write", "folder/notes.md"], NEW) {
        let ran = ran.ended(2, "cannot create");
        assert!(ran.stderr.contains("folder"), "{ran:?}");
        assert_eq!(home.text("folder/notes.md"), "old\n");
    }
    home.sh("chmod 0755 folder").quiet();
}

#[test]
fn where_the_root_cannot_be_written_there_is_a_way_round_while_there_is_a_lock() {
    let home = fresh();
    home.sh("chmod -R a-w .claude/ccpar").quiet();
    let bound = |words: &[&str]| home.bound(words, NEW);
    let Some(ran) = bound(&["locked-write", "notes.md"]) else { return };
    ran.ended(2, "add: --no-history");
    for (words, text) in
        [(&["locked-write", "notes.md"][..], OLD), (&["locked-edit", "notes.md", "--", "cat"], NEW)]
    {
        bound(words).unwrap().ended(2, "nothing was written; to write all the same");
        assert_eq!(home.text("notes.md"), text);
        let words = [&words[..2], &["--no-history"], &words[2..]].concat();
        bound(&words).unwrap().quiet();
        assert_eq!(home.text("notes.md"), NEW);
    }
    let ran = bound(&["restore", "notes.md@1"]).unwrap().ended(2, "to put it back all the same");
    home.sh(ran.stderr.trim_end().rsplit_once("replaces: ").unwrap().1);
    assert_eq!(home.text("notes.md"), OLD);
    // A lock that may only be read excludes others all the same.
    let nested = ["lock", "notes.md", "--", "ccpar", "lock", "-n", "-E", "9", "notes.md", "true"];
    bound(&nested).unwrap().ended(9, "is locked");
    let ran = bound(&["locked-write", "other.md", "--no-history"]).unwrap();
    ran.ended(2, "cannot create").ended(2, "or set CCPAR_ROOT to a folder that is");
    assert!(!home.path("other.md").exists());
    home.sh("chmod -R u+w .claude/ccpar").quiet();
}

#[test]
fn where_the_history_cannot_be_written_a_read_gives_the_text_and_says_so() {
    let home = fresh();
    home.write("notes.md", "old text\nmore\n");
    home.ccpar(&["status"]);
    home.write("notes.md", "old text\nstale\n");
    home.sh("chmod -R a-w .claude/ccpar").quiet();
    let bound = |words: &[&str], text: &str| home.bound(words, text);
    for words in [&[][..], &["--session", "s"]] {
        let Some(ran) = bound(&[&["locked-read", "notes.md"], words].concat(), "") else { return };
        let ran = ran.ended(0, "note: so `notes.md` is not remembered as read");
        assert_eq!(ran.stdout, "old text\nstale\n");
        assert!(ran.stderr.contains("cannot ") && ran.stderr.contains("writable"), "{ran:?}");
    }
    let ran = bound(&["locked-read", "notes.md", "--json"], "").unwrap().ended(0, "not remembered");
    assert!(ran.stdout.contains("stale"), "{ran:?}");
    // The way that is named works, and merges.
    home.write("read.md", home.text("notes.md"));
    home.write("notes.md", "old text\nstale\ntheirs\n");
    let write = ["locked-write", "notes.md", "--no-history", "--base", "read.md"];
    bound(&write, "ours\nold text\nstale\n").unwrap().ended(0, "");
    assert_eq!(home.text("notes.md"), "ours\nold text\nstale\ntheirs\n");
    // A restore writes, so it does not go on without a history.
    let ran = bound(&["restore", "--lost", "notes.md"], "").unwrap();
    let ran = ran.ended(2, "nothing was written; make ");
    assert!(ran.stderr.contains(".claude/ccpar` writable"), "{ran:?}");
    assert_eq!(home.text("notes.md"), "ours\nold text\nstale\ntheirs\n");
    home.sh("chmod -R u+w .claude/ccpar").quiet();
    // What cannot be read is an error still.
    home.sh("mkdir folder").quiet();
    home.ccpar(&["locked-read", "folder"]).ended(2, "is a folder");
    home.ccpar(&["locked-read", "notes.md", "--session", "s"]).ended(0, "");
    home.pipe(&["locked-write", "notes.md", "--session", "s"], "now\n").quiet();
}

#[test]
fn an_umask_of_nothing_leaves_the_root_usable_and_private() {
    let home = Home::new();
    home.sh("umask 0777; echo a | ccpar locked-write n.md; chmod 0644 n.md").quiet();
    home.sh("umask 0; echo b | ccpar locked-write n.md").quiet();
    let open = home.sh("find .claude/ccpar -perm /077").quiet();
    assert_eq!(open, "", "readable by others");
    let closed = home.sh("find .claude/ccpar -type f ! -perm 0600").quiet();
    assert_eq!(closed, "");
}

#[test]
fn a_failed_write_is_no_base_of_the_next_try() {
    if !strace_works() {
        return;
    }
    for fault in ["error=EIO", "signal=KILL"] {
        let home = Home::new();
        home.pipe(&["locked-write", "notes.md"], "a\nb\nc\n").quiet();
        let text = "a\nX\nc\n";
        let mut command = home.command("strace");
        command.args(["-f", "-o", "trace", "-e", "trace=rename"]);
        command.args(["-e", &format!("inject=rename:{fault}")]);
        run(command.args([CCPAR, "locked-write", "notes.md"]), text.as_bytes());
        assert_eq!(home.text("notes.md"), "a\nb\nc\n", "{fault}");
        // Not even when somebody else has written in between.
        home.write("notes.md", "a\nb\nc\nd\n");
        home.pipe(&["locked-write", "notes.md", "--merge"], text);
        let now = home.text("notes.md");
        assert!(now.contains("X\n"), "{fault}: {now}");
        assert_eq!(home.names(), ["notes.md", "trace"], "{fault}");
    }
}

#[test]
fn a_text_that_is_there_already_is_made_durable_all_the_same() {
    if !strace_works() {
        return;
    }
    let home = fresh();
    let mut command = home.command("strace");
    command.args(["-f", "-o", "trace", "-e", "trace=fsync", CCPAR, "locked-write", "notes.md"]);
    run(&mut command, OLD.as_bytes()).quiet();
    let syncs = home.text("trace").lines().filter(|line| line.contains("fsync(")).count();
    assert!(syncs >= 4, "file, folder, content, log: {}", home.text("trace"));
}

#[test]
fn what_did_not_go_out_whole_was_not_seen() {
    if !Path::new("/dev/full").exists() {
        skip("there is no /dev/full here");
        return;
    }
    let home = Home::new();
    home.write("notes.md", "line\n".repeat(100_000));
    for reader in ["> /dev/full", "| head -n 1 > mine.md"] {
        home.sh(&format!("ccpar locked-read notes.md --session s {reader}"));
        home.pipe(&["locked-write", "notes.md", "--session", "s", "--require-base"], "line\n")
            .ended(1, "no base");
    }
    // Nor is it a reason to fail that nobody hears what is said.
    home.pipe(&["locked-write", "n.md"], "a\nb\n").quiet();
    home.pipe(&["locked-write", "n.md"], "a\nb\nc\n").quiet();
    let ran =
        home.sh("printf 'a\\nb\\nx\\n' | ccpar locked-write n.md --json 2> /dev/full > /dev/full");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(home.text("n.md"), "a\nb\nx\n");
}
