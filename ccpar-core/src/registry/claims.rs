//! Claiming, and letting go.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::waiting::{Attempt, Waiting};
use super::{Beat, Claim, File, Moment, Registry, State};
use crate::error::{Error, Result};
use crate::lock::{Lock, Mode, Request, Wait};
use crate::{atomic, layout, sys, target};

/// On which terms a claim is asked for.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long it binds after the grant, or after its session's last beat.
    pub ttl: Duration,
    /// What it is for.
    pub reason: Option<String>,
    /// The one call of a tool that it is for, by a name of its own: then no beat
    /// renews it, and what the holder or its session has claimed without a call
    /// covers it.
    pub call: Option<String>,
    /// What its session says of itself on this occasion.
    pub beat: Beat,
}

impl Default for Terms {
    /// Ten minutes, for nothing in particular.
    fn default() -> Terms {
        Terms { ttl: Duration::from_secs(600), reason: None, call: None, beat: Beat::default() }
    }
}

/// What is let go.
#[derive(Debug, Clone, Copy)]
pub enum Release<'a> {
    /// All that this author holds.
    All,
    /// What this author holds for this call.
    Call(&'a str),
    /// What this author holds for calls.
    Calls,
    /// The claims on these files that this author holds.
    Files(&'a [PathBuf]),
    /// The claim with this token, whoever shows it.
    Token(u64),
}

/// A claim that was granted and is yet to be told.
struct Granted {
    claim: Claim,
    /// From when on its term counts, or a moment before.
    at: Instant,
    /// The claims that the grant changed or took over, as they were; `None` if it
    /// changed nothing.
    before: Option<Vec<Claim>>,
}

impl Registry<'_> {
    /// Claims files, all or none of them, waiting as long as the harness says.
    /// Registers the session. What its holder claims again keeps its token.
    ///
    /// # Errors
    /// [`Error::Claimed`] if somebody else holds one of them; [`Error::Busy`] if
    /// a write to one is not over in time, or others wait for it: then all is as it
    /// was; [`Error::NoProcess`]; [`Error::Target`] for what is no plain file.
    pub fn claim(&self, paths: &[PathBuf], terms: &Terms) -> Result<Claim> {
        let mut reals =
            paths.iter().map(|path| target::resolve(path)).collect::<Result<Vec<_>>>()?;
        reals.sort_by_cached_key(|real| layout::key(real));
        reals.dedup();
        reals.iter().try_for_each(|real| atomic::check_plain(real))?;
        let session = self.beat(&terms.beat)?;
        let wanted = Claim {
            token: 0,
            holder: self.holder(),
            files: reals.iter().map(|real| File::new(real)).collect(),
            granted: Moment::now(),
            // In less than a millisecond nobody could be told of it.
            ttl: u64::try_from(terms.ttl.as_millis()).unwrap_or(u64::MAX).max(1),
            process: session.process,
            branch: session.branch,
            reason: terms.reason.clone(),
            call: terms.call.clone(),
        };
        let mut waiting = Waiting::new(self.harness.wait(), &reals);
        self.queue(&mut waiting)?;
        loop {
            let granted = self.wait_until(&mut waiting, || self.try_claim(&wanted))?;
            let stands = reals
                .iter()
                .try_for_each(|real| self.pass(real, waiting.left()))
                .and_then(|()| Ok(granted.at.elapsed() < terms.ttl || self.stands(&granted.claim)?))
                .inspect_err(|_| {
                    let _ = self.take_back(&granted);
                })?;
            if stands {
                return Ok(granted.claim);
            }
            // Its term has passed while a write was not over.
            if waiting.left() == Wait::Never {
                return Err(waiting.busy(&reals[0], None));
            }
        }
    }

    fn stands(&self, claim: &Claim) -> Result<bool> {
        let table = self.look()?.unwrap_or_default().table;
        let held = table.claims.iter().find(|held| held.token == claim.token);
        Ok(held.is_some_and(|held| matches!(self.state(held), State::Held { .. })))
    }

    /// Undoes a grant that will not be told.
    fn take_back(&self, granted: &Granted) -> Result<()> {
        let Some(before) = &granted.before else { return Ok(()) };
        let lock = self.lock()?;
        let mut stored = self.load()?;
        if let Some(freed) = stored.table.take_back(&granted.claim, before) {
            self.store(stored)?;
            drop(lock);
            self.ring(&[freed]);
        }
        Ok(())
    }

    /// Lets claims go. Says which.
    pub fn release(&self, what: Release<'_>) -> Result<Vec<Claim>> {
        let holder = self.holder();
        match what {
            Release::Token(token) => self.release_where(|claim| claim.token == token, &[]),
            Release::All => self.release_where(|claim| claim.holder == holder, &[]),
            Release::Call(call) => self.release_where(
                |claim| claim.holder == holder && claim.call.as_deref() == Some(call),
                &[],
            ),
            Release::Calls => {
                self.release_where(|claim| claim.holder == holder && claim.call.is_some(), &[])
            }
            Release::Files(paths) => {
                let key = |path: &PathBuf| Ok(layout::key(&target::resolve(path)?));
                let keys = paths.iter().map(key).collect::<Result<Vec<_>>>()?;
                if keys.is_empty() {
                    return Ok(Vec::new());
                }
                self.release_where(|claim| claim.holder == holder, &keys)
            }
        }
    }

    pub(super) fn release_where(
        &self,
        of: impl Fn(&Claim) -> bool,
        keys: &[String],
    ) -> Result<Vec<Claim>> {
        let lock = self.lock()?;
        let mut stored = self.load()?;
        let released = stored.table.release(of, keys);
        if !released.is_empty() {
            self.store(stored)?;
        }
        drop(lock);
        self.ring(&released);
        Ok(released)
    }

    /// Grants the claim, or names one that is in its way and how long it binds.
    fn try_claim(&self, wanted: &Claim) -> Attempt<Granted> {
        let at = Instant::now();
        let lock = self.lock()?;
        let mut stored = self.load()?;
        let reaped = stored.table.reap(|claim| self.state(claim));
        let mut before = stored.table.claims.clone();
        let wanted = Claim { granted: Moment::now(), ..wanted.clone() };
        let granted = match stored.table.grant(wanted) {
            Ok(claim) => {
                let changed = before != stored.table.claims;
                before.retain(|claim| !stored.table.claims.contains(claim));
                if changed || !reaped.is_empty() {
                    self.store(stored)?;
                }
                Ok(Granted { claim, at, before: changed.then_some(before) })
            }
            Err(other) => {
                // It was held when the table was reaped, a moment ago.
                let left = match self.state(&other) {
                    State::Held { left } => left,
                    State::Over | State::Dead => 0,
                };
                if !reaped.is_empty() {
                    self.store(stored)?;
                }
                Err((*other, left))
            }
        };
        drop(lock);
        self.ring(&reaped);
        Ok(granted)
    }

    /// Waits until a write that was allowed before is over.
    fn pass(&self, real: &Path, wait: Wait) -> Result<()> {
        let path = layout::lock_file(self.harness.root(), real);
        let request = Request { inside: self.harness.callers(), ..Request::new(wait) };
        match Lock::acquire(&path, Mode::Exclusive, request) {
            Ok(_) => Ok(()),
            Err(Error::Busy { waited, owner, .. }) => {
                Err(Error::Busy { path: real.into(), waited, owner })
            }
            Err(Error::HeldByCaller { .. }) => Err(Error::HeldByCaller { path: real.into() }),
            Err(error) => Err(error),
        }
    }

    /// Wakes those who wait for the files of these claims.
    fn ring(&self, claims: &[Claim]) {
        for file in claims.iter().flat_map(|claim| &claim.files) {
            sys::ring(file.queue(self.harness.root()).with_extension("bell").as_std_path());
        }
    }
}

impl File {
    fn new(real: &Path) -> File {
        File { key: layout::key(real), path: real.to_string_lossy().into_owned() }
    }

    fn queue(&self, root: &camino::Utf8Path) -> camino::Utf8PathBuf {
        layout::queue_file_of(root, Path::new(&self.path), &self.key)
    }
}
