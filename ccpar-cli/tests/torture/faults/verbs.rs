//! The verbs that write, each where it has something to do.

use super::Home;

pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) words: &'static [&'static str],
    input: &'static str,
    /// What it ends with when nothing fails.
    pub(crate) code: i32,
    /// Whether all of it happens or nothing does.
    pub(crate) whole: bool,
    /// Whether it has to do with sessions and claims.
    pub(crate) registry: bool,
    /// Whether it must never be in the way of who calls it.
    pub(crate) fails_open: bool,
    /// How often it syncs, at least.
    pub(crate) syncs: usize,
    pub(crate) set_up: fn(&Home),
}

impl Verb {
    /// What it reads.
    pub(crate) fn input(&self, home: &Home) -> String {
        let folder = home.folder();
        self.input.replace("HOME", &folder.to_string_lossy())
    }
}

const PLAIN: Verb = Verb {
    name: "locked-write",
    words: &["locked-write", "notes.md"],
    input: "new text\n",
    code: 0,
    whole: true,
    registry: false,
    fails_open: false,
    syncs: 5,
    set_up: |home| done(home, &["locked-write", "notes.md"], "old text\n"),
};

const LIST: &str = "- [a](a.md): one\n- [b](b.md): two\n";

/// An index that names what is there: else the doctor has something to say.
const INDEX: &str = "- [a](a.md): one\n- [b](sub/b.md): two\n";

pub(crate) const VERBS: [Verb; 16] = [
    PLAIN,
    Verb {
        name: "locked-write of a file and folder that are not there, with no root",
        words: &["locked-write", "deep/er/notes.md"],
        syncs: 8,
        set_up: |_| {},
        ..PLAIN
    },
    Verb {
        name: "locked-write --append",
        words: &["locked-write", "notes.md", "--append"],
        ..PLAIN
    },
    Verb {
        name: "locked-write, merged",
        words: &["locked-write", "notes.md", "--session", "s1"],
        input: "- [a](a.md): one\n- [b](b.md): two\n- [c](c.md): three\n",
        set_up: |home| {
            read_by_two(home);
            let other = "- [z](z.md): zero\n- [a](a.md): one\n- [b](b.md): two\n";
            done(home, &["locked-write", "notes.md", "--session", "s2"], other);
        },
        ..PLAIN
    },
    Verb {
        name: "locked-write, in conflict",
        words: &["locked-write", "notes.md", "--session", "s1"],
        input: "- [a](a.md): mine\n- [b](b.md): two\n",
        code: 1,
        // The copy may be there before the exit code says why.
        set_up: |home| {
            read_by_two(home);
            let other = "- [a](a.md): theirs\n- [b](b.md): two\n";
            done(home, &["locked-write", "notes.md", "--session", "s2"], other);
        },
        ..PLAIN
    },
    Verb {
        name: "locked-write over what another tool wrote",
        set_up: |home| {
            done(home, &["locked-write", "notes.md"], "old text\n");
            home.write("notes.md", "old text\nof another tool\n");
        },
        ..PLAIN
    },
    Verb {
        name: "locked-edit",
        words: &["locked-edit", "notes.md", "--", "sed", "s/old/new/"],
        input: "",
        ..PLAIN
    },
    Verb {
        name: "restore",
        words: &["restore", "notes.md@1"],
        input: "",
        set_up: |home| {
            done(home, &["locked-write", "notes.md"], "old text\n");
            done(home, &["locked-write", "notes.md"], "newer text\n");
        },
        ..PLAIN
    },
    Verb {
        name: "claim",
        words: &["claim", "notes.md", "--session", "s1", "--pid", "PID"],
        registry: true,
        input: "",
        syncs: 2,
        ..PLAIN
    },
    Verb {
        name: "release",
        words: &["release", "notes.md", "--session", "s1", "--pid", "PID"],
        registry: true,
        input: "",
        syncs: 0,
        set_up: |home| {
            done(home, &["locked-write", "notes.md"], "old text\n");
            done(home, &["claim", "notes.md", "--session", "s1", "--pid", "PID"], "");
        },
        ..PLAIN
    },
    Verb {
        name: "heartbeat",
        words: &["heartbeat", "--session", "s1", "--pid", "PID", "--expect", "notes.md"],
        registry: true,
        input: "",
        syncs: 0,
        ..PLAIN
    },
    Verb {
        name: "namespace start",
        words: &["namespace", "start", "feat/v", "--of", "memory"],
        input: "",
        whole: false,
        syncs: 4,
        set_up: memory,
        ..PLAIN
    },
    Verb {
        name: "namespace promote",
        words: &["namespace", "promote", "feat/v", "--of", "memory"],
        input: "",
        whole: false,
        set_up: forked,
        ..PLAIN
    },
    Verb {
        name: "namespace discard",
        words: &["namespace", "discard", "feat/v", "--of", "memory"],
        input: "",
        whole: false,
        syncs: 2,
        set_up: forked,
        ..PLAIN
    },
    Verb {
        name: "hook before an edit",
        words: &["hook"],
        input: BEFORE,
        registry: true,
        fails_open: true,
        syncs: 0,
        set_up: |home| home.write(".claude/skills/x/SKILL.md", LIST),
        ..PLAIN
    },
    Verb {
        name: "hook after an edit",
        words: &["hook"],
        input: AFTER,
        registry: true,
        fails_open: true,
        syncs: 2,
        set_up: |home| {
            home.write(".claude/skills/x/SKILL.md", LIST);
            let before = BEFORE.replace("HOME", &home.folder().to_string_lossy());
            done(home, &["hook"], &before);
            home.write(".claude/skills/x/SKILL.md", "- [a](a.md): 1\n- [b](b.md): two\n");
        },
        ..PLAIN
    },
];

const BEFORE: &str = r#"{"session_id":"s1","hook_event_name":"PreToolUse","cwd":"HOME","permission_mode":"default","tool_name":"Edit","tool_use_id":"t1","tool_input":{"file_path":"HOME/.claude/skills/x/SKILL.md","old_string":"one","new_string":"1"}}"#;

const AFTER: &str = r#"{"session_id":"s1","hook_event_name":"PostToolUse","cwd":"HOME","permission_mode":"default","tool_name":"Edit","tool_use_id":"t1","tool_input":{"file_path":"HOME/.claude/skills/x/SKILL.md","old_string":"one","new_string":"1"},"tool_response":{"originalFile":"- [a](a.md): one\n- [b](b.md): two\n","oldString":"one"},"duration_ms":5}"#;

fn done(home: &Home, words: &[&str], input: &str) {
    let ran = home.ccpar(words, input);
    assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
}

fn read_by_two(home: &Home) {
    done(home, &["locked-write", "notes.md"], LIST);
    done(home, &["locked-read", "notes.md", "--session", "s1"], "");
    done(home, &["locked-read", "notes.md", "--session", "s2"], "");
}

fn memory(home: &Home) {
    home.write("memory/MEMORY.md", INDEX);
    home.write("memory/a.md", "one\n");
    home.write("memory/sub/b.md", "two\n");
}

/// Both sides have learned something since the fork.
fn forked(home: &Home) {
    memory(home);
    done(home, &["namespace", "start", "feat/v", "--of", "memory"], "");
    home.write("memory/feat-v/MEMORY.md", &format!("{INDEX}- [c](c.md): three\n"));
    home.write("memory/feat-v/c.md", "three\n");
    home.write("memory/MEMORY.md", &format!("- [z](z.md): zero\n{INDEX}"));
    home.write("memory/z.md", "zero\n");
}
