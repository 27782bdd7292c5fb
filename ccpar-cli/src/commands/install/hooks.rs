//! Which hooks Claude Code is to run, and which of those in a file are ccpar's.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// An event at which Claude Code is to run `ccpar hook`.
#[derive(Debug)]
pub(crate) struct Event {
    /// As the client calls it.
    pub(crate) name: &'static str,
    /// For which tools; `None` where the event has none. That of `FileChanged` would
    /// name files to watch, which `SessionStart` does.
    pub(crate) tools: Option<&'static str>,
    /// How long the client waits for it, in seconds.
    pub(crate) timeout: u32,
}

const WRITERS: Option<&str> = Some("Edit|Write|NotebookEdit|Bash");

/// All events that ccpar wants to be told.
pub(crate) const EVENTS: [Event; 11] = [
    Event { name: "SessionStart", tools: None, timeout: 10 },
    Event { name: "UserPromptSubmit", tools: None, timeout: 10 },
    Event { name: "PreToolUse", tools: WRITERS, timeout: 10 },
    Event { name: "PostToolUse", tools: Some("Edit|Write|NotebookEdit|Bash|Read"), timeout: 10 },
    Event { name: "PostToolUseFailure", tools: WRITERS, timeout: 10 },
    Event { name: "PermissionDenied", tools: WRITERS, timeout: 10 },
    Event { name: "PostToolBatch", tools: None, timeout: 10 },
    Event { name: "FileChanged", tools: None, timeout: 10 },
    Event { name: "Stop", tools: None, timeout: 10 },
    Event { name: "SubagentStop", tools: None, timeout: 10 },
    // All hooks of this one share a second and a half.
    Event { name: "SessionEnd", tools: None, timeout: 1 },
];

/// The hooks of a file: groups by the name of their event, in order.
pub(crate) type Events = Vec<(String, Vec<Box<RawValue>>)>;

impl Event {
    /// The group of this event, as JSON.
    fn group(&self, program: &str) -> Box<RawValue> {
        let matcher = self.tools.map_or_else(String::new, |tools| {
            format!("        \"matcher\": {},\n", Value::from(tools))
        });
        let group = format!(
            "{{\n{matcher}        \"hooks\": [{{\"type\": \"command\", \"command\": {}, \"args\": \
             [\"hook\"], \"timeout\": {}}}]\n      }}",
            Value::from(program),
            self.timeout
        );
        RawValue::from_string(group).expect("this is JSON")
    }
}

/// The hooks with those of the ccpar that `program` is: each event has it once,
/// where an older one stood if there was one.
pub(crate) fn with(events: &Events, program: &str) -> Events {
    let wanted = |name: &str| {
        let event = EVENTS.iter().find(|event| event.name == name)?;
        Some(event.group(program))
    };
    let mut with: Events = Vec::new();
    for (name, groups) in events {
        let mut own = wanted(name);
        let is_wanted = own.is_some();
        let mut kept = Vec::new();
        for group in groups {
            match Rest::of(group) {
                Rest::Whole => kept.push(group.clone()),
                Rest::Some(rest) => kept.push(rest),
                Rest::Nothing => kept.extend(own.take()),
            }
        }
        kept.extend(own);
        if is_wanted || !kept.is_empty() || groups.is_empty() {
            with.push((name.clone(), kept));
        }
    }
    for event in &EVENTS {
        if events.iter().all(|(name, _)| name != event.name) {
            with.push((event.name.to_owned(), vec![event.group(program)]));
        }
    }
    with
}

/// The hooks without ccpar's, and without the events that had no others.
pub(crate) fn without(events: &Events) -> Events {
    let mut without: Events = Vec::new();
    for (name, groups) in events {
        let rest = groups.iter().filter_map(|group| match Rest::of(group) {
            Rest::Whole => Some(group.clone()),
            Rest::Some(rest) => Some(rest),
            Rest::Nothing => None,
        });
        let rest: Vec<_> = rest.collect();
        if !rest.is_empty() || groups.is_empty() {
            without.push((name.clone(), rest));
        }
    }
    without
}

/// Whether any of the hooks is ccpar's.
pub(crate) fn any(events: &Events) -> bool {
    events
        .iter()
        .flat_map(|(_, groups)| groups)
        .any(|group| !matches!(Rest::of(group), Rest::Whole))
}

/// What is left of a group without ccpar's hooks.
enum Rest {
    Whole,
    Some(Box<RawValue>),
    Nothing,
}

impl Rest {
    fn of(group: &RawValue) -> Rest {
        let mut value: Value = serde_json::from_str(group.get()).unwrap_or_default();
        // What does not look like a group is none of ccpar's.
        let Some(hooks) = value.get_mut("hooks").and_then(Value::as_array_mut) else {
            return Rest::Whole;
        };
        let count = hooks.len();
        hooks.retain(|hook| !is_own(hook));
        if hooks.len() == count {
            return Rest::Whole;
        }
        if hooks.is_empty() {
            return Rest::Nothing;
        }
        RawValue::from_string(value.to_string()).map_or(Rest::Whole, Rest::Some)
    }
}

#[derive(Deserialize)]
struct Hook {
    command: String,
    args: Option<Vec<String>>,
}

/// Which ccpar the hooks of these events call, by the paths that they name.
pub(crate) fn programs(events: &Events) -> BTreeSet<String> {
    let groups = events.iter().flat_map(|(_, groups)| groups);
    let values = groups.filter_map(|group| serde_json::from_str::<Value>(group.get()).ok());
    let hooks = values.filter_map(|group| Some(group.get("hooks")?.as_array()?.clone()));
    hooks.flatten().filter_map(|hook| own_program(&hook)).collect()
}

fn is_own(hook: &Value) -> bool {
    own_program(hook).is_some()
}

/// The ccpar that a hook calls if it runs `ccpar hook`, wherever that ccpar lies, by
/// a shell or not.
fn own_program(hook: &Value) -> Option<String> {
    let Hook { command, args } = Hook::deserialize(hook).ok()?;
    let (program, first) = if let Some(args) = &args {
        (&*command, args.first().map(String::as_str))
    } else {
        let command = command.trim_start();
        let quote = command.chars().next().filter(|c| ['"', '\''].contains(c));
        let (program, rest) = match quote {
            Some(quote) => command[1..].split_once(quote).unwrap_or((command, "")),
            None => command.split_once(char::is_whitespace).unwrap_or((command, "")),
        };
        (program, rest.split_whitespace().next())
    };
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_own = ["ccpar", "ccpar.exe"].contains(&name) && first == Some("hook");
    is_own.then(|| program.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_of_ccpar_is_known_wherever_it_lies() {
        let with_args = |command: &str, args: &[&str]| {
            is_own(&serde_json::json!({"type": "command", "command": command, "args": args}))
        };
        assert!(with_args("/a b/ccpar", &["hook"]));
        assert!(with_args(r"C:\bin\ccpar.exe", &["hook"]));
        assert!(!with_args("/a/ccpar", &["status"]));
        assert!(!with_args("/a/ccpar", &[]));
        assert!(!with_args("/a/my-ccpar", &["hook"]));
        assert!(!with_args("/a/ccpar hook", &[]));
        let by_shell = |command: &str| is_own(&serde_json::json!({"command": command}));
        assert!(by_shell("ccpar hook"));
        assert!(by_shell("'/a b/ccpar' hook"));
        assert!(by_shell("\"/a/ccpar\"  hook 2>/dev/null"));
        assert!(!by_shell("echo ccpar hook"));
        assert!(!by_shell("ccpar"));
        assert!(!by_shell("'"));
        assert!(!is_own(&serde_json::json!({"type": "prompt", "prompt": "ccpar hook"})));
    }
}
