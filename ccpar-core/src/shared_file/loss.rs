//! What stale writers swallowed, and what of it is still missing.
//!
//! A loss is a record whose author replaced lines without having seen them. It
//! is open until a later record closes it, or until each of its lines has stood
//! in the target again: who takes one away after that has seen it.

use std::collections::{HashMap, HashSet};

use super::doubt::amended;
use super::{SharedFile, stale};
use crate::error::{Error, Result};
use crate::history::{History, How, Parsed, Record, Version};
use crate::merge::{Merge, Rules};

/// How many versions back the author of a line is looked for where the base is no
/// version of the log.
const BACK: usize = 256;

/// Lines that a stale writer swallowed, and that have not come back.
#[derive(Debug)]
pub struct Loss {
    /// The record of the version that swallowed them: who overwrote, and when.
    pub record: Record,
    /// The lines that are still missing, in their order.
    pub lines: Vec<LostLine>,
    /// The records of other stale writers between its base and this.
    pub(super) others: Vec<Record>,
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

    /// The place of the newest of some records whose text it was made from.
    fn based_on(&self, records: &[&Record]) -> Option<usize> {
        records.iter().rposition(|old| old.texts().any(|text| text == self.base()))
    }

    /// The version that holds the lines.
    pub fn replaced(&self) -> Version {
        self.record.replaced()
    }

    /// The lines that are missing from a text, given what swallowed them.
    pub(super) fn missing_from(&self, stale: &[u8], text: &[u8]) -> Vec<Vec<u8>> {
        let mut missing: Vec<Vec<u8>> = self.lines.iter().map(|line| line.text.clone()).collect();
        take_returned(&mut missing, stale, text);
        missing
    }
}

/// The losses of a target.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) open: Vec<Loss>,
    /// The numbers of those of which every line has come back, though no record
    /// closes them: with one that does they need not be looked into again.
    pub(super) over: Vec<u64>,
}

/// The numbers of the losses that later records close.
pub(super) fn closed(records: &Parsed) -> HashSet<u64> {
    records.effective().flat_map(|record| &record.closes).copied().collect()
}

/// Takes from the lines that `text` lacked those which a later text has: so many
/// of each as it has more than `text`.
fn take_returned(missing: &mut Vec<Vec<u8>>, text: &[u8], later: &[u8]) {
    let wanted: HashSet<&[u8]> = missing.iter().map(Vec::as_slice).collect();
    let mut more: HashMap<Vec<u8>, isize> = HashMap::new();
    for (text, step) in [(text, -1), (later, 1)] {
        for line in text.split(|byte| *byte == b'\n').filter(|line| wanted.contains(line)) {
            *more.entry(line.to_vec()).or_default() += step;
        }
    }
    missing.retain(|line| match more.get_mut(line) {
        Some(left @ 1..) => {
            *left -= 1;
            false
        }
        _ => true,
    });
}

impl SharedFile<'_> {
    /// The losses that are open, oldest first. Takes no lock, so
    /// [`settle`](Self::settle) first to know of the newest too.
    pub fn losses(&self) -> Result<Vec<Loss>> {
        let history = self.history()?;
        if history.open_losses()?.is_some_and(|open| open.is_empty()) {
            return Ok(Vec::new());
        }
        Ok(self.open_losses(&history, |_| true)?.open)
    }

    /// Whether stale writers may have swallowed what nobody can have meant, and so
    /// there may be something to [heal](Self::heal). Only the end of the log is read.
    pub fn may_be_healed(&self) -> Result<bool> {
        Ok(self.history()?.open_losses()?.is_none_or(|open| open.has_sure()))
    }

    pub(super) fn open_losses(
        &self,
        history: &History,
        wanted: impl Fn(&Record) -> bool,
    ) -> Result<Losses> {
        let parsed = history.records()?;
        let closed = closed(&parsed);
        let records: Vec<&Record> = parsed.effective().collect();
        let rules = Rules::of(&self.real_path()?);
        let is_open = |record: &Record| {
            record.lost.is_some() && !closed.contains(&record.n) && wanted(record)
        };
        let mut losses: Vec<(usize, Loss)> = Vec::new();
        for (index, record) in records.iter().enumerate().filter(|(_, record)| is_open(record)) {
            let (lines, problem) = match self.swallowed_by(history, rules, record) {
                Ok(lines) => (lines, None),
                Err(problem) => (Vec::new(), Some(problem)),
            };
            let lines = lines.into_iter().map(|text| LostLine { text, writer: None }).collect();
            let record = (*record).clone();
            losses.push((index, Loss { record, lines, others: Vec::new(), problem }));
        }
        if losses.is_empty() {
            return Ok(Losses::default());
        }
        let times = Times::new(history, &records, &losses);
        for (index, loss) in &mut losses {
            let mut back: HashMap<Vec<u8>, usize> = HashMap::new();
            loss.lines.retain_mut(|line| {
                let came_back = back
                    .entry(line.text.clone())
                    .or_insert_with(|| times.came_back(&line.text, *index));
                if *came_back > 0 {
                    *came_back -= 1;
                    return false;
                }
                let writer = times.brought_in(&line.text, *index).map(|at| records[at]);
                line.writer = writer.cloned().map(Box::new);
                true
            });
        }
        let mut over = Vec::new();
        losses.retain(|(_, loss)| {
            let is_open = loss.problem.is_some() || !loss.lines.is_empty();
            if !is_open {
                over.push(loss.record.n);
            }
            is_open
        });
        let amending: Vec<&Record> =
            records.iter().copied().filter(|record| record.told().is_some()).collect();
        for (index, loss) in &mut losses {
            let base = loss.based_on(&records[..*index]);
            let between = records[base.unwrap_or(*index)..*index].iter().map(|record| {
                amended(amending.iter().copied(), record).unwrap_or_else(|| (*record).clone())
            });
            loss.others = between.filter(|record| record.lost.is_some()).collect();
        }
        Ok(Losses { open: losses.into_iter().map(|(_, loss)| loss).collect(), over })
    }

    /// The lines that the text of a record swallowed.
    pub(super) fn swallowed_by(
        &self,
        history: &History,
        rules: Rules,
        record: &Record,
    ) -> Result<Vec<Vec<u8>>> {
        let base = self.content(history, record.base.unwrap_or(Version::ABSENT))?;
        let replaced = self.content(history, record.replaced())?;
        // Where what the author wrote was merged, that is the second parent.
        let text = self.content(history, record.version)?;
        let merge = Merge::with_rules(rules, &base, &text, &replaced);
        Ok(stale::brought_back(&merge, &base, &text))
    }
}

/// Whether a version was found in a file that had lost its name: it was merged into
/// what had taken that, and whoever read the target never saw it.
fn never_stood(record: &Record, next: Option<&Record>) -> bool {
    let beside = |next: &Record| match (&record.parents[..], &next.parents[..]) {
        ([put], [replaced, ours]) => put == replaced && *ours == record.version,
        _ => false,
    };
    record.how == How::Outside && next.is_some_and(beside)
}

/// Whether a version is a tool's text in whose place a merge of it was put as soon as
/// it was told of: of a line that the merge left out nobody can say that it came back.
fn gave_way(records: &[&Record], at: usize) -> bool {
    let version = records[at].version;
    let is_other = |record: &&Record| record.version != version;
    let start = records[..at].iter().rposition(is_other).map_or(0, |before| before + 1);
    let end = records[at..].iter().position(is_other).map_or(records.len(), |after| at + after);
    let is_told = |record: &&Record| record.how == How::Hook && !record.is_remark();
    let is_merge = |next: &&Record| {
        matches!(next.how, How::Merge | How::Conflict) && next.replaced() == version
    };
    records[start..end].iter().any(is_told) && records.get(end).is_some_and(is_merge)
}

/// How often each line that was lost stood in each version: the versions, by
/// their place among the records, at which that changed.
struct Times(HashMap<Vec<u8>, Vec<(usize, usize)>>);

impl Times {
    fn new(history: &History, records: &[&Record], losses: &[(usize, Loss)]) -> Times {
        // What was swallowed came in after the base.
        let first = losses.iter().map(|(index, loss)| {
            let base = loss.based_on(&records[..*index]);
            base.unwrap_or(index.saturating_sub(BACK))
        });
        let first = first.min().unwrap_or(0);
        let lines = losses.iter().flat_map(|(_, loss)| &loss.lines);
        let mut times: HashMap<Vec<u8>, Vec<(usize, usize)>> =
            lines.map(|line| (line.text.clone(), Vec::new())).collect();
        let mut last = None;
        for (at, record) in records.iter().enumerate().skip(first) {
            let next = records.get(at + 1).copied();
            if never_stood(record, next)
                || gave_way(records, at)
                || last.replace(record.version) == Some(record.version)
            {
                continue;
            }
            // What is no longer kept, or damaged, says nothing.
            let Ok(Some(text)) = history.get(record.version) else {
                continue;
            };
            let mut count: HashMap<&[u8], usize> = HashMap::new();
            for line in text.split(|byte| *byte == b'\n') {
                if times.contains_key(line) {
                    *count.entry(line).or_default() += 1;
                }
            }
            for (line, changes) in &mut times {
                let now = count.get(&line[..]).copied().unwrap_or(0);
                if changes.last().map_or(0, |(_, count)| *count) != now {
                    changes.push((at, now));
                }
            }
        }
        Times(times)
    }

    fn changes(&self, line: &[u8]) -> &[(usize, usize)] {
        self.0.get(line).map_or(&[], Vec::as_slice)
    }

    /// How many of a line that was lost at `place` have stood there again since.
    fn came_back(&self, line: &[u8], place: usize) -> usize {
        let changes = self.changes(line);
        let then = changes.iter().rfind(|(at, _)| *at <= place).map_or(0, |(_, count)| *count);
        let since = changes.iter().filter(|(at, _)| *at > place).map(|(_, count)| *count).max();
        since.unwrap_or(0).saturating_sub(then)
    }

    /// Which version brought in a line that was lost at `place`: the newest in
    /// which there came to be more of it.
    fn brought_in(&self, line: &[u8], place: usize) -> Option<usize> {
        let changes = self.changes(line);
        let earlier = changes.partition_point(|(at, _)| *at < place);
        (0..earlier).rev().find_map(|change| {
            let before = change.checked_sub(1).map_or(0, |before| changes[before].1);
            (changes[change].1 > before).then_some(changes[change].0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_line_say_who_brought_it_in_and_whether_it_came_back() {
        let changes = vec![(2, 1), (5, 2), (7, 0), (9, 1), (10, 0)];
        let times = Times(HashMap::from([(b"x".to_vec(), changes)]));
        assert_eq!([6, 7].map(|place| times.came_back(b"x", place)), [0, 1]);
        assert_eq!([10, 11].map(|place| times.came_back(b"x", place)), [0, 0]);
        assert_eq!(
            [2, 5, 7, 10].map(|place| times.brought_in(b"x", place)),
            [None, Some(2), Some(5), Some(9)]
        );
        assert_eq!((times.came_back(b"y", 0), times.brought_in(b"y", 9)), (0, None));
    }

    #[test]
    fn of_lines_that_came_back_so_many_are_taken_as_there_are_more() {
        let mut missing: Vec<Vec<u8>> = [b"a", b"x", b"x"].map(|line| line.to_vec()).into();
        take_returned(&mut missing, b"x\ny\n", b"x\nx\na\n");
        assert_eq!(missing, [b"x"]);
    }
}
