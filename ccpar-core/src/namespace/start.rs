//! A fork: the copy of a folder, and the record of what was copied.
//!
//! The record is written first, then the copy, under another name; the last step
//! gives it its own. A crash before that leaves nothing that counts, and the next
//! start begins anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Namespace;
use super::folder::{Listing, MARKER, Why};
use super::record::{Header, Record, gone};
use crate::atomic::{self, Durability};
use crate::error::{Context as _, Error, Result};
use crate::harness::{self, Harness};
use crate::lock::Mode;
use crate::{checkout, layout, sys};

/// What is to be forked, for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The shared folder.
    pub shared: PathBuf,
    /// The branch.
    pub branch: String,
    /// Where the copy is to lie; else in the shared folder, named after the branch.
    pub at: Option<PathBuf>,
    /// The worktree that it is for.
    pub worktree: Option<PathBuf>,
}

impl Fork {
    /// A fork of this folder for this branch.
    pub fn new(shared: impl Into<PathBuf>, branch: impl Into<String>) -> Fork {
        Fork { shared: shared.into(), branch: branch.into(), at: None, worktree: None }
    }
}

/// How a start came out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Started {
    /// Whether it was there already, and nothing was done.
    pub before: bool,
    /// How many files were copied.
    pub files: usize,
    /// What was not copied.
    pub left_out: Vec<(PathBuf, Why)>,
}

impl Namespace {
    /// Where the namespace of a branch lies, or would.
    pub fn path(harness: &Harness, fork: &Fork) -> Result<PathBuf> {
        if let Some(namespace) = Namespace::open(harness, &fork.shared, &fork.branch)? {
            return Ok(namespace.header.folder);
        }
        let shared = harness.file(&fork.shared).real_path()?;
        place(harness, fork, &shared)
    }

    /// Forks a folder for a branch. A namespace that is there already is left as it
    /// is; one whose folder is gone is started anew.
    ///
    /// # Durability
    /// As the harness says.
    pub fn start(harness: &Harness, fork: &Fork) -> Result<(Namespace, Started)> {
        let shared = harness.file(&fork.shared).real_path()?;
        // Two branches must not take one name.
        let _lock = harness.file(&shared).lock(Mode::Exclusive)?;
        let dir = layout::namespace_dir(harness.root(), &shared, &fork.branch);
        if let Some(mut record) = Record::load(&dir)? {
            let namespace = Namespace::new(record.header.clone());
            if record.discarding {
                namespace.discard(harness)?;
            } else if namespace.exists()? {
                if !record.ready {
                    record.set_ready()?;
                }
                return Ok((namespace, Started { before: true, ..Started::default() }));
            }
        }
        if shared.exists() && !shared.is_dir() {
            let problem = "is no folder: name the one that holds it".to_owned();
            return Err(Error::Target { path: shared, problem });
        }
        let folder = place(harness, fork, &shared)?;
        for path in [&shared, &folder] {
            if path.to_str().is_none() {
                let problem = "is not UTF-8: name another folder".to_owned();
                return Err(Error::Target { path: path.clone(), problem });
            }
        }
        let is_text = |path: &PathBuf| path.to_str().is_some();
        let header = Header {
            format: 1,
            branch: fork.branch.clone(),
            shared,
            folder,
            checkout: fork.worktree.as_deref().and_then(checkout::main).filter(is_text),
            worktree: fork.worktree.clone().filter(is_text),
            started: harness::now(),
            texts: 0,
        };
        copy(harness, header, &dir)
    }
}

/// Where the namespace goes: where it was asked for, else under the first of its
/// names that nothing has.
fn place(harness: &Harness, fork: &Fork, shared: &Path) -> Result<PathBuf> {
    if let Some(at) = &fork.at {
        let at = harness.file(at).real_path()?;
        not_around(&at, shared)?;
        if !is_free(&at)? {
            let problem = "is there already: name another folder".to_owned();
            return Err(Error::Target { path: at, problem });
        }
        return Ok(at);
    }
    for name in layout::namespace_names(&fork.branch) {
        let folder = shared.join(name);
        if is_free(&folder)? {
            return Ok(folder);
        }
    }
    Err(Error::Target {
        path: shared.to_owned(),
        problem: format!(
            "has something else where the namespace of `{}` would lie: name a folder with `--at`",
            fork.branch
        ),
    })
}

/// Refuses a folder that is the shared one, or holds it.
pub(super) fn not_around(folder: &Path, shared: &Path) -> Result<()> {
    if !shared.starts_with(folder) {
        return Ok(());
    }
    let problem = "is the shared folder, or holds it: name another".to_owned();
    Err(Error::Target { path: folder.to_owned(), problem })
}

/// Whether nothing is there, or an empty folder.
fn is_free(path: &Path) -> Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(fs::symlink_metadata(path).is_err())
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error).context("list", path),
    }
}

fn copy(harness: &Harness, header: Header, dir: &camino::Utf8Path) -> Result<(Namespace, Started)> {
    let (shared, folder) = (header.shared.clone(), header.folder.clone());
    let durability = harness.durability();
    atomic::create_folders(&shared, durability)?;
    if let Some(parent) = folder.parent() {
        atomic::create_folders(parent, durability)?;
    }
    let staged = staged(&folder);
    gone(fs::remove_dir_all(&staged)).context("remove the left-over", &staged)?;
    let listing = Listing::of(&shared)?;
    let mut record = Record::create(dir, harness.root(), header)?;
    make_folder(&staged)?;
    write_new(&staged.join(MARKER), marker(&record.header).as_bytes(), None)?;
    let texts = listing.files.iter().filter_map(|path| {
        // Who removes one meanwhile has it removed.
        let text = copy_file(&shared.join(path), &staged, path).transpose()?;
        Some(text.map(|text| (path.clone(), text.into())))
    });
    record.set_bases(durability, texts)?;
    let files = record.paths().count();
    if durability == Durability::Disk {
        sys::sync_tree(&staged).context("sync", &staged)?;
        record.sync()?;
    }
    atomic::rename_own(&staged, &folder).context("create the folder", &folder)?;
    if durability == Durability::Disk
        && let Some(parent) = folder.parent()
    {
        sys::sync_dir(parent).context("sync", parent)?;
    }
    record.set_ready()?;
    let started = Started { before: false, files, left_out: listing.left_out };
    Ok((Namespace::new(record.header), started))
}

/// Where a folder lies until it is whole. Nobody takes it for notes.
pub(super) fn staged(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.ccpar-start"))
}

/// What the folder says of itself, to those who find it.
fn marker(header: &Header) -> String {
    let shared = header.shared.to_string_lossy();
    format!("{}\n", serde_json::json!({ "namespace": header.branch, "of": shared }))
}

/// Copies one file, with its mode, and gives its text; `None` if it is gone.
fn copy_file(from: &Path, to: &Path, within: &str) -> Result<Option<Vec<u8>>> {
    let text = match fs::read(from) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read", from),
    };
    let path = to.join(within);
    let permissions = fs::metadata(from).ok().map(|metadata| metadata.permissions());
    match write_new(&path, &text, permissions.clone()) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make_folder(path.parent().unwrap_or(to))?;
            write_new(&path, &text, permissions)?;
        }
        done => done?,
    }
    Ok(Some(text))
}

fn write_new(path: &Path, text: &[u8], permissions: Option<fs::Permissions>) -> Result<()> {
    use std::io::Write as _;
    let create = || fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = create().context("create", path)?;
    file.write_all(text).context("write", path)?;
    match permissions {
        Some(permissions) => file.set_permissions(permissions).context("set the mode of", path),
        None => Ok(()),
    }
}

fn make_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).create(path).context("create the folder", path)
}
