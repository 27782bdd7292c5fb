//! A JSON text as a tree whose values know where they stand.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use foldhash::fast::RandomState;
use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Fault;

/// How deep values may be nested: what serde, and so most readers, allow.
pub(super) const DEEPEST: usize = 128;

/// A value, its place in the text, and its number.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) span: Range<usize>,
    /// Equal for values that mean the same, and only for those.
    pub(super) id: u32,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Scalar,
    Array(Vec<Item>),
    Object(Vec<Item>),
}

/// An element of an array or, with a key, a member of an object.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: Option<Key>,
    pub(super) value: Value,
}

/// The key of a member.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) span: Range<usize>,
    /// Without its quotes and escapes.
    pub(super) name: String,
    pub(super) id: u32,
}

impl Item {
    /// Where it stands, with its key.
    pub(super) fn span(&self) -> Range<usize> {
        let start = self.key.as_ref().map_or(self.value.span.start, |key| key.span.start);
        start..self.value.span.end
    }
}

impl Value {
    pub(super) fn items(&self) -> &[Item] {
        match &self.kind {
            Kind::Scalar => &[],
            Kind::Array(items) | Kind::Object(items) => items,
        }
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self.kind, Kind::Array(_))
    }

    /// The value of an object's member.
    pub(super) fn member(&self, name: &str) -> Option<&Value> {
        let named = |item: &&Item| item.key.as_ref().is_some_and(|key| key.name == name);
        self.items().iter().find(named).map(|item| &item.value)
    }
}

/// Numbers values by what they mean: strings decoded, numbers as written,
/// objects without the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Meanings(HashMap<Vec<u8>, u32, RandomState>);

impl Meanings {
    fn number(&mut self, meaning: Vec<u8>) -> u32 {
        let next = u32::try_from(self.0.len()).expect("three texts have under 2^32 values");
        *self.0.entry(meaning).or_insert(next)
    }

    pub(super) fn of_string(&mut self, string: &str) -> u32 {
        self.number([b"\"", string.as_bytes()].concat())
    }

    /// The number of the `count`th of equal values.
    pub(super) fn of_repeat(&mut self, id: u32, count: usize) -> u32 {
        if count == 1 { id } else { self.number(format!("#{id} {count}").into_bytes()) }
    }

    /// The number of an object or an array with these keys and values.
    pub(super) fn of_parts(&mut self, mut parts: Vec<(Option<u32>, u32)>, is_object: bool) -> u32 {
        if is_object {
            parts.sort_unstable();
        }
        let ids = parts.into_iter().flat_map(|(key, value)| key.into_iter().chain([value]));
        self.of_items(if is_object { b'{' } else { b'[' }, ids)
    }

    fn of_items(&mut self, bracket: u8, ids: impl Iterator<Item = u32>) -> u32 {
        let meaning = std::iter::once(bracket).chain(ids.flat_map(u32::to_le_bytes)).collect();
        self.number(meaning)
    }
}

/// Reads a text as one JSON value.
pub(super) fn parse(text: &[u8], meanings: &mut Meanings) -> Result<Value, Fault> {
    let bom = if text.starts_with(BOM) { BOM.len() } else { 0 };
    let fault = |at: usize, what: String| {
        let before = &text[..at];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        Fault { line: memchr::memchr_iter(b'\n', before).count() + 1, column, what }
    };
    if text.trim_ascii().is_empty() {
        return Err(fault(0, "the text is empty".to_owned()));
    }
    let whole = std::str::from_utf8(text)
        .map_err(|error| fault(error.valid_up_to(), "not UTF-8".to_owned()))?;
    let root: &RawValue = serde_json::from_str(&whole[bom..]).map_err(|error| {
        // A column of serde's counts bytes.
        let lines = memchr::memchr_iter(b'\n', text).map(|newline| newline + 1);
        let line_start = [bom].into_iter().chain(lines).nth(error.line().saturating_sub(1));
        let at = line_start.unwrap_or(bom) + error.column().saturating_sub(1);
        let (before, rest) = text.split_at(at.min(text.len()));
        let comments: [&[u8]; 3] = [b"//", b"/*", b"#"];
        if comments.iter().any(|comment| rest.starts_with(comment)) {
            return fault(before.len(), "a comment".to_owned());
        }
        if before.trim_ascii_end().ends_with(b",") && matches!(rest.first(), Some(b'}' | b']')) {
            return fault(before.len(), "a comma after the last value".to_owned());
        }
        fault(before.len(), what(&error))
    })?;
    let mut reader = Reader { whole, meanings };
    reader.value(root, 0).map_err(|(at, what)| fault(at, what))
}

pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// What is wrong, without the place.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |end| text[..end].to_owned())
}

struct Reader<'t, 'm> {
    whole: &'t str,
    meanings: &'m mut Meanings,
}

type At<T> = Result<T, (usize, String)>;

impl<'t> Reader<'t, '_> {
    /// Where a slice of the text begins.
    fn start(&self, raw: &RawValue) -> usize {
        raw.get().as_ptr().addr() - self.whole.as_ptr().addr()
    }

    fn value(&mut self, raw: &'t RawValue, depth: usize) -> At<Value> {
        let text = raw.get();
        let start = self.start(raw);
        let span = start..start + text.len();
        let mut de = serde_json::Deserializer::from_str(text);
        let bad = |error: &serde_json::Error| (start, what(error));
        if depth >= DEEPEST && text.starts_with(['{', '[']) {
            return Err((start, format!("nested more than {DEEPEST} levels deep")));
        }
        let (id, kind) = match text.as_bytes().first() {
            Some(b'{') => {
                let raw = de.deserialize_map(Members).map_err(|error| bad(&error))?;
                let items = raw
                    .into_iter()
                    .map(|(key, value)| {
                        let key = self.key(key)?;
                        Ok(Item { key: Some(key), value: self.value(value, depth + 1)? })
                    })
                    .collect::<At<Vec<Item>>>()?;
                (self.object(&items)?, Kind::Object(items))
            }
            Some(b'[') => {
                let raw = de.deserialize_seq(Elements).map_err(|error| bad(&error))?;
                let items = raw
                    .into_iter()
                    .map(|value| Ok(Item { key: None, value: self.value(value, depth + 1)? }))
                    .collect::<At<Vec<Item>>>()?;
                let ids = items.iter().map(|item| item.value.id);
                (self.meanings.of_items(b'[', ids), Kind::Array(items))
            }
            Some(b'"') => {
                let string: String = serde_json::from_str(text).map_err(|error| bad(&error))?;
                (self.meanings.of_string(&string), Kind::Scalar)
            }
            _ => (self.meanings.number(text.as_bytes().to_vec()), Kind::Scalar),
        };
        Ok(Value { span, id, kind })
    }

    fn key(&mut self, raw: &RawValue) -> At<Key> {
        let start = self.start(raw);
        let name: String =
            serde_json::from_str(raw.get()).map_err(|error| (start, what(&error)))?;
        let id = self.meanings.of_string(&name);
        Ok(Key { span: start..start + raw.get().len(), name, id })
    }

    /// The number of an object, whose keys must differ.
    fn object(&mut self, items: &[Item]) -> At<u32> {
        let keys = items.iter().filter_map(|item| Some((item.key.as_ref()?, item.value.id)));
        let mut keys: Vec<_> = keys.collect();
        keys.sort_unstable_by_key(|(key, _)| (key.id, key.span.start));
        let twice = keys.windows(2).filter(|pair| pair[0].0.id == pair[1].0.id);
        if let Some(pair) = twice.min_by_key(|pair| pair[1].0.span.start) {
            let Key { span, name, .. } = pair[1].0;
            return Err((
                span.start,
                format!("the key `{}` stands twice in one object", name.escape_debug()),
            ));
        }
        let ids = keys.iter().map(|(key, value)| (Some(key.id), *value)).collect();
        Ok(self.meanings.of_parts(ids, true))
    }
}

struct Members;

impl<'t> Visitor<'t> for Members {
    type Value = Vec<(&'t RawValue, &'t RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

struct Elements;

impl<'t> Visitor<'t> for Elements {
    type Value = Vec<&'t RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }
}
