//! Any input of a hook is answered to without a panic; and whatever a tool writes
//! between its two hooks, that is what stands there after them.
#![no_main]
#![allow(dead_code, reason = "of the command line the hooks alone run here")]

// The command line is no library: its modules stand here as in its `main.rs`.
#[path = "../../ccpar-cli/src/cli.rs"]
mod cli;
#[path = "../../ccpar-cli/src/commands/mod.rs"]
mod commands;
#[path = "../../ccpar-cli/src/config.rs"]
mod config;
#[path = "../../ccpar-cli/src/context.rs"]
mod context;
#[path = "../../ccpar-cli/src/exit.rs"]
mod exit;
#[path = "../../ccpar-cli/src/hook/mod.rs"]
mod hook;
#[path = "../../ccpar-cli/src/named.rs"]
mod named;
#[path = "../../ccpar-cli/src/output.rs"]
mod output;
#[path = "../../ccpar-cli/src/paint.rs"]
mod paint;
#[path = "../../ccpar-cli/src/progress.rs"]
mod progress;
#[path = "../../ccpar-cli/src/when.rs"]
mod when;

use std::fs;

use libfuzzer_sys::fuzz_target;
use serde_json::json;

const TOOLS: [&str; 5] = ["Edit", "Write", "Read", "NotebookEdit", "Bash"];
const FILES: [&str; 4] = ["skills/a/SKILL.md", "settings.json", "CLAUDE.md", "agents/a.ipynb"];
const ENDS: [&str; 2] = ["PostToolUse", "PostToolUseFailure"];

fn begin() {
    let nothing = fs::File::create("/dev/null").expect("it is there");
    rustix::stdio::dup2_stdout(nothing).expect("its answers are of no use here");
    // SAFETY: no other thread runs yet.
    unsafe {
        let of_the_session = |name: &std::ffi::OsStr| {
            let name = name.to_string_lossy();
            name.starts_with("CCPAR_") || name.starts_with("CLAUDE")
        };
        std::env::vars_os()
            .map(|(name, _)| name)
            .filter(|name| of_the_session(name))
            .for_each(|name| std::env::remove_var(name));
        std::env::set_var("CCPAR_DURABILITY", "process");
    }
}

fuzz_target!(
    init: begin(),
    |call: (u8, u8, &str, &str, &str, &[u8])| {
        let (kind, place, old, new, words, raw) = call;
        let home = tempfile::tempdir().expect("a temporary folder");
        // SAFETY: no other thread runs.
        unsafe { std::env::set_var("HOME", home.path()) };
        hook::answer(Ok(raw));
        let config = home.path().join(".claude");
        let pick = |n: u8, from: &[&'static str]| from[usize::from(n) % from.len()];
        let (tool, file) = (pick(kind, &TOOLS), config.join(pick(place, &FILES)));
        fs::create_dir_all(file.parent().expect("it has one")).expect("a folder");
        fs::write(&file, old).expect("a file");
        let command = format!("{words} {}", file.display());
        let payload = |event: &str| {
            let value = json!({
                "session_id": "s",
                "hook_event_name": event,
                "cwd": home.path(),
                "tool_name": tool,
                "tool_use_id": "t",
                "tool_input": {
                    "file_path": file, "notebook_path": file, "content": new, "command": command,
                    "old_string": words, "new_string": new, "replace_all": place > 127,
                },
                "tool_response": {
                    "type": "update", "content": new, "originalFile": old, "updated_file": new,
                    "oldString": words, "newString": new, "replaceAll": place > 127,
                    "structuredPatch": [{
                        "oldStart": kind, "oldLines": 1, "newStart": kind, "newLines": 1,
                        "lines": words.lines().collect::<Vec<_>>(),
                    }],
                    "file": {
                        "content": words, "startLine": 1, "numLines": place, "totalLines": kind,
                    },
                },
                "tool_calls": [{
                    "tool_name": tool, "tool_input": { "file_path": file, "content": new },
                    "tool_response": words,
                }],
            });
            serde_json::to_vec(&value).expect("it is plain data")
        };
        hook::answer(Ok(&payload("SessionStart")));
        hook::answer(Ok(&payload("PreToolUse")));
        assert_eq!(fs::read(&file).expect("it is there"), old.as_bytes());
        // A tool that reads writes nothing, and nothing is taken for its doing.
        let text = if tool == "Read" { old } else { new };
        fs::write(&file, text).expect("a file");
        hook::answer(Ok(&payload(pick(kind / 5, &ENDS))));
        assert_eq!(fs::read(&file).expect("it is there"), text.as_bytes());
        for event in ["PostToolBatch", "UserPromptSubmit", "FileChanged", "Stop", "SessionEnd"] {
            hook::answer(Ok(&payload(event)));
        }
    }
);
