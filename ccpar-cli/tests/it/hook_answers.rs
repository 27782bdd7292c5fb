//! `ccpar hook`, told what the client answers of what it wrote.

use serde_json::{Value, json};

use crate::client::{Client, INDEX, answer, context, edited, home, person, written};
use crate::support::{Home, run};

/// How the versions of a file were written, and in which session, newest first.
fn log(home: &Home, file: &str) -> Vec<(String, String)> {
    let said = home.ccpar(&["log", home.path(file).to_str().unwrap(), "--json"]).quiet();
    let records = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    records.map(|record| (word(&record["how"]), word(&record["session"]))).collect()
}

#[test]
fn what_the_client_holds_back_for_a_review_is_not_written() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    client.read(&index);
    for (tool, more) in [
        ("Write", json!({"content": format!("{INDEX}- staged\n")})),
        ("Edit", json!({"old_string": "- [two]", "new_string": "- staged"})),
    ] {
        let mut input = client.input_of(&index);
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(client.before(tool, "1", &input), Value::Null);
        let mut answer = match tool {
            "Write" => written(&input, Some(INDEX)),
            _ => edited(&input, INDEX, &INDEX.replace("- [two]", "- staged")),
        };
        answer["staged"] = true.into();
        assert_eq!(client.after(tool, "1", &input, &answer), Value::Null);
        assert_eq!(home.text(&index), INDEX, "{tool}");
        assert_eq!(client.claims(), [], "{tool}");
    }
    // What was held back is not known to stand there.
    home.write(&index, format!("{INDEX}- by another\n"));
    let said = client.tell("UserPromptSubmit", &json!({"prompt": "go"}));
    assert!(context(&said).contains("+- by another") && !context(&said).contains("staged"));
}

#[test]
fn of_two_sessions_that_create_a_file_neither_loses_its_text() {
    let (home, memory) = home();
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    for (name, before) in [("new.md", None), ("blank.md", Some("\n"))] {
        let note = format!("{memory}/{name}");
        if let Some(text) = before {
            home.write(&note, text);
        }
        let mut input = one.input_of(&note);
        input["content"] = "# New\n\n## One\n\nby one\n".into();
        assert_eq!(one.before("Write", "1", &input), Value::Null);
        // Its person takes longer to say yes than the claim lasts.
        one.tell("Stop", &json!({}));
        let theirs = "# New\n\n## Two\n\nby two\n";
        assert_eq!(two.write(&note, theirs), (Value::Null, Value::Null));
        home.write(&note, input["content"].as_str().unwrap());
        let said = one.after("Write", "1", &input, &written(&input, Some(theirs)));
        let copies = home.sh(&format!("cat {memory}/*{}*", name.trim_end_matches(".md"))).stdout;
        assert!(copies.contains("by one") && copies.contains("by two"), "{said} {copies}");
        assert!(home.text(&note).contains("by two"), "{said}");
    }
}

const NOTE: &str = "---\nname: n\n---\n\n# N\n\n- one\n- say \u{201c}two\u{201d} aloud\n\t- deep\n";

#[test]
fn what_the_client_writes_beyond_what_it_was_asked_for_is_its_own() {
    let (home, memory) = home();
    let note = format!("{memory}/n.md");
    home.write(&note, NOTE);
    let client = Client::new(&home, "s1");
    client.read(&note);
    let mut input = json!({
        "file_path": home.path(&note), "old_string": "say \"two\" aloud",
        "new_string": "say \"2\" aloud\n\t\t- deeper",
    });
    let written = NOTE
        .replace("name: n\n", "name: \"n\"\nmetadata:\n  modified: now\n")
        .replace("say \u{201c}two\u{201d} aloud", "say \u{201c}2\u{201d} aloud\n\t\t- deeper");
    let mut answer = edited(&input, NOTE, &written);
    answer["oldString"] = "say \u{201c}two\u{201d} aloud".into();
    assert_eq!(client.before("Edit", "e", &input), Value::Null);
    home.write(&note, &written);
    assert_eq!(client.after("Edit", "e", &input, &answer), Value::Null);
    assert_eq!(home.text(&note), written);
    let own = |how: &str, session: &str| (how.to_owned(), session.to_owned());
    assert_eq!(log(&home, &note), [own("hook", "s1"), own("outside", "")]);
    // The same over another's line, of which alone is told.
    let note = format!("{memory}/m.md");
    home.write(&note, NOTE);
    input["file_path"] = home.path(&note).to_str().into();
    assert_eq!(client.before("Edit", "e", &input), Value::Null);
    home.write(&note, NOTE.replace("# N\n", "# N\n\nby another\n"));
    home.ccpar(&["log", home.path(&note).to_str().unwrap()]).ended(0, "");
    home.write(&note, &written);
    let said = client.after("Edit", "e", &input, &answer);
    assert!(context(&said).contains("+by another"), "{said}");
    assert!(!context(&said).contains("name") && !context(&said).contains("deep"), "{said}");
    assert_eq!(home.text(&note), written.replace("# N\n", "# N\n\nby another\n"));
}

#[test]
fn an_edit_says_whether_there_was_a_file_only_if_it_made_one() {
    let (home, memory) = home();
    let client = Client::new(&home, "s1");
    let own = |how: &str, session: &str| (how.to_owned(), session.to_owned());
    // Of a new one the client says that it was empty.
    let note = format!("{memory}/new.md");
    let input =
        json!({"file_path": home.path(&note), "old_string": "", "new_string": "# New\n\nmine\n"});
    assert_eq!(client.before("Edit", "e", &input), Value::Null);
    home.write(&note, "# New\n\nmine\n");
    let mut answer = edited(&input, "", "# New\n\nmine\n");
    assert_eq!(client.after("Edit", "e", &input, &answer), Value::Null);
    assert_eq!(log(&home, &note), [own("hook", "s1")]);
    // Who made it knows it.
    assert_eq!(client.write(&note, "# New\n\nother\n").0, Value::Null);
    // Of a large one it says nothing.
    let input = json!({
        "file_path": home.path(&note), "old_string": "other", "new_string": "mine",
    });
    answer = edited(&input, "", "");
    answer["originalFile"] = Value::Null;
    assert_eq!(client.before("Edit", "e", &input), Value::Null);
    home.write(&note, "# New\n\nmine\n");
    assert_eq!(client.after("Edit", "e", &input, &answer), Value::Null);
    let all = [own("hook", "s1"), own("hook", "s1"), own("hook", "s1")];
    assert_eq!(log(&home, &note), all);
}

#[test]
fn who_made_a_file_by_a_command_may_replace_it_until_another_wrote() {
    let (home, memory) = home();
    let note = format!("{memory}/new.md");
    let client = Client::new(&home, "s1");
    let input = json!({"command": format!("cat > {} <<E", home.path(&note).display())});
    assert_eq!(client.before("Bash", "b", &input), Value::Null);
    home.write(&note, "# New\n\nmine\n");
    assert_eq!(client.after("Bash", "b", &input, &json!({"stdout": ""})), Value::Null);
    let mut write = client.input_of(&note);
    write["content"] = "# New\n\nother\n".into();
    assert_eq!(client.before("Write", "w", &write), Value::Null);
    client.tell("Stop", &json!({}));
    home.write(&note, "# New\n\nmine\nby another\n");
    let said = client.before("Write", "w", &write);
    assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny", "{said}");
}

#[test]
fn a_cell_says_nothing_of_the_rest_of_its_notebook() {
    let (home, _) = home();
    let client = Client::new(&home, "s1");
    let book = ".claude/skills/x/a.ipynb";
    let text = |cell: &str| format!("{{\"cells\": [\"{cell}\", \"b\"]}}\n");
    home.write(book, text("a"));
    let input = json!({"notebook_path": home.path(book), "new_source": "c"});
    assert_eq!(client.before("NotebookEdit", "n", &input), Value::Null);
    home.write(book, text("c"));
    let answer = json!({"original_file": text("a"), "updated_file": text("c")});
    assert_eq!(client.after("NotebookEdit", "n", &input, &answer), Value::Null);
    let said = client.write(book, "{}\n").0;
    assert_eq!(said["hookSpecificOutput"]["permissionDecision"], "deny", "{said}");
}

#[test]
fn only_what_the_client_would_write_unasked_is_written_for_it() {
    let (home, memory) = home();
    let client = Client::new(&home, "s1");
    home.sh("mkdir -p .claude/projects/-other/memory .claude/agent-memory/a").ended(0, "");
    for (folder, mode, is_written) in [
        (&memory[..], "default", true),
        (&memory[..], "acceptEdits", true),
        (&memory[..], "dontAsk", false),
        (&memory[..], "plan", false),
        (".claude/agent-memory/a", "default", true),
        (".claude/projects/-other/memory", "default", false),
        (".claude/projects/-other/memory", "bypassPermissions", false),
    ] {
        let note = format!("{folder}/{mode}.md");
        home.write(&note, "# One\n");
        client.read(&note);
        home.write(&note, "# One\n\n## B\n\nb\n");
        let mut input = client.input_of(&note);
        input["content"] = "# One\n\n## Mine\n\nmine\n".into();
        let call = json!({
            "tool_name": "Write", "tool_input": input,
            "tool_response": "File has been modified since read",
        });
        let said =
            client.tell("PostToolBatch", &json!({"permission_mode": mode, "tool_calls": [call]}));
        assert_eq!(home.text(&note).contains("mine"), is_written, "{folder} {mode}: {said}");
        assert_eq!(context(&said).contains("is in `"), !is_written, "{said}");
    }
}

#[test]
fn what_made_a_text_stale_and_swallowed_lines_itself_gives_them_back() {
    let (home, memory) = home();
    let [client, other] = ["s1", "s2"].map(|name| Client::new(&home, name));
    let note = format!("{memory}/one.md");
    let base = "# One\n\n- one is a line\n- two is a line\n- three is a line\n";
    home.write(&note, base);
    client.read(&note);
    home.write(&note, format!("{base}- four is by another\n"));
    other.read(&note);
    // Nobody has looked since somebody wrote this who had not read that.
    home.write(&note, base.replace("- two", "- 2, that"));
    let mut input = client.input_of(&note);
    input["content"] = base.replace("# One", "# Mine").into();
    let call = json!({
        "tool_name": "Write", "tool_input": input,
        "tool_response": "File has been modified since read",
    });
    let said =
        client.tell("PostToolBatch", &json!({"permission_mode": "default", "tool_calls": [call]}));
    let text = home.text(&note);
    for line in ["# Mine\n", "- 2, that is a line\n", "- four is by another\n"] {
        assert!(text.contains(line), "{line:?}: {text} {said}");
    }
    assert!(person(&said).contains("line"), "{said}");
}

#[test]
fn one_field_that_cannot_be_read_unguards_no_call_and_is_told() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let client = Client::new(&home, "s1");
    let path = home.path(&index);
    let cut = |tool: &str, input: Value| {
        let more = json!({"tool_name": tool, "tool_use_id": "1", "tool_input": input});
        let input = client.input("PreToolUse", &more).replace("CUT", "\\ud83d");
        answer(&run(&mut client.command(), input.as_bytes()))
    };
    for (tool, input) in [
        ("Bash", json!({"command": format!("date > {}", path.display()), "timeout": 5000.5})),
        ("Edit", json!({"file_path": path, "old_string": "a CUT", "new_string": "CUT\\ud83d"})),
        ("Edit", json!({"file_path": path, "replace_all": "of course"})),
    ] {
        let said = cut(tool, input.clone());
        let is_told = input["replace_all"] == "of course";
        assert_eq!(person(&said).contains("`replace_all`"), is_told, "{said}");
        assert_eq!(client.claims().len(), 1, "{input}");
        client.tell("Stop", &json!({}));
    }
    let said = client.before("Edit", "5", &json!({"file_path": [1]}));
    assert!(person(&said).contains("`file_path`"), "{said}");
    assert!(home.text(".claude/ccpar/hooks.log").contains("file_path"));
    assert!(said["hookSpecificOutput"].is_null(), "{said}");
}

#[test]
fn a_command_that_only_reads_holds_up_nobody_and_owns_nothing() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    let path = home.path(&index);
    let input = json!({"command": format!("grep x {} 2>&1; cargo test", path.display())});
    assert_eq!(one.before("Bash", "b", &input), Value::Null);
    assert_eq!(one.claims(), []);
    two.edit(&index, "- [two]", "- [2]", || {});
    home.write(&index, INDEX.to_owned() + "- by nobody known\n");
    one.after("Bash", "b", &input, &json!({"stdout": ""}));
    let last = log(&home, &index).remove(0);
    assert_eq!(last, ("outside".to_owned(), String::new()));
    for command in ["date >>", "tee -a", "sed -i s/a/b/", "/bin/cp x", "python3 up.py", "sh x.sh"] {
        let input = json!({"command": format!("{command} {}", path.display())});
        one.before("Bash", "b", &input);
        assert_eq!(one.claims().len(), 1, "{command}");
        one.tell("Stop", &json!({}));
    }
}

#[test]
fn a_command_holds_what_it_names_with_blanks_by_patterns_and_variables_and_not_more_than_a_few() {
    let (home, memory) = home();
    let client = Client::new(&home, "s1");
    home.sh("mkdir '.claude/skills/my skill'").ended(0, "");
    home.write(".claude/skills/my skill/SKILL.md", "# My\n");
    let folder = home.path(&memory);
    let (skills, folder) = (home.path(".claude/skills"), folder.display());
    let skills = skills.display();
    for (command, claimed) in [
        (format!("echo x >> '{skills}/my skill/SKILL.md'"), &["SKILL.md"][..]),
        ("echo x >> ~/.claude/skills/my\\ skill/SKILL.md".to_owned(), &["SKILL.md"]),
        (format!("D={folder}; echo x >> $D/MEMORY.md"), &["MEMORY.md"]),
        (format!("sed -i s/a/b/ {folder}/*.md"), &["MEMORY.md"]),
        (format!("cd {folder} && rm -f MEMORY.m?"), &["MEMORY.md"]),
    ] {
        assert_eq!(client.before("Bash", "b", &json!({"command": command})), Value::Null);
        let claims: Vec<String> = client.claims().into_iter().map(|(_, file)| file).collect();
        assert_eq!(claims, claimed, "{command}");
        client.tell("Stop", &json!({}));
    }
    let many: Vec<String> =
        (0..300).map(|n| format!("touch {skills}/x/rel{n}.md; ls {skills}")).collect();
    let many = many.join("; ");
    assert_eq!(client.before("Bash", "b", &json!({"command": many})), Value::Null);
    let said = home.ccpar(&["sessions", "--claims", "--json"]).quiet();
    let claim: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(claim["files"].as_array().unwrap().len(), 32);
}

#[test]
fn a_file_is_guarded_by_every_name_that_leads_to_it() {
    let (home, _) = home();
    let client = Client::new(&home, "s1");
    home.sh(
        "mkdir -p dotfiles/one realmem && echo x > dotfiles/CLAUDE.md && \
         ln -s ../dotfiles/CLAUDE.md .claude/CLAUDE.md && ln -s ../../dotfiles/one .claude/skills/ && \
         ln -s .claude/skills/x/SKILL.md skill.md && ln -s realmem lnk && mkdir .claude/shared-mem",
    )
    .ended(0, "");
    home.write(".claude/skills/x/SKILL.md", "# X\n");
    let guards = |file: &str| {
        assert_eq!(client.before("Edit", "1", &client.input_of(file)), Value::Null);
        let claimed = !client.claims().is_empty();
        client.tell("Stop", &json!({}));
        claimed
    };
    assert!(guards("skill.md"));
    assert!(guards("dotfiles/CLAUDE.md"));
    assert!(guards("dotfiles/one/SKILL.md"));
    assert!(!guards("dotfiles/other.md") && !guards("realmem/n.md"));
    for (folder, note) in [
        ("~/.claude/shared-mem", ".claude/shared-mem/n.md"),
        ("~/lnk", "realmem/n.md"),
        ("~/lnk", "lnk/n.md"),
    ] {
        let settings = json!({"autoMemoryDirectory": folder}).to_string();
        home.write(".claude/settings.json", settings);
        assert!(guards(note), "{folder} {note}");
    }
}

#[test]
fn who_writes_next_heals_what_was_left_swallowed() {
    let (home, memory) = home();
    let index = format!("{memory}/MEMORY.md");
    let (one, two) = (Client::new(&home, "s1"), Client::new(&home, "s2"));
    two.edit(&index, "- [two]", "- [2]", || {});
    two.edit(&index, "# Memory\n", "# Memory\n\nby two\n", || {});
    // A stale command whose session was killed before it could tell.
    home.write(&index, INDEX.replace("- [two]", "- [2]") + "- by command\n");
    let said = home.ccpar(&["lost", home.path(&index).to_str().unwrap()]);
    assert!(said.stdout.contains("by two"), "{said:?}");
    let said = one.edit(&index, "- [one]", "- [1]", || {});
    assert!(context(&said).contains("+by two"), "{said}");
    let now = home.text(&index);
    assert!(now.contains("by two") && now.contains("- [1]") && now.contains("command"), "{now}");
    assert_eq!(home.ccpar(&["lost"]).stdout, "");
}

#[test]
fn settings_that_were_written_in_another_form_still_parse_after_the_next_edit() {
    let (home, _) = home();
    let settings = ".claude/settings.json";
    let client = Client::new(&home, "s1");
    home.write(settings, "{}\n");
    home.ccpar(&["install"]).ended(0, "");
    home.write(settings, "{\"env\": {\"A\": \"\", \"B\": \"\"}}\n");
    home.ccpar(&["install"]).ended(0, "");
    client.edit(settings, "\"A\": \"\"", "\"A\": \"\", \"D\": \"1\"", || {});
    let text = home.text(settings);
    let now: Value = serde_json::from_str(&text).unwrap_or_default();
    assert_eq!(now["env"], json!({"A": "", "B": "", "D": "1"}), "{text}");
}
