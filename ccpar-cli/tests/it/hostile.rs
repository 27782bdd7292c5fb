//! Ground that others prepared: names that drive terminals, bombs of JSON, paths that
//! lead out of where they belong.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Home, Ran};

/// A name that would colour, clear and retitle a terminal, begin a line of its own,
/// and ring.
const NAME: &str = "a\u{1b}[31m\u{1b}[2J\u{1b}]0;owned\u{7}\rb\nc\u{9b}31m.md";

/// What of an output would reach the terminal as more than text.
fn harm(text: &str) -> Vec<char> {
    text.chars().filter(|c| c.is_control() && !"\n\t".contains(*c)).collect()
}

#[track_caller]
fn harmless(verb: &[&str], ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        assert_eq!(harm(text), [], "{verb:?}: {ran:?}");
        // The name's newline begins no line.
        assert!(!text.contains("\nc\u{9b}") && !text.contains("\nc31m"), "{verb:?}: {ran:?}");
    }
}

/// Every verb that shows a name, of a file, a session, a branch, a folder or a reason.
#[test]
fn names_with_escape_sequences_are_printed_harmlessly_by_every_verb() {
    let home = Home::new();
    let who = ["--session", NAME];
    let ran = |words: &[&str], text: &str| {
        let ran = home.pipe(words, text);
        harmless(words, &ran);
        ran
    };
    let with_who = |words: &[&str]| -> Vec<String> {
        words.iter().chain(&who).map(|word| (*word).to_owned()).collect()
    };
    let by = |words: &[&str], text: &str| {
        let words = with_who(words);
        ran(&words.iter().map(String::as_str).collect::<Vec<_>>(), text)
    };
    home.write(NAME, "- one\n");
    fs::create_dir_all(home.path("memory\u{1b}[31m")).unwrap();
    let memory = "memory\u{1b}[31m/MEMORY.md";
    home.write(memory, "- [a](a.md)\n");

    by(&["locked-read", NAME, "--json"], "").ended(0, "");
    by(&["locked-write", NAME], "- one\n- two\n").ended(0, "");
    // Somebody who knows nothing of it takes a line away; then one that has no base.
    home.write(NAME, "- one\n- three\n");
    ran(&["status"], "");
    ran(&["status", "--json"], "");
    ran(&["status", "--line"], "");
    ran(&["locked-write", NAME], "- one\n- four\n");
    ran(&["lost"], "");
    ran(&["lost", NAME], "");
    ran(&["lost", "--json"], "");
    // A conflict, and who names a version that is not there.
    home.write("base.md", "- key: 1\n");
    home.write(NAME, "- key: 2\n");
    by(&["locked-write", NAME, "--base", "base.md"], "- key: 3\n").ended(1, "conflict");
    by(&["locked-write", NAME, "--base", "no\u{1b}[31msuch"], "- five\n").ended(2, "");
    for words in [
        &["log", NAME][..],
        &["log"],
        &["log", "--json", NAME],
        &["log", NAME, "--session", NAME],
        &["blame", NAME],
        &["blame", "--json", NAME],
        &["diff", NAME],
        &["diff", NAME, "@1"],
        &["show", NAME],
        &["show", "--json", NAME],
        &["restore", "-n", NAME],
        &["restore", "--lost", NAME],
        &["restore", "--session", NAME, "-n"],
        &["merge", NAME, NAME, NAME],
        &["merge", "nothing\u{1b}[31m", NAME, NAME],
        &["lock", "--print-path", NAME],
        &["lock", NAME, "--", "no\u{1b}[31mcommand"],
        &["locked-edit", NAME, "--", "no\u{1b}[31mcommand"],
        &["doctor"],
        &["doctor", "--prune", "-n"],
        &["doctor", "memory\u{1b}[31m"],
        &["install", "-n", "--settings", NAME],
        &["uninstall", "-n", NAME],
        &["no\u{1b}[31mverb"],
        &["locked-read", "missing\u{1b}[31m/x.md"],
        &["locked-read", "memory\u{1b}[31m"],
    ] {
        ran(words, "");
    }
    by(&["heartbeat", "--expect", NAME], "").ended(0, "");
    by(&["claim", NAME, "--reason", NAME], "").ended(0, "");
    for words in [
        &["sessions"][..],
        &["sessions", "--json"],
        &["sessions", "--claims"],
        &["sessions", "--claims", NAME],
        &["sessions", NAME],
        &["status"],
        // Somebody else meets the claim.
        &["claim", NAME, "--session", "other", "--wait", "0"],
        &["locked-write", "--append", NAME, "--session", "other", "--wait", "0"],
    ] {
        ran(words, "- more\n");
    }
    by(&["release", NAME], "").ended(0, "");
    // Its folder is told to programs as it is, and to people otherwise.
    let start = home.ccpar(&["namespace", "start", NAME, "--of", "memory\u{1b}[31m"]);
    assert_eq!((start.code, harm(&start.stderr)), (0, Vec::new()), "{start:?}");
    assert!(start.stdout.contains("/memory\u{1b}[31m/"), "{start:?}");
    ran(&["locked-write", "--append", memory], "- [b](b.md)\n").ended(0, "");
    for words in [
        &["namespace", "list"][..],
        &["namespace", "list", "--json"],
        &["namespace", "diff", NAME, "--of", "memory\u{1b}[31m"],
        &["namespace", "promote", NAME, "--of", "memory\u{1b}[31m", "-n"],
        &["namespace", "discard", NAME, "--of", "memory\u{1b}[31m"],
        &["namespace", "discard", "no\u{1b}[31msuch", "--of", "memory\u{1b}[31m"],
        &["status"],
    ] {
        ran(words, "");
    }
    by(&["heartbeat", "--end"], "").ended(0, "");
}

#[test]
fn what_is_to_be_copied_into_a_shell_means_the_same_name() {
    let home = Home::new();
    home.write(NAME, "- one\n- two\n- three\n");
    home.ccpar(&["locked-read", NAME, "--session", "s"]).ended(0, "");
    let _ = home.pipe(&["locked-write", "--append", NAME], "- four\n").ended(0, "");
    // A stale writer; what it swallowed can be put back with one command.
    home.write(NAME, "- one\n- two\n- three\n- five\n");
    let lost = home.ccpar(&["lost", NAME]);
    let all = format!("{}{}", lost.stdout, lost.stderr);
    let command = all.lines().find_map(|line| line.split_once("ccpar restore --lost "));
    let (_, word) = command.unwrap_or_else(|| panic!("{lost:?}"));
    let mut bash = home.command("bash");
    let ran = crate::support::run(bash.args(["-c", &format!("ccpar restore --lost {word}")]), b"");
    assert_eq!(ran.code, 0, "{word}: {ran:?}");
    assert!(home.text(NAME).contains("- four\n"), "{word}");
}

/// Everything below a folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut look = vec![folder.to_owned()];
    while let Some(path) = look.pop() {
        if path.is_dir() && !path.is_symlink() {
            look.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn a_session_or_a_namespace_whose_name_is_a_path_leads_nowhere_else() {
    let home = Home::new();
    fs::create_dir_all(home.path("inner/memory")).unwrap();
    home.write("inner/memory/MEMORY.md", "- [a](a.md)\n");
    home.write("inner/notes.md", "- one\n");
    home.write("inner/base.md", "- one\n");
    let root = home.path("inner/root");
    let ccpar = |words: &[&str], text: &str| {
        let mut command = home.command(crate::support::CCPAR);
        let command = command.current_dir(home.path("inner")).env("CCPAR_ROOT", &root);
        crate::support::run(command.args(words), text.as_bytes())
    };
    let names =
        ["../../evil", "..", ".", "/etc/evil", "../../../../../../../../tmp/evil", "a/../../evil"];
    for name in names {
        for words in [
            &["heartbeat", "--session", name][..],
            &["locked-read", "notes.md", "--session", name],
            &["locked-write", "--append", "notes.md", "--session", name],
            &["claim", "notes.md", "--session", name],
            &["release", "notes.md", "--session", name],
            &["heartbeat", "--end", "--session", name],
        ] {
            let ran = ccpar(words, "- more\n");
            assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        }
        // A conflict's copy is called after the session.
        let conflict = ["locked-write", "notes.md", "--base", "base.md", "--session", name];
        let ran = ccpar(&conflict, &format!("- {name}\n"));
        assert!(ran.code == 1 || ran.code == 0, "{ran:?}");
        let start = ccpar(&["namespace", "start", name, "--of", "memory"], "");
        if start.code == 0 {
            let promoted = ccpar(&["namespace", "promote", name, "--of", "memory"], "");
            assert_eq!(promoted.code, 0, "{name}: {promoted:?}");
        }
    }
    let inner = home.path("inner");
    let outside: Vec<PathBuf> =
        all(&home.path("")).into_iter().filter(|path| !path.starts_with(&inner)).collect();
    assert_eq!(outside, [home.path("")], "{outside:?}");
    let here = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("notes.md.conflict-"));
        names.sort();
        names
    };
    assert_eq!(here(&inner), ["base.md", "memory", "notes.md", "root"]);
    // Within the root each name stands where names of its kind do.
    for folder in ["seen", "sessions", "namespaces", "branches"] {
        for path in all(&root.join(folder)).iter().filter(|_| root.join(folder).exists()) {
            let name = path.file_name().unwrap().to_string_lossy();
            assert!(name != ".." && !name.contains('/'), "{}", path.display());
        }
    }
    assert!(!Path::new("/etc/evil").exists() && !Path::new("/tmp/evil").exists());
}

#[test]
fn a_heartbeat_that_claims_everything_stops_nobody() {
    let home = Home::new();
    home.write("notes.md", "- one\n");
    let claim = home.ccpar(&["claim", "/", "--session", "greedy", "--wait", "0"]);
    let below = home.ccpar(&["claim", "notes.md", "--session", "modest", "--wait", "0"]);
    assert_eq!(below.code, 0, "{claim:?} {below:?}");
    home.ccpar(&["heartbeat", "--session", "greedy", "--expect", "/", "/etc", ".."]).ended(0, "");
    home.pipe(&["locked-write", "--append", "notes.md", "--session", "modest"], "- two\n")
        .ended(0, "");
    assert_eq!(home.text("notes.md"), "- one\n- two\n");
    home.ccpar(&["status"]).ended(0, "");
    // The same written by hand, with fields of any kind: it is named, and stops nobody.
    let sessions = home.path(".claude/ccpar/sessions");
    for (name, text) in [
        ("a", r#"{"format":1,"session":"../../x","pid":1,"expects":["/"]}"#.to_owned()),
        ("b", format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))),
        (
            "c",
            format!(r#"{{"format":1,"session":"c","pid":{},"since":1e999}}"#, "9".repeat(10_000)),
        ),
        ("d", format!(r#"{{"format":1,"session":"{}"}}"#, "x".repeat(2 << 20))),
        ("e", r#"{"format":99999999999999999999,"session":"e"}"#.to_owned()),
    ] {
        home.write(sessions.join(format!("{name}.json")).to_str().unwrap(), text);
    }
    let listed = home.ccpar(&["sessions"]);
    assert!(listed.stdout.contains("modest") || listed.stdout.contains("greedy"), "{listed:?}");
    for name in ["a", "b", "c", "d", "e"] {
        assert!(listed.stderr.contains(&format!("sessions/{name}.json")), "{name}: {listed:?}");
    }
    home.pipe(&["locked-write", "--append", "notes.md", "--session", "modest"], "- three\n")
        .ended(0, "");
    assert_eq!(home.text("notes.md"), "- one\n- two\n- three\n");
}

/// Texts that are JSON, or nearly, and cost much to read.
fn bombs() -> Vec<(&'static str, String)> {
    let nested =
        |open: &str, close: &str, n: usize| format!("{}{}{}", open.repeat(n), "1", close.repeat(n));
    vec![
        ("arrays in arrays", nested("[", "]", 20_000)),
        ("objects in objects", nested("{\"a\":", "}", 20_000)),
        ("open for ever", "[".repeat(1 << 17)),
        ("a huge number", format!("{{\"n\":{}}}\n", "9".repeat(1 << 17))),
        ("a huge exponent", format!("{{\"n\":1e{}}}\n", "9".repeat(10_000))),
        ("a giant array", format!("{{\"allow\":[{}0]}}\n", "1,".repeat(50_000))),
        ("one key again and again", format!("{{{}\"a\":0}}\n", "\"a\":1,".repeat(50_000))),
        ("half of a character", "{\"a\":\"\\ud800\"}\n".to_owned()),
    ]
}

#[test]
fn bombs_of_json_are_written_merged_and_told_in_bounded_time() {
    let home = Home::new();
    for (what, bomb) in bombs() {
        let begun = Instant::now();
        let bounded = || {
            let spent = begun.elapsed();
            assert!(spent < Duration::from_secs(60), "{what}: {spent:?}");
        };
        // As somebody's text, as a base, as what stands there.
        home.write("settings.json", "{\"a\": 0}\n");
        home.ccpar(&["locked-read", "settings.json", "--session", "s"]).ended(0, "");
        home.write("settings.json", "{\"a\": 0, \"b\": 1}\n");
        let wrote = home.pipe(&["locked-write", "settings.json", "--session", "s"], &bomb);
        assert!([0, 1, 2].contains(&wrote.code), "{what}: {}", wrote.stderr);
        bounded();
        home.write("settings.json", &bomb);
        let wrote = home.pipe(&["locked-write", "settings.json", "--session", "s"], "{\"a\": 2}\n");
        assert!([0, 1, 2].contains(&wrote.code), "{what}: {}", wrote.stderr);
        let status = home.ccpar(&["status"]);
        assert!([0, 1].contains(&status.code), "{what}: {}", status.stderr);
        bounded();
        home.write("base.json", "{}");
        home.write("bomb.json", &bomb);
        home.write("other.json", bomb.replace('1', "2"));
        for texts in
            [["base.json", "bomb.json", "other.json"], ["bomb.json", "base.json", "other.json"]]
        {
            let merged = home.ccpar(&[&["merge"], &texts[..]].concat());
            assert!([0, 1, 2].contains(&merged.code), "{what}: {}", merged.stderr);
            bounded();
        }
        // What a client tells a hook; it never stops the client.
        for event in ["PreToolUse", "PostToolUse", "SessionStart"] {
            let hook = home.pipe(&["hook", event], &bomb);
            assert!([0, 1].contains(&hook.code), "{what}: {event}: {}", hook.stderr);
        }
        bounded();
        for copy in home.names().iter().filter(|name| name.contains(".conflict-")) {
            fs::remove_file(home.path(copy)).unwrap();
        }
    }
}

#[test]
fn an_index_of_a_million_lines_is_written_merged_and_looked_at() {
    const LINES: usize = 1_000_000;
    let home = Home::new();
    let lines = (0..LINES).map(|n| format!("- [n{n}](n{n}.md): what {n} is about\n"));
    let text = lines.collect::<String>();
    home.write("MEMORY.md", &text);
    home.ccpar(&["locked-read", "MEMORY.md", "--session", "s"]).ended(0, "");
    let begun = Instant::now();
    home.pipe(&["locked-write", "--append", "MEMORY.md"], "- [theirs](t.md): theirs\n")
        .ended(0, "");
    let ours = format!("- [ours](o.md): ours\n{text}");
    home.pipe(&["locked-write", "MEMORY.md", "--session", "s"], &ours).ended(0, "");
    let merged = home.text("MEMORY.md");
    assert_eq!(merged.lines().count(), LINES + 2);
    assert!(merged.starts_with("- [ours]") && merged.ends_with("- [theirs](t.md): theirs\n"));
    home.ccpar(&["status"]).ended(0, "");
    let spent = begun.elapsed();
    assert!(spent < Duration::from_secs(300), "{spent:?}");
}
