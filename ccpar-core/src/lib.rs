//! Locks, atomic replacement and three-way commits for files that parallel
//! coding sessions share.
//!
//! Several agents run at once, each in a git worktree of its own. The worktrees
//! keep their sources apart; their settings, skills and memory notes lie in one
//! folder that nothing guards. Two sessions read a file, each writes it back
//! later, and what the other wrote in between is gone.
//!
//! This page tells the model; each module then tells its part of it,
//! in the order of [the table](#where-things-are) below.
//!
//! # The model
//! A **target** is one shared file, absent or not, by whatever path it is reached. A
//! **version** is one content of it, known by its SHA-256 ([`Version`]). All that it
//! ever had, with who wrote them, from what and when, are its [`History`].
//!
//! A reader gets a [`Snapshot`]: the content, and which version this is. It thinks,
//! for minutes maybe, and makes a new text from it; the version it began with is that
//! text's **base**. To **commit** is to put the text in place *given its base*: under
//! the target's [`Lock`], what others wrote since the base is merged with it
//! ([`merge::Merge`]), every content goes into the history, and the file is replaced
//! so that no reader sees half of it. A lock alone could not do that, for it is held
//! while a text is written, and what was lost was lost while it was thought of.
//!
//! ```
//! use ccpar_core::{CommitOptions, Harness, Outcome};
//!
//! # let home = tempfile::tempdir()?;
//! # let root = camino::Utf8Path::from_path(home.path()).unwrap().join("ccpar");
//! let harness = Harness::open(&root)?;
//! let index = harness.file(home.path().join("INDEX.md"));
//! index.append(b"- [build](build.md)\n")?;
//!
//! // Two sessions read the same version, and think.
//! let one = index.read()?;
//! let two = index.read()?;
//!
//! // Each adds an entry to what it has read.
//! let add = |base: &[u8], entry: &str| [base, entry.as_bytes()].concat();
//! index.commit(&add(one.content(), "- [voice](voice.md)\n"), &(&one).into())?;
//! let second = index.commit(&add(two.content(), "- [emit](emit.md)\n"), &(&two).into())?;
//!
//! assert_eq!(second.outcome, Outcome::Merged);
//! assert_eq!(
//!     index.read()?.content(),
//!     b"- [build](build.md)\n- [voice](voice.md)\n- [emit](emit.md)\n",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A writer that needs no time to think makes its text under the lock, and has no
//! base to carry along ([`SharedFile::update`], [`SharedFile::append`]).
//!
//! ## Who has seen what
//! An agent cannot carry a base along either: it reads with one command and writes with
//! another. So an [`Author`] has a **session**, and ccpar remembers which version each
//! session has **seen**; a commit that names no base is made from that one. Seen may
//! lag behind what a session knows, which costs a needless merge, but never leads it:
//! after a commit that merged others' lines in, what its author has seen is its own
//! text, for it has not read theirs. If no base is known, the text replaces what is
//! there, and what a stale author would have swallowed is named ([`WithoutBase`] has it
//! merged, or refused).
//!
//! ```
//! # use ccpar_core::{Author, CommitOptions, Harness, Outcome};
//! # let home = tempfile::tempdir()?;
//! # let root = camino::Utf8Path::from_path(home.path()).unwrap().join("ccpar");
//! let session = |name: &str| -> ccpar_core::Result<Harness> {
//!     let author = Author { session: Some(name.into()), ..Author::default() };
//!     Ok(Harness::open(&root)?.with_author(author))
//! };
//! let (voice, emit) = (session("voice")?, session("emit")?);
//! let path = home.path().join("MEMORY.md");
//! voice.file(&path).commit(b"- build: make\n", &CommitOptions::default())?;
//! emit.file(&path).read()?;
//! voice.file(&path).append(b"- voice: 20 ms\n")?;
//!
//! // It names no base, and has not seen the second line: it is not lost.
//! let text = b"- build: make all\n";
//! let commit = emit.file(&path).commit(text, &CommitOptions::default())?;
//! assert_eq!(commit.outcome, Outcome::Merged);
//! assert_eq!(emit.file(&path).look()?.content(), b"- build: make all\n- voice: 20 ms\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Who may write
//! A lock lasts as long as one act and dies with its process. A **claim** is "mine until
//! I am done" across many processes: a lease on targets, whose **token** only grows, so
//! that a write which shows an outdated one is refused. It ends when it is released, with
//! its session's process, or with its term ([`Registry`]). Claims are for what cannot be
//! merged; most writers need none.
//!
//! ## A copy for a while
//! A **namespace** is a folder forked for a branch: written apart, then merged back file
//! by file, with the fork as base ([`namespace`]).
//!
//! ## Who takes no part
//! A writer that knows nothing of all this leaves a version that no commit made. At the
//! next look it is recorded; which version it was made from is inferred; the lines that
//! it swallowed are a [`Loss`], until they are put back or let go
//! ([`SharedFile::settle`], [`SharedFile::losses`]).
//!
//! # What is promised
//! - An acknowledged commit is never lost by a writer that uses ccpar: its
//!   lines are in the target, or in a later version whose author had seen and
//!   dropped them; its whole text is in the history.
//! - Readers take no lock and never see a torn file.
//! - Death at any instant leaves the old or the new content, no lock to clear,
//!   and no litter that the next writer does not sweep.
//! - Where both sides cannot be kept in one file, *theirs* stays in it, *ours*
//!   goes to a conflict copy beside it, and the outcome says so.
//! - One target is one lock, however its path is spelled; links, mode and owner
//!   survive a write.
//! - Sending the same commit twice leaves what sending it once leaves.
//! - A writer that knows nothing of this is noticed at the next look: its version
//!   is recorded, what it swallowed is named and can be put back
//!   ([`SharedFile::settle`], [`SharedFile::losses`]).
//! - Two holders never have a [`Claim`] on one target at once, and a write against
//!   a foreign claim is refused, as is one with an outdated token.
//!
//! Not promised: the order of waiters, locks on NFS or on folders that a
//! virtual machine shares, and power loss under [`Durability::Process`].
//!
//! # Where things are
//! | module | owns |
//! | --- | --- |
//! | [`shared_file`] | one target: read, commit, update, restore; where to begin |
//! | [`merge`] | the three-way merge, its rules and its laws |
//! | [`history`] | versions, the log, what was seen |
//! | [`diff`] | what changed between two texts, and who wrote which line |
//! | [`lock`] | the kernel's locks, waiting, who holds one |
//! | [`registry`] | sessions, heartbeats, claims |
//! | [`namespace`] | a folder forked for a branch, and merged back on purpose |
//! | [`survey`] | all known targets, looked at |
//! | [`index`] | an index of notes, held against its files |
//! | [`layout`] | where everything lies, as pure functions |
//! | [`checkout`] | which branch, worktree and main checkout a folder is in |
//! | [`claude_code`] | where Claude Code keeps a project's memory |
//! | [`error`] | what can go wrong, and what is an answer instead |

pub mod checkout;
pub mod claude_code;
pub mod diff;
pub mod error;
pub mod history;
pub mod index;
pub mod layout;
pub mod lock;
pub mod merge;
pub mod namespace;
pub mod registry;
pub mod shared_file;
pub mod survey;

mod atomic;
mod harness;
mod sys;
mod target;

pub use atomic::{Durability, replace};
pub use checkout::branch;
pub use error::{Error, Result};
pub use harness::{Author, Harness};
pub use history::{History, Limits, Version};
pub use lock::{Lock, Wait};
pub use registry::{Claim, Registry, Runner};
pub use shared_file::{
    Base, Commit, CommitOptions, Glimpses, Loss, LostLine, Outcome, Settled, SharedFile, Snapshot,
    WithoutBase,
};

/// The README's Rust code compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
