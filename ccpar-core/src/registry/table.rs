//! The claims on disk.

use std::io::Write as _;
use std::path::Path;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::slots::{self, Found};
use super::{Claim, Now, Place, Process, Registry, State, Table, Verdict, Witness};
use crate::error::{Context as _, Error, Result};
use crate::{atomic, harness, layout, sys};

/// How many tokens are reserved at once: each block costs two syncs.
const BLOCK: u64 = 64;

/// No table has counted so far: one that says so is damaged.
const TOKEN_MAX: u64 = u64::MAX / 2;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Tokens up to this one are reserved.
    #[serde(default)]
    reserved: u64,
    /// The boot in which the table was written.
    #[serde(default)]
    boot: Option<String>,
    #[serde(flatten)]
    pub(super) table: Table,
    /// Its sequence, in the files that are written in turn.
    #[serde(skip)]
    sequence: Option<u64>,
    /// Whether it is the last that was written, for certain.
    #[serde(skip)]
    is_last: bool,
}

impl Registry<'_> {
    fn path(&self, name: &str) -> Utf8PathBuf {
        self.harness.root().join(name)
    }

    fn table_paths(&self) -> [Utf8PathBuf; 2] {
        ["registry.0.json", "registry.1.json"].map(|name| self.path(name))
    }

    /// The table of the first format: one file, replaced at each change.
    fn old_path(&self) -> Utf8PathBuf {
        self.path("registry.json")
    }

    /// The table as it stands. `None` if it cannot be read: then no claim binds.
    pub(super) fn look(&self) -> Result<Option<Stored>> {
        let (text, sequence, is_last) = match slots::read(&self.table_paths())? {
            Found::Whole { text, sequence, is_last } => (text, Some(sequence), is_last),
            Found::Damaged => return Ok(None),
            Found::Nothing => match atomic::read(self.old_path().as_std_path())? {
                Some(found) => (found.content, None, false),
                None => return Ok(Some(Stored::default())),
            },
        };
        let stored = serde_json::from_slice::<Stored>(&text).ok();
        let stored = stored.filter(|stored| stored.table.token.max(stored.reserved) < TOKEN_MAX);
        Ok(stored.map(|stored| Stored { sequence, is_last, ..stored }))
    }

    /// The table, to be changed: the caller holds the registry's lock.
    pub(super) fn load(&self) -> Result<Stored> {
        let mut stored = if let Some(stored) = self.look()? {
            stored
        } else {
            for path in self.table_paths().into_iter().chain([self.old_path()]) {
                let aside = format!("{path}.unreadable");
                match atomic::rename_own(path.as_std_path(), aside.as_ref()) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    done => done.context("put aside", &path)?,
                }
            }
            Stored::default()
        };
        let same_boot = stored.boot.is_some() && stored.boot == Place::here().boot;
        if !(same_boot && stored.is_last) {
            // What was told just before may not stand there.
            stored.reserved = self.reserved()?.max(stored.reserved);
            stored.table.token = stored.table.token.max(stored.reserved);
        }
        if stored.sequence.is_none() {
            // What stands there before the first change: a change that then fails has
            // changed nothing.
            self.put_in_slot(&mut stored)?;
            // Where there are slots it is read no more.
            let _ = std::fs::remove_file(self.old_path());
        }
        Ok(stored)
    }

    /// Writes a table down as the next change.
    fn put_in_slot(&self, stored: &mut Stored) -> Result<()> {
        let text = serde_json::to_vec(stored).expect("a table is plain data");
        stored.sequence = Some(slots::write(&self.table_paths(), stored.sequence, &text)?);
        Ok(())
    }

    fn tokens_path(&self) -> Utf8PathBuf {
        self.path("registry.tokens")
    }

    /// The last token that is reserved.
    fn reserved(&self) -> Result<u64> {
        let Some(found) = atomic::read(self.tokens_path().as_std_path())? else {
            return Ok(0);
        };
        // If that is damaged too: greater than any token that was counted up
        // from nothing.
        let tokens = serde_json::from_slice(&found.content).ok();
        Ok(tokens.filter(|tokens| *tokens < TOKEN_MAX).unwrap_or_else(harness::now))
    }

    /// Writes the table, in which `token` is about to be told, or none.
    pub(super) fn store(&self, mut stored: Stored) -> Result<()> {
        stored.boot.clone_from(&Place::here().boot);
        if stored.table.token > stored.reserved {
            stored.reserved = stored.table.token + BLOCK;
            let durable = self.harness.durability() == atomic::Durability::Disk;
            put(self.tokens_path().as_std_path(), &stored.reserved, durable)?;
        }
        self.put_in_slot(&mut stored)
    }

    /// What is known of the session of a claim.
    pub(super) fn witness(&self, claim: &Claim) -> Witness {
        let path = layout::session_file(self.harness.root(), &claim.holder.session);
        match super::session::read(path.as_std_path()) {
            // Another session's, if its id makes the same file name.
            Ok(Some((session, beat))) if session.id == claim.holder.session => Witness {
                life: self.life(&session.process),
                beat: Some((beat, session.process.place)),
            },
            // Whatever became of its heartbeat: the claim knows its process.
            Ok(_) | Err(_) => Witness { life: self.life(&claim.process), beat: None },
        }
    }

    /// How a claim stands now.
    pub(super) fn state(&self, claim: &Claim) -> State {
        claim.state(&self.witness(claim), &Now::here())
    }

    /// The claim of somebody else that forbids this author to write a target,
    /// and for how many milliseconds more.
    pub(crate) fn forbidden(&self, real: &Path) -> Result<Option<(Claim, u64)>> {
        let token = self.harness.token();
        let Some(stored) = self.look()? else {
            return token.map_or(Ok(None), |token| Err(outdated(real, token, None)));
        };
        if stored.table.claims.is_empty() && token.is_none() {
            return Ok(None);
        }
        let state = |claim: &Claim| self.state(claim);
        let key = layout::key(real);
        match stored.table.may_write(&key, &self.holder(), token, state) {
            Verdict::Allowed => Ok(None),
            Verdict::Claimed(claim, left) => Ok(Some((claim.clone(), left))),
            Verdict::Outdated(by) => {
                Err(outdated(real, token.unwrap_or_default(), by.cloned().map(Box::new)))
            }
        }
    }

    /// The claims that bind, on any file or on one.
    pub fn claims(&self, path: Option<&Path>) -> Result<Vec<(Claim, u64)>> {
        let key = path.map(crate::target::resolve).transpose()?.map(|real| layout::key(&real));
        let claims = self.look()?.unwrap_or_default().table.claims;
        let on = |claim: &Claim| {
            key.as_ref().is_none_or(|key| claim.files.iter().any(|file| file.key == *key))
        };
        let held = |claim: Claim| match self.state(&claim) {
            State::Held { left } => Some((claim, left)),
            State::Over | State::Dead => None,
        };
        Ok(claims.into_iter().filter(on).filter_map(held).collect())
    }

    /// The process of a claim's session.
    pub(super) fn process_of(&self, claim: &Claim) -> Process {
        let path = layout::session_file(self.harness.root(), &claim.holder.session);
        let session = super::session::read(path.as_std_path()).ok().flatten();
        let session = session.filter(|(session, _)| session.id == claim.holder.session);
        session.map_or_else(|| claim.process.clone(), |(session, _)| session.process)
    }
}

fn outdated(real: &Path, token: u64, by: Option<Box<Claim>>) -> Error {
    Error::Outdated { path: real.into(), token, by }
}

/// Replaces a record of the registry's own, under its lock: the fixed name of
/// the temp file is that lock's, so that the next sweeps what a killed one left.
pub(super) fn put(path: &Path, record: &impl Serialize, durable: bool) -> Result<()> {
    let mut text = serde_json::to_vec(record).expect("a record is plain data");
    text.push(b'\n');
    let temp = path.with_file_name(".tmp");
    let mut file = match sys::create_private(&temp) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(&temp).context("remove the left-over", &temp)?;
            sys::create_private(&temp)
        }
        done => done,
    }
    .context("create", &temp)?;
    if !durable {
        // ext4 writes the data of a file out when that replaces another, unless
        // its blocks are there before: a claim would wait for the disk.
        sys::reserve(&file, text.len());
    }
    let done = file
        .write_all(&text)
        .and_then(|()| if durable { sys::sync(&file) } else { Ok(()) })
        .context("write", &temp)
        .and_then(|()| atomic::rename_own(&temp, path).context("replace", path));
    if done.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    done?;
    match path.parent() {
        Some(folder) if durable => sys::sync_dir(folder).context("sync", folder),
        _ => Ok(()),
    }
}
