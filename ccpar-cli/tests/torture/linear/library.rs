//! Calls through the library, by a thread of this process.

use std::path::Path;

use ccpar_core::registry::{Release, Terms as ClaimTerms};
use ccpar_core::{
    Author, Base, Commit, CommitOptions, Durability, Error, Harness, Outcome, SharedFile, Wait,
};

use super::History;
use super::model::Answer;
use super::text::{line, lines, text};
use super::worker::{Call, Terms, Told, edited};
use crate::rig::said;

pub(crate) fn call(
    history: &History,
    holder: u8,
    call: &Call,
    terms: Terms,
) -> Result<Told, String> {
    let harness = harness(history, holder, terms).map_err(said)?;
    let file = harness.file(history.target());
    let told = match call {
        Call::Read => file.read().map(|read| Told::Read(read.version(), read.into_content())),
        Call::Commit(base, ours) => {
            let base = base.map_or(Base::Seen, Base::Version);
            let ours = &text(ours.iter().copied());
            let done = file.commit(ours, &CommitOptions { base, ..CommitOptions::default() });
            return wrote(&file, done, Some(ours));
        }
        Call::Append(number) => return wrote(&file, file.append(line(*number).as_bytes()), None),
        Call::Edit(add, drop) => {
            let done = file.update(|text| Ok::<_, Error>(edited(text, *add, *drop)));
            return wrote(&file, done, None);
        }
        Call::Restore(version) => return wrote(&file, file.restore(*version), None),
        Call::Remove => return wrote(&file, file.remove(), None),
        Call::Claim => {
            let claimed = harness.registry().claim(&[history.target()], &ClaimTerms::default());
            claimed.map(|claim| Told::Answer(Answer::Granted(claim.token)))
        }
        Call::Release => {
            let released = harness.registry().release(Release::All);
            released.map(|claims| Told::Answer(Answer::Released(!claims.is_empty())))
        }
    };
    told.or_else(refused)
}

pub(crate) fn harness(history: &History, holder: u8, terms: Terms) -> Result<Harness, Error> {
    let author = Author { session: Some(format!("s{holder}")), ..Author::default() };
    let wait = if terms.wait.is_zero() { Wait::Never } else { Wait::For(terms.wait) };
    let harness = Harness::open(history.world.root())?.with_author(author).with_wait(wait);
    Ok(harness.with_durability(Durability::Process).with_token(terms.token))
}

fn wrote(
    file: &SharedFile<'_>,
    done: Result<Commit, Error>,
    ours: Option<&[u8]>,
) -> Result<Told, String> {
    let commit = match done {
        Ok(commit) => commit,
        Err(error) => return refused(error),
    };
    let text = if commit.version.is_absent() {
        None
    } else {
        Some(lines(&file.version(commit.version).map_err(said)?)?)
    };
    Ok(Told::Answer(match (&commit.outcome, text) {
        (Outcome::Conflict { copy, .. }, Some(text)) => {
            kept(copy, ours.unwrap_or_default())?;
            Answer::Conflict(text)
        }
        (Outcome::Conflict { .. }, None) => return Err("a conflict with nothing".to_owned()),
        _ => Answer::Wrote(text),
    }))
}

/// A conflict copy holds all of ours.
pub(crate) fn kept(copy: &Path, ours: &[u8]) -> Result<(), String> {
    let shown = copy.display();
    let found = std::fs::read(copy).map_err(|error| format!("the copy {shown}: {error}"))?;
    if found == ours { Ok(()) } else { Err(format!("the copy {shown} holds something else")) }
}

/// An answer that is no.
fn refused(error: Error) -> Result<Told, String> {
    match error {
        Error::Busy { .. } => Ok(Told::Busy),
        Error::Outdated { .. } => Ok(Told::Answer(Answer::Outdated)),
        Error::Claimed { claim, .. } => {
            let by = claim.holder.session.strip_prefix('s').and_then(|by| by.parse().ok());
            by.map(|by| Told::Answer(Answer::Held(by))).ok_or_else(|| format!("held by {claim:?}"))
        }
        error => Err(said(error)),
    }
}
