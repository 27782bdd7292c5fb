//! Lists that count: what a line of one says apart from its number, and the
//! numbers of a list that both sides added to.

use std::borrow::Cow;
use std::collections::HashMap;

use super::entry::{Kind, mark};
use super::lines::Lines;
use super::region::flat;
use super::{Region, Resolution, Rule};

/// A numbered entry, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbered<'a> {
    indent: &'a [u8],
    number: u32,
    /// The dot or bracket, and the text.
    rest: &'a [u8],
}

impl<'a> Numbered<'a> {
    pub(super) fn new(line: &'a [u8]) -> Option<Numbered<'a>> {
        let indent = line.len() - line.trim_ascii_start().len();
        let (indent, text) = line.split_at(indent);
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = text.split_at(digits);
        // No more than nine digits, as CommonMark has it (5.2).
        if !(1..=9).contains(&digits)
            || !matches!(rest.first(), Some(b'.' | b')'))
            || !rest.get(1).is_some_and(u8::is_ascii_whitespace)
        {
            return None;
        }
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        Some(Numbered { indent, number, rest })
    }

    fn line(self, number: u32) -> Vec<u8> {
        [self.indent, number.to_string().as_bytes(), self.rest].concat()
    }
}

/// Merges an entry that was renumbered on one side and reworded on the other, or
/// renumbered on both.
pub(super) fn merge(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let [base, ours, theirs] = [base, ours, theirs].map(Numbered::new);
    let (base, ours, theirs) = (base?, ours?, theirs?);
    let pick = |is_ours: bool, is_theirs: bool| match (is_ours, is_theirs) {
        (_, true) => Some(theirs),
        (true, false) => Some(ours),
        (false, false) => None,
    };
    let text = pick(base.rest == theirs.rest, base.rest == ours.rest || ours.rest == theirs.rest)?;
    let indent = pick(
        base.indent == theirs.indent,
        base.indent == ours.indent || ours.indent == theirs.indent,
    )?;
    let number = if theirs.number == base.number { ours.number } else { theirs.number };
    Some(Numbered { indent: indent.indent, ..text }.line(number))
}

/// Numbers the lists anew that both sides changed, if they counted on both sides;
/// whether there was one.
pub(super) fn renumber<'a>(regions: &mut [Region<'a>], texts: [&Lines<'a>; 3]) -> bool {
    let is_changed = |region: &&Region<'_>| region.resolution != Resolution::Unchanged;
    let has_numbers = |region: &Region<'_>| {
        let sides = [(1, &region.ours), (2, &region.theirs)];
        let mut lines = sides.into_iter().flat_map(|(n, range)| texts[n].slice(range));
        lines.any(|line| Numbered::new(line).is_some())
    };
    if regions.iter().filter(is_changed).filter(|region| has_numbers(region)).count() == 0 {
        return false;
    }
    let mut lines = flat(regions, texts);
    let mut new: Vec<(usize, Vec<u8>)> = Vec::new();
    {
        let no_line: &[u8] = b"#";
        let view: Vec<&[u8]> =
            lines.iter().map(|(_, line)| line.as_deref().unwrap_or(no_line)).collect();
        let counting = [1, 2].map(|n| counting(&texts[n].lines));
        for list in lists(&view) {
            let by = |is: fn(&Resolution<'_>) -> bool| {
                list.iter().any(|at| is(&regions[lines[*at].0].resolution))
            };
            let is_merged = by(|by| matches!(by, Resolution::Merged(..)))
                || by(|by| *by == Resolution::Ours)
                    && by(|by| matches!(by, Resolution::Theirs | Resolution::Same))
                || by(|by| *by == Resolution::Theirs) && by(|by| *by == Resolution::Same);
            let counts = list.iter().all(|at| {
                let text = Numbered::new(view[*at]).map(|entry| entry.rest);
                counting.iter().all(|side| text.and_then(|text| side.get(text)) != Some(&false))
            });
            if !is_merged || !counts {
                continue;
            }
            let numbers = list.iter().filter_map(|at| Numbered::new(view[*at]));
            let Some(first) = numbers.clone().map(|entry| entry.number).min() else { continue };
            for ((at, entry), number) in list.iter().zip(numbers).zip(first..) {
                if entry.number != number {
                    new.push((*at, entry.line(number)));
                }
            }
        }
    }
    let mut touched = vec![false; regions.len()];
    for (at, line) in new {
        touched[lines[at].0] = true;
        lines[at].1 = Some(Cow::Owned(line));
    }
    let mut outputs: Vec<Vec<Cow<'a, [u8]>>> = vec![Vec::new(); regions.len()];
    for (region, line) in lines {
        outputs[region].extend(line);
    }
    for (n, region) in regions.iter_mut().enumerate().filter(|(n, _)| touched[*n]) {
        region.resolution = Resolution::Merged(Rule::Numbered, std::mem::take(&mut outputs[n]));
    }
    touched.contains(&true)
}

/// The lists of numbered entries, each as the places of its entries.
fn lists(lines: &[&[u8]]) -> Vec<Vec<usize>> {
    let marks = mark(lines, true);
    let mut done: Vec<Vec<usize>> = Vec::new();
    // The lists that are open, by their indentation.
    let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
    for (at, (line, mark)) in lines.iter().zip(&marks).enumerate() {
        let indent = line.len() - line.trim_ascii_start().len();
        let depth = match mark.kind {
            Kind::Blank => continue,
            Kind::Item(depth) => depth,
            Kind::Heading(_) => 0,
            _ => indent,
        };
        let entry = matches!(mark.kind, Kind::Item(_)) && Numbered::new(line).is_some();
        while let Some((of, _)) = open.last()
            && (*of > depth || *of == depth && !entry)
        {
            done.extend(open.pop().map(|(_, list)| list));
        }
        if entry {
            match open.last_mut() {
                Some((of, list)) if *of == depth => list.push(at),
                _ => open.push((depth, vec![at])),
            }
        }
    }
    done.extend(open.into_iter().map(|(_, list)| list));
    done.retain(|list| list.len() > 1);
    done
}

/// Of each entry's text whether it stands in a list that counts; not of one whose
/// list has no other entry.
fn counting<'a>(lines: &[&'a [u8]]) -> HashMap<&'a [u8], bool> {
    let mut counting = HashMap::new();
    for list in lists(lines) {
        let entries: Vec<_> = list.iter().filter_map(|at| Numbered::new(lines[*at])).collect();
        let counts = entries.windows(2).all(|two| two[1].number == two[0].number + 1);
        counting.extend(entries.iter().map(|entry| (entry.rest, counts)));
    }
    counting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_apart_from_what_it_counts() {
        let merged = |base: &str, ours: &str, theirs: &str| {
            merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes())
                .map(|line| String::from_utf8(line).unwrap())
        };
        assert_eq!(merged("2. b", "3. b", "2. B").as_deref(), Some("3. B"));
        assert_eq!(merged("2. b", "3. B", "4. b").as_deref(), Some("4. B"));
        assert_eq!(merged("2. b", "3. x", "2. y"), None);
        assert_eq!(merged("2. b", "  2. b", "3. b").as_deref(), Some("  3. b"));
        assert_eq!(merged("- b", "3. b", "2. B"), None);
        assert_eq!(Numbered::new(b"1234567890. x"), None);
    }
}
