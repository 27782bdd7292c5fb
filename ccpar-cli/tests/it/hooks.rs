//! `ccpar hook`, told what Claude Code tells of its tools.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, INDEX, answer, context, home, person};
use crate::support::{CCPAR, Home, run};

fn root_exists(home: &Home) -> bool {
    home.path(".claude/ccpar").exists()
}

#[test]
fn what_nobody_guards_costs_nothing_and_leaves_nothing() {
    let (home, _) = home();
    let client = Client::new(&home, "s1");
    home.write("repo/main.rs", "fn main() {}\n");
    assert_eq!(client.before("Edit", "1", &client.input_of("repo/main.rs")), Value::Null);
    assert_eq!(client.before("Bash", "2", &json!({"command": "cargo test"})), Value::Null);
    assert_eq!(client.before("Bash", "3", &json!({"command": "ls ~/.claude/skills"})), Value::Null);
    assert_eq!(client.before("mcp__x__y", "4", &json!({"file_path": 7})), Value::Null);
    assert_eq!(client.tell("NeverHeardOf", &json!({})), Value::Null);
    assert!(!root_exists(&home));
}

#[test]
fn a_call_holds_its_file_from_before_to_after_and_is_recorded_as_its_sessions() {
    let (home, memory) = home();
    let client = Client::new(&home, "s1");
    let index = format!("{memory}/MEMORY.md");
    let said = client.edit(&index, "- [two]", "- [2]", || {
        assert_eq!(client.claims(), [("s1".to_owned(), "MEMORY.md".to_owned())]);
    });
    assert_eq!(said, Value::Null, "nothing came in between");
    assert_eq!(client.claims(), []);
    let log = home.ccpar(&["log", home.path(&index).to_str().unwrap(), "--json"]).quiet();
    let last: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&last["how"], &last["session"]), (&json!("hook"), &json!("s1")), "{log}");
    assert_eq!(last["branch"], "feat/voice");
}

#[test]
fn a_sibling_waits_until_the_call_is_over_and_an_abandoned_claim_is_freed() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    assert_eq!(one.before("Edit", "1", &one.input_of(&index)), Value::Null);
    let more = json!({"tool_name": "Edit", "tool_use_id": "2", "tool_input": two.input_of(&index)});
    let input = two.input("PreToolUse", &more);
    let mut command = two.command();
    let waits = std::thread::spawn(move || run(&mut command, input.as_bytes()));
    std::thread::sleep(Duration::from_millis(300));
    assert!(!waits.is_finished());
    // The person said no: nothing of the call comes any more but the next event.
    assert_eq!(one.tell("PermissionDenied", &json!({"tool_name": "Edit"})), Value::Null);
    assert_eq!(answer(&waits.join().unwrap()), Value::Null);
    assert_eq!(two.claims(), [("s2".to_owned(), "MEMORY.md".to_owned())]);
    // A subagent of the same session is another holder, and its stop frees its own.
    let skill = ".claude/skills/x/SKILL.md";
    home.write(skill, "# X\n");
    let mut more =
        json!({"tool_name": "Edit", "tool_use_id": "3", "tool_input": two.input_of(skill)});
    more["agent_id"] = "a1".into();
    assert_eq!(two.tell("PreToolUse", &more), Value::Null);
    assert_eq!(two.claims().len(), 2);
    assert_eq!(two.tell("SubagentStop", &json!({"agent_id": "a1"})), Value::Null);
    assert_eq!(two.claims(), [("s2".to_owned(), "MEMORY.md".to_owned())]);
    for event in ["UserPromptSubmit", "Stop", "PostToolBatch", "SessionEnd"] {
        assert_eq!(two.before("Edit", "4", &two.input_of(&index)), Value::Null);
        assert_eq!(two.claims().len(), 1, "{event}");
        assert_eq!(two.tell(event, &json!({})), Value::Null);
        assert_eq!(two.claims(), [], "{event}");
    }
    // A session that was killed holds nothing.
    let mut three = Client::new(&home, "s3");
    assert_eq!(three.before("Edit", "5", &three.input_of(&index)), Value::Null);
    three.process.kill();
    assert_eq!(one.before("Edit", "6", &one.input_of(&index)), Value::Null);
    assert_eq!(one.claims(), [("s1".to_owned(), "MEMORY.md".to_owned())]);
}

#[test]
fn what_others_wrote_meanwhile_is_merged_back_and_told_once() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    let mut said = Value::Null;
    // Somebody who knows nothing of claims adds a line after the client read.
    let input = json!({
        "file_path": home.path(&index), "old_string": "- [two]", "new_string": "- [2]",
    });
    for round in 0..2 {
        if round == 0 {
            assert_eq!(client.before("Edit", "e", &input), Value::Null);
            home.write(&index, format!("{INDEX}- [three](three.md)\n"));
            // A look in between records what stood there.
            home.ccpar(&["log", home.path(&index).to_str().unwrap()]).ended(0, "");
            let stale = INDEX.replace("- [two]", "- [2]");
            home.write(&index, &stale);
        }
        let answer = json!({"originalFile": INDEX, "oldString": "- [two]"});
        said = client.after("Edit", "e", &input, &answer);
        let text = home.text(&index);
        assert!(text.contains("- [2](two.md)") && text.contains("three"), "{said} {text}");
        if round == 0 {
            assert!(context(&said).contains("+- [three](three.md)"), "{said}");
            assert!(person(&said).contains("merged"), "{said}");
        }
    }
    assert_eq!(said, Value::Null, "told once");
    assert_eq!(client.tell("UserPromptSubmit", &json!({"prompt": "go"})), Value::Null);
}

#[test]
fn a_whole_text_is_refused_until_its_session_has_read_the_whole_of_what_it_replaces() {
    let (home, memory) = home();
    let note = format!("{memory}/one.md");
    home.write(&note, "# One\n\nlearned\n");
    let client = Client::new(&home, "s1");
    let decision = |said: &Value| said["hookSpecificOutput"]["permissionDecision"].clone();
    let (said, _) = client.write(&note, "# One\n\nmine\n");
    assert_eq!(decision(&said), "deny");
    let reason = said["hookSpecificOutput"]["permissionDecisionReason"].as_str().unwrap();
    assert!(reason.contains("one.md") && reason.contains("Read the whole file"), "{reason}");
    assert_eq!(client.claims(), [], "no tool runs");
    // Part of it is not all of it.
    let part =
        json!({"file": {"content": "# One\n", "startLine": 1, "numLines": 1, "totalLines": 4}});
    assert_eq!(client.after("Read", "r", &client.input_of(&note), &part), Value::Null);
    assert_eq!(decision(&client.write(&note, "# One\n\nmine\n").0), "deny");
    client.read(&note);
    assert_eq!(client.write(&note, "# One\n\nlearned\nmine\n"), (Value::Null, Value::Null));
    // A new file, and who says that it is meant.
    home.write(&format!("{memory}/new.md"), "");
    assert_eq!(client.write(&format!("{memory}/new.md"), "# New\n").0, Value::Null);
    home.write(".claude/ccpar/config.json", r#"{"guard": {"unread_write": "allow"}}"#);
    home.write(".claude/CLAUDE.md", "mine\n");
    assert_eq!(client.write(".claude/CLAUDE.md", "yours\n").0, Value::Null);
}

#[test]
fn a_stale_whole_text_is_merged_by_what_its_session_had_read() {
    let (home, memory) = home();
    let note = format!("{memory}/one.md");
    home.write(&note, "# One\n\n## A\n\na\n");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    one.read(&note);
    two.read(&note);
    let text = |section: &str| format!("# One\n\n## A\n\na\n\n## {section}\n\nby {section}\n");
    assert_eq!(one.write(&note, &text("S1")), (Value::Null, Value::Null));
    let (_, said) = two.write(&note, &text("S2"));
    assert!(context(&said).contains("+by S1"), "{said}");
    let now = home.text(&note);
    assert!(now.contains("by S1") && now.contains("by S2"), "{now}");
    let lost = home.ccpar(&["lost"]);
    assert_eq!(lost.stdout, "", "{lost:?}");
}

#[test]
fn a_text_that_the_client_refused_as_stale_is_written_if_it_is_a_note_and_offered_if_not() {
    let skill = ".claude/skills/x/SKILL.md";
    for (stale, how) in [
        (
            "<tool_use_error>File has been modified since read, either by the user or by a linter.",
            0,
        ),
        ("File content has changed since it was last read. This commonly happens when", 1),
    ] {
        let (home, memory) = home();
        let note = format!("{memory}/one.md");
        for file in [&note[..], skill] {
            home.write(file, "# One\n\n## A\n\na\n");
            let client = Client::new(&home, ["s1", "s2"][how]);
            client.read(file);
            home.write(file, "# One\n\n## A\n\na\n\n## B\n\nb\n");
            let batch = |mode: &str| {
                let mut input = client.input_of(file);
                input["content"] = "# One\n\n## A\n\na\n\n## Mine\n\nmine\n".into();
                let call = json!({
                    "tool_name": "Write", "tool_input": input, "tool_use_id": "w",
                    "tool_response": stale,
                });
                let fine = json!({"tool_name": "Read", "tool_response": [{"type": "text"}]});
                let more = json!({"permission_mode": mode, "tool_calls": [fine, call]});
                client.tell("PostToolBatch", &more)
            };
            let said = batch("plan");
            assert!(!home.text(file).contains("mine"), "it was planning: {said}");
            let said = batch("default");
            let now = home.text(file);
            if file == skill {
                assert!(!now.contains("mine"), "{said}");
                let path = context(&said).split('`').find(|part| part.contains("/history/"));
                let offered = std::fs::read_to_string(path.unwrap()).unwrap();
                assert!(offered.contains("mine") && offered.contains("## B"), "{offered}");
            } else {
                assert!(now.contains("mine") && now.contains("## B"), "{said} {now}");
                assert!(context(&said).contains("Do not write it again"), "{said}");
            }
        }
    }
}

#[test]
fn of_settings_no_value_is_told_and_they_always_parse() {
    let (home, _) = home();
    let settings = ".claude/settings.json";
    home.write(settings, "{\n  \"env\": {\"A\": \"1\"}\n}\n");
    let client = Client::new(&home, "s1");
    let input = json!({
        "file_path": home.path(settings), "old_string": "\"A\": \"1\"", "new_string": "\"A\": \"2\"",
    });
    assert_eq!(client.before("Edit", "e", &input), Value::Null);
    let original = home.text(settings);
    let token = "sk-very-secret";
    let theirs = format!("{{\n  \"env\": {{\"A\": \"1\", \"TOKEN\": \"{token}\"}}\n}}\n");
    home.write(settings, &theirs);
    // A look in between records what stood there.
    home.ccpar(&["log", home.path(settings).to_str().unwrap()]).ended(0, "");
    home.write(settings, original.replace("\"1\"", "\"2\""));
    let said = client.after("Edit", "e", &input, &json!({"originalFile": original}));
    let now: Value = serde_json::from_str(&home.text(settings)).unwrap();
    assert_eq!(now["env"], json!({"A": "2", "TOKEN": token}));
    assert!(context(&said).contains("env.TOKEN") && !said.to_string().contains(token), "{said}");
}

#[test]
fn a_command_that_names_a_guarded_file_holds_it_and_stops_no_verb_inside() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    let command = format!("sort {0} > x; cat x > {0}", home.path(&index).display());
    let input = json!({"command": command, "timeout": 5000});
    assert_eq!(client.before("Bash", "b", &input), Value::Null);
    assert_eq!(client.claims(), [("s1".to_owned(), "MEMORY.md".to_owned())]);
    let mut inside = home.command(CCPAR);
    inside.args(["locked-write", "--wait", "0", home.path(&index).to_str().unwrap()]);
    inside.env("CLAUDE_CODE_SESSION_ID", "s1").env("CLAUDE_PID", client.process.pid());
    assert_eq!(run(&mut inside, format!("{INDEX}- x\n").as_bytes()).code, 0);
    // Nobody else's passes.
    let path = home.path(&index);
    let other = ["locked-write", "--session", "s2", "--wait", "0", path.to_str().unwrap()];
    home.pipe(&other, "y\n").ended(1, "claimed by session s1");
    // What it did by itself is its own, also when it failed.
    home.write(&index, format!("{INDEX}- x\n- by command\n"));
    let more = json!({"tool_name": "Bash", "tool_use_id": "b", "tool_input": input, "error": "1"});
    assert_eq!(client.tell("PostToolUseFailure", &more), Value::Null);
    assert_eq!(client.claims(), []);
    let log = home.ccpar(&["log", path.to_str().unwrap(), "--json"]).quiet();
    let last: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&last["how"], &last["session"]), (&json!("outside"), &json!("s1")), "{log}");
}

#[test]
fn a_stale_command_is_healed() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    let other = Client::new(&home, "s2");
    let input = json!({"command": format!("cat > {}", home.path(&index).display())});
    other.edit(&index, "- [two]", "- [2]", || {});
    other.edit(&index, "# Memory\n", "# Memory\n\nby the other session\n", || {});
    assert_eq!(client.before("Bash", "b", &input), Value::Null);
    home.write(&index, INDEX.replace("- [two]", "- [2]") + "- by command\n");
    let said = client.after("Bash", "b", &input, &json!({"stdout": ""}));
    let now = home.text(&index);
    assert!(now.contains("by the other session") && now.contains("- by command"), "{said} {now}");
    assert!(context(&said).contains("+by the other session"), "{said}");
}

#[test]
fn it_fails_open_and_aloud_and_never_with_two() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    for input in [&b""[..], b"{", b"[]", b"\xff", b"{\"hook_event_name\": \"PreToolUse\"}", b"null"]
    {
        let said = answer(&run(&mut client.command(), input));
        assert!(person(&said).contains("goes ahead unguarded"), "{said}");
    }
    let logged = home.text(".claude/ccpar/hooks.log");
    assert!(logged.lines().count() >= 5, "{logged}");
    // Words after the verb may come with an upgrade.
    let mut command = client.command();
    let later = client.input("NeverHeardOf", &json!({}));
    let said = answer(&run(command.args(["--of-a-later-release", "x"]), later.as_bytes()));
    assert_eq!(said, Value::Null);
    // A root that is none.
    home.write("blocked", "");
    let more = json!({
        "tool_name": "Edit", "tool_use_id": "1", "tool_input": client.input_of(&index),
    });
    let mut command = client.command();
    command.env("CCPAR_ROOT", home.path("blocked")).stdout(Stdio::piped());
    let said = answer(&run(&mut command, client.input("PreToolUse", &more).as_bytes()));
    assert!(person(&said).contains("blocked"), "{said}");
    assert!(said["hookSpecificOutput"].is_null(), "{said}");
    // A config that is none guards all the same.
    home.write(".claude/ccpar/config.json", "{");
    assert_eq!(client.before("Edit", "1", &client.input_of(&index)), Value::Null);
    assert_eq!(client.claims().len(), 1);
}

#[test]
fn the_config_adds_and_takes_away_by_pattern_and_links_lead_to_the_same_file() {
    let (home, _) = home();
    let client = Client::new(&home, "s1");
    home.sh(
        "mkdir -p notes dotfiles && mv .claude/skills dotfiles && ln -s ../dotfiles/skills .claude",
    )
    .ended(0, "");
    home.sh("mkdir -p -m 700 .claude/ccpar").ended(0, "");
    home.write(
        ".claude/ccpar/config.json",
        r#"{"guard": {"also": ["~/notes/**/*.md"], "not": ["~/.claude/skills/x/*"]}}"#,
    );
    let guarded = |file: &str| {
        home.write(file, "{}\n");
        assert_eq!(client.before("Edit", "1", &client.input_of(file)), Value::Null);
        let claimed = !client.claims().is_empty();
        client.tell("Stop", &json!({}));
        claimed
    };
    assert!(guarded("notes/a.md"));
    assert!(!guarded("notes/a.txt"));
    assert!(!guarded(".claude/skills/x/SKILL.md"));
    assert!(guarded(".claude/skills/INDEX.md"));
    home.sh("mkdir -p repo/.claude").ended(0, "");
    assert!(guarded("repo/.claude/settings.local.json"));
    assert!(!guarded("repo/.claude/settings.json"));
    assert!(!guarded(".claude/history.jsonl"));
    home.write(".claude/settings.json", r#"{"autoMemoryDirectory": "~/elsewhere"}"#);
    home.sh("mkdir -p elsewhere").ended(0, "");
    assert!(guarded("elsewhere/n.md"));
}
