//! `ccpar hook`, told that sessions begin, go on and end.

use serde_json::{Value, json};

use crate::client::{Client, INDEX, answer, context, home, person};
use crate::support::run;

#[test]
fn a_session_is_told_of_its_siblings_and_of_what_changed_since_its_branch_was_last_here() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let one = Client::new(&home, "s1");
    let said = one.tell("SessionStart", &json!({"source": "startup"}));
    assert_eq!((context(&said), person(&said)), ("", ""), "alone, and for the first time");
    let watched = said["hookSpecificOutput"]["watchPaths"].as_array().unwrap();
    let watches = |name: &str| watched.iter().any(|path| path.as_str().unwrap().ends_with(name));
    assert!(watches("/MEMORY.md") && watches("/.claude/settings.json"), "{watched:?}");
    // It knows its index: the client loads that by itself.
    let mine = format!("{INDEX}- [three](three.md)\n");
    assert_eq!(one.write(&index, &mine), (Value::Null, Value::Null));
    assert_eq!(one.tell("SessionEnd", &json!({"reason": "other"})), Value::Null);

    let two = Client::new(&home, "s2");
    two.tell("SessionStart", &json!({"source": "startup", "cwd": home.path("")}));
    two.edit(&index, "- [two]", "- [2]", || {});
    let one = Client::new(&home, "s3");
    let said = one.tell("SessionStart", &json!({"source": "resume"}));
    assert!(context(&said).contains("s2"), "{said}");
    assert!(context(&said).contains("MEMORY.md: +1 -1 lines, last by session s2"), "{said}");
    // What was resumed had read it some time, or not.
    let (said, _) = one.write(&index, "all new\n");
    assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny");
    // Once is enough.
    let four = Client::new(&home, "s4");
    let said = four.tell("SessionStart", &json!({"source": "startup"}));
    assert!(!context(&said).contains("lines, last by"), "{said}");
}

#[test]
fn a_prompt_tells_what_siblings_changed_of_what_the_session_has_seen_and_once() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    one.read(&index);
    let prompt = || one.tell("UserPromptSubmit", &json!({"prompt": "go"}));
    assert_eq!(prompt(), Value::Null);
    two.edit(&index, "- [two]", "- [2]", || {});
    let said = prompt();
    assert!(context(&said).contains("-- [two](two.md)\n+- [2](two.md)"), "{said}");
    assert_eq!(prompt(), Value::Null);
    two.edit(&index, "- [one]", "- [1]", || {});
    let said = prompt();
    assert!(context(&said).contains("+- [1]") && !context(&said).contains("+- [2]"), "{said}");
    assert_eq!(two.tell("UserPromptSubmit", &json!({"prompt": "go"})), Value::Null);
}

#[test]
fn a_change_from_outside_is_recorded_and_its_loss_named() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    let changed = || {
        let more = json!({"file_path": home.path(&index), "event": "change"});
        client.tell("FileChanged", &more)
    };
    client.edit(&index, "- [two]", "- [2]", || {});
    client.edit(&index, "# Memory\n", "# Memory\n\nmore to know\n", || {});
    assert_eq!(changed(), Value::Null);
    home.write(&index, INDEX.replace("- [two]", "- [2]") + "- from outside\n");
    let said = changed();
    assert!(person(&said).contains("ccpar restore --lost"), "{said}");
    let unguarded = json!({"file_path": home.path("repo/x"), "event": "change"});
    assert_eq!(client.tell("FileChanged", &unguarded), Value::Null);
}

#[test]
fn only_of_notes_lines_are_told() {
    let (home, _) = home();
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    for name in [".env", "a.toml", "a.ipynb", "run.sh", "a.json"] {
        let file = format!(".claude/skills/x/{name}");
        home.write(&file, "# x\nTOKEN=none\n");
        one.read(&file);
        two.edit(&file, "TOKEN=none", "TOKEN=sk-secret", || {});
        let said = one.tell("UserPromptSubmit", &json!({"prompt": "go"}));
        assert!(context(&said).contains(name), "{said}");
        assert!(!said.to_string().contains("TOKEN"), "{said}");
    }
}

#[test]
fn a_change_of_what_was_only_read_is_recorded_and_told() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    client.read(&index);
    home.write(&index, format!("{INDEX}- by another\n"));
    let said = client.tell("UserPromptSubmit", &json!({"prompt": "go"}));
    assert!(context(&said).contains("+- by another"), "{said}");
    let log = home.ccpar(&["log", home.path(&index).to_str().unwrap(), "--json"]).quiet();
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn what_was_read_before_a_compaction_is_read_no_more() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    one.read(&index);
    two.read(&index);
    one.tell("SessionStart", &json!({"source": "compact"}));
    let (said, _) = one.write(&index, "only this\n");
    assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny", "{said}");
    one.read(&index);
    assert_eq!(one.write(&index, &format!("{INDEX}- x\n")), (Value::Null, Value::Null));
    // Nobody else's.
    assert_eq!(two.write(&index, &format!("{INDEX}- y\n")).0, Value::Null);
}

#[test]
fn what_a_session_did_itself_is_not_told_to_it() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    let prompt = || one.tell("UserPromptSubmit", &json!({"prompt": "go"}));
    one.read(&index);
    let said = one.edit(&index, "- [two]", "- [2]", || {
        home.write(&index, format!("{INDEX}- by another\n"));
        home.ccpar(&["log", home.path(&index).to_str().unwrap()]).ended(0, "");
    });
    assert!(context(&said).contains("+- by another"), "{said}");
    one.edit(&index, "- [one]", "- [1]", || {});
    assert_eq!(prompt(), Value::Null);
    let bash = |command: &str, line: &str| {
        let input = json!({"command": format!("{command} {}", home.path(&index).display())});
        assert_eq!(one.before("Bash", "b", &input), Value::Null);
        home.write(&index, home.text(&index) + line);
        assert_eq!(one.after("Bash", "b", &input, &json!({"stdout": ""})), Value::Null);
    };
    bash("echo '- mine' >>", "- mine\n");
    assert_eq!(prompt(), Value::Null);
    // What another adds after that is told alone, unless both came at once.
    one.edit(&index, "- mine", "- my own", || {});
    two.edit(&index, "- [2]", "- [2b]", || {});
    let said = prompt();
    assert!(context(&said).contains("+- [2b]") && !context(&said).contains("own"), "{said}");
    two.edit(&index, "- [2b]", "- [2c]", || {});
    bash("date >>", "- now\n");
    let said = prompt();
    assert!(context(&said).contains("+- [2c]"), "{said}");
}

#[test]
fn of_many_changes_those_that_were_not_told_are_told_next_time() {
    let (home, memory) = home();
    let client = Client::new(&home, "s1");
    let notes: Vec<String> = (0..40).map(|n| format!("{memory}/note-{n}.md")).collect();
    let line = "x".repeat(500);
    for note in &notes {
        home.write(note, "# Note\n");
        client.read(note);
        home.write(note, format!("# Note\n{line}\n"));
    }
    let mut told = Vec::new();
    for round in 0.. {
        let said = client.tell("UserPromptSubmit", &json!({"prompt": "go"}));
        if said.is_null() {
            break;
        }
        assert!(round < 10 && !context(&said).contains("than the client takes"), "{said}");
        assert!(person(&said).lines().count() == 1 && person(&said).len() < 2000, "{said}");
        let is_told = |note: &&String| context(&said).contains(&format!("{note}` was changed"));
        told.extend(notes.iter().filter(is_told));
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), notes.len());
}

#[test]
fn who_holds_nothing_leaves_nothing_and_what_fails_after_a_call_is_said_so() {
    let (home, memory) = home();
    let client = Client::new(&home, "s1");
    for event in ["PostToolBatch", "Stop", "SubagentStop", "PermissionDenied"] {
        assert_eq!(client.tell(event, &json!({})), Value::Null);
        assert!(!home.path(".claude/ccpar").exists(), "{event}");
    }
    home.write("blocked", "");
    let input = client.input_of(&format!("{memory}/MEMORY.md"));
    let more = json!({"tool_name": "Edit", "tool_use_id": "1", "tool_input": input});
    for (event, words) in
        [("PreToolUse", "goes ahead unguarded"), ("PostToolUse", "may not have been recorded")]
    {
        let mut command = client.command();
        command.env("CCPAR_ROOT", home.path("blocked"));
        let ran = run(&mut command, client.input(event, &more).as_bytes());
        assert!(person(&answer(&ran)).contains(words), "{ran:?}");
    }
    let help = home.ccpar(&["hook", "--help"]);
    assert!(help.code == 0 && help.stdout.contains("stdin"), "{help:?}");
}
