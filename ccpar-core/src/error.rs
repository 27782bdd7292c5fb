//! The one error type, and how a path is written in a message.
//!
//! An error says what was being done to which file, and what to do about it if
//! there is something. Answers that a caller must be ready for (a busy
//! [`try_acquire`](crate::Lock::try_acquire), a conflict, an absent file) are
//! values, not errors.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lock::Owner;
use crate::registry::Claim;

/// A `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an act on a file. Nothing was changed.
    Io {
        /// What was tried, as a verb: "read", "create".
        act: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// The lock was not free in time. Nothing was changed.
    Busy {
        /// The target.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// Who holds it, as far as it is known.
        owner: Option<Owner>,
    },

    /// The lock is held by the very command that waits for this process: to
    /// wait would be to wait for ever.
    HeldByCaller {
        /// The target.
        path: PathBuf,
    },

    /// Somebody else has claimed the target, and did not let go in time. Nothing
    /// was changed.
    Claimed {
        /// The target.
        path: PathBuf,
        /// The claim that is in the way.
        claim: Box<Claim>,
        /// How long it binds at the most, unless it is renewed.
        left: Duration,
        /// How long it was waited for.
        waited: Duration,
    },

    /// The token that was shown is not, or no longer, that of a claim on the
    /// target. Nothing was changed.
    Outdated {
        /// The target.
        path: PathBuf,
        /// The token.
        token: u64,
        /// The claim that is on the target now.
        by: Option<Box<Claim>>,
    },

    /// The process that a session is to live as long as does not live. Nothing was
    /// changed.
    NoProcess {
        /// Its id.
        pid: u32,
    },

    /// The target is nothing that ccpar can replace: a folder, a device, a
    /// read-only or hard-linked file. Nothing was changed.
    Target {
        /// The target.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        problem: String,
    },

    /// The root is not safe to keep histories in.
    Root {
        /// The root.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        problem: String,
    },

    /// A base was required, and none is known.
    NoBase {
        /// The target.
        path: PathBuf,
    },

    /// No such version is in the target's history.
    UnknownVersion {
        /// The target.
        path: PathBuf,
        /// The version as it was asked for.
        wanted: String,
        /// What is there instead, or nothing.
        hint: String,
    },

    /// A record of ccpar's own cannot be read.
    Record {
        /// The file that holds it.
        path: PathBuf,
        /// The line, counted from 1; 0 for the file as a whole.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },

    /// The text is in place, but a sync failed after that: a power loss may
    /// take it back. Writing it again is safe.
    NotDurable {
        /// The target.
        path: PathBuf,
        /// Why the sync failed.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { act, path, .. } => write!(f, "cannot {act} `{}`", Shown(path)),
            Error::Busy { path, waited, owner } => {
                let (after, held) = (StillAfter(*waited), HeldBy(owner.as_ref()));
                write!(f, "`{}` is locked{after}{held}", Shown(path))
            }
            Error::HeldByCaller { path } => write!(
                f,
                "`{}` is locked by the command that this one runs in, which waits for it to end; \
                 write the file directly there, or end the locked command first",
                Shown(path)
            ),
            Error::Claimed { path, claim, left, waited } => write!(
                f,
                "`{}` is claimed by {}{}; its term ends in {} unless it is renewed",
                Shown(path),
                By(claim),
                StillAfter(*waited),
                Secs(*left)
            ),
            Error::Outdated { path, token, by } => {
                let by = NowBy(by.as_deref());
                write!(f, "token {token} holds no claim on `{}` (any more){by}", Shown(path))
            }
            Error::NoProcess { pid } => write!(
                f,
                "there is no process {pid}, which the session was to live as long as: name the \
                 agent's own with `--pid`"
            ),
            Error::Target { path, problem } => write!(f, "`{}` {problem}", Shown(path)),
            Error::Root { path, problem } => write!(f, "ccpar's root `{}` {problem}", Shown(path)),
            Error::NoBase { path } => write!(
                f,
                "no base for `{}`: it is not known which version this text was made from; read \
                 it with `ccpar locked-read` first, or name the version with `--base`",
                Shown(path)
            ),
            Error::UnknownVersion { path, wanted, hint } => {
                write!(f, "`{}` has no version `{wanted}` in its history{hint}", Shown(path))
            }
            Error::Record { path, line, problem } => {
                write!(f, "`{}`{}: {problem}", Shown(path), AtLine(*line))
            }
            Error::NotDurable { path, .. } => {
                write!(f, "`{}` is written, but not known to be durable", Shown(path))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } | Error::NotDurable { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Adds the act and the path to an I/O error.
pub(crate) trait Context<T> {
    /// Names what was being done, to which file.
    fn context(self, act: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, act: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::Io { act, path: path.as_ref().to_path_buf(), source })
    }
}

/// Whether an error says that there is no such file, nor a folder that could hold it.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A path as it may be printed: control characters are escaped, so that a file
/// name cannot drive the reader's terminal.
#[derive(Debug, Clone, Copy)]
pub struct Shown<P>(pub P);

impl<P: AsRef<Path>> fmt::Display for Shown<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.as_ref().to_string_lossy().chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

struct Secs(Duration);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole seconds and tenths are what a person compares with `--wait`.
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

struct HeldBy<'a>(Option<&'a Owner>);

impl fmt::Display for HeldBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(owner) => write!(f, ", held by {owner}"),
            None => Ok(()),
        }
    }
}

/// Who holds a claim, where from, and what for.
struct By<'a>(&'a Claim);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = self.0;
        write!(f, "{}", claim.holder)?;
        if let Some(branch) = &claim.branch {
            write!(f, " on {}", branch.escape_debug())?;
        }
        if let Some(reason) = &claim.reason {
            write!(f, " for \"{}\"", reason.escape_debug())?;
        }
        Ok(())
    }
}

/// Nothing, for who did not wait.
struct StillAfter(Duration);

impl fmt::Display for StillAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Less is 0.0 s.
        if self.0 < Duration::from_millis(50) {
            return Ok(());
        }
        write!(f, ", still after {}", Secs(self.0))
    }
}

struct NowBy<'a>(Option<&'a Claim>);

impl fmt::Display for NowBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(claim) => write!(f, ", which {} has claimed", By(claim)),
            None => write!(
                f,
                ", which nobody has claimed now: a claim ends with its session's process or its \
                 term; claim it again"
            ),
        }
    }
}

struct AtLine(u64);

impl fmt::Display for AtLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            line => write!(f, ", line {line}"),
        }
    }
}
