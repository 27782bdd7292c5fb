//! What is recorded, where it has something to do.

use crate::faults::Home;

/// What is recorded, and what has to be true then.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) words: &'static [&'static str],
    pub(super) input: &'static str,
    pub(super) set_up: fn(&Home),
    /// What was done just before, with nothing synced since.
    pub(super) first: (&'static [&'static str], &'static str),
    /// What the target holds before it and after it.
    pub(super) target: &'static str,
    pub(super) old: Option<&'static str>,
    pub(super) new: &'static str,
    /// Once it is told, these texts are in the history.
    pub(super) kept: &'static [&'static str],
    /// Once it is told, a conflict copy holds this.
    pub(super) copy: Option<&'static str>,
}

const OLD: &str = "- [a](a.md): one\n- [b](b.md): two\n";
const NEW: &str = "- [a](a.md): one\n- [b](b.md): two\n- [c](c.md): three\n";
const OTHER: &str = "- [z](z.md): zero\n- [a](a.md): one\n- [b](b.md): two\n";
const MERGED: &str = "- [z](z.md): zero\n- [a](a.md): one\n- [b](b.md): two\n- [c](c.md): three\n";
const MINE: &str = "- [a](a.md): mine\n- [b](b.md): two\n";
const THEIRS: &str = "- [a](a.md): theirs\n- [b](b.md): two\n";

const PLAIN: Scenario = Scenario {
    name: "locked-write",
    words: &["locked-write", "notes.md", "--json"],
    input: NEW,
    set_up: |home| write(home, OLD),
    first: (&[], ""),
    target: "notes.md",
    old: Some(OLD),
    new: NEW,
    kept: &[OLD, NEW],
    copy: None,
};

pub(super) const SCENARIOS: [Scenario; 10] = [
    PLAIN,
    Scenario {
        name: "locked-write, the first of all",
        words: &["locked-write", "deep/er/notes.md", "--json"],
        set_up: |_| {},
        target: "deep/er/notes.md",
        old: None,
        kept: &[NEW],
        ..PLAIN
    },
    Scenario {
        name: "locked-write of a file that ccpar does not know",
        set_up: |home| home.write("notes.md", OLD),
        ..PLAIN
    },
    Scenario {
        name: "locked-write over what was only looked at",
        set_up: |home| {
            write(home, "- [a](a.md): one\n");
            home.write("notes.md", OLD);
        },
        first: (&["status"], ""),
        ..PLAIN
    },
    Scenario { name: "locked-write of what stands there already", first: (UNSYNCED, NEW), ..PLAIN },
    Scenario {
        name: "locked-write --append",
        words: &["locked-write", "notes.md", "--json", "--append"],
        input: "- [c](c.md): three\n",
        ..PLAIN
    },
    Scenario {
        name: "locked-write, merged",
        words: &["locked-write", "notes.md", "--json", "--session", "s1"],
        set_up: |home| {
            write(home, OLD);
            done(home, &["locked-read", "notes.md", "--session", "s1"], "");
            write(home, OTHER);
        },
        old: Some(OTHER),
        new: MERGED,
        kept: &[OTHER, NEW, MERGED],
        ..PLAIN
    },
    Scenario {
        name: "locked-write, in conflict",
        words: &["locked-write", "notes.md", "--json", "--session", "s1"],
        input: MINE,
        set_up: |home| {
            write(home, OLD);
            done(home, &["locked-read", "notes.md", "--session", "s1"], "");
        },
        first: (UNSYNCED, THEIRS),
        new: THEIRS,
        kept: &[THEIRS, MINE],
        copy: Some(MINE),
        ..PLAIN
    },
    Scenario {
        name: "restore",
        words: &["restore", "notes.md@1", "--json"],
        input: "",
        set_up: |home| {
            write(home, NEW);
            write(home, OLD);
        },
        ..PLAIN
    },
    Scenario {
        name: "claim",
        words: &["claim", "notes.md", "--session", "s1", "--pid", "PID"],
        input: "",
        set_up: |home| {
            write(home, OLD);
            // Half of the number that comes next is a number, and too small.
            home.write("root/registry.tokens", "130\n");
        },
        new: OLD,
        kept: &[OLD],
        ..PLAIN
    },
];

/// Somebody writes who does not care about power.
pub(super) const UNSYNCED: &[&str] = &["locked-write", "notes.md", "--durability", "process"];

fn write(home: &Home, text: &str) {
    done(home, &["locked-write", "notes.md"], text);
}

fn done(home: &Home, words: &[&str], input: &str) {
    let ran = home.ccpar(words, input);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
}
