//! What became of a base on one side, passed on to the other: one file.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Listing, Why, blocked, is_namespace};
use crate::diff::{Sign, hunks};
use crate::error::{Context as _, Error, Result, is_missing};
use crate::harness::Harness;
use crate::history::Version;
use crate::layout;
use crate::merge::Rules;
use crate::shared_file::{Base, Outcome, SharedFile, merged};

/// What is done to a file of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// It is new there.
    Create,
    /// It takes the text as it is.
    Write,
    /// The text is merged with what was changed there.
    Merge,
    /// It is removed: it was here, and was left alone there.
    Remove,
    /// The text does not merge: what does is there, and the whole of it in a
    /// conflict copy.
    Conflict,
    /// It was removed here and changed there: it stays.
    Keep,
    /// It was changed here and removed there: it is back.
    BringBack,
    /// Something of another kind stands in its place: the text is in a conflict
    /// copy.
    Blocked,
    /// A conflict copy lies beside it on the side that it comes from: it waits until
    /// that is settled.
    Wait,
}

impl Action {
    /// Whether both sides wanted something else.
    pub fn is_conflict(self) -> bool {
        !matches!(self, Action::Create | Action::Write | Action::Merge | Action::Remove)
    }
}

/// What is done to one file, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path within the folder.
    pub path: String,
    /// What is done to it.
    pub action: Action,
    /// What it holds then.
    pub version: Version,
    /// How many lines come in, and how many go out.
    pub lines: (usize, usize),
    /// In how many places the texts did not merge.
    pub regions: usize,
    /// The conflict copy, once there is one; that which it waits for.
    pub copy: Option<PathBuf>,
}

/// What was passed on, or would be.
#[derive(Debug, Default)]
#[must_use = "conflicts are told here, not as an error"]
pub struct Passed {
    /// What is done, by file; those with nothing to do are not among them.
    pub changes: Vec<Change>,
    /// Conflict copies of before that lie there still, by the same author.
    pub open: Vec<PathBuf>,
    /// What is not looked at.
    pub left_out: Vec<(PathBuf, Why)>,
    /// Why a file was left as it is.
    pub problems: Vec<Error>,
}

impl Passed {
    pub(super) fn take(&mut self, done: Result<Option<Change>>) {
        match done {
            Ok(change) => self.changes.extend(change),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Whether all went through without a conflict.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && !self.changes.iter().any(|change| change.action.is_conflict())
    }
}

/// What became of one file on both sides. Absent: `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its path within the folder.
    pub path: String,
    /// What both made their text of.
    pub base: Option<Vec<u8>>,
    /// The namespace's.
    pub ours: Option<Vec<u8>>,
    /// The shared folder's.
    pub theirs: Option<Vec<u8>>,
}

/// One text on its way.
pub(super) struct Pass<'a> {
    pub(super) path: &'a str,
    pub(super) base: Option<&'a [u8]>,
    pub(super) from: Option<&'a [u8]>,
}

/// What is to be done, and what the file holds then.
struct Plan {
    action: Action,
    text: Option<Vec<u8>>,
    regions: usize,
}

impl Pass<'_> {
    /// What to do, given what is there. `None`: nothing, the other side has it.
    fn plan(&self, rules: Rules, to: Option<&[u8]>) -> Option<Plan> {
        if self.from == self.base || self.from == to {
            return None;
        }
        let plan = |action, text: Option<&[u8]>| Plan {
            action,
            text: text.map(<[u8]>::to_vec),
            regions: 0,
        };
        Some(match (self.from, to) {
            (None, _) if to == self.base => plan(Action::Remove, None),
            (None, _) => plan(Action::Keep, to),
            (Some(_), None) if self.base.is_none() => plan(Action::Create, self.from),
            (Some(_), None) => plan(Action::BringBack, self.from),
            (Some(_), _) if to == self.base => plan(Action::Write, self.from),
            (Some(from), Some(to)) => {
                let (text, regions) = merged(rules, self.base.unwrap_or_default(), from, to);
                if regions == 0 && text == to {
                    return None;
                }
                let action = if regions == 0 { Action::Merge } else { Action::Conflict };
                Plan { action, text: Some(text), regions }
            }
        })
    }

    /// What would be done to the file in `folder`.
    pub(super) fn look(
        &self,
        harness: &Harness,
        folder: &Path,
        removed: &BTreeSet<String>,
    ) -> Result<Option<Change>> {
        let (mut rules, mut to) = (Rules::Lines, None);
        match blocked(folder, self.path) {
            Some(stands) if self.from.is_some() => {
                if !gives_way(folder, &stands, removed) {
                    return Ok(Some(self.change(Action::Blocked, Version::ABSENT, (0, 0))));
                }
            }
            // There is no such file.
            Some(_) => {}
            None => {
                let file = harness.file(folder.join(self.path));
                let there = file.look_only()?;
                rules = Rules::of(&file.real_path()?);
                to = (!there.version().is_absent()).then(|| there.into_content());
            }
        }
        let Some(plan) = self.plan(rules, to.as_deref()) else { return Ok(None) };
        let version = plan.text.as_deref().map_or(Version::ABSENT, Version::of);
        let lines = lines(to.as_deref().unwrap_or_default(), &plan.text.unwrap_or_default());
        let change = self.change(plan.action, version, lines);
        Ok(Some(Change { regions: plan.regions, ..change }))
    }

    /// Does it.
    pub(super) fn carry_out(&self, harness: &Harness, folder: &Path) -> Result<Option<Change>> {
        let Some(change) = self.look(harness, folder, &BTreeSet::new())? else { return Ok(None) };
        let path = folder.join(self.path);
        let file = harness.file(&path);
        let Some(from) = self.from else {
            return self.remove(&file, folder, change).map(Some);
        };
        if change.action == Action::Blocked {
            return self.beside(harness, folder, from, change).map(Some);
        }
        let base = self.base.map_or(Base::Version(Version::ABSENT), |text| Base::Text(text.into()));
        let commit = file.merge_in(&base, from)?;
        Ok(Some(match commit.outcome {
            Outcome::Conflict { copy, regions } => Change {
                action: Action::Conflict,
                version: commit.version,
                copy: Some(copy),
                regions,
                ..change
            },
            _ => Change { version: commit.version, ..change },
        }))
    }

    fn remove(&self, file: &SharedFile<'_>, folder: &Path, change: Change) -> Result<Change> {
        if change.action == Action::Keep {
            return Ok(change);
        }
        let path = file.path();
        let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        if is_link {
            // What it leads to is another's, and is not deleted.
            fs::remove_file(path).context("remove", path)?;
        } else if let Some(version) =
            file.remove_if(self.base.map_or(Version::ABSENT, Version::of))?
        {
            return Ok(Change { action: Action::Keep, version, lines: (0, 0), ..change });
        }
        // A folder that held nothing else goes with it.
        for parent in path.ancestors().skip(1).take_while(|parent| *parent != folder) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
        Ok(change)
    }

    /// Keeps the text beside what stands in its place.
    fn beside(
        &self,
        harness: &Harness,
        folder: &Path,
        from: &[u8],
        change: Change,
    ) -> Result<Change> {
        let stands = blocked(folder, self.path).unwrap_or_else(|| folder.join(self.path));
        let hash = Version::of(from).to_string();
        let flat = self.path.replace('/', "-");
        let name = layout::conflict_name(Path::new(&flat), harness.author().name(), &hash);
        let copy = stands.with_file_name(name);
        if !copy.exists() {
            let _ = harness.file(&copy).merge_in(&Base::Version(Version::ABSENT), from)?;
        }
        Ok(Change { copy: Some(copy), regions: 1, ..change })
    }

    pub(super) fn change(&self, action: Action, version: Version, lines: (usize, usize)) -> Change {
        let regions = usize::from(action == Action::Blocked);
        Change { path: self.path.to_owned(), action, version, lines, regions, copy: None }
    }
}

pub(super) fn version(text: Option<&[u8]>) -> Version {
    text.map_or(Version::ABSENT, Version::of)
}

/// The text of a file; `None` if there is no file.
pub(super) fn text_of(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_missing(&error) || error.kind() == io::ErrorKind::IsADirectory => Ok(None),
        Err(error) => Err(error).context("read", path),
    }
}

fn lines(old: &[u8], new: &[u8]) -> (usize, usize) {
    let hunks = hunks(old, new, 0);
    let count = |wanted| {
        let lines = hunks.iter().flat_map(|hunk| &hunk.lines);
        lines.filter(|(sign, _)| *sign == wanted).count()
    };
    (count(Sign::Added), count(Sign::Removed))
}

/// Whether what is in the way of a file is about to be removed.
fn gives_way(folder: &Path, stands: &Path, removed: &BTreeSet<String>) -> bool {
    let Ok(within) = stands.strip_prefix(folder) else { return false };
    let within = within.to_string_lossy();
    if is_namespace(stands) {
        return false;
    }
    if !stands.is_dir() || stands.is_symlink() {
        return removed.contains(&*within);
    }
    let all_go = |listing: Listing| {
        listing.left_out.is_empty()
            && listing.copies.is_empty()
            && listing.files.iter().all(|path| removed.contains(&format!("{within}/{path}")))
    };
    !removed.is_empty() && Listing::of(stands).is_ok_and(all_go)
}
