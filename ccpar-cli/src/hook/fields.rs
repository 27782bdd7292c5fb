//! An object's fields, each by itself: one that is not as expected takes none of the
//! others with it.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The fields of an object that are yet to be read.
pub(super) struct Fields<'a> {
    raw: HashMap<String, &'a RawValue>,
    /// What could not be read, for people.
    pub(super) problems: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Those of a value, which has none if it is no object.
    pub(super) fn of(value: &'a RawValue) -> Fields<'a> {
        Fields { raw: serde_json::from_str(value.get()).unwrap_or_default(), problems: Vec::new() }
    }

    /// A field's value, if it is there and can be read.
    pub(super) fn get<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let raw = self.raw.get(name)?;
        read(raw).unwrap_or_else(|problem| {
            self.problems.push(format!("`{name}` cannot be read: {problem}"));
            None
        })
    }
}

/// What a value is. Half a character, at which a text was cut, is none.
pub(super) fn read<T: DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
    let text = raw.get();
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&whole(text)))
}

/// A JSON text with U+FFFD for each surrogate without its other half, as the client
/// writes it.
fn whole(json: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(next) = json[at..].find('\\') {
        at += next;
        match (unit(json, at), unit(json, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 12,
            (Some(0xD800..=0xDFFF), _) => {
                whole.push_str(&json[from..at]);
                whole.push_str("\\ufffd");
                at += 6;
                from = at;
            }
            (Some(_), _) => at += 6,
            // What is escaped is one ASCII character, in what is JSON.
            (None, _) => at = (at + 2).min(json.len()),
        }
    }
    if from == 0 {
        return Cow::Borrowed(json);
    }
    whole.push_str(&json[from..]);
    Cow::Owned(whole)
}

/// The UTF-16 unit that is escaped at a place.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_character_is_replaced_and_a_whole_one_stays() {
        for (json, text) in [
            (r#""a\ud83d b""#, "a\u{fffd} b"),
            (r#""\ude00\ud83d\ud83d\ude00""#, "\u{fffd}\u{fffd}\u{1f600}"),
            (r#""\\ud83d \ud83d\n\"\u0041ä""#, "\\ud83d \u{fffd}\n\"Aä"),
            (r#""\\""#, "\\"),
        ] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(read::<String>(&raw).unwrap(), text, "{json}");
        }
    }
}
