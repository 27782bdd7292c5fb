//! Merging back what was swallowed, aside: whoever watches goes on watching.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender};

use ccpar_core::history::Version;
use ccpar_core::{Error, Harness, Outcome};

use super::Message;
use crate::exit::Failure;

/// What came of one file.
pub(super) struct Healed {
    pub(super) path: PathBuf,
    /// How many losses were merged back.
    pub(super) losses: usize,
    /// Where that which could not be merged lies.
    pub(super) copy: Option<PathBuf>,
    pub(super) left: Left,
}

/// What is left to heal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// What cannot be merged into what stood there then: perhaps into what comes.
    UntilItChanges(Version),
    /// All, until whoever has claimed the file lets go.
    UntilItIsFree,
}

/// Heals each file that comes in, until nobody sends any more.
pub(super) fn run(harness: &Harness, files: &Receiver<PathBuf>, tell: &Sender<Message>) {
    for path in files {
        let healed = heal(harness, &path).map_err(Failure::from);
        if tell.send(Message::Healed(healed)).is_err() {
            return;
        }
    }
}

fn heal(harness: &Harness, path: &Path) -> ccpar_core::Result<Healed> {
    let file = harness.file(path);
    let claimed =
        || Ok(Healed { path: path.to_owned(), losses: 0, copy: None, left: Left::UntilItIsFree });
    // Not waited for: other files wait for their turn.
    let registry = harness.registry();
    let me = registry.holder();
    if registry.claims(Some(path))?.iter().any(|(claim, _)| !claim.holder.is_acted_for_by(&me)) {
        return claimed();
    }
    let (losses, commit) = match file.heal() {
        Ok(healed) => healed,
        Err(Error::Claimed { .. }) => return claimed(),
        Err(error) => return Err(error),
    };
    // That it cannot be told takes nothing from what is done.
    let left = match file.may_be_healed() {
        Ok(true) => Left::UntilItChanges(commit.version),
        Ok(false) | Err(_) => Left::Nothing,
    };
    let copy = match commit.outcome {
        Outcome::Conflict { copy, .. } => Some(copy),
        _ => None,
    };
    Ok(Healed { path: path.to_owned(), losses, copy, left })
}
