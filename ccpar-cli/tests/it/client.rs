//! A client of Claude Code's, which tells `ccpar hook` what it does.

use serde_json::{Value, json};

use crate::claims::Agent;
use crate::support::{CCPAR, Home, Ran, run};

pub(crate) const INDEX: &str = "# Memory\n\n- [one](one.md)\n- [two](two.md)\n";

/// A client: a home with a checkout, and the process of a session.
pub(crate) struct Client<'h> {
    home: &'h Home,
    session: &'static str,
    pub(crate) process: Agent,
}

impl<'h> Client<'h> {
    pub(crate) fn new(home: &'h Home, session: &'static str) -> Client<'h> {
        Client { home, session, process: Agent::start() }
    }

    pub(crate) fn input(&self, event: &str, more: &Value) -> String {
        let mut input = json!({
            "session_id": self.session, "hook_event_name": event, "prompt_id": "p",
            "cwd": self.home.path("repo"), "permission_mode": "default", "unheard_of": [1],
        });
        for (key, value) in more.as_object().unwrap() {
            input[key] = value.clone();
        }
        input.to_string()
    }

    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = self.home.command(CCPAR);
        command.arg("hook").env("CLAUDE_PID", self.process.pid());
        command.env("CCPAR_DURABILITY", "process");
        command
    }

    /// What a hook answers: null if it says nothing.
    pub(crate) fn tell(&self, event: &str, more: &Value) -> Value {
        let ran = run(&mut self.command(), self.input(event, more).as_bytes());
        answer(&ran)
    }

    pub(crate) fn before(&self, tool: &str, call: &str, input: &Value) -> Value {
        let more = json!({"tool_name": tool, "tool_use_id": call, "tool_input": input});
        self.tell("PreToolUse", &more)
    }

    pub(crate) fn after(&self, tool: &str, call: &str, input: &Value, response: &Value) -> Value {
        let more = json!({
            "tool_name": tool, "tool_use_id": call, "tool_input": input, "tool_response": response,
            "duration_ms": 5,
        });
        self.tell("PostToolUse", &more)
    }

    /// Reads a file whole, as the client does.
    pub(crate) fn read(&self, file: &str) {
        let content = self.home.text(file);
        let lines = content.split('\n').count();
        let answer = json!({"type": "text", "file": {
            "content": content, "startLine": 1, "numLines": lines, "totalLines": lines,
        }});
        assert_eq!(self.after("Read", "r", &self.input_of(file), &answer), Value::Null);
    }

    pub(crate) fn input_of(&self, file: &str) -> Value {
        json!({"file_path": self.home.path(file)})
    }

    /// An edit, with what another does while it runs.
    pub(crate) fn edit(&self, file: &str, old: &str, new: &str, meanwhile: impl FnOnce()) -> Value {
        let input = json!({
            "file_path": self.home.path(file), "old_string": old, "new_string": new,
        });
        let said = self.before("Edit", "e", &input);
        assert_eq!(said, Value::Null);
        let original = self.home.text(file);
        meanwhile();
        let text = original.replacen(old, new, 1);
        self.home.write(file, &text);
        self.after("Edit", "e", &input, &edited(&input, &original, &text))
    }

    /// A whole text that the client writes, and what was said before and after.
    pub(crate) fn write(&self, file: &str, text: &str) -> (Value, Value) {
        let mut input = self.input_of(file);
        input["content"] = text.into();
        let said = self.before("Write", "w", &input);
        if !said.is_null() {
            return (said, Value::Null);
        }
        let original = self.home.path(file).exists().then(|| self.home.text(file));
        self.home.write(file, text);
        let answer = written(&input, original.as_deref());
        (said, self.after("Write", "w", &input, &answer))
    }

    /// What is claimed now: sessions and their files' names.
    pub(crate) fn claims(&self) -> Vec<(String, String)> {
        let said = self.home.ccpar(&["sessions", "--claims", "--json"]).quiet();
        let all: Vec<Value> =
            said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let claim = |claim: &Value| {
            let files = claim["files"].as_array().unwrap().iter();
            let name =
                |file: &Value| file["path"].as_str().unwrap().rsplit('/').next().map(str::to_owned);
            (claim["session"].as_str().unwrap().to_owned(), files.filter_map(name).collect())
        };
        all.iter().map(claim).collect()
    }
}

/// What the client answers to an edit that made one text of another.
pub(crate) fn edited(input: &Value, original: &str, text: &str) -> Value {
    json!({
        "filePath": input["file_path"], "oldString": input["old_string"],
        "newString": input["new_string"], "originalFile": original,
        "structuredPatch": patch(original, text), "userModified": false, "replaceAll": false,
    })
}

/// What the client answers to a whole text that replaced another, or none.
pub(crate) fn written(input: &Value, original: Option<&str>) -> Value {
    let text = input["content"].as_str().unwrap();
    json!({
        "type": if original.is_some() { "update" } else { "create" },
        "filePath": input["file_path"], "content": text, "originalFile": original,
        "structuredPatch": original.map_or(json!([]), |original| patch(original, text)),
        "userModified": false,
    })
}

/// A patch as the client shows it: with blanks for tabs at the beginning.
fn patch(old: &str, new: &str) -> Value {
    let shown = |text: &str| -> Vec<String> {
        let blank = |line: &str| {
            let rest = line.trim_start_matches('\t');
            "  ".repeat(line.len() - rest.len()) + rest
        };
        text.lines().map(blank).collect()
    };
    let (old, new) = (shown(old), shown(new));
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = rest.take_while(|(old, new)| old == new).count();
    if start == old.len() && start == new.len() {
        return json!([]);
    }
    let first = start.saturating_sub(3);
    let after = &old[old.len() - end..][..end.min(3)];
    let signed = |sign: char, lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| format!("{sign}{line}")).collect()
    };
    let lines = [
        signed(' ', &old[first..start]),
        signed('-', &old[start..old.len() - end]),
        signed('+', &new[start..new.len() - end]),
        signed(' ', after),
    ]
    .concat();
    json!([{
        "oldStart": first + 1, "oldLines": old.len() - end + after.len() - first,
        "newStart": first + 1, "newLines": new.len() - end + after.len() - first,
        "lines": lines,
    }])
}

#[track_caller]
pub(crate) fn answer(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{ran:?}");
    if ran.stdout.is_empty() { Value::Null } else { serde_json::from_str(&ran.stdout).unwrap() }
}

pub(crate) fn context(said: &Value) -> &str {
    said["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default()
}

pub(crate) fn person(said: &Value) -> &str {
    said["systemMessage"].as_str().unwrap_or_default()
}

/// A home with a checkout on a branch, and a memory.
pub(crate) fn home() -> (Home, String) {
    let home = Home::new();
    home.sh("git init -q -b feat/voice repo").ended(0, "");
    let repo = home.path("repo").canonicalize().unwrap();
    let name: String = repo
        .to_str()
        .unwrap()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let memory = format!(".claude/projects/{name}/memory");
    home.sh(&format!("mkdir -p {memory} .claude/skills/x")).ended(0, "");
    home.write(&format!("{memory}/MEMORY.md"), INDEX);
    (home, memory)
}
