//! Texts whose words can be told apart, and changes of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Notes,
    Settings,
}

/// What somebody does to a text, at a place in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Add(usize),
    Reword(usize),
    Amend(usize),
    Drop(usize),
}

/// A change of one text, that can be made in another.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// Takes this text's place by that one.
    Replace(String, String),
    /// Sets a key, or takes it away.
    Set(String, Option<Value>),
    /// Adds to the rules that are allowed.
    Allow(String),
}

/// A word that is nowhere else.
pub(super) fn word(n: usize) -> String {
    format!("w{n}w")
}

/// The words of a text.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let is_word = |part: &&str| {
        let number = part.strip_prefix('w').and_then(|part| part.strip_suffix('w'));
        number.is_some_and(|number| number.parse::<usize>().is_ok())
    };
    let parts = text.split(|char: char| !char.is_ascii_alphanumeric());
    parts.filter(is_word).map(str::to_owned).collect()
}

/// An entry as those of an index, or a line of prose.
fn line(n: usize) -> String {
    let word = word(n);
    match n % 3 {
        0 => format!("- [About {word}](file-{n}.md): what is known"),
        1 => format!("- remember to look at {word}"),
        _ => format!("{word} was seen to fail"),
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Notes => "MEMORY.md",
            Kind::Settings => "settings.json",
        }
    }

    /// A text of so many words.
    pub(super) fn text(self, words: usize) -> String {
        let lines = (0..words).map(line);
        match self {
            Kind::Notes => format!("# Notes\n\n{}\n", lines.collect::<Vec<_>>().join("\n")),
            Kind::Settings => {
                let values = (0..words).map(|n| (format!("key{n}"), word(n).into()));
                let mut keys: Map<String, Value> = values.collect();
                keys.insert("permissions".to_owned(), json!({ "allow": [] }));
                shown(&keys.into())
            }
        }
    }

    /// What a change of a text comes to, with a word that is new.
    pub(super) fn edit(self, text: &str, change: Change, n: usize) -> Option<Edit> {
        match self {
            Kind::Notes => edit_of_notes(text, change, n),
            Kind::Settings => edit_of_settings(text, change, n),
        }
    }
}

fn edit_of_notes(text: &str, change: Change, n: usize) -> Option<Edit> {
    let lines: Vec<&str> = text.lines().filter(|line| !words(line).is_empty()).collect();
    let at = |place: usize| lines.get(place % lines.len().max(1)).copied();
    let replace = |old: &str, new| Some(Edit::Replace(format!("{old}\n"), new));
    match change {
        Change::Add(place) => {
            let above = at(place).unwrap_or("# Notes");
            replace(above, format!("{above}\n{}\n", line(n)))
        }
        Change::Reword(place) => replace(at(place)?, format!("{}\n", line(n))),
        Change::Amend(place) => replace(at(place)?, format!("{}, {}\n", at(place)?, word(n))),
        Change::Drop(place) => replace(at(place)?, String::new()),
    }
}

fn edit_of_settings(text: &str, change: Change, n: usize) -> Option<Edit> {
    let value: Value = serde_json::from_str(text).unwrap();
    let keys: Vec<&String> =
        value.as_object()?.keys().filter(|key| *key != "permissions").collect();
    let at = |place: usize| keys.get(place % keys.len().max(1)).map(|key| (*key).clone());
    match change {
        Change::Add(_) => Some(Edit::Set(format!("key{n}"), Some(word(n).into()))),
        Change::Reword(place) => Some(Edit::Set(at(place)?, Some(word(n).into()))),
        Change::Amend(_) => Some(Edit::Allow(word(n))),
        Change::Drop(place) => Some(Edit::Set(at(place)?, None)),
    }
}

impl Edit {
    /// The text that it makes of another, where it can.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        if let Edit::Replace(old, new) = self {
            return text.contains(old.as_str()).then(|| text.replacen(old.as_str(), new, 1));
        }
        let mut value: Value = serde_json::from_str(text).ok()?;
        match self {
            Edit::Set(key, Some(new)) => value[key] = new.clone(),
            Edit::Set(key, None) => drop(value.as_object_mut()?.remove(key)),
            Edit::Allow(rule) => {
                let rules = &mut value["permissions"]["allow"];
                rules.as_array_mut()?.push(rule.clone().into());
            }
            Edit::Replace(..) => unreachable!("done above"),
        }
        Some(shown(&value))
    }
}

fn shown(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}
