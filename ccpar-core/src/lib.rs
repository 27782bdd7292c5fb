//! Locks, atomic replacement and three-way commits for files that parallel
//! coding sessions share.
//!
//! Several agents run at once, each in a git worktree of its own. The worktrees
//! keep their sources apart; their settings, skills and memory notes lie in one
//! folder that nothing guards. Two sessions read a file, each writes it back
//! later, and what the other wrote in between is gone.
//!
//! # The model
//! A **target** is one shared file. A reader gets a [`Snapshot`] of it: its
//! content, and the [`Version`] that this is. Later it **commits** a new text
//! against that **base**. Under the target's [`Lock`] the commit merges what
//! others wrote meanwhile ([`merge::Merge`]), keeps every content in the
//! target's [`History`], and replaces the file so that no reader sees half of
//! it.
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
//! A writer that needs no time to think can make its text under the lock
//! ([`SharedFile::update`]). A writer with a **session** ([`Author`]) need not
//! carry its base along: ccpar remembers what each session has **seen**.
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
//! | [`layout`] | where everything lies, as pure functions |
//! | [`lock`] | the kernel's locks, waiting, who holds one |
//! | [`merge`] | the three-way merge |
//! | [`history`] | versions, the log, what was seen |
//! | [`diff`] | what changed between two texts, and who wrote which line |
//! | [`registry`] | sessions, heartbeats, claims |
//! | [`survey`] | all known targets, looked at |
//! | [`shared_file`] | read, commit, update, restore |
//! | [`namespace`] | a folder forked for a branch, and merged back on purpose |
//! | [`index`] | an index of notes, held against its files |
//! | [`checkout`] | which branch, worktree and main checkout a folder is in |
//! | [`claude_code`] | where Claude Code keeps a project's memory |

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
