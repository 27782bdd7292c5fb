//! What stale writers swallowed, and what of it is still missing.
//!
//! A loss is a record whose author replaced lines without having seen them. It
//! is open until a later record closes it, or until each of its lines has stood
//! in the target again: who takes one away after that has seen it.

use std::collections::{HashMap, HashSet};

use super::SharedFile;
use crate::error::{Error, Result};
use crate::history::{History, Parsed, Record, Version};
use crate::merge::{self, Merge, Rules};

/// Lines that a stale writer swallowed, and that have not come back.
#[derive(Debug)]
pub struct Loss {
    /// The record of the version that swallowed them: who overwrote, and when.
    pub record: Record,
    /// The lines that are still missing, in their order.
    pub lines: Vec<LostLine>,
    /// Those that have come back since then, in part at least.
    came_back: Vec<Vec<u8>>,
    /// Why it cannot be told which lines, if so: contents are gone or damaged.
    pub problem: Option<Error>,
}

/// A line that was swallowed.
#[derive(Debug, Clone)]
pub struct LostLine {
    /// The line, without its newline.
    pub text: Vec<u8>,
    /// The record of the version that brought it in, if that is known.
    pub writer: Option<Box<Record>>,
}

impl Loss {
    /// What the text that swallowed them was made from.
    pub fn base(&self) -> Version {
        self.record.base.unwrap_or(Version::ABSENT)
    }

    /// The version that holds the lines.
    pub fn replaced(&self) -> Version {
        self.record.replaced()
    }

    /// The text that was replaced, but for those of its own lines that have
    /// been back since then.
    pub(super) fn without_what_came_back(&self, base: &[u8], replaced: &[u8]) -> Vec<u8> {
        if self.came_back.is_empty() {
            return replaced.to_vec();
        }
        let mut drop = count(&self.came_back);
        let kept: HashSet<&[u8]> = base.split(|byte| *byte == b'\n').collect();
        let lines = replaced.split_inclusive(|byte| *byte == b'\n');
        lines
            .filter(|line| {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                match drop.get_mut(line) {
                    Some(left @ 1..) if !kept.contains(line) => {
                        *left -= 1;
                        false
                    }
                    _ => true,
                }
            })
            .flatten()
            .copied()
            .collect()
    }
}

/// The numbers of the losses that later records close.
pub(super) fn closed(records: &Parsed) -> HashSet<u64> {
    records.effective().flat_map(|record| &record.closes).copied().collect()
}

fn count<L: AsRef<[u8]>>(lines: &[L]) -> HashMap<&[u8], usize> {
    let mut count = HashMap::new();
    for line in lines {
        *count.entry(line.as_ref()).or_default() += 1;
    }
    count
}

/// Takes from the lines that `text` lacked those which a later text has: so many
/// of each as it has more than `text`.
fn take_returned(missing: &mut Vec<Vec<u8>>, text: &[u8], later: &[u8]) -> Vec<Vec<u8>> {
    let wanted: HashSet<&[u8]> = missing.iter().map(Vec::as_slice).collect();
    let mut more: HashMap<Vec<u8>, isize> = HashMap::new();
    for (text, step) in [(text, -1), (later, 1)] {
        for line in text.split(|byte| *byte == b'\n').filter(|line| wanted.contains(line)) {
            *more.entry(line.to_vec()).or_default() += step;
        }
    }
    let mut back = Vec::new();
    missing.retain(|line| match more.get_mut(line) {
        Some(left @ 1..) => {
            *left -= 1;
            back.push(line.clone());
            false
        }
        _ => true,
    });
    back
}

impl SharedFile<'_> {
    /// The losses that are open, oldest first. Takes no lock, so
    /// [`settle`](Self::settle) first to know of the newest too.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        self.open_losses(&self.history()?)
    }

    pub(super) fn open_losses(&self, history: &History) -> Result<Vec<Loss>> {
        let parsed = history.records()?;
        let closed = closed(&parsed);
        let records: Vec<&Record> = parsed.effective().collect();
        let rules = Rules::of(&self.real_path()?);
        let mut losses: Vec<(Loss, Vec<Vec<u8>>, Vec<u8>)> = Vec::new();
        let mut last = None;
        for (index, record) in records.iter().enumerate() {
            let is_loss = record.lost.is_some() && !closed.contains(&record.n);
            if !is_loss && (losses.is_empty() || last == Some(record.version)) {
                continue;
            }
            last = Some(record.version);
            let text = history.get(record.version);
            if let Ok(Some(text)) = &text {
                for (loss, missing, swallower) in &mut losses {
                    if !missing.is_empty() {
                        loss.came_back.extend(take_returned(missing, swallower, text));
                    }
                }
            }
            if is_loss {
                let mut loss = Loss {
                    record: (*record).clone(),
                    lines: Vec::new(),
                    came_back: Vec::new(),
                    problem: None,
                };
                match self.swallowed_by(history, rules, record) {
                    Ok((text, missing)) => {
                        loss.lines = writers(history, &records[..index], &missing);
                        losses.push((loss, missing, text));
                    }
                    Err(problem) => {
                        loss.problem = Some(problem);
                        losses.push((loss, Vec::new(), Vec::new()));
                    }
                }
            }
        }
        let open = losses.into_iter().filter_map(|(mut loss, missing, _)| {
            let mut left = count(&missing);
            loss.lines.retain(|line| match left.get_mut(&*line.text) {
                Some(left @ 1..) => {
                    *left -= 1;
                    true
                }
                _ => false,
            });
            (loss.problem.is_some() || !loss.lines.is_empty()).then_some(loss)
        });
        Ok(open.collect())
    }

    /// The text of a record that swallowed lines, and the lines.
    fn swallowed_by(
        &self,
        history: &History,
        rules: Rules,
        record: &Record,
    ) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let base = self.content(history, record.base.unwrap_or(Version::ABSENT))?;
        let replaced = self.content(history, record.replaced())?;
        // Where what the author wrote was merged, that is the second parent.
        let text = self.content(history, record.version)?;
        let merged = Merge::with_rules(rules, &base, &text, &replaced).keep_theirs();
        let lines = merge::swallowed(&merged, &text);
        Ok((text, lines))
    }
}

/// Who brought these lines in: the newest record whose version has the line
/// while the one before it lacks it.
fn writers(history: &History, before: &[&Record], lines: &[Vec<u8>]) -> Vec<LostLine> {
    let mut writer: HashMap<&[u8], Option<&Record>> =
        lines.iter().map(|line| (&line[..], None)).collect();
    // A line that stands in all the versions down to this one.
    let mut open: HashMap<&[u8], &Record> = HashMap::new();
    for record in before.iter().rev() {
        let Ok(Some(text)) = history.get(record.version) else {
            continue;
        };
        let has: HashSet<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        for (line, found) in &mut writer {
            if found.is_some() {
                continue;
            }
            if has.contains(line) {
                open.insert(*line, record);
            } else if let Some(record) = open.get(line) {
                *found = Some(record);
            }
        }
        if writer.values().all(Option::is_some) {
            break;
        }
    }
    for (line, found) in &mut writer {
        *found = found.or(open.get(line).copied());
    }
    let by = |line: &Vec<u8>| writer.get(&line[..]).copied().flatten().cloned().map(Box::new);
    lines.iter().map(|line| LostLine { text: line.clone(), writer: by(line) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_lines_that_came_back_so_many_are_taken_as_there_are_more() {
        let mut missing: Vec<Vec<u8>> = [b"a", b"x", b"x"].map(|line| line.to_vec()).into();
        let back = take_returned(&mut missing, b"x\ny\n", b"x\nx\na\n");
        assert_eq!(back, [b"a", b"x"]);
        assert_eq!(missing, [b"x"]);
    }
}
