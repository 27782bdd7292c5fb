//! Claiming, waiting for it, and letting go.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Beat, Claim, File, Moment, Registry, State};
use crate::error::{Error, Result};
use crate::lock::{Lock, Mode, Request, Wait};
use crate::{layout, sys, target};

/// How often to look where nobody tells.
const LOOK: Duration = Duration::from_millis(10);

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

/// What waits for a claim to end, and until when.
struct Waiting<'a> {
    begun: Instant,
    wait: Wait,
    files: &'a [PathBuf],
    told: bool,
    /// The queues that it is first in.
    queue: Vec<Lock>,
}

impl<'a> Waiting<'a> {
    fn new(wait: Wait, files: &'a [PathBuf]) -> Waiting<'a> {
        Waiting { begun: Instant::now(), wait, files, told: false, queue: Vec::new() }
    }

    fn left(&self) -> Wait {
        match self.wait.less(self.begun.elapsed()) {
            Wait::For(left) if left.is_zero() => Wait::Never,
            left => left,
        }
    }
}

impl Registry<'_> {
    /// Claims files, all or none of them, waiting as long as the harness says.
    /// Registers the session. What its holder claims again keeps its token.
    ///
    /// # Errors
    /// [`Error::Claimed`] if somebody else holds one of them; [`Error::Busy`] if
    /// a write to one is not over in time: then nothing is claimed.
    pub fn claim(&self, paths: &[PathBuf], terms: &Terms) -> Result<Claim> {
        let mut reals =
            paths.iter().map(|path| target::resolve(path)).collect::<Result<Vec<_>>>()?;
        reals.sort_by_cached_key(|real| layout::key(real));
        reals.dedup();
        let session = self.beat(&terms.beat)?;
        let wanted = Claim {
            token: 0,
            holder: self.holder(),
            files: reals.iter().map(|real| File::new(real)).collect(),
            granted: Moment::now(),
            ttl: u64::try_from(terms.ttl.as_millis()).unwrap_or(u64::MAX),
            process: session.process,
            branch: session.branch,
            reason: terms.reason.clone(),
            call: terms.call.clone(),
        };
        let mut waiting = Waiting::new(self.harness.wait(), &reals);
        self.queue(&mut waiting)?;
        loop {
            let (claim, granted) = self.wait_until(&mut waiting, || {
                let before = Instant::now();
                Ok(self.try_claim(&wanted)?.map(|claim| (claim, before)))
            })?;
            for real in &reals {
                self.pass(real, waiting.left()).inspect_err(|_| {
                    let _ = self.release_where(|held| held.token == claim.token, &[]);
                })?;
            }
            if granted.elapsed() < terms.ttl {
                return Ok(claim);
            }
            // Its term has passed while a write was not over, unless it was
            // renewed.
            let table = self.look()?.unwrap_or_default().table;
            let stands = table.claims.iter().find(|held| held.token == claim.token);
            if stands.is_some_and(|held| matches!(self.state(held), State::Held { .. })) {
                return Ok(claim);
            }
        }
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

    /// Grants the claim, or names one that is in its way and how long it binds.
    fn try_claim(&self, wanted: &Claim) -> Result<std::result::Result<Claim, (Claim, u64)>> {
        let lock = self.lock()?;
        let mut stored = self.load()?;
        let reaped = stored.table.reap(|claim| self.state(claim));
        let wanted = Claim { granted: Moment::now(), ..wanted.clone() };
        let granted = match stored.table.grant(wanted) {
            Ok(claim) => {
                self.store(stored)?;
                Ok(claim)
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

    /// Tries until it is done or the time is over; in between waits for the
    /// release of what is in the way, the end of its term, or of its process.
    fn wait_until<T>(
        &self,
        waiting: &mut Waiting<'_>,
        attempt: impl Fn() -> Result<std::result::Result<T, (Claim, u64)>>,
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
                self.tell(waiting, &claim);
                // A term that is over a moment from now is over after it.
                let mut limit = limit.max(Duration::from_millis(1));
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

    fn tell(&self, waiting: &mut Waiting<'_>, claim: &Claim) {
        if !std::mem::replace(&mut waiting.told, true) {
            self.harness.tell_claimed(waiting.shared_with(claim), claim);
        }
    }

    fn queue_file(&self, real: &Path) -> camino::Utf8PathBuf {
        layout::queue_file(self.harness.root(), real)
    }

    /// Comes first in the queue of each file. Who does not wait does not queue,
    /// nor for what it holds: those in that queue wait for it.
    fn queue(&self, waiting: &mut Waiting<'_>) -> Result<()> {
        if waiting.wait == Wait::Never {
            return Ok(());
        }
        let holder = self.holder();
        for real in waiting.files {
            let path = self.queue_file(real);
            let in_the_way = || self.claims(Some(real)).ok()?.into_iter().next();
            let lock = if let Some(lock) = Lock::try_acquire(&path, Mode::Exclusive)? {
                lock
            } else {
                match in_the_way() {
                    Some((claim, _)) if claim.holder.is_acted_for_by(&holder) => continue,
                    Some((claim, _)) => self.tell(waiting, &claim),
                    None => {}
                }
                let request = Request::new(waiting.left());
                Lock::acquire(&path, Mode::Exclusive, request).map_err(|error| {
                    match (error, in_the_way()) {
                        (Error::Busy { .. }, Some((claim, left))) => waiting.refused(claim, left),
                        (Error::Busy { owner, .. }, None) => Error::Busy {
                            path: real.clone(),
                            waited: waiting.begun.elapsed(),
                            owner,
                        },
                        (error, _) => error,
                    }
                })?
            };
            waiting.queue.push(lock);
        }
        Ok(())
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

impl Waiting<'_> {
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
}
