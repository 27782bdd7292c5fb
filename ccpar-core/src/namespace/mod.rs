//! A private copy of a folder of notes, forked for a branch, merged back on purpose.
//!
//! [`Namespace::start`] copies the folder and keeps what it copied as the **base**.
//! From then on both sides change. [`Namespace::promote`] passes on to the shared
//! folder what became of the base here, file by file: a three-way merge with the
//! rules of [`merge`](crate::merge), by commits like any other.
//! [`Namespace::update`] does the same the other way round. After a file was passed
//! on, its base is the text that was, so that nothing is passed on twice.
//!
//! Nothing here is bound to one agent: the folder is any folder.
//!
//! ```
//! use ccpar_core::Harness;
//! use ccpar_core::namespace::{Fork, Namespace};
//!
//! # let home = tempfile::tempdir()?;
//! # let root = camino::Utf8Path::from_path(home.path()).unwrap().join("ccpar");
//! let harness = Harness::open(&root)?;
//! let memory = home.path().join("memory");
//! let index = harness.file(memory.join("MEMORY.md"));
//! index.append(b"- [build](build.md): make\n")?;
//!
//! let (voice, _) = Namespace::start(&harness, &Fork::new(&memory, "feat/voice"))?;
//! let own = harness.file(voice.folder().join("MEMORY.md"));
//! own.append(b"- [voice](voice.md): buffers are 20 ms\n")?;
//! index.append(b"- [emit](emit.md): once\n")?;
//!
//! assert!(voice.promote(&harness)?.is_clean());
//! let text = "- [build](build.md): make\n- [emit](emit.md): once\n\
//!             - [voice](voice.md): buffers are 20 ms\n";
//! assert_eq!(index.read()?.content(), text.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What belongs to it
//! Files, in sub-folders too. A link to a file counts as the file. Left out, and
//! named: links to folders and to nothing, and what is neither file nor folder. Not
//! looked at: `.git`, temp files, conflict copies, and folders of other namespaces,
//! which a file `.ccpar-namespace` in them marks.
//!
//! # Crashes
//! A crash at any instant leaves a namespace that is not there yet, whole, or half
//! passed on or discarded: the same call again finishes it.

mod discard;
mod folder;
mod pass;
mod promote;
mod record;
mod rescue;
mod start;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use camino::Utf8Path;

use crate::error::{Context as _, Error, Result, is_missing};
use crate::harness::Harness;
use crate::layout;
use crate::lock::{Lock, Mode};
use record::Record;

pub use discard::Discarded;
pub(crate) use folder::Listing;
pub use folder::Why;
pub use pass::{Action, Change, Compared, Passed};
pub use record::Header;
pub use rescue::rescue;
pub use start::{Fork, Started};

/// A namespace that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    header: Header,
    may_be_empty: bool,
}

impl Namespace {
    /// The namespace that a branch has of a shared folder, if it was started.
    pub fn open(harness: &Harness, shared: &Path, branch: &str) -> Result<Option<Namespace>> {
        let shared = harness.file(shared).real_path()?;
        let dir = layout::namespace_dir(harness.root(), &shared, branch);
        let record = Record::load(&dir)?.filter(|record| record.ready || record.discarding);
        Ok(record.map(|record| Namespace::new(record.header)))
    }

    /// All namespaces that this root knows, by folder and branch; and what is wrong
    /// with those that cannot be read.
    pub fn all(root: &Utf8Path) -> Result<(Vec<Namespace>, Vec<Error>)> {
        let dir = root.join("namespaces");
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(error).context("list", &dir),
        };
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for entry in entries {
            let name = entry.context("list", &dir)?.file_name();
            let Some(name) = name.to_str() else { continue };
            match Record::load(&dir.join(name)) {
                Ok(Some(record)) => all.push(Namespace::new(record.header)),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        all.sort_unstable_by(|one, other| {
            let by = |namespace: &Namespace| {
                (namespace.header.shared.clone(), namespace.header.branch.clone())
            };
            by(one).cmp(&by(other))
        });
        Ok((all, problems))
    }

    fn new(header: Header) -> Namespace {
        Namespace { header, may_be_empty: false }
    }

    /// Takes a folder without a file for one from which all were removed, on purpose.
    /// Without this it is refused: it is more often one that got lost.
    #[must_use]
    pub fn even_if_empty(self) -> Namespace {
        Namespace { may_be_empty: true, ..self }
    }

    /// Who it is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The branch that it is for.
    pub fn branch(&self) -> &str {
        &self.header.branch
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.header.folder
    }

    /// The folder that it was forked from.
    pub fn shared(&self) -> &Path {
        &self.header.shared
    }

    /// Whether its folder is there.
    ///
    /// # Errors
    /// If that cannot be told, or if what is there has lost the file that marks it: it
    /// would look like notes of the shared folder, or like one that is gone.
    pub fn exists(&self) -> Result<bool> {
        let (folder, marker) = (self.folder(), self.folder().join(folder::MARKER));
        match fs::symlink_metadata(&marker) {
            Ok(_) => return Ok(true),
            Err(error) if !is_missing(&error) => return Err(error).context("examine", &marker),
            Err(_) => {}
        }
        match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(false),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error).context("list", folder),
            Ok(false) => Err(Error::Target {
                path: folder.to_owned(),
                problem: format!(
                    "has lost its `{0}`, which marks it as a namespace: make an empty file of \
                     that name there, or move the folder away",
                    folder::MARKER
                ),
            }),
        }
    }

    /// The sub-folders of a shared folder that are namespaces, whichever root knows
    /// them; sorted.
    pub fn folders_in(shared: &Path) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(shared) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context("list", shared),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let path = entry.context("list", shared)?.path();
            let left_over =
                path.file_name().is_some_and(|name| folder::is_none_of_it(&name.to_string_lossy()));
            folders.extend((!left_over && folder::is_namespace(&path)).then_some(path));
        }
        folders.sort_unstable();
        Ok(folders)
    }

    fn lock(&self, harness: &Harness) -> Result<Lock> {
        harness.file(self.folder()).lock(Mode::Exclusive)
    }

    fn load(&self, harness: &Harness) -> Result<Record> {
        let dir = layout::namespace_dir(harness.root(), self.shared(), self.branch());
        let refuse = |problem: &str| Error::Target {
            path: self.folder().to_owned(),
            problem: problem.to_owned(),
        };
        match Record::load(&dir)? {
            None => Err(refuse("is no namespace any more: start it")),
            Some(record) if record.discarding => {
                Err(refuse("is half discarded: discard it again, or start anew"))
            }
            // Everything would look deleted.
            Some(record) if !self.exists()? => Err(refuse(if record.ready {
                "is the folder of a namespace, and is gone: discard it, or start anew"
            } else {
                "is a namespace whose start was cut off: discard it, or start it again"
            })),
            Some(record) => Ok(record),
        }
    }

    /// The files of one side. None at all would mean that every note of the other is
    /// to be deleted.
    fn listing(&self, record: &Record, folder: &Path) -> Result<Listing> {
        let listing = Listing::of(folder)?;
        let is_empty = listing.files.is_empty() && listing.left_out.is_empty();
        if is_empty && !self.may_be_empty && record.paths().next().is_some() {
            let problem = if folder == self.folder() {
                "holds no file any more, which would delete every one of the shared folder: put \
                 one back, discard the namespace, or promote it `--even-if-empty`"
            } else {
                "holds no file any more, which would delete every one of the namespace: put one \
                 back, or update `--even-if-empty`"
            };
            return Err(Error::Target { path: folder.to_owned(), problem: problem.to_owned() });
        }
        Ok(listing)
    }
}
