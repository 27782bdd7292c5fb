//! Any three texts merge as JSON without a panic, what is JSON stays so, and the laws
//! hold: for the bytes as they are, and for small values made of them.
#![no_main]

use ccpar_core::merge::{Markers, Merge, Rules};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

const WORDS: [&str; 8] =
    ["1", "null", "\"a\"", "\"\\u0061\"", "1.50", "\"1.2.3\"", "\"2.0.1\"", "{}"];
const KEYS: [&str; 8] = ["a", "b", "name", "id", "version", "allow", "permissions", "matcher"];
const BLANKS: [&str; 4] = ["", " ", "\n  ", "\r\n\t"];

/// A value spelled by bytes: whatever they are, the text is JSON, save that a key may
/// stand twice.
fn spell(bytes: &mut impl Iterator<Item = u8>, depth: usize, out: &mut String) {
    let byte = usize::from(bytes.next().unwrap_or(0));
    let blank = BLANKS[byte >> 6];
    if depth > 4 || byte & 3 < 2 {
        out.push_str(WORDS[byte >> 2 & 7]);
        return;
    }
    let is_object = byte & 1 == 0;
    out.push(if is_object { '{' } else { '[' });
    for place in 0..byte >> 2 & 7 {
        out.push_str(if place == 0 { "" } else { "," });
        out.push_str(blank);
        if is_object {
            let key = usize::from(bytes.next().unwrap_or(0));
            out.push_str(&format!("\"{}\":", KEYS[(key + place) & 7]));
        }
        spell(bytes, depth + 1, out);
    }
    out.push_str(blank);
    out.push(if is_object { '}' } else { ']' });
}

fn laws_hold(texts: [&[u8]; 3]) {
    let [base, ours, theirs] = texts;
    let merge = |ours, theirs| Merge::with_rules(Rules::Json, base, ours, theirs);
    for (ours, theirs, expected) in [(ours, ours, ours), (base, theirs, theirs), (ours, base, ours)]
    {
        let merged = merge(ours, theirs);
        assert!(merged.is_clean());
        assert_eq!(merged.keep_theirs(), expected);
    }
    let merged = merge(ours, theirs);
    let text = merged.keep_theirs();
    let _ = merged.with_markers(Markers { diff3: true, ..Markers::default() });
    for region in merged.regions() {
        let _ = merged.sides(region);
    }
    assert_eq!(merged.is_clean(), merge(theirs, ours).is_clean());
    let parses = |text: &[u8]| serde_json::from_slice::<IgnoredAny>(text).is_ok();
    assert!(parses(&text) || !parses(ours) || !parses(theirs));
    if merged.is_clean() && merged.refusal().is_none() && !base.is_empty() && parses(base) {
        for (ours, theirs) in [(ours, &text[..]), (&text[..], theirs)] {
            let again = merge(ours, theirs);
            assert!(again.is_clean() && again.keep_theirs() == text);
        }
    }
}

fuzz_target!(|texts: (&[u8], &[u8], &[u8])| {
    let (base, ours, theirs) = texts;
    laws_hold([base, ours, theirs]);
    let values = [base, ours, theirs].map(|bytes| {
        let mut text = String::new();
        spell(&mut bytes.iter().copied(), 0, &mut text);
        text
    });
    laws_hold(values.each_ref().map(|text| text.as_bytes()));
});
