//! Who is at work, and who has claimed what.
//!
//! A **session** is one agent process, or script. Its **heartbeat** is a record
//! of it; a **beat** says that it is still there. A **claim** is a lease on
//! files, held across processes: a script, a hook or an agent can say "mine
//! until I am done" without staying alive to hold a lock. Each grant has a
//! **token**, and tokens only grow, so that what a claim guards can tell an
//! outdated holder from the present one.
//!
//! Claims bind the writes of this library: they wait for a foreign claim,
//! holding no lock, and are then refused. When a session is dead and a claim
//! over is said in [`Now::life`] and [`Claim::state`], and nowhere else.
//!
//! # How a claim is granted
//! 1. Everybody queues at each file: one lock a file, in the order of their keys.
//!    Only the first in a queue listens for the end of the claim that is in its way;
//!    nobody who comes later is granted before it, so none starves. Who does not
//!    wait is refused if somebody does. One that is stopped (Ctrl-Z) is passed over
//!    by those who come then, and by those behind it when their time is over.
//! 2. Under the registry's lock, claims that bind nobody are taken out, and the
//!    wanted one is put in, or not, for all its files.
//! 3. The target's lock of each file is taken and dropped once: a write that was
//!    allowed before the grant is over then. If the claim still stands, it is told;
//!    if such a write is not over in time, the grant is taken back.
//!
//! A write asks under its target's lock, and keeps that until the text is in
//! place; so it is over before a later claim is told, or it is refused. If it may
//! wait it lets that lock go, and queues as a claim does.
//!
//! # Format
//! `registry.0.json` and `registry.1.json` hold the claims and the last token, as
//! one JSON object. They are written in turn, in place, under `registry.lock` alone,
//! so that readers need no lock and no change waits for a disk:
//! ```text
//! {"format":2,"sequence":6,"length":912,"checksum":7203…}
//! {"reserved":64,"boot":"…","token":3,"claims":[…]}
//! ```
//! `length` is that of the second line, which what was longer before may follow;
//! `checksum` is FNV-1a (64 bits) over the sequence, as 8 bytes with the lowest
//! first, and that line. Even sequences lie in the first file, odd ones in the second. The
//! greater of those that are whole counts: a writer that is killed leaves the other
//! as it was.
//!
//! That need not outlive a power loss, as no claim does; but tokens are reserved by
//! the block in `registry.tokens`, durably, before the first of a block is told. Of a
//! table that may not be the last one, as the other file is not whole, the tokens of
//! the block count as told. One that cannot be read at all is put aside when the next
//! claim is granted: its claims are forgotten, their tokens refused, and later tokens
//! are greater than all before. The first format was one file, `registry.json`, which
//! is taken over.
//!
//! `sessions/<id>.json` is a heartbeat: replaced under `registry.lock` when
//! something of it changed, else touched. Its time of change is the last beat,
//! counted from `clock` on the boot's own clock, so that nobody who sets the
//! wall clock makes a session seem older.
//!
//! Fields that are not known are ignored.

mod claims;
mod client;
mod decide;
mod session;
mod slots;
mod table;
mod waiting;

use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Context as _, Result};
use crate::harness::{self, Harness};
use crate::lock::{Lock, Mode, Request, Wait};
use crate::sys;

pub use claims::{Release, Terms};
pub use client::{ClientSession, client_sessions};
pub use decide::{
    Claim, File, Holder, Life, Moment, Now, Place, Process, State, Table, Verdict, Witness,
};
pub use session::{Beat, Listed, Session};

/// How long the registry's lock may be held by others: they do milliseconds of
/// work under it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which process stands for a session: it lives as long as that process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Runner {
    /// This process.
    #[default]
    This,
    /// The process that runs this one: the shell of a script, for one.
    Caller,
    /// The process with this id.
    Pid(u32),
}

/// Whether some process has this pid, as far as it can be told: a look that costs
/// little, for who knows that a session lived just now. [`Registry::life`] tells
/// whether it is the process that was meant, and has not ended.
#[must_use]
pub fn process_exists(pid: u32) -> bool {
    sys::process_exists(pid)
}

/// The sessions and claims of a [`Harness`], as its author.
#[derive(Debug, Clone)]
pub struct Registry<'h> {
    harness: &'h Harness,
}

impl Now {
    /// Here and now.
    #[must_use]
    pub fn here() -> Now {
        Now { moment: Moment::now(), place: Place::here().clone() }
    }
}

impl Place {
    /// Where this process runs, which no process ever changes.
    fn here() -> &'static Place {
        static HERE: OnceLock<Place> = OnceLock::new();
        HERE.get_or_init(|| Place {
            boot: sys::boot(),
            pid_namespace: sys::pid_namespace(),
            host: sys::host(),
            machine: sys::machine(),
        })
    }
}

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Moment {
        Moment { wall: harness::now(), up: sys::uptime() }
    }
}

impl<'h> Registry<'h> {
    pub(crate) fn new(harness: &'h Harness) -> Registry<'h> {
        Registry { harness }
    }

    /// The process that stands for this author's session, unless the session
    /// has said otherwise.
    fn process(&self) -> Process {
        let pid = match self.harness.runner() {
            Runner::This => std::process::id(),
            Runner::Caller => sys::caller(),
            Runner::Pid(pid) => pid,
        };
        Process { pid, start: sys::process_start(pid), place: Place::here().clone() }
    }

    /// Who this author is here: without a session, the process stands for one.
    #[must_use]
    pub fn holder(&self) -> Holder {
        let author = self.harness.author();
        let session = author.session.clone().unwrap_or_else(|| {
            let Process { pid, start, .. } = self.process();
            format!("pid-{pid}.{}", start.unwrap_or_default())
        });
        let agent = author.agent.clone().filter(|agent| agent != harness::Author::COMMAND);
        Holder { session, agent }
    }

    /// Whether a process lives, as far as it can be told from here.
    #[must_use]
    pub fn life(&self, process: &Process) -> Life {
        Now::here().life(process, sys::process_lives)
    }

    /// Waits until the process of a session has ended, at most so long; says
    /// whether it has.
    pub fn wait_for_end(&self, session: &Session, limit: Duration) -> Result<bool> {
        let begun = std::time::Instant::now();
        let bell = sys::Bell::new(&[]);
        while self.life(&session.process) != Life::Dead {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            self.rest(&bell, &session.process, left)?;
        }
        Ok(true)
    }

    /// Waits for a bell or the end of a process, if that can be told from here;
    /// not at all if it has ended.
    fn rest(&self, bell: &sys::Bell, process: &Process, limit: Duration) -> Result<()> {
        let pid = match self.life(process) {
            Life::Lives => Some(process.pid),
            Life::Unknown => None,
            Life::Dead => return Ok(()),
        };
        bell.wait(pid, limit).context("wait for", self.harness.root())
    }

    /// The folders in which something changes when a session or a claim does,
    /// which are made if they are missing: for who waits for that.
    pub fn folders(&self) -> Result<[std::path::PathBuf; 2]> {
        let root = self.harness.root().as_std_path();
        let sessions = root.join("sessions");
        sys::create_private_dir_all(&sessions, root).context("create", &sessions)?;
        Ok([root.to_owned(), sessions])
    }

    fn lock_path(&self) -> camino::Utf8PathBuf {
        self.harness.root().join("registry.lock")
    }

    fn lock(&self) -> Result<Lock> {
        let owner = self.harness.owner();
        let request = Request { owner: Some(&owner), ..Request::new(Wait::For(PATIENCE)) };
        Lock::acquire(&self.lock_path(), Mode::Exclusive, request)
    }
}
