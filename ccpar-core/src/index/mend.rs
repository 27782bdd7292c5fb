//! The index with lines taken out and put in.

use std::collections::HashSet;

use super::read::SEPARATORS;

/// What stands between link and description in the entries that are there.
pub(super) fn separator(lines: &[&str], found: &[(usize, bool, String)]) -> &'static str {
    let entries = found.iter().filter(|(_, is_entry, _)| *is_entry);
    let rests = entries.filter_map(|(at, ..)| lines[*at].split_once(')')).map(|(_, rest)| rest);
    let mut used = rests
        .filter_map(|rest| SEPARATORS.into_iter().find(|separator| rest.starts_with(separator)));
    used.next().unwrap_or(SEPARATORS[0])
}

/// The text without some lines, and with others behind its last entry.
pub(super) fn mended(
    text: &[u8],
    found: &[(usize, bool, String)],
    dropped: &HashSet<usize>,
    added: &[String],
) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let entries = found.iter().filter(|(_, is_entry, _)| *is_entry);
    let last = entries.map(|(at, ..)| *at).max();
    let crlf = lines.first().is_some_and(|line| line.ends_with(b"\r\n"));
    let add = |whole: &mut Vec<u8>| {
        if whole.last().is_some_and(|byte| *byte != b'\n') {
            whole.push(b'\n');
        }
        for line in added {
            let line = if crlf { line.replace('\n', "\r\n") } else { line.clone() };
            whole.extend(line.as_bytes());
        }
    };
    let mut whole = Vec::with_capacity(text.len());
    for (at, line) in lines.iter().enumerate() {
        if !dropped.contains(&at) {
            whole.extend_from_slice(line);
        }
        if Some(at) == last {
            add(&mut whole);
        }
    }
    if last.is_none() {
        if !whole.is_empty() && !whole.ends_with(b"\n\n") && !added.is_empty() {
            whole.extend_from_slice(if whole.ends_with(b"\n") { b"\n" } else { b"\n\n" });
        }
        add(&mut whole);
    }
    whole
}
