//! What of a target's history must stay.

use std::collections::{HashMap, HashSet};

use super::SharedFile;
use super::held::Held;
use crate::error::Result;
use crate::harness;
use crate::history::{History, How, Limits, Pruned, Version};

/// How many records come at least between two looks at whether a prune is due.
const EVERY: u64 = 64;

/// Whether whoever wrote the records behind `before`, up to `n`, is to look.
fn is_asked(before: u64, n: u64) -> bool {
    n / EVERY > before / EVERY
}

impl SharedFile<'_> {
    /// Removes what is beyond the [limits](crate::Harness::with_limits) of the
    /// target's history. What stands there, what is [lost](Self::losses), what a
    /// conflict copy is of, what any session has seen within 30 days, and all
    /// that was put there within the last hour stays.
    pub fn prune(&self) -> Result<Pruned> {
        let held = self.enter(self.harness.wait())?;
        self.prune_held(&held.history, self.harness.limits())
    }

    /// The same, once in a while: a commit is to stay cheap. A prune looks at all that
    /// is kept, so the more that is, the longer the next one waits.
    pub(super) fn prune_now_and_then(&self, held: &mut Held, len: usize) {
        let n = held.log.head().map_or(0, |head| head.n);
        let (limits, len) = (self.harness.limits(), len as u64);
        let large = len.saturating_mul(EVERY) > limits.bytes;
        if !held.keeps || !(is_asked(held.found_at, n) || large && n > held.found_at) {
            return;
        }
        held.found_at = n;
        if !large && !held.history.last_prune().is_due(n, harness::now(), len, limits) {
            return;
        }
        // The commit stands. What could not be removed goes the next time.
        let pruned = self.prune_held(&held.history, limits);
        if pruned.is_ok_and(|pruned| pruned.lines > 0)
            && let Ok(log) = held.history.open_log()
        {
            held.log = log;
        }
    }

    fn prune_held(&self, history: &History, limits: Limits) -> Result<Pruned> {
        let now = harness::now();
        let mut spared: HashSet<Version> = history.all_seen(now).into_iter().collect();
        let parsed = history.records()?;
        let closed = super::loss::closed(&parsed);
        let conflicts = !self.conflict_copies()?.is_empty();
        let head = parsed.effective().next_back().map(|head| head.n);
        let newest = parsed.records.last().map_or(0, |newest| newest.n);
        let mut times: HashMap<Version, u64> = HashMap::new();
        for record in parsed.effective() {
            times.insert(record.version, record.time);
            let open = record.lost.is_some() && !closed.contains(&record.n);
            let conflict = record.how == How::Conflict && conflicts;
            if Some(record.n) == head || open || conflict {
                spared.extend([record.version, record.replaced()]);
                spared.extend(&record.parents);
                spared.extend(record.base);
            }
        }
        history.prune(&spared, &times, (newest, parsed.records.len()), now, limits)
    }
}
