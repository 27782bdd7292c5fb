//! Notes that were left behind in a folder nobody forked.

use std::collections::BTreeSet;
use std::path::Path;

use super::folder::Listing;
use super::pass::{Pass, Passed, text_of};
use super::start::not_around;
use crate::diff::{Sign, hunks};
use crate::error::Result;
use crate::harness::Harness;
use crate::merge::Rules;

/// Passes on to a shared folder all that another has and it has not: there is no
/// base, so nothing is removed, and what both have is taken once. With `dry` it only
/// says what would be done. The other folder stays as it is.
pub fn rescue(harness: &Harness, from: &Path, shared: &Path, dry: bool) -> Result<Passed> {
    let shared = harness.file(shared).real_path()?;
    not_around(&harness.file(from).real_path()?, &shared)?;
    let listing = Listing::of(from)?;
    let mut passed = Passed::default();
    for path in &listing.files {
        let done = text_of(&from.join(path)).and_then(|text| {
            let Some(text) = text else { return Ok(None) };
            let there = text_of(&shared.join(path))?;
            let lines = Rules::of(Path::new(path)) != Rules::Json;
            let base = there.filter(|_| lines).map(|there| common(&there, &text));
            let pass = Pass { path, base: base.as_deref(), from: Some(&text) };
            if dry {
                pass.look(harness, &shared, &BTreeSet::new())
            } else {
                pass.carry_out(harness, &shared)
            }
        });
        passed.take(done);
    }
    passed.left_out = listing.left_out;
    Ok(passed)
}

/// The lines that both have, in their order: what both were made of, at most.
fn common(one: &[u8], other: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = one.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut text, mut at) = (Vec::new(), 0);
    for hunk in hunks(one, other, 0) {
        text.extend(lines[at..hunk.old.start].concat());
        let same = hunk.lines.iter().filter(|(sign, _)| *sign == Sign::Same);
        text.extend(same.flat_map(|(_, line)| *line));
        at = hunk.old.end;
    }
    text.extend(lines[at..].concat());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_have_is_what_neither_added() {
        assert_eq!(common(b"a\nb\nc\n", b"a\nx\nc\n"), b"a\nc\n");
        assert_eq!(common(b"a\n", b"b\n"), b"");
        assert_eq!(common(b"a\nb\n", b"a\nb\nc\n"), b"a\nb\n");
    }
}
