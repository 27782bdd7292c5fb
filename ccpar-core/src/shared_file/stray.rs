//! A plain write that came between our look at a target and our replacing it.
//!
//! Something that knows no locks may write into the file while a commit is under
//! way. Its text then lies in a file that has lost its name, where nobody would
//! ever see it. So a commit looks once more at the file that it replaced, and
//! merges in what it finds there.
//!
//! What such a writer writes still later, through a file that it opened before,
//! is out of reach.

use std::collections::HashSet;

use super::back::Swallowed;
use super::held::{Held, Made};
use super::passed_on::merged;
use super::stale::{self, Candidate};
use super::{Commit, SharedFile, glimpses, half_done};
use crate::atomic::{self, OnDisk};
use crate::error::Result;
use crate::harness;
use crate::history::{How, Record, Version};
use crate::merge::{self, Rules};

/// How many versions back its base is looked for.
const VERSIONS: usize = 64;

impl SharedFile<'_> {
    /// Merges into the `text` that was just put in place what was written into
    /// the file that it replaced, if anything.
    pub(super) fn take_in_stray(
        &self,
        held: &mut Held,
        old: &OnDisk,
        text: &[u8],
    ) -> Result<Option<Commit>> {
        let Some(stray) = old.written_since() else {
            return Ok(None);
        };
        // It stood there before, and others may have gone on from it.
        let time = held.log.head().map_or_else(harness::now, |head| head.time);
        // Its base may be a text that was seen there in passing.
        let glimpses = self.harness.glimpses();
        let mut seen =
            glimpses.map_or_else(Vec::new, |glimpses| glimpses.seen_in(&held.real, old, time));
        seen.retain(|glimpse| glimpse.text != stray);
        glimpses::take_in(held, &seen, None)?;
        held.found = atomic::read(&held.real)?;
        held.now = Version::of(held.content());
        let rules = Rules::of(&held.real);
        let records = held.history.recent(VERSIONS)?;
        // Told before it is merged: if that fails, it is known all the same.
        let put = (Version::of(text), text.to_vec());
        let told = tell(held, rules, &records, &put, &stray, time)?;
        if held.content() != text {
            // Yet another has written. The next look finds that, and holds it
            // against this one, which stood in between.
            return Ok(None);
        }
        if let Some(whole) = went_on(rules, &old.content, text, &stray) {
            let closes = told.into_iter().collect();
            let made = Made { base: Some(put.0), ours: Some(&stray), closes, ..Made::default() };
            return self.put(held, &whole, How::Merge, &made).map(Some);
        }
        let before = (Version::of(&old.content), old.content.clone());
        // Its author cannot have seen what was put in place only now; and of what was seen
        // in passing comes back what this one has.
        let mut aside = vec![before.0, held.now];
        aside.extend(seen.iter().map(|glimpse| Version::of(&glimpse.text)));
        let candidates = stale::candidates(&held.history, &records, &aside);
        let (base, base_text) = stale::nearest(&stray, [before].into_iter().chain(candidates));
        // What its author had dropped it may never have seen: nothing is taken
        // away for that.
        let added = merge::swallowed(&stray, &base_text);
        let missing = merge::swallowed(&added.join(&b'\n'), text);
        let swallowed = Swallowed {
            base: &base_text,
            replaced: &stray,
            lines: &missing.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            by_others: &HashSet::new,
        };
        let back = swallowed.put_back(rules, text);
        if back.conflicts > 0 {
            self.keep_copy(held, &stray)?;
        }
        let closes = told.into_iter().collect();
        let made = Made { base: Some(base), ours: Some(&stray), closes, ..Made::default() };
        self.put(held, &back.text, How::Merge, &made).map(Some)
    }
}

/// Writes down that a text stood in a file that had lost its name, at a time, and what
/// it swallowed of what was `put` in its place: that loss by its number.
fn tell(
    held: &mut Held,
    rules: Rules,
    records: &[Record],
    put: &Candidate,
    stray: &[u8],
    time: u64,
) -> Result<Option<u64>> {
    let version = Version::of(stray);
    held.keep(version, stray)?;
    let mut candidates = stale::candidates(&held.history, records, &[put.0]);
    let loss = stale::infer(rules, put, &mut candidates, stray);
    let look = half_done::Look { history: &held.history, rules, records, time };
    let loss = look.settle(loss, put, stray)?;
    held.log.append(Record {
        parents: vec![put.0],
        lines: Some(merge::distance(&put.1, stray)),
        base: loss.as_ref().map(|loss| loss.base),
        lost: loss.as_ref().map(|loss| loss.lines.len()),
        maybe: loss.as_ref().is_some_and(|loss| loss.maybe),
        ..Record::outside(version, time)
    })?;
    Ok(held.log.head().filter(|_| loss.is_some()).map(|head| head.n))
}

/// What comes of `put` and `stray` if all that `stray` did to what was replaced was to
/// go on: it was half done when it was read, emptied and not filled again as a rule.
/// Then no version of the history is what `put` has to be held against, and what it
/// lacks it lacks because it was not there to be read.
fn went_on(rules: Rules, replaced: &[u8], put: &[u8], stray: &[u8]) -> Option<Vec<u8>> {
    if !stray.starts_with(replaced) {
        return None;
    }
    let (whole, conflicts) = merged(rules, replaced, put, stray);
    (conflicts == 0).then_some(whole)
}
