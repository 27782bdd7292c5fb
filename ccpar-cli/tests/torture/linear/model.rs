//! What one target and its claim are, if all that happens to them happens one after
//! the other.
//!
//! A text is the set of its lines, each of which is written once and known by its
//! number. A merge is what becomes of a set: what ours added comes in, what ours
//! dropped goes.

use std::fmt;

/// A set of lines, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Lines(pub(crate) [u64; 4]);

impl Lines {
    pub(crate) const MOST: usize = 256;

    pub(crate) fn with(mut self, line: usize) -> Lines {
        self.0[line / 64] |= 1 << (line % 64);
        self
    }

    pub(crate) fn has(self, line: usize) -> bool {
        self.0[line / 64] & (1 << (line % 64)) != 0
    }

    pub(crate) fn and(self, other: Lines) -> Lines {
        Lines(std::array::from_fn(|n| self.0[n] | other.0[n]))
    }

    pub(crate) fn without(self, other: Lines) -> Lines {
        Lines(std::array::from_fn(|n| self.0[n] & !other.0[n]))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == [0; 4]
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..Lines::MOST).filter(move |line| self.has(*line))
    }

    pub(crate) fn last(self) -> Option<usize> {
        (0..4)
            .rev()
            .find(|n| self.0[*n] != 0)
            .map(|n| n * 64 + 63 - self.0[n].leading_zeros() as usize)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What a target holds; `None` if it is not there.
pub(crate) type Text = Option<Lines>;

/// Who has the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    holder: u8,
    /// 0 if who asked for it was killed before it was told.
    token: u64,
    /// When it was told. Up to then a write that was allowed before may end.
    told: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct State {
    pub(crate) text: Text,
    pub(crate) claim: Option<Claim>,
    /// The last token that was told.
    pub(crate) token: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Read,
    Write(Write),
    Claim,
    Release,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Write {
    pub(crate) change: Change,
    /// The claim that it is written under, if one was named.
    pub(crate) token: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Commit { base: Text, ours: Lines },
    Edit { add: Lines, drop: Lines },
    Restore(Text),
}

/// What the worker was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Text(Text),
    Wrote(Text),
    /// Not all of it merged; this is what stands there now.
    Conflict(Lines),
    /// The token.
    Granted(u64),
    /// Whether there was something to release.
    Released(bool),
    /// Refused: this one holds it.
    Held(u8),
    /// Refused: the token that was shown is outdated.
    Outdated,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Op {
    pub(crate) holder: u8,
    pub(crate) act: Act,
    pub(crate) begun: u64,
    /// `None` if it was killed before it answered: it happened or not, at any time
    /// from then on.
    pub(crate) done: Option<(u64, Answer)>,
    /// What the log says that a commit which was killed may have come to, if not all
    /// of it merged.
    pub(crate) left: [Option<Lines>; 3],
}

impl Change {
    /// What becomes of a text, if all merges.
    fn of(self, theirs: Text) -> Text {
        match self {
            Change::Commit { base, ours } => Some(match (base, theirs) {
                (_, None) => ours,
                (base, Some(theirs)) => {
                    let base = base.unwrap_or_default();
                    theirs.without(base.without(ours)).and(ours.without(base))
                }
            }),
            Change::Edit { add, drop } => Some(theirs.unwrap_or_default().without(drop).and(add)),
            Change::Restore(text) => text,
        }
    }
}

/// Whether a result is one of a merge that had conflicts: nothing of theirs is gone
/// but what ours had dropped, and nothing is there that neither had.
fn is_conflict(change: Change, theirs: Text, result: Lines) -> bool {
    let (Change::Commit { base, ours }, Some(theirs)) = (change, theirs) else { return false };
    let base = base.unwrap_or_default();
    theirs.without(result).without(base.without(ours)).is_empty()
        && result.without(theirs).without(ours.without(base)).is_empty()
}

impl State {
    /// What it is after this, if this can come next, and `left` this if it was killed
    /// in a conflict. `latest` is when the youngest of all that came up to now, this
    /// included, was begun.
    pub(crate) fn after(self, op: &Op, left: Option<Lines>, latest: u64) -> Option<State> {
        let answer = op.done.map(|(_, answer)| answer);
        let own = self.claim.filter(|claim| claim.holder == op.holder);
        let foreign = self.claim.filter(|claim| claim.holder != op.holder);
        if let Some(Answer::Held(by)) = answer {
            return foreign.is_some_and(|claim| claim.holder == by).then_some(self);
        }
        match op.act {
            Act::Read => (answer == Some(Answer::Text(self.text))).then_some(self),
            Act::Write(write) => {
                let shown =
                    write.token.is_none_or(|token| own.is_some_and(|claim| claim.token == token));
                if answer == Some(Answer::Outdated) {
                    return (!shown).then_some(self);
                }
                if !shown || foreign.is_some_and(|claim| latest >= claim.told) {
                    return None;
                }
                let text = write.change.of(self.text);
                let is_conflict = |told| is_conflict(write.change, self.text, told);
                let text = match answer {
                    None => left.filter(|left| is_conflict(*left)).map_or(text, Some),
                    Some(Answer::Wrote(told)) if told == text => text,
                    Some(Answer::Conflict(told)) if is_conflict(told) => Some(told),
                    Some(_) => return None,
                };
                Some(State { text, ..self })
            }
            Act::Claim => {
                if foreign.is_some() {
                    return None;
                }
                let (told, token) = match (op.done, own) {
                    (Some((told, Answer::Granted(token))), own) => {
                        let known = own.map_or(0, |claim| claim.token);
                        let fits = if known == 0 { token > self.token } else { token == known };
                        if !fits {
                            return None;
                        }
                        (told, token)
                    }
                    (None, None) => (u64::MAX, 0),
                    (None, Some(_)) => return Some(self),
                    _ => return None,
                };
                let told = own.map_or(told, |claim| claim.told.min(told));
                let claim = Some(Claim { holder: op.holder, token, told });
                Some(State { claim, token: self.token.max(token), ..self })
            }
            Act::Release => {
                let fits = answer.is_none_or(|answer| answer == Answer::Released(own.is_some()));
                fits.then_some(State { claim: foreign, ..self })
            }
        }
    }
}
