//! Merging back what was swallowed, aside: whoever watches goes on watching.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender};

use ccpar_core::{Error, Harness, Loss, Outcome};

use super::Message;
use crate::exit::Failure;

/// What came of one file.
pub(super) struct Healed {
    pub(super) path: PathBuf,
    /// How many losses were merged back.
    pub(super) losses: usize,
    /// Where that which could not be merged lies.
    pub(super) copy: Option<PathBuf>,
    /// Whether something is left: the file was empty, or somebody was quicker.
    pub(super) again: bool,
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
    let (losses, commit) = match file.heal() {
        Ok(healed) => healed,
        // Whoever has claimed the file will let go.
        Err(Error::Claimed { .. }) => {
            return Ok(Healed { path: path.to_owned(), losses: 0, copy: None, again: true });
        }
        Err(error) => return Err(error),
    };
    let is_sure = |open: Vec<Loss>| open.iter().any(|loss| !loss.record.maybe);
    let again = losses == 0 && file.losses().is_ok_and(is_sure);
    let copy = match commit.outcome {
        Outcome::Conflict { copy, .. } => Some(copy),
        _ => None,
    };
    Ok(Healed { path: path.to_owned(), losses, copy, again })
}
