//! The patch that the client shows of an edit: what it really changed, which may be
//! more than it was asked for, or something nearer to the file.
//!
//! It shows two blanks for each tab at the beginning of a line, so texts are compared
//! as it shows them.

use serde::Deserialize;

/// Lines in a row that changed, with some around them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hunk {
    /// The first of the old lines, from 1.
    old_start: usize,
    /// Lines, each after a sign: a blank, `-`, `+`, or `\` for a word on the one
    /// before.
    lines: Vec<String>,
}

/// The text that a patch makes of another. `None` if it does not fit, or is none.
pub(super) fn apply(hunks: &[Hunk], original: &str) -> Option<String> {
    if hunks.is_empty() {
        return None;
    }
    let mut rest = original.split_inclusive('\n');
    let mut at = 1;
    let mut text = String::with_capacity(original.len());
    for hunk in hunks {
        while at < hunk.old_start {
            text.push_str(rest.next()?);
            at += 1;
        }
        let mut before = ' ';
        for line in &hunk.lines {
            let mut chars = line.chars();
            let sign = chars.next()?;
            let line = chars.as_str();
            match sign {
                ' ' | '-' => {
                    let old = rest.next().filter(|old| shown(old) == shown(line))?;
                    at += 1;
                    text.push_str(if sign == ' ' { old } else { "" });
                }
                '+' => {
                    text.push_str(line);
                    text.push('\n');
                }
                // No newline at the end.
                '\\' if before == '+' => text.truncate(text.trim_end_matches('\n').len()),
                '\\' => {}
                _ => return None,
            }
            before = sign;
        }
    }
    text.extend(rest);
    Some(text)
}

/// Whether two texts are shown as the same.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    one.split('\n').map(shown).eq(other.split('\n').map(shown))
}

/// A line as it is shown.
fn shown(line: &str) -> String {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let rest = line.trim_start_matches('\t');
    "  ".repeat(line.len() - rest.len()) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_makes_of_a_text_what_the_client_made_of_it() {
        let hunk = |old_start, lines: &[&str]| Hunk {
            old_start,
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        };
        let text = "a\n\tb\nc\nd\ne\n";
        let two = [hunk(1, &["+0", " a", "-  b", "+  B"]), hunk(5, &["-e", "+E"])];
        assert_eq!(apply(&two, text).as_deref(), Some("0\na\n  B\nc\nd\nE\n"));
        assert!(are_alike("0\na\n  B\n", "0\na\n\tB\r\n"));
        assert!(!are_alike("a\n", "a\nb\n") && !are_alike(" a\n", "\ta\n"));
        let no_end = [hunk(1, &["-a", "\\ No newline at end of file", "+b", "\\ No newline"])];
        assert_eq!(apply(&no_end, "a").as_deref(), Some("b"));
        assert_eq!(apply(&[hunk(1, &["+new"])], "").as_deref(), Some("new\n"));
        for misfit in [hunk(1, &["-x"]), hunk(9, &["+x"]), hunk(5, &[" e", " f"]), hunk(1, &["?"])]
        {
            assert_eq!(apply(&[misfit], text), None);
        }
        assert_eq!(apply(&[], text), None);
    }
}
