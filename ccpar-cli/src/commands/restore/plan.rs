//! What a restore is to do with one file.

use std::path::PathBuf;

use ccpar_core::diff::{Sign, hunks};
use ccpar_core::{Outcome, SharedFile, Version};
use serde::Serialize;

use super::Arguments;
use crate::exit::Failure;
use crate::output;
use crate::paint::{self, Paint};

/// What is to be done with one file.
pub(super) struct Planned {
    path: PathBuf,
    pub(super) version: Version,
    lines: (usize, usize),
    conflicts: usize,
    /// Whether that changes nothing: others stand in the way everywhere.
    stays: bool,
    pub(super) step: Step,
}

pub(super) enum Step {
    ToVersion,
    WithoutSession(String),
}

/// Why a file is left as it is.
pub(super) enum Left {
    AsItIs,
    CreatedSince,
    NotKnownThen,
    BehindLink,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    action: &'a str,
    version: Version,
    added: usize,
    removed: usize,
    conflicts: usize,
    dry_run: bool,
}

impl Planned {
    pub(super) fn print(
        &self,
        paint: Paint,
        arguments: &Arguments,
        done: Option<&Outcome>,
    ) -> Result<(), Failure> {
        let (action, would, done_so) = match (self.stays, self.version.is_absent()) {
            (true, _) => ("leave", "would leave", "left"),
            (_, true) => ("remove", "would remove", "removed"),
            (_, false) => ("restore", "would restore", "put back"),
        };
        let conflicts = match done {
            Some(Outcome::Conflict { regions, .. }) => *regions,
            _ => self.conflicts,
        };
        if arguments.how.json {
            output::json(&Json {
                path: &self.path.to_string_lossy(),
                action,
                version: self.version,
                added: self.lines.0,
                removed: self.lines.1,
                conflicts,
                dry_run: done.is_none(),
            })?;
            return Ok(());
        }
        let lines = format!("+{} -{}", self.lines.0, self.lines.1);
        let name = paint.text(paint::NAME, output::short_path(&self.path));
        let what = if done.is_some() { done_so } else { would };
        let mut row = format!("{what:<13} {lines:<9} {name}");
        if conflicts > 0 {
            row.push_str("  (");
            row.push_str(&output::count(conflicts, "place"));
            row.push_str(" others changed since then)");
        }
        row.push('\n');
        output::text(row.as_bytes())?;
        Ok(())
    }
}

/// What putting a version back would change, if anything.
pub(super) fn plan(file: &SharedFile<'_>, version: Version) -> Result<Option<Planned>, Failure> {
    let now = file.look_only()?;
    if now.version() == version {
        return Ok(None);
    }
    let lines = changed(now.content(), &file.version(version)?);
    let path = file.path().to_owned();
    Ok(Some(Planned { path, version, lines, conflicts: 0, stays: false, step: Step::ToVersion }))
}

fn changed(old: &[u8], new: &[u8]) -> (usize, usize) {
    let hunks = hunks(old, new, 0);
    let count = |wanted| {
        let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.filter(|(sign, _)| *sign == wanted).count()
    };
    (count(Sign::Added), count(Sign::Removed))
}

pub(super) fn back_to(file: &SharedFile<'_>, time: u64) -> Result<Result<Planned, Left>, Failure> {
    let there = file.look_only()?.version();
    Ok(match file.version_at(time)? {
        None => Err(Left::NotKnownThen),
        Some(version) if version == there => Err(Left::AsItIs),
        Some(version) if version.is_absent() => Err(Left::CreatedSince),
        Some(version) => plan(file, version)?.ok_or(Left::AsItIs),
    })
}

pub(super) fn back_from(
    file: &SharedFile<'_>,
    session: &str,
) -> Result<Result<Planned, Left>, Failure> {
    let Some((version, text, conflicts)) = file.would_take_back(session)? else {
        return Ok(Err(Left::AsItIs));
    };
    let now = file.look_only()?;
    let stays = now.version() == version;
    if stays && conflicts == 0 {
        return Ok(Err(Left::AsItIs));
    }
    Ok(Ok(Planned {
        path: file.path().to_owned(),
        version,
        lines: changed(now.content(), &text),
        conflicts,
        stays,
        step: Step::WithoutSession(session.to_owned()),
    }))
}
