//! Waiting for the end of a claim: in a queue at each file, and first in it for a
//! bell.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Claim, Registry};
use crate::error::{Error, Result};
use crate::lock::{Lock, Mode, NOTICEABLE, Owner, Request, Wait};
use crate::{layout, sys};

/// How often to look where nobody tells.
const LOOK: Duration = Duration::from_millis(10);

/// What was wanted; or the claim that is in its way, and for how many milliseconds
/// it binds.
pub(super) type Attempt<T> = Result<std::result::Result<T, (Claim, u64)>>;

/// What waits for a claim to end, and until when.
pub(super) struct Waiting<'a> {
    begun: Instant,
    wait: Wait,
    files: &'a [PathBuf],
    told: Cell<bool>,
    /// The queues that it is first in.
    queue: Vec<Lock>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(wait: Wait, files: &'a [PathBuf]) -> Waiting<'a> {
        Waiting { begun: Instant::now(), wait, files, told: Cell::new(false), queue: Vec::new() }
    }

    pub(super) fn left(&self) -> Wait {
        match self.wait.less(self.begun.elapsed()) {
            Wait::For(left) if left.is_zero() => Wait::Never,
            left => left,
        }
    }

    /// The file that a claim has in common with what is wanted.
    fn shared_with(&self, claim: &Claim) -> &Path {
        let is_in = |real: &&PathBuf| {
            let key = layout::key(real);
            claim.files.iter().any(|file| file.key == key)
        };
        self.files.iter().find(is_in).unwrap_or(&self.files[0])
    }

    fn refused(&self, claim: Claim, left: u64) -> Error {
        Error::Claimed {
            path: self.shared_with(&claim).into(),
            claim: Box::new(claim),
            left: Duration::from_millis(left),
            waited: self.begun.elapsed(),
        }
    }

    pub(super) fn busy(&self, real: &Path, owner: Option<Owner>) -> Error {
        Error::Busy { path: real.into(), waited: self.begun.elapsed(), owner }
    }
}

impl Registry<'_> {
    /// Waits until this author may write a target: nobody else has claimed it
    /// any more. As long as the queue is kept that it returns, nobody who waits
    /// is granted a claim on it.
    pub(crate) fn wait_for_leave(
        &self,
        path: &Path,
        real: PathBuf,
        wait: Wait,
    ) -> Result<Vec<Lock>> {
        let files = [real];
        let mut waiting = Waiting::new(wait, &files);
        let leave = || {
            Ok(match self.forbidden(&files[0])? {
                Some(in_the_way) => Err(in_the_way),
                None => Ok(()),
            })
        };
        let queued = self.queue(&mut waiting);
        let done = queued.and_then(|()| self.wait_until(&mut waiting, leave));
        done.map(|()| waiting.queue).map_err(|error| match error {
            Error::Claimed { claim, left, waited, .. } => {
                Error::Claimed { path: path.into(), claim, left, waited }
            }
            other => other,
        })
    }

    /// Tries until it is done or the time is over; in between waits for the
    /// release of what is in the way, the end of its term, or of its process.
    pub(super) fn wait_until<T>(
        &self,
        waiting: &mut Waiting<'_>,
        attempt: impl Fn() -> Attempt<T>,
    ) -> Result<T> {
        let mut bell = None;
        loop {
            let (claim, left) = match attempt()? {
                Ok(done) => return Ok(done),
                Err(held) => held,
            };
            let limit = match waiting.left() {
                Wait::Never => return Err(waiting.refused(claim, left)),
                Wait::For(limit) => limit.min(Duration::from_millis(left)),
                Wait::Forever => Duration::from_millis(left),
            };
            if let Some(bell) = &bell {
                // A term that is over a moment from now is over after it.
                let mut limit = limit.max(Duration::from_millis(1));
                let quiet = NOTICEABLE.saturating_sub(waiting.begun.elapsed());
                if quiet.is_zero() {
                    self.tell(waiting, &claim);
                } else {
                    limit = limit.min(quiet);
                }
                if waiting.queue.len() < waiting.files.len() {
                    // What it held itself was lost meanwhile, and there somebody
                    // else listens.
                    limit = limit.min(LOOK);
                }
                self.rest(bell, &self.process_of(&claim), limit)?;
            } else {
                // Listens first, and looks once more then: no release is missed
                // in between. Who is first in a queue is the one who listens.
                let path = |lock: &Lock| lock.path().with_extension("bell").into_std_path_buf();
                bell = Some(sys::Bell::new(&waiting.queue.iter().map(path).collect::<Vec<_>>()));
            }
        }
    }

    /// Says that it waits, to its author and to those behind it.
    fn tell(&self, waiting: &mut Waiting<'_>, claim: &Claim) {
        if !waiting.told.replace(true) {
            self.harness.tell_claimed(waiting.shared_with(claim), claim);
        }
        let owner = self.harness.owner();
        waiting.queue.iter_mut().for_each(|lock| lock.name(&owner));
    }

    /// Comes first in the queue of each file: who does not wait, if nobody is in it.
    /// Nobody queues for what it holds: those in that queue wait for it.
    pub(super) fn queue(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        let holder = self.holder();
        // Those who do not wait need not be told apart.
        let mode = if waiting.wait == Wait::Never { Mode::Shared } else { Mode::Exclusive };
        for real in waiting.files {
            let path = layout::queue_file(self.harness.root(), real);
            let in_the_way = || self.claims(Some(real)).ok()?.into_iter().next();
            // One that is stopped cannot go on when the file is free.
            let is_stopped = |first: Owner| sys::process_is_stopped(first.pid);
            let passes = || Lock::owner_of(&path).is_some_and(is_stopped);
            let lock = if let Some(lock) = Lock::try_acquire(&path, mode)? {
                lock
            } else {
                let held = in_the_way();
                let own = held.is_some_and(|(claim, _)| claim.holder.is_acted_for_by(&holder));
                if own || passes() {
                    continue;
                }
                let tell = |_: Option<&Owner>| {
                    if let (Some((claim, _)), false) = (in_the_way(), waiting.told.replace(true)) {
                        self.harness.tell_claimed(waiting.shared_with(&claim), &claim);
                    }
                };
                let request = Request { on_wait: Some(&tell), ..Request::new(waiting.left()) };
                match Lock::acquire(&path, mode, request) {
                    Ok(lock) => lock,
                    Err(Error::Busy { .. }) if passes() => continue,
                    Err(Error::Busy { owner, .. }) => {
                        return Err(match in_the_way() {
                            Some((claim, left)) => waiting.refused(claim, left),
                            None => waiting.busy(real, owner),
                        });
                    }
                    Err(error) => return Err(error),
                }
            };
            waiting.queue.push(lock);
        }
        Ok(())
    }
}
