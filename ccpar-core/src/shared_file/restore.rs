//! Back to what stood there before.

use std::cell::RefCell;
use std::collections::HashMap;

use super::back::{Swallowed, without_dropped};
use super::held::{Held, Made};
use super::{Commit, Outcome, SharedFile};
use crate::error::{Error, Result};
use crate::history::{Damage, History, How, Record, Version};
use crate::merge::{self, Merge, Rules};

impl SharedFile<'_> {
    /// Puts an older version back in place. That is a commit like any other:
    /// what it replaces stays in the history.
    pub fn restore(&self, version: Version) -> Result<Commit> {
        let mut held = self.enter_to_write()?;
        if version.is_absent() {
            return self.remove_held(&mut held);
        }
        let content = self.content(&held.history, version)?;
        self.put(&mut held, &content, How::Restore, &Made::default())
    }

    /// What stood in the target at a time, in milliseconds since 1970. `None` if
    /// its history begins later and does not say.
    pub fn version_at(&self, time: u64) -> Result<Option<Version>> {
        let parsed = self.history()?.records()?;
        if let Some(stood) = parsed.effective().rfind(|record| record.time <= time) {
            // Of a log that was cut some old lines stay: what came next is not known.
            let next = parsed.records.iter().find(|record| record.n > stood.n);
            let is_next = |record: &Record| record.n == stood.n + 1;
            return Ok(next.is_none_or(is_next).then_some(stood.version));
        }
        // What the first replaced stood there all the time before.
        let first = parsed.effective().next().filter(|first| first.n == 1);
        Ok(first.and_then(|first| Some(first.before.as_ref()?.version)))
    }

    /// The newest version whose text was in order, if what stands there now is
    /// not: it is gone, was emptied, or no longer parses. `None` if all is well,
    /// or never was.
    pub fn last_good(&self) -> Result<Option<Record>> {
        let parsed = self.history()?.records()?;
        let bad = |record: &Record| record.version.is_absent() || record.damage.is_some();
        let mut newest = parsed.effective().rev();
        Ok(match newest.next() {
            Some(head) if bad(head) => newest.find(|record| !bad(record)).cloned(),
            _ => None,
        })
    }

    /// Merges back the lines that stale writers have swallowed, as far as they
    /// are still [lost](Self::losses); says how many losses that closed. What
    /// any author has seen does not change by it.
    ///
    /// Of a loss that cannot be merged back whole, what was swallowed goes to a
    /// conflict copy: that is then what remains open.
    ///
    /// # Errors
    /// A loss whose contents are damaged or gone is named when the others are
    /// done; it stays open.
    pub fn restore_lost(&self) -> Result<(usize, Commit)> {
        self.restore_losses(false, true)
    }

    /// Like [`restore_lost`](Self::restore_lost), for those losses alone that
    /// nobody can have meant. Nothing is done while the target is empty: somebody
    /// may be about to fill it.
    pub fn heal(&self) -> Result<(usize, Commit)> {
        self.restore_losses(true, true)
    }

    /// Like [`heal`](Self::heal), after a write of this author's own by other means
    /// than ccpar's: whoever has claimed the target does not stop it. It takes nothing
    /// away, and who holds a claim for a call merges what came in between.
    pub fn heal_own(&self) -> Result<(usize, Commit)> {
        self.restore_losses(true, false)
    }

    fn restore_losses(&self, healing: bool, heeds_claims: bool) -> Result<(usize, Commit)> {
        // To put together what is missing takes its time. The lock is for the look
        // whether all is still as it was then, and for the replacement.
        const TRIES: usize = 2;
        let enter = || {
            if heeds_claims { self.enter_to_write() } else { self.enter(self.harness.wait()) }
        };
        let mut ready = None;
        for _ in 0..TRIES {
            let _ = self.settle()?;
            let history = self.history()?;
            let head = history.newest()?.map(|head| head.n);
            let found = self.look_only()?;
            if healing && !self.may_be_healed()? {
                return Ok((0, Commit::unchanged(found.version())));
            }
            let plan = self.put_together(&history, found.content(), healing)?;
            let held = enter()?;
            if held.now == found.version() && held.log.head().map(|head| head.n) == head {
                ready = Some((held, plan));
                break;
            }
        }
        let (mut held, plan) = if let Some(ready) = ready {
            ready
        } else {
            // They keep writing: then they wait.
            let held = enter()?;
            let plan = self.put_together(&held.history, held.content(), healing)?;
            (held, plan)
        };
        let mut conflict = None;
        for (replaced, regions) in plan.conflicts {
            self.check(&held)?;
            let (copy, _) = self.keep_copy(&mut held, &replaced)?;
            conflict = Some(Outcome::Conflict { copy, regions });
        }
        let mut commit = if plan.text == held.content() {
            if !plan.closes.is_empty() {
                self.note(&mut held, How::Restore, plan.closes)?;
            }
            Commit::unchanged(held.now)
        } else {
            let made = Made { closes: plan.closes, ..Made::default() };
            self.put(&mut held, &plan.text, How::Restore, &made)?
        };
        commit.outcome = conflict.unwrap_or(commit.outcome);
        plan.failed.map_or(Ok((plan.closed, commit)), Err)
    }

    /// A text with what nobody can have meant to swallow.
    pub(super) fn with_lost(&self, history: &History, text: &[u8]) -> Result<Vec<u8>> {
        self.put_together(history, text, true).map(|whole| whole.text)
    }

    /// Puts what was swallowed back into a text.
    fn put_together(&self, history: &History, text: &[u8], healing: bool) -> Result<Whole> {
        let mut whole = Whole { text: text.to_vec(), ..Whole::default() };
        if healing && text.is_empty() {
            return Ok(whole);
        }
        let real = self.real_path()?;
        let rules = Rules::of(&real);
        let losses = self.open_losses(history, |record| !(healing && record.maybe))?;
        if text.is_empty() && !losses.open.is_empty() && !real.exists() {
            return Err(Error::Target {
                path: self.path.clone(),
                problem: "was removed: put it back first, with `ccpar restore`".to_owned(),
            });
        }
        // What each stale writer swallowed, asked for once.
        let swallowed_by = RefCell::new(HashMap::<u64, Vec<Vec<u8>>>::new());
        for loss in losses.open {
            if let Some(problem) = loss.problem {
                whole.failed = Some(problem);
                continue;
            }
            let stale = self.content(history, loss.record.version)?;
            let lines = loss.missing_from(&stale, &whole.text);
            // What was swallowed again and again came back with the first.
            if lines.is_empty() {
                whole.closes.push(loss.record.n);
                continue;
            }
            let base = self.content(history, loss.base())?;
            let replaced = self.content(history, loss.replaced())?;
            let by_others = || {
                let mut known = swallowed_by.borrow_mut();
                let lines = loss.others.iter().flat_map(|other| {
                    let lines = known.entry(other.n).or_insert_with(|| {
                        self.swallowed_by(history, rules, other).unwrap_or_default()
                    });
                    lines.clone()
                });
                lines.collect()
            };
            let swallowed = Swallowed {
                base: &base,
                replaced: &replaced,
                lines: &lines.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                by_others: &by_others,
            };
            let back = swallowed.put_back(rules, &whole.text);
            let is_nothing = back.conflicts == 0 && back.text == whole.text;
            let is_nothing = is_nothing || rules == Rules::Json && takes(&whole.text, &back.text);
            if is_nothing || Damage::of(&whole.text, &back.text, rules == Rules::Json).is_some() {
                // Nothing came back, or something in another's place, or no JSON: then
                // somebody has to see to it.
                if !healing {
                    whole.closes.push(loss.record.n);
                    whole.conflicts.push((replaced, 1));
                }
                continue;
            }
            whole.closes.push(loss.record.n);
            whole.text = back.text;
            if back.conflicts > 0 {
                whole.conflicts.push((replaced, back.conflicts));
            }
        }
        whole.closed = whole.closes.len();
        whole.closes.extend(losses.over);
        whole.closes.sort_unstable();
        Ok(whole)
    }

    /// Closes losses that were meant: all of them, or the one of this number in
    /// the log; a removal, or damage, that the last record tells of too. The target
    /// stays as it is. Says how many that were.
    pub fn dismiss(&self, only: Option<u64>) -> Result<usize> {
        let mut held = self.enter(self.harness.wait())?;
        let records = held.history.records()?;
        let closed = super::loss::closed(&records);
        let head = records.effective().next_back().map(|head| head.n);
        let is_bad = |record: &Record| {
            Some(record.n) == head
                && record.how == How::Outside
                && (record.is_removal() || record.damage.is_some())
        };
        let open = records.effective().filter(|record| {
            (record.lost.is_some() || is_bad(record))
                && !closed.contains(&record.n)
                && only.is_none_or(|n| n == record.n)
        });
        let closes: Vec<u64> = open.map(|record| record.n).collect();
        if !closes.is_empty() {
            self.note(&mut held, How::Dismiss, closes.clone())?;
        }
        Ok(closes.len())
    }

    /// Writes down that losses are closed while the target stays as it is.
    fn note(&self, held: &mut Held, how: How, closes: Vec<u64>) -> Result<()> {
        let record = Record { how, parents: vec![held.now], closes, ..self.record(held.now) };
        held.log.append(record)?;
        self.sync(held)
    }

    /// Takes back what a session wrote, keeping what others wrote since then.
    /// That is a commit like any other. `None` if the session never wrote this
    /// target.
    ///
    /// Where others changed the same lines since then, theirs stay: the outcome
    /// is then a conflict, and its copy holds the text with those places as they
    /// were before the session.
    ///
    /// # Errors
    /// [`Error::UnknownVersion`] if a content that
    /// is needed was pruned.
    pub fn take_back(&self, session: &str) -> Result<Option<Commit>> {
        let mut held = self.enter_to_write()?;
        let Some(back) = self.without_session(&held.history, session, held.now, held.content())?
        else {
            return Ok(None);
        };
        if back.version.is_absent() {
            return self.remove_held(&mut held).map(Some);
        }
        let made = Made::default();
        if back.conflicts == 0 {
            return self.put(&mut held, &back.text, How::Restore, &made).map(Some);
        }
        self.check(&held)?;
        let (copy, _) = self.keep_copy(&mut held, &back.wanted)?;
        let commit = self.put(&mut held, &back.text, How::Restore, &made)?;
        let outcome = Outcome::Conflict { copy, regions: back.conflicts };
        Ok(Some(Commit { outcome, ..commit }))
    }

    /// What [`take_back`](Self::take_back) would leave: version and text, and in
    /// how many places others stand in the way.
    pub fn would_take_back(&self, session: &str) -> Result<Option<(Version, Vec<u8>, usize)>> {
        let found = self.look_only()?;
        let history = self.history()?;
        let back = self.without_session(&history, session, found.version(), found.content())?;
        Ok(back.map(|back| (back.version, back.text, back.conflicts)))
    }

    fn without_session(
        &self,
        history: &History,
        session: &str,
        now: Version,
        text: &[u8],
    ) -> Result<Option<Back>> {
        let records = history.records()?;
        let steps = steps(records.effective(), session);
        // What somebody else removed is not brought back by taking lines out of it.
        let removed_by = records.effective().next_back().map(|head| head.session.as_deref());
        if steps.is_empty() || now.is_absent() && removed_by != Some(Some(session)) {
            return Ok(None);
        }
        let rules = Rules::of(&self.real_path()?);
        let mut back =
            Back { version: now, text: text.to_vec(), wanted: text.to_vec(), conflicts: 0 };
        for (before, after) in steps.into_iter().rev() {
            if back.version == after {
                // Nothing came since then: exactly what stood there.
                back.text = self.content(history, before)?;
                back.wanted.clone_from(&back.text);
                back.version = before;
                continue;
            }
            let base = self.content(history, after)?;
            let ours = self.content(history, before)?;
            let mut merge = Merge::with_rules(rules, &base, &ours, &back.text);
            // What was added beside the session's lines is nobody's rewording of them.
            merge.settle_conflicts(without_dropped);
            let conflicts = merge.conflicts().count();
            let merged = merge.keep_theirs();
            if conflicts > 0 {
                back.conflicts += conflicts;
                back.wanted = Merge::with_rules(rules, &base, &merged, &ours).keep_theirs();
            } else {
                back.wanted.clone_from(&merged);
            }
            let gone = merged.is_empty() && before.is_absent();
            back.version = if gone { Version::ABSENT } else { Version::of(&merged) };
            back.text = merged;
        }
        Ok(Some(back))
    }
}

/// Whether a text lacks an entry of another. A comma comes and goes with the next.
fn takes(text: &[u8], other: &[u8]) -> bool {
    let bare = |text: &[u8]| -> Vec<u8> {
        let lines = text.split(|byte| *byte == b'\n');
        lines.map(|line| line.strip_suffix(b",").unwrap_or(line)).collect::<Vec<_>>().join(&b'\n')
    };
    !merge::swallowed(&bare(text), &bare(other)).is_empty()
}

/// A text with all that was swallowed.
#[derive(Default)]
struct Whole {
    text: Vec<u8>,
    /// How many losses that closes, apart from those that are over.
    closed: usize,
    closes: Vec<u64>,
    /// The texts that could not be put back whole, and in how many places.
    conflicts: Vec<(Vec<u8>, usize)>,
    failed: Option<Error>,
}

/// A target without what a session wrote.
struct Back {
    version: Version,
    text: Vec<u8>,
    /// The same with the places that others hold as they were before.
    wanted: Vec<u8>,
    conflicts: usize,
}

/// What a session did to a target: what stood before and after each run of its
/// writes. What it restored is no text of its own.
fn steps<'r>(records: impl Iterator<Item = &'r Record>, session: &str) -> Vec<(Version, Version)> {
    let mut steps: Vec<(Version, Version)> = Vec::new();
    for record in records {
        let wrote = !matches!(record.how, How::Restore | How::Dismiss | How::Outside);
        if !wrote || record.is_remark() || record.session.as_deref() != Some(session) {
            continue;
        }
        let before = record.replaced();
        match steps.last_mut() {
            Some((_, after)) if *after == before => *after = record.version,
            _ => steps.push((before, record.version)),
        }
    }
    steps.retain(|(before, after)| before != after);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runs_of_a_session_are_told_apart_from_what_came_in_between() {
        let version = |n: u64| Version::of(&n.to_le_bytes());
        let record = |n: u64, who: &str, how| Record {
            n,
            how,
            session: Some(who.to_owned()),
            parents: if n == 1 { vec![] } else { vec![version(n - 1)] },
            ..Record::outside(version(n), n)
        };
        let records = [
            record(1, "s", How::Write),
            record(2, "s", How::Append),
            record(3, "t", How::Write),
            record(4, "s", How::Merge),
            record(5, "s", How::Restore),
            record(6, "s", How::Remove),
        ];
        assert_eq!(
            steps(records.iter(), "s"),
            [(Version::ABSENT, version(2)), (version(3), version(4)), (version(5), version(6)),]
        );
        assert!(steps(records.iter(), "u").is_empty());
    }
}
