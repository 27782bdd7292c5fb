//! What comes back, and as what: a time, a session, a version, by its name alone.

use crate::history::{json, tick, write};
use crate::support::{Home, Ran};

#[test]
fn a_folder_goes_back_to_a_time_with_all_that_was_deleted_in_it() {
    let home = Home::new();
    for n in 0..23 {
        write(&home, &format!("memory/n{n}.md"), "s", &format!("note {n}\n"));
    }
    write(&home, "other.md", "s", "other\n");
    tick();
    let at = home.sh("date -u +%FT%T.%NZ").quiet();
    tick();
    write(&home, "memory/new.md", "s", "new\n");
    home.write("memory/n1.md", "changed\n");
    home.write("other.md", "changed\n");
    home.sh("rm memory/n[2-9].md memory/n1?.md memory/n2?.md").quiet();
    let restore = |more: &[&str]| -> Ran {
        home.ccpar(&[&["restore", "memory", "--at", at.trim()], more].concat())
    };
    let dry = restore(&["--dry-run"]).ended(0, "created since then: 1 file (memory/new.md)");
    assert_eq!(dry.stdout.lines().count(), 22, "{dry:?}");
    assert!(dry.stdout.contains("would restore +1 -1     memory/n1.md\n"), "{dry:?}");
    assert_eq!(home.text("memory/n1.md"), "changed\n");
    let objects = json(&restore(&["--dry-run", "--json"]).stdout);
    assert_eq!(objects.iter().filter(|object| object["dry_run"] == true).count(), 22);
    // The folder itself may be gone too.
    home.sh("mv memory/new.md . && rm -r memory && mkdir memory && mv new.md memory").quiet();
    home.sh("rm memory/new.md; rmdir memory").quiet();
    let done = restore(&[]);
    assert_eq!((done.code, done.stdout.lines().count()), (0, 23), "{done:?}");
    for n in 0..23 {
        assert_eq!(home.text(&format!("memory/n{n}.md")), format!("note {n}\n"));
    }
    assert_eq!(home.text("other.md"), "changed\n");
    restore(&[]).ended(0, "nothing to put back");
    // One that is gone is a folder still, to each verb.
    home.sh("rm -r memory").quiet();
    for folder in ["memory", "memory/"] {
        let log = home.ccpar(&["log", folder, "--session", "s"]).ended(0, "");
        assert!(log.stdout.contains("memory/n7.md"), "{log:?}");
        let said = format!("ccpar restore {folder} --at 10:30 --dry-run");
        home.ccpar(&["restore", folder]).ended(2, &said);
    }
    restore(&[]);
    // What it replaced is there still.
    assert_eq!(home.ccpar(&["show", "memory/n1.md@2"]).quiet(), "changed\n");
    home.ccpar(&["restore", "memory"]).ended(2, "is a folder, and no time is named");
    home.ccpar(&["restore", "nope", "--at", "1h"]).ended(2, "no file in `nope` has a history");
}

#[test]
fn what_a_session_wrote_is_taken_back_everywhere() {
    let home = Home::new();
    for session in ["s", "t"] {
        home.ccpar(&["locked-read", "n.md", "--session", session]);
    }
    write(&home, "n.md", "t", "one\n");
    home.ccpar(&["locked-read", "n.md", "--session", "s"]).quiet();
    write(&home, "n.md", "s", "bad\none\n");
    home.ccpar(&["locked-read", "n.md", "--session", "t"]).quiet();
    write(&home, "n.md", "t", "bad\none\ngood\n");
    write(&home, "created.md", "s", "x\n");
    let dry = home.ccpar(&["restore", "--session", "s", "--dry-run"]).quiet();
    assert!(dry.contains("would remove  +0 -1     created.md\n"), "{dry}");
    assert!(dry.contains("would restore +0 -1     n.md\n"), "{dry}");
    assert_eq!(home.text("n.md"), "bad\none\ngood\n");
    let done = home.ccpar(&["restore", "--session", "s"]).quiet();
    assert!(done.contains("put back      +0 -1     n.md\n"), "{done}");
    assert_eq!(home.text("n.md"), "one\ngood\n");
    assert!(!home.path("created.md").exists());
    home.ccpar(&["restore", "--session", "s"]).ended(0, "nothing to put back");
    home.ccpar(&["restore", "n.md", "--session", "nobody"]).ended(2, "no session `nobody` has");
}

#[test]
fn a_session_is_named_by_as_much_of_its_id_as_names_no_other() {
    let home = Home::new();
    for (session, text) in [("0f3c2a", "1\n"), ("0f3c2b", "1\n2\n"), ("1", "1\n2\n3\n")] {
        write(&home, "n.md", session, text);
    }
    write(&home, "n.md", "11", "1\n2\n3\n4\n");
    let rows = |id| home.ccpar(&["log", "--session", id]).quiet().lines().count();
    assert_eq!((rows("0f3c2a"), rows("0f3c2b"), rows("1"), rows("11")), (1, 1, 1, 1));
    for words in [&["log", "--session"][..], &["restore", "-n", "--session"]] {
        let ran = |id| home.ccpar(&[words, &[id]].concat());
        ran("0f3c2").ended(2, "`0f3c2` begins the ids of 2 sessions: 0f3c2a, 0f3c2b");
        ran("2").ended(2, "no session `2` has");
        ran("").ended(2, "no session `` has");
    }
    home.pipe(&["locked-write", "m.md", "--session", "7e"], "x\n").quiet();
    assert_eq!(rows("7"), 1);
    home.ccpar(&["restore", "--session", "7"]).ended(0, "note: this is session 7e");
    assert!(!home.path("m.md").exists());
}

#[test]
fn where_others_stand_in_the_way_everywhere_nothing_is_called_put_back() {
    let home = Home::new();
    write(&home, "n.md", "t", "k: 1\n");
    home.ccpar(&["locked-read", "n.md", "--session", "s"]).quiet();
    write(&home, "n.md", "s", "k: 2\n");
    home.ccpar(&["locked-read", "n.md", "--session", "t"]).quiet();
    write(&home, "n.md", "t", "k: 3\n");
    let dry = home.ccpar(&["restore", "--session", "s", "--dry-run"]).quiet();
    assert_eq!(dry, "would leave   +0 -0     n.md  (1 place others changed since then)\n");
    let done = home.ccpar(&["restore", "--session", "s"]).ended(1, "as it was before: ");
    assert_eq!(done.stdout, "left          +0 -0     n.md  (1 place others changed since then)\n");
    assert_eq!(home.text("n.md"), "k: 3\n");
    let object = &json(&home.ccpar(&["restore", "--session", "s", "-n", "--json"]).quiet())[0];
    assert_eq!(object["action"], "leave");
}

#[test]
fn restore_of_one_version_can_be_tried_first() {
    let home = Home::new();
    for text in ["one\n", "two\n"] {
        home.pipe(&["locked-write", "n.md"], text).quiet();
    }
    let dry = home.ccpar(&["restore", "n.md@1", "--dry-run"]).quiet();
    assert_eq!(dry, "would restore +1 -1     n.md\n");
    assert_eq!(home.text("n.md"), "two\n");
    home.ccpar(&["restore", "no.md"]).ended(2, "has never read or written it");
    home.ccpar(&["restore", "n.md@7"]).ended(2, "newest is 2");
    home.ccpar(&["restore"]).ended(2, "required");
}

#[test]
fn of_a_file_that_was_emptied_and_filled_again_the_way_back_is_named() {
    let home = Home::new();
    home.pipe(&["locked-write", "my n.md"], "a\nb\nc\n").quiet();
    home.write("my n.md", "");
    home.ccpar(&["status"]).ended(1, "1 to look at");
    home.pipe(&["locked-write", "my n.md", "--append"], "new\n").quiet();
    let ran = home.ccpar(&["restore", "my n.md"]).ended(2, "with: ccpar restore --lost 'my n.md'");
    home.sh(ran.stderr.trim_end().rsplit_once(": ").unwrap().1).ended(0, "put back");
    assert!(home.text("my n.md").contains("a\nb\nc\n"));
}
