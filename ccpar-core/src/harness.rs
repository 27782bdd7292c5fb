//! The handle on a root: who acts, how long it waits, what it survives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};

use crate::atomic::Durability;
use crate::error::{Context as _, Error, Result};
use crate::history::Limits;
use crate::lock::{Owner, Wait};
use crate::registry::{Claim, Registry, Runner};
use crate::shared_file::{Glimpses, SharedFile};
use crate::{sys, target};

/// Who acts: written into the history, and the one whose reads are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Author {
    /// The session: one agent process, or script. Without one nothing is
    /// remembered between two calls.
    pub session: Option<String>,
    /// Which agent of that session: a subagent, or `cli` for a command that the
    /// session runs. Each has seen what it has seen.
    pub agent: Option<String>,
    /// The branch that the session works on.
    pub branch: Option<String>,
}

impl Author {
    /// The agent that stands for commands which a session runs. What they know
    /// came from the session, so what they have not seen themselves, it has.
    pub const COMMAND: &str = "cli";

    /// What its conflict copies are named after.
    pub(crate) fn name(&self) -> &str {
        self.branch.as_ref().or(self.session.as_ref()).map_or("ours", String::as_str)
    }

    /// Who exactly holds what this author has seen, the nearest first.
    pub(crate) fn holders(&self) -> Vec<String> {
        let Some(session) = &self.session else {
            return Vec::new();
        };
        match self.agent.as_deref() {
            None => vec![session.clone()],
            Some(Self::COMMAND) => {
                vec![format!("{session}.{}", Self::COMMAND), session.clone()]
            }
            Some(agent) => vec![format!("{session}.{agent}")],
        }
    }
}

type OnWait = dyn Fn(&Path, Option<&Owner>) + Send + Sync;
type OnClaimed = dyn Fn(&Path, &Claim) + Send + Sync;
type OnProgress = dyn Fn(usize, usize) + Send + Sync;

/// How many of some files are done.
pub(crate) struct Progress<'a> {
    harness: &'a Harness,
    done: usize,
    of: usize,
}

impl Progress<'_> {
    /// The next is begun, and those before it are done.
    pub(crate) fn begin_next(&mut self) {
        (self.harness.on_progress)(self.done, self.of);
        self.done += 1;
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        (self.harness.on_progress)(self.of, self.of);
    }
}

/// A root, and how to act on the files that it guards.
///
/// # Examples
/// ```
/// use ccpar_core::{Author, Harness};
///
/// # let home = tempfile::tempdir()?;
/// # let root = camino::Utf8Path::from_path(home.path()).unwrap().join("ccpar");
/// let author = Author { session: Some("s1".into()), ..Author::default() };
/// let harness = Harness::open(&root)?.with_author(author);
/// let notes = harness.file(home.path().join("MEMORY.md"));
/// notes.append(b"- learned something\n")?;
/// assert_eq!(notes.read()?.content(), b"- learned something\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Harness {
    root: Utf8PathBuf,
    author: Author,
    wait: Wait,
    durability: Durability,
    break_hard_links: bool,
    limits: Limits,
    history: bool,
    callers: Vec<String>,
    on_wait: Option<Box<OnWait>>,
    on_claimed: Box<OnClaimed>,
    on_progress: Box<OnProgress>,
    runner: Runner,
    token: Option<u64>,
    glimpses: Option<Arc<Glimpses>>,
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Harness {
    /// The handle on the root at `root`, which is created, private, when
    /// something is first kept in it. Waits for ever and writes
    /// [durably](Durability::Disk) unless told otherwise.
    ///
    /// # Errors
    /// [`Error::Root`] if the root is not a folder, is somebody else's, or can
    /// be written by others: histories hold what settings hold.
    pub fn open(root: impl AsRef<Utf8Path>) -> Result<Harness> {
        // One root has one spelling, for the names that are made from it.
        let root = Utf8PathBuf::from_path_buf(target::resolve(root.as_ref().as_std_path())?)
            .map_err(|path| Error::Root { path, problem: "is not UTF-8".to_owned() })?;
        let refuse = |problem: String| Error::Root { path: root.clone().into(), problem };
        match std::fs::metadata(&root) {
            Ok(metadata) if !metadata.is_dir() => {
                return Err(refuse("is not a folder: move it away, or set CCPAR_ROOT".to_owned()));
            }
            Ok(metadata) => {
                if let Some(problem) =
                    sys::make_private(root.as_std_path(), &metadata).context("examine", &root)?
                {
                    return Err(refuse(problem));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("examine", &root),
        }
        Ok(Harness {
            root,
            author: Author::default(),
            wait: Wait::Forever,
            durability: Durability::Disk,
            break_hard_links: false,
            limits: Limits::default(),
            history: true,
            callers: Vec::new(),
            on_wait: None,
            on_claimed: Box::new(|_, _| {}),
            on_progress: Box::new(|_, _| {}),
            runner: Runner::default(),
            token: None,
            glimpses: None,
        })
    }

    /// Acts as this author.
    #[must_use]
    pub fn with_author(self, author: Author) -> Harness {
        Harness { author, ..self }
    }

    /// Waits this long for a target's lock.
    #[must_use]
    pub fn with_wait(self, wait: Wait) -> Harness {
        Harness { wait, ..self }
    }

    /// Makes writes survive this much.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Harness {
        Harness { durability, ..self }
    }

    /// Writes targets that have several names (hard links) too, which splits
    /// them from the others. Without this they are refused.
    #[must_use]
    pub fn with_hard_links_broken(self) -> Harness {
        Harness { break_hard_links: true, ..self }
    }

    /// Keeps so much of each history.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Harness {
        Harness { limits, ..self }
    }

    /// Writes without a history: nothing of what is written or replaced is kept,
    /// and what this author has seen stays as it was. For a disk that is full or
    /// a root that cannot be written; the next look takes the text for that of
    /// something other than ccpar.
    #[must_use]
    pub fn without_history(self) -> Harness {
        Harness { history: false, ..self }
    }

    /// Runs under these [processes](Owner::process), which wait for this one to
    /// end, so never waits for a lock that one of them holds.
    #[must_use]
    pub fn with_callers(self, callers: Vec<String>) -> Harness {
        Harness { callers, ..self }
    }

    /// Calls `tell` once per lock that has to be waited for
    /// [noticeably](crate::lock::NOTICEABLE), with the target and whoever holds
    /// it, if known.
    #[must_use]
    pub fn on_wait(self, tell: impl Fn(&Path, Option<&Owner>) + Send + Sync + 'static) -> Harness {
        Harness { on_wait: Some(Box::new(tell)), ..self }
    }

    /// Calls `tell` once per claim that has to be waited for
    /// [noticeably](crate::lock::NOTICEABLE), with the target.
    #[must_use]
    pub fn on_claimed(self, tell: impl Fn(&Path, &Claim) + Send + Sync + 'static) -> Harness {
        Harness { on_claimed: Box::new(tell), ..self }
    }

    /// Calls this while files are looked at or passed on: with how many are done and how
    /// many there are, before each; and once it is over, however it ended, with all of
    /// them done.
    #[must_use]
    pub fn on_progress(self, tell: impl Fn(usize, usize) + Send + Sync + 'static) -> Harness {
        Harness { on_progress: Box::new(tell), ..self }
    }

    /// Takes this process for that of the author's session, which lives as long
    /// as it does.
    #[must_use]
    pub fn with_runner(self, runner: Runner) -> Harness {
        Harness { runner, ..self }
    }

    /// Writes under the claim with this token alone: when that is over, a write
    /// is refused.
    #[must_use]
    pub fn with_token(self, token: Option<u64>) -> Harness {
        Harness { token, ..self }
    }

    /// Takes these texts for what stood in their targets, before what stands there
    /// when they are looked at.
    #[must_use]
    pub fn with_glimpses(self, glimpses: Arc<Glimpses>) -> Harness {
        Harness { glimpses: Some(glimpses), ..self }
    }

    /// Sessions and claims.
    pub fn registry(&self) -> Registry<'_> {
        Registry::new(self)
    }

    /// The root, as an absolute path.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The folder in which the history of a new target appears, which is made if
    /// it is missing: for who waits for that.
    pub fn histories_folder(&self) -> Result<Utf8PathBuf> {
        let folder = self.root.join("history");
        sys::create_private_dir_all(folder.as_std_path(), self.root.as_std_path())
            .context("create", &folder)?;
        Ok(folder)
    }

    /// Who acts.
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// What writes survive.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// A shared file: the target that `path` means. Nothing is opened yet.
    pub fn file(&self, path: impl Into<PathBuf>) -> SharedFile<'_> {
        SharedFile::new(self, path.into())
    }

    pub(crate) fn break_hard_links(&self) -> bool {
        self.break_hard_links
    }

    /// How much is kept of each history.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn keeps_history(&self) -> bool {
        self.history
    }

    pub(crate) fn wait(&self) -> Wait {
        self.wait
    }

    pub(crate) fn callers(&self) -> &[String] {
        &self.callers
    }

    pub(crate) fn runner(&self) -> Runner {
        self.runner
    }

    pub(crate) fn token(&self) -> Option<u64> {
        self.token
    }

    pub(crate) fn glimpses(&self) -> Option<&Glimpses> {
        self.glimpses.as_deref()
    }

    pub(crate) fn tell_claimed(&self, path: &Path, claim: &Claim) {
        (self.on_claimed)(path, claim);
    }

    /// To be told of each of so many files when it is done.
    pub(crate) fn progress(&self, of: usize) -> Progress<'_> {
        Progress { harness: self, done: 0, of }
    }

    pub(crate) fn tells_wait(&self) -> bool {
        self.on_wait.is_some()
    }

    pub(crate) fn tell_wait(&self, path: &Path, owner: Option<&Owner>) {
        self.on_wait.iter().for_each(|tell| tell(path, owner));
    }

    /// This process, as the owner of a lock that it takes now.
    pub fn owner(&self) -> Owner {
        let pid = std::process::id();
        Owner {
            pid,
            start: sys::process_start(pid),
            session: self.author.session.clone(),
            branch: self.author.branch.clone(),
            since: now(),
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
