//! What is told of others' work: to the model what it needs to go on, to the person
//! in a line. Lines are told of notes alone, and of settings the names of keys: no
//! secret goes into a context.

use std::collections::BTreeSet;
use std::path::Path;

use ccpar_core::diff::{Sign, hunks};
use ccpar_core::history::Record;
use ccpar_core::{Commit, Outcome, SharedFile};
use serde_json::Value;

use super::reply::Reply;
use super::{Call, Named};
use crate::commands::report;
use crate::exit::Failure;
use crate::output;

/// How many lines of a change are shown.
const LINES: usize = 40;

/// How deep the keys of settings are named.
const DEPTH: usize = 3;

/// Tells what something other than ccpar did, where that is to be told.
pub(super) fn outside(path: &Path, record: &Record, reply: &mut Reply) {
    if let Some(note) = report::outside_note(path, record) {
        reply.tell_person(format!("`{}` {note}", output::path(path)));
    }
}

/// Tells what became of a text: what was merged into it.
pub(super) fn merged(
    call: &Call,
    named: &Named,
    file: &SharedFile<'_>,
    commit: &Commit,
    ours: &[u8],
    reply: &mut Reply,
) -> Result<(), Failure> {
    let path = output::path(&named.path);
    match &commit.outcome {
        Outcome::Unchanged => return keep_up(call, file),
        // What came back late was in another's way: the copy is not of this call.
        Outcome::Conflict { copy, .. } if std::fs::read(copy).is_ok_and(|text| text != ours) => {
            reply.tell(format!(
                "of `{path}`, lines that a stale writer swallowed could not be put back, as others \
                 wrote in their place: the whole text that held them is in `{}`. Put what is still \
                 to be kept into the file, and remove that copy.",
                output::path(copy),
            ));
        }
        Outcome::Conflict { copy, regions } => reply.tell(format!(
            "`{path}` was changed by others at the same time, and {} could not be merged: the file \
             keeps what they wrote there, and the whole text of this call is in `{}`. Put what is \
             still to be kept into the file, and remove that copy.",
            output::count(*regions, "place"),
            output::path(copy),
        )),
        Outcome::Written | Outcome::Merged => {
            let now = file.look_only()?;
            let change = Change::between(named, ours, now.content());
            if change.is_nothing() {
                return keep_up(call, file);
            }
            reply.tell_model(format!(
                "others changed `{path}` meanwhile; what they wrote was merged with your text. \
                 Against that the file now has {}",
                change.text
            ));
            reply.tell_person(format!("`{path}`: merged with what others wrote meanwhile"));
        }
    }
    told(call, file)
}

/// Notes that the session knows what it made of what it knew, so that this is not
/// told to it as another's.
pub(super) fn keep_up(call: &Call, file: &SharedFile<'_>) -> Result<(), Failure> {
    let known = [file.seen()?, call.as_agent(TOLD)?.file(file.path()).seen()?];
    let recent = file.history()?.recent(1)?;
    let is_own = |record: &&Record| record.session == call.harness.author().session;
    match recent.first().filter(is_own) {
        Some(own) if known.contains(&Some(own.replaced())) => told(call, file),
        _ => Ok(()),
    }
}

/// Notes that the session has been told how a file is now.
pub(super) fn told(call: &Call, file: &SharedFile<'_>) -> Result<(), Failure> {
    let harness = call.as_agent(TOLD)?;
    let file = harness.file(file.path());
    file.mark_seen(&file.look()?)?;
    Ok(())
}

/// Stands for what a session was told of, in part, as against what it has seen.
pub(super) const TOLD: &str = "told";

/// What changed between two texts, in words.
pub(super) struct Change {
    pub(super) text: String,
    pub(super) added: usize,
    pub(super) removed: usize,
}

impl Change {
    pub(super) fn between(named: &Named, old: &[u8], new: &[u8]) -> Change {
        let hunks = hunks(old, new, 0);
        let lines = || hunks.iter().flat_map(|hunk| &hunk.lines);
        let count = |wanted| lines().filter(|(sign, _)| *sign == wanted).count();
        let (added, removed) = (count(Sign::Added), count(Sign::Removed));
        let text = if named.has_keys() {
            keys(old, new)
        } else if !["md", "markdown"].contains(&&*named.extension()) {
            format!("{} more and {removed} less", output::count(added, "line"))
        } else {
            let sign = |sign| match sign {
                Sign::Added => '+',
                Sign::Removed => '-',
                Sign::Same => ' ',
            };
            let shown = lines().take(LINES);
            let shown: Vec<String> = shown
                .map(|(s, line)| format!("{}{}", sign(*s), output::line(bare(line))))
                .collect();
            let all = added + removed;
            let more =
                if all > LINES { format!("\n… and {} more", all - LINES) } else { String::new() };
            format!("these lines more (+) or less (-):\n{}{more}", shown.join("\n"))
        };
        Change { text, added, removed }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.added + self.removed == 0
    }
}

fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Which keys changed; never what they hold.
fn keys(old: &[u8], new: &[u8]) -> String {
    let read = |text| serde_json::from_slice::<Value>(text);
    let (Ok(old), Ok(new)) = (read(old), read(new)) else {
        return "other content".to_owned();
    };
    let mut changed = BTreeSet::new();
    differ(&old, &new, &mut Vec::new(), &mut changed);
    let shown: Vec<String> =
        changed.iter().take(LINES).map(|key| output::line(key.as_bytes())).collect();
    format!("other values for: {}", shown.join(", "))
}

fn differ(old: &Value, new: &Value, path: &mut Vec<String>, changed: &mut BTreeSet<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) if path.len() < DEPTH => {
            for key in old.keys().chain(new.keys()) {
                path.push(key.clone());
                let value = |object: &serde_json::Map<String, Value>| {
                    object.get(key).cloned().unwrap_or(Value::Null)
                };
                differ(&value(old), &value(new), path, changed);
                path.pop();
            }
        }
        _ if path.is_empty() => {
            changed.insert("(all of it)".to_owned());
        }
        _ => {
            changed.insert(path.join("."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::guard::Kind;

    #[test]
    fn of_settings_the_keys_are_told_and_no_value() {
        let named = |name: &str, kind| Named { path: name.into(), kind };
        let old = br#"{"env": {"TOKEN": "old-secret"}, "model": "a"}"#;
        let new = br#"{"env": {"TOKEN": "new-secret"}, "model": "a", "hooks": {}}"#;
        let text = Change::between(&named("settings.json", Kind::Settings), old, new).text;
        assert_eq!(text, "other values for: env.TOKEN, hooks");
        let text = Change::between(&named("n.md", Kind::Memory), b"a\nb\n", b"a\nc\n").text;
        assert_eq!(text, "these lines more (+) or less (-):\n-b\n+c");
    }
}
