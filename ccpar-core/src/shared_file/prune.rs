//! What of a target's history must stay.

use std::collections::{HashMap, HashSet};

use super::SharedFile;
use super::held::Held;
use crate::error::Result;
use crate::harness;
use crate::history::{History, How, Limits, Pruned, Version};

/// How many commits come between two prunes, at least and at most.
const EVERY: u64 = 64;
const RARELY: u64 = 1024;

/// Whether whoever wrote the records behind `before`, up to `n`, is to prune: it looks
/// at all that is kept, so the more that is, the longer it waits.
fn is_due(before: u64, n: u64) -> bool {
    let every = (n.next_power_of_two() / 32).clamp(EVERY, RARELY);
    n / every > before / every
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

    /// The same, once in a while: a commit is to stay cheap.
    pub(super) fn prune_now_and_then(&self, held: &mut Held, len: usize) {
        let n = held.log.head().map_or(0, |head| head.n);
        let large = (len as u64).saturating_mul(EVERY) > self.harness.limits().bytes;
        if !held.keeps || !(is_due(held.found_at, n) || large && n > held.found_at) {
            return;
        }
        held.found_at = n;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_kept_the_longer_a_prune_waits() {
        let due = |to: u64| (1..=to).filter(|n| is_due(n - 1, *n)).count();
        assert_eq!(due(64), 1);
        assert_eq!(due(2048), 32);
        assert_eq!(due(10_240) - due(8192), 4);
        assert_eq!(due(1 << 20) - due((1 << 20) - 10_240), 10);
        // Several records at once, and none.
        assert!(is_due(63, 65) && is_due(62, 64) && !is_due(64, 66) && !is_due(64, 64));
    }
}
