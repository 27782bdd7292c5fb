//! Whether there is an order in which a history can have happened.
//!
//! Wing and Gong's search: one after the other is taken what can come next, that is
//! what was begun before any of the rest was done, and is put back where it leads
//! nowhere. What was tried is remembered by what had happened and what that had
//! come to (Lowe, "Testing for linearizability", 2016).

use std::collections::HashSet;

use super::model::{Answer, Lines, Op, State};

/// Which of the operations have happened; their number is bounded as that of lines.
type Happened = Lines;

/// Says whether these, in the order in which they were begun, can have happened one
/// at a time from `start` on.
pub(crate) fn is_linear(ops: &[Op], start: State) -> bool {
    assert!(ops.len() <= Lines::MOST && ops.is_sorted_by_key(|op| op.begun));
    let mut tried: HashSet<(Happened, State)> = HashSet::new();
    let mut stack = vec![(Happened::default(), start)];
    while let Some((happened, state)) = stack.pop() {
        let left = || (0..ops.len()).filter(|n| !happened.has(*n));
        let Some(first) = left().filter_map(|n| ops[n].done.map(|(done, _)| done)).min() else {
            return true;
        };
        let mut next: Vec<usize> = left().take_while(|n| ops[*n].begun < first).collect();
        // What was done first is looked at first, and last put on the stack; what was
        // killed comes when nothing else explains what was seen.
        next.sort_by_key(|n| std::cmp::Reverse(ops[*n].done.map_or(u64::MAX, |(done, _)| done)));
        for n in next {
            let last = happened.last().map_or(n, |last| last.max(n));
            // The record of a conflict may be another's, of the same text: then all merged.
            let conflicts = ops[n].left.iter().filter(|left| left.is_some());
            for left in conflicts.chain([&None]) {
                if let Some(state) = state.after(&ops[n], *left, ops[last].begun) {
                    let happened = happened.with(n);
                    if tried.insert((happened, state)) {
                        stack.push((happened, state));
                    }
                }
            }
        }
    }
    false
}

/// The least of a history that still cannot have happened.
pub(crate) fn shrink(ops: &[Op], start: State) -> Vec<Op> {
    let mut times: Vec<u64> = ops.iter().filter_map(|op| Some(op.done?.0)).collect();
    times.sort_unstable();
    let up_to = |time: u64| -> Vec<Op> {
        let begun = ops.iter().filter(|op| op.begun <= time);
        let told = |op: &Op| {
            let done = op.done.filter(|(done, _)| *done <= time);
            // What had conflicts had them, told or not.
            let left = match op.done {
                Some((_, Answer::Conflict(left))) if done.is_none() => [Some(left), None, None],
                _ => op.left,
            };
            Op { done, left, ..*op }
        };
        begun.map(told).collect()
    };
    let first = times.partition_point(|time| is_linear(&up_to(*time), start));
    let mut least = times.get(first).map_or_else(|| ops.to_vec(), |time| up_to(*time));
    let mut n = 0;
    while n < least.len() {
        let mut fewer = least.clone();
        fewer.remove(n);
        if is_linear(&fewer, start) || !is_told_alone(&least[n]) {
            n += 1;
        } else {
            least = fewer;
        }
    }
    least
}

/// Whether nothing but its own answer depends on it, so that a history without it is
/// one that could have been recorded.
fn is_told_alone(op: &Op) -> bool {
    use super::model::Act;
    match op.done {
        Some((_, answer)) => {
            matches!(op.act, Act::Read) || matches!(answer, Answer::Held(_) | Answer::Outdated)
        }
        None => false,
    }
}
