//! A settings file: its hooks, and the same text with others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ccpar_core::merge::{Merge, Rules};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::hooks::Events;
use crate::exit::Failure;
use crate::output;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What is written where nothing is yet.
const NEW: &[u8] = b"{}\n";

/// The settings that a text holds, as far as hooks go.
#[derive(Debug)]
pub(crate) struct Settings<'t> {
    path: &'t Path,
    text: &'t [u8],
    all: Value,
    pub(crate) events: Events,
    /// Whether the client is told to run no hook at all.
    pub(crate) are_disabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hooks {
    hooks: BTreeMap<String, Vec<Box<RawValue>>>,
    #[serde(rename = "disableAllHooks")]
    disable_all_hooks: Value,
}

impl<'t> Settings<'t> {
    /// Reads the text of a settings file; what is blank holds none.
    pub(crate) fn new(path: &'t Path, text: &'t [u8]) -> Result<Settings<'t>, Failure> {
        let text = if text.trim_ascii().is_empty() { NEW } else { text };
        let bare = text.strip_prefix(BOM).unwrap_or(text);
        let read = || {
            // A struct can be read from an array too.
            let all: serde_json::Map<String, Value> = serde_json::from_slice(bare)?;
            let hooks: Hooks = serde_json::from_slice(bare)?;
            Ok((Value::Object(all), hooks))
        };
        let (all, hooks) = read().map_err(|error: serde_json::Error| {
            let what = error.to_string();
            let what = what.rsplit_once(" at line ").map_or(&*what, |(what, _)| what);
            wrong(path, error.line(), error.column(), what)
        })?;
        let are_disabled = hooks.disable_all_hooks == Value::Bool(true);
        Ok(Settings { path, text, all, events: hooks.hooks.into_iter().collect(), are_disabled })
    }

    /// The text with these hooks in place of its own, and nothing else touched: not the
    /// order of keys, not the layout. `None` if that says the same.
    pub(crate) fn with(&self, events: &Events) -> Result<Option<Vec<u8>>, Failure> {
        let hooks = self.all.get("hooks");
        let base = hooks.map_or_else(Value::default, |hooks| serde_json::json!({"hooks": hooks}));
        // With a space the base is never the very text, which would then be taken for
        // one that may be laid out anew.
        let base = if base.is_null() { " {}".to_owned() } else { format!(" {base}") };
        let ours = text(events);
        let merge = Merge::with_rules(Rules::Json, base.as_bytes(), ours.as_bytes(), self.text);
        if let Some(refusal) = merge.refusal() {
            return Err(wrong(self.path, refusal.line, refusal.column, &refusal.what));
        }
        let merged = merge.keep_theirs();
        let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_default();
        let mut wanted = self.all.clone();
        if let Some(all) = wanted.as_object_mut() {
            all.remove("hooks");
            all.extend(parse(ours.as_bytes()).as_object().cloned().unwrap_or_default());
        }
        if wanted == self.all {
            return Ok(None);
        }
        let shown = output::path(self.path);
        if parse(merged.strip_prefix(BOM).unwrap_or(&merged)) != wanted {
            return Err(Failure::new(format!(
                "the hooks in `{shown}` cannot be changed without touching others; nothing was \
                 written"
            )));
        }
        Ok(Some(merged))
    }

    /// What the settings say with these hooks, whatever holds none aside.
    pub(crate) fn meaning_with(mut self, mut events: Events) -> Value {
        events.retain(|(_, groups)| !groups.is_empty());
        let hooks = serde_json::from_str(&text(&events)).unwrap_or_default();
        if let (Some(all), Value::Object(hooks)) = (self.all.as_object_mut(), hooks) {
            all.remove("hooks");
            all.extend(hooks);
        }
        self.all
    }
}

/// A text of JSON that stands in one line, spread over many, for people to read.
pub(super) fn spread(text: &[u8]) -> Option<Vec<u8>> {
    let bare = text.strip_prefix(BOM).unwrap_or(text).trim_ascii();
    if bare.contains(&b'\n') {
        return None;
    }
    // Not as a map of values, which would order the keys.
    let value: Box<RawValue> = serde_json::from_slice(bare).ok()?;
    let mut spread = Vec::with_capacity(bare.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut last = b' ';
    let line = |spread: &mut Vec<u8>, depth: usize| {
        spread.push(b'\n');
        spread.extend(b"  ".repeat(depth));
    };
    for byte in value.get().bytes() {
        if in_text {
            spread.push(byte);
            in_text = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        if byte.is_ascii_whitespace() {
            continue;
        }
        let (opens, closes) = (b"{[".contains(&last), b"}]".contains(&byte));
        depth -= usize::from(closes);
        if last == b',' || (opens != closes && (opens || closes)) {
            line(&mut spread, depth);
        }
        spread.push(byte);
        if byte == b':' {
            spread.push(b' ');
        }
        depth += usize::from(b"{[".contains(&byte));
        in_text = byte == b'"';
        last = byte;
    }
    spread.push(b'\n');
    Some(spread)
}

/// Settings that hold these hooks and nothing else.
pub(crate) fn text(events: &Events) -> String {
    if events.is_empty() {
        return "{}\n".to_owned();
    }
    let mut text = "{\n  \"hooks\": {\n".to_owned();
    for (n, (name, groups)) in events.iter().enumerate() {
        let groups: Vec<_> = groups.iter().map(|group| format!("\n      {group}")).collect();
        let end = if groups.is_empty() { "" } else { "\n    " };
        let comma = if n + 1 == events.len() { "" } else { "," };
        let groups = groups.join(",");
        let _ = writeln!(text, "    {}: [{groups}{end}]{comma}", Value::from(&**name));
    }
    text + "  }\n}\n"
}

fn wrong(path: &Path, line: usize, column: usize, what: &str) -> Failure {
    let word = output::file_word(path);
    Failure::new(format!(
        "`{}`, line {line}, column {column}: {what}; nothing was written",
        output::path(path)
    ))
    .with_hint(format!(
        "mend it there, or see whether ccpar has a version that was in order: ccpar log {word}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_settings_is_spread_and_means_the_same() {
        let text = br#"{"b":{"x":[1, 2,{}],"y":[]},"a":"{\"c\": [1,\\"}"#;
        let spread = spread(text).unwrap();
        let expected = "{\n  \"b\": {\n    \"x\": [\n      1,\n      2,\n      {}\n    ],\n    \"y\": []\n  \
                        },\n  \"a\": \"{\\\"c\\\": [1,\\\\\"\n}\n";
        assert_eq!(String::from_utf8(spread.clone()).unwrap(), expected);
        let value = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap();
        assert_eq!(value(&spread), value(text));
        assert_eq!(super::spread(b"{\n}"), None);
        assert_eq!(super::spread(b"{"), None);
    }
}
