//! The laws of the merge of JSON, over values and edits that chance makes.

use std::collections::BTreeMap;

use ccpar_core::merge::{Merge, Rules};
use proptest::prelude::*;

/// A value, kept apart from any reader of JSON.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Scalar(&'static str),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// How a text is written.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Flat,
    Loose,
    Tall(&'static str, &'static str),
}

const LAYOUTS: [Layout; 5] = [
    Layout::Flat,
    Layout::Loose,
    Layout::Tall("  ", "\n"),
    Layout::Tall("\t", "\n"),
    Layout::Tall("    ", "\r\n"),
];

impl Json {
    fn write(&self, layout: Layout, indent: usize) -> String {
        let (open, close, items): (_, _, Vec<String>) = match self {
            Json::Scalar(text) => return (*text).to_owned(),
            Json::Array(items) => {
                ("[", "]", items.iter().map(|item| item.write(layout, indent + 1)).collect())
            }
            Json::Object(members) => {
                let colon = if matches!(layout, Layout::Flat) { ":" } else { ": " };
                let member = |(key, value): &(String, Json)| {
                    format!("\"{key}\"{colon}{}", value.write(layout, indent + 1))
                };
                ("{", "}", members.iter().map(member).collect())
            }
        };
        let (start, between, end) = match layout {
            _ if items.is_empty() => (String::new(), String::new(), String::new()),
            Layout::Flat => (String::new(), ",".to_owned(), String::new()),
            Layout::Loose => (String::new(), ", ".to_owned(), String::new()),
            Layout::Tall(unit, newline) => {
                let line = |depth: usize| format!("{newline}{}", unit.repeat(depth));
                (line(indent + 1), format!(",{}", line(indent + 1)), line(indent))
            }
        };
        format!("{open}{start}{}{end}{close}", items.join(&between))
    }

    /// The same value with the keys of its objects in order.
    fn sorted(&self) -> Json {
        match self {
            Json::Scalar(text) => Json::Scalar(text),
            Json::Array(items) => Json::Array(items.iter().map(Json::sorted).collect()),
            Json::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(key, value)| (key.clone(), value.sorted())).collect();
                members.sort_by(|one, two| one.0.cmp(&two.0));
                Json::Object(members)
            }
        }
    }

    /// The leaves with the keys on the way to them; arrays are leaves.
    fn leaves(&self) -> BTreeMap<Vec<String>, String> {
        fn walk(value: &Json, path: &mut Vec<String>, out: &mut BTreeMap<Vec<String>, String>) {
            match value {
                Json::Object(members) if !members.is_empty() => {
                    for (key, value) in members {
                        path.push(key.clone());
                        walk(value, path, out);
                        path.pop();
                    }
                }
                other => {
                    out.insert(path.clone(), other.sorted().write(Layout::Flat, 0));
                }
            }
        }
        let mut out = BTreeMap::new();
        walk(self, &mut Vec::new(), &mut out);
        out
    }
}

/// The reader of the results.
fn read(text: &[u8]) -> Json {
    fn value(from: &serde_json::Value) -> Json {
        match from {
            serde_json::Value::Array(items) => Json::Array(items.iter().map(value).collect()),
            serde_json::Value::Object(members) => {
                Json::Object(members.iter().map(|(key, item)| (key.clone(), value(item))).collect())
            }
            scalar => {
                let text = scalar.to_string();
                let known = SCALARS.iter().find(|known| ***known == text);
                Json::Scalar(known.expect("nothing but what was put in comes out"))
            }
        }
    }
    value(&serde_json::from_slice(text).expect("the result parses"))
}

const SCALARS: [&str; 8] =
    ["null", "true", "1", "1.5", "\"a\"", "\"b\"", "\"1.2.3\"", "\"^2.0.1\""];
const KEYS: [&str; 8] = ["a", "b", "name", "id", "version", "allow", "permissions", "hooks"];

fn json() -> impl Strategy<Value = Json> {
    let scalar = proptest::sample::select(&SCALARS[..]).prop_map(Json::Scalar);
    scalar.prop_recursive(3, 24, 5, |inner| {
        let key = proptest::sample::select(&KEYS[..]);
        let object = proptest::collection::vec((key, inner.clone()), 0..5).prop_map(|members| {
            let mut object: Vec<(String, Json)> = Vec::new();
            for (key, value) in members {
                if object.iter().all(|(known, _)| known != key) {
                    object.push((key.to_owned(), value));
                }
            }
            Json::Object(object)
        });
        let array = proptest::collection::vec(inner, 0..5).prop_map(Json::Array);
        prop_oneof![3 => object, 2 => array]
    })
}

/// A change at some place of a value, chosen by numbers.
#[derive(Debug, Clone)]
struct Edit {
    way: Vec<usize>,
    act: usize,
    new: Json,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (proptest::collection::vec(0..6_usize, 0..4), 0..4_usize, json())
        .prop_map(|(way, act, new)| Edit { way, act, new });
    proptest::collection::vec(edit, 0..4)
}

fn apply(value: &Json, edits: &[Edit]) -> Json {
    let mut value = value.clone();
    for edit in edits {
        change(&mut value, &edit.way, edit);
    }
    value
}

fn change(value: &mut Json, way: &[usize], edit: &Edit) {
    let Edit { act, new, .. } = edit;
    let (place, rest) = way.split_first().map_or((0, way), |(place, rest)| (*place, rest));
    match value {
        Json::Scalar(_) => *value = new.clone(),
        Json::Array(items) => {
            let place = place.min(items.len());
            if !rest.is_empty() && place < items.len() {
                return change(&mut items[place], rest, edit);
            }
            match act {
                0 => items.insert(place, new.clone()),
                1 if place < items.len() => drop(items.remove(place)),
                2 if place < items.len() => items[place] = new.clone(),
                _ if place < items.len() => {
                    let item = items.remove(place);
                    items.push(item);
                }
                _ => items.push(new.clone()),
            }
        }
        Json::Object(members) => {
            let place = place.min(members.len());
            if !rest.is_empty() && place < members.len() {
                return change(&mut members[place].1, rest, edit);
            }
            let free = KEYS.iter().find(|key| members.iter().all(|(known, _)| known != *key));
            match (act, free) {
                (0 | 3, Some(key)) => members.insert(place, ((*key).to_owned(), new.clone())),
                (1, _) if place < members.len() => drop(members.remove(place)),
                _ if place < members.len() => members[place].1 = new.clone(),
                _ => {}
            }
        }
    }
}

fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> (Vec<u8>, bool) {
    let merge = Merge::with_rules(Rules::Json, base, ours, theirs);
    (merge.keep_theirs(), merge.is_clean())
}

fn layout() -> impl Strategy<Value = Layout> {
    proptest::sample::select(&LAYOUTS[..])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_for_json(
        base in json(),
        by_ours in edits(),
        by_theirs in edits(),
        layouts in [layout(), layout(), layout()],
        are_alike in any::<bool>(),
    ) {
        let values = [base.clone(), apply(&base, &by_ours), apply(&base, &by_theirs)];
        let texts: Vec<Vec<u8>> = values.iter().zip(layouts).map(|(value, layout)| {
            let layout = if are_alike { layouts[0] } else { layout };
            (value.write(layout, 0) + "\n").into_bytes()
        }).collect();
        let [b, x, y] = [&texts[0], &texts[1], &texts[2]];
        let story = || texts.iter().map(|text| String::from_utf8_lossy(text)).collect::<String>();

        for (ours, theirs, expected) in [(x, x, x), (b, y, y), (x, b, x)] {
            prop_assert_eq!(&merge(b, ours, theirs), &(expected.clone(), true));
        }
        let (merged, is_clean) = merge(b, x, y);
        let result = read(&merged);
        prop_assert_eq!(is_clean, merge(b, y, x).1, "conflicts are symmetric\n{}", story());
        if !is_clean {
            return Ok(());
        }
        for (ours, theirs) in [(x, &merged), (&merged, y)] {
            let (again, is_clean) = merge(b, ours, theirs);
            prop_assert!(
                is_clean && again == merged,
                "{}{}retried\n{}",
                story(),
                String::from_utf8_lossy(&merged),
                String::from_utf8_lossy(&again),
            );
        }

        let [b, x, y] = values.each_ref().map(Json::leaves);
        let m = result.leaves();
        for (one, other) in [(&x, &y), (&y, &x)] {
            for (path, leaf) in one {
                let is_untouched = b.get(path) == other.get(path);
                if b.get(path) != Some(leaf) && is_untouched && leaf.as_str() != "{}" {
                    // An empty object that one side put in the way of a key is a change of its.
                    let stands = m.get(path) == Some(leaf);
                    prop_assert!(stands, "{path:?} was added: {}{}", story(), String::from_utf8_lossy(&merged));
                }
            }
            for (path, leaf) in &b {
                if !one.contains_key(path) && other.get(path) == Some(leaf) && leaf.as_str() != "{}" {
                    prop_assert!(!m.contains_key(path), "{path:?} was deleted: {}{}", story(), String::from_utf8_lossy(&merged));
                }
            }
        }
    }

    #[test]
    fn any_bytes_merge(base in ".{0,12}", ours in ".{0,12}", theirs in ".{0,12}") {
        let [b, x, y] = [base.as_bytes(), ours.as_bytes(), theirs.as_bytes()];
        for (ours, theirs, expected) in [(x, x, x), (b, y, y), (x, b, x)] {
            prop_assert_eq!(&merge(b, ours, theirs), &(expected.to_vec(), true));
        }
        prop_assert_eq!(merge(b, x, y).1, merge(b, y, x).1);
    }
}
