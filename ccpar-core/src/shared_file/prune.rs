//! What of a target's history must stay.

use std::collections::{HashMap, HashSet};

use super::SharedFile;
use super::held::Held;
use crate::error::Result;
use crate::harness;
use crate::history::{History, How, Limits, Pruned, Version};

/// How many commits come between two prunes.
const EVERY: u64 = 64;

impl SharedFile<'_> {
    /// Removes what is beyond the [limits](crate::Harness::with_limits) of the
    /// target's history. What stands there, what is [lost](Self::losses), what a
    /// conflict copy is of, what any session has seen within 30 days, and all
    /// that was put there within the last hour stays.
    pub fn prune(&self) -> Result<Pruned> {
        let held = self.enter(self.harness.wait())?;
        self.prune_held(&held.history, self.harness.limits())
    }

    /// The same, once in a while: a commit is to stay cheap.
    pub(super) fn prune_now_and_then(&self, held: &mut Held, len: usize) {
        let n = held.log.head().map_or(0, |head| head.n);
        let large = (len as u64).saturating_mul(EVERY) > self.harness.limits().bytes;
        if !held.keeps || n == 0 || !(n.is_multiple_of(EVERY) || large) {
            return;
        }
        // The commit stands. What could not be removed goes the next time.
        let pruned = self.prune_held(&held.history, self.harness.limits());
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
        history.prune(&spared, &times, now, limits)
    }
}
