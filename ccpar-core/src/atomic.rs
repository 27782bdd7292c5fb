//! Replacement that no reader sees half done.
//!
//! The new text goes into a temp file beside the target, which then takes the
//! target's name in one rename(2). A reader opens either the old file or the
//! new one, whole. Mode, owner and extended attributes of the old file are
//! carried over; a new file gets what the umask says.
//!
//! The caller holds the target's lock, which is what makes a temp file of a
//! fixed name right: whoever finds one there knows that its writer is dead, and
//! writes its own in place of it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};
use crate::sys;

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A crash of the machine: file and folder are synced before the
    /// acknowledgement.
    #[default]
    Disk,
    /// The death of any process. A power loss within the kernel's write-back
    /// time (some 30 s) may bring the old text back, but no torn one: where the
    /// file system orders a rename after the data of its file, as ext4, XFS,
    /// Btrfs and APFS do.
    Process,
}

/// A file as it was found, still open: while it is, its inode cannot be used
/// again, so that its identity holds.
#[derive(Debug)]
pub(crate) struct OnDisk {
    pub(crate) content: Vec<u8>,
    file: File,
    metadata: Metadata,
}

impl OnDisk {
    pub(crate) fn file_id(&self) -> sys::FileId {
        sys::file_id(&self.metadata)
    }

    /// What was written into it since it was read, if anything. A write that is
    /// half done is given a moment to end.
    pub(crate) fn written_since(&self) -> Option<Vec<u8>> {
        const MOMENT: std::time::Duration = std::time::Duration::from_millis(2);
        let stamp = |metadata: &Metadata| {
            let [device, inode, len, modified, _] = sys::stamp(metadata);
            [device, inode, len, modified]
        };
        let mut last = stamp(&self.metadata);
        if stamp(&self.file.metadata().ok()?) == last {
            return None;
        }
        for _ in 0..10 {
            let now = stamp(&self.file.metadata().ok()?);
            if now == last && now[2] > 0 {
                break;
            }
            last = now;
            std::thread::sleep(MOMENT);
        }
        self.other_text()
    }

    /// What it holds now, if that is another text.
    pub(crate) fn other_text(&self) -> Option<Vec<u8>> {
        let len = self.file.metadata().ok()?.len();
        let content = sys::read_range(&self.file, 0..len).ok()?;
        (content != self.content && !content.is_empty()).then_some(content)
    }

    /// What has to be synced for it to be durable as it stands.
    pub(crate) fn unsynced(&self, path: &Path) -> Result<[Unsynced; 2]> {
        let file = self.file.try_clone().context("sync", path)?;
        Ok([Unsynced::found(file, path), Unsynced::folder(folder(path))?])
    }
}

/// Which file some metadata belongs to.
pub(crate) fn file_id(metadata: &Metadata) -> sys::FileId {
    sys::file_id(metadata)
}

/// Reads a whole file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<OnDisk>> {
    let mut file = match sys::open_no_follow(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("read", path),
    };
    let metadata = file.metadata().context("examine", path)?;
    check_kind(path, &metadata)?;
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.read_to_end(&mut content).context("read", path)?;
    Ok(Some(OnDisk { content, file, metadata }))
}

/// Says why a file, if there is one, is nothing that can be replaced.
pub(crate) fn check_plain(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) => check_kind(path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context("examine", path),
    }
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<()> {
    let problem = if metadata.is_dir() {
        "is a folder: name the file in it"
    } else if metadata.is_file() {
        return Ok(());
    } else {
        "is not a plain file, so it cannot be replaced"
    };
    Err(Error::Target { path: path.into(), problem: problem.to_owned() })
}

/// One replacement of a target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replace<'a> {
    /// The canonical path.
    pub(crate) path: &'a Path,
    /// The temp file's name, which belongs to the lock that the caller holds.
    pub(crate) temp_name: &'a str,
    pub(crate) durability: Durability,
    /// Whether a target of several names may be split off from the others.
    pub(crate) break_hard_link: bool,
}

impl Replace<'_> {
    /// Says why the target cannot be replaced, if so.
    pub(crate) fn check(&self, found: &OnDisk) -> Result<()> {
        let problem = if found.metadata.permissions().readonly() || !sys::may_write(self.path) {
            "is read-only: `chmod u+w` it if it is meant to be written".to_owned()
        } else if sys::link_count(&found.metadata) > 1 && !self.break_hard_link {
            format!(
                "has {} names (hard links), and replacing it would split it from the others: \
                 allow that with `--break-hard-link`",
                sys::link_count(&found.metadata)
            )
        } else {
            return Ok(());
        };
        Err(Error::Target { path: self.path.into(), problem })
    }

    /// Which file a writer left beside the target, if any.
    pub(crate) fn left_over(&self) -> Option<sys::FileId> {
        let metadata = fs::symlink_metadata(self.path.with_file_name(self.temp_name)).ok()?;
        Some(sys::file_id(&metadata))
    }

    /// Writes `content` beside the target, ready to take its name.
    pub(crate) fn stage(&self, content: &[u8], found: Option<&OnDisk>) -> Result<Staged<'_>> {
        // The text of a private file must at no time be readable.
        let staged = self.write(content, found.is_some())?;
        if let Some(found) = found {
            sys::carry_over(&found.file, &found.metadata, &staged.file)
                .context("set the mode of", &staged.temp)?;
        }
        Ok(staged)
    }

    fn write(&self, content: &[u8], private: bool) -> Result<Staged<'_>> {
        let temp = self.path.with_file_name(self.temp_name);
        let mut staged = Staged { file: Self::create(&temp, private)?, temp, replace: self };
        staged.file.write_all(content).context("write", &staged.temp)?;
        Ok(staged)
    }

    /// Takes the target away.
    pub(crate) fn remove(&self) -> Result<()> {
        fs::remove_file(self.path).context("remove", self.path)?;
        self.sync_name()
    }

    /// Removes what a writer that died under this lock left behind.
    pub(crate) fn sweep(&self) {
        // Nothing there is the usual case; anything else meets its error when
        // the temp file is needed.
        let _ = fs::remove_file(self.path.with_file_name(self.temp_name));
    }

    fn create(temp: &Path, private: bool) -> Result<File> {
        let create = || {
            if private {
                return sys::create_private(temp);
            }
            OpenOptions::new().write(true).create_new(true).open(temp)
        };
        match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(temp).context("remove the left-over", temp)?;
                create()
            }
            done => done,
        }
        .context("create", temp)
    }

    fn sync_name(&self) -> Result<()> {
        if self.durability == Durability::Process {
            return Ok(());
        }
        sys::sync_dir(folder(self.path))
            .map_err(|source| Error::NotDurable { path: self.path.into(), source })
    }
}

/// A text that is written beside its target. Dropping it removes it again.
#[derive(Debug)]
#[must_use = "the target is replaced by `put_in_place`"]
pub(crate) struct Staged<'a> {
    file: File,
    /// Empty once there is nothing to remove.
    temp: PathBuf,
    replace: &'a Replace<'a>,
}

impl Staged<'_> {
    /// Which file it is: the target, once it has its name.
    pub(crate) fn file_id(&self) -> sys::FileId {
        self.file.metadata().ok().and_then(|metadata| sys::file_id(&metadata))
    }

    /// What has to be synced before it takes its name.
    pub(crate) fn unsynced(&self) -> Result<Unsynced> {
        let file = self.file.try_clone().context("sync", &self.temp)?;
        Ok(Unsynced::new(file, self.temp.clone(), 0))
    }

    /// Gives it the target's name. On an error other than
    /// [`Error::NotDurable`] the target is as it was.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that renames")]
    pub(crate) fn put_in_place(&mut self) -> Result<()> {
        fs::rename(&self.temp, self.replace.path).context("replace", self.replace.path)?;
        self.temp = PathBuf::new();
        self.replace.sync_name()
    }

    /// Leaves it where it is, as the proof that it never took its name.
    pub(crate) fn leave(mut self) {
        self.temp = PathBuf::new();
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.temp.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.temp);
        }
    }
}

/// A file or folder that was changed and has to be synced.
#[derive(Debug)]
#[must_use = "what is not synced a power loss may take"]
pub(crate) struct Unsynced {
    file: File,
    path: PathBuf,
    /// From which byte on it was written. `None` for a folder, and for what somebody
    /// else wrote.
    from: Option<u64>,
}

impl Unsynced {
    /// A file that was written from this byte on.
    pub(crate) fn new(file: File, path: impl Into<PathBuf>, from: u64) -> Unsynced {
        Unsynced { file, path: path.into(), from: Some(from) }
    }

    fn found(file: File, path: impl Into<PathBuf>) -> Unsynced {
        Unsynced { file, path: path.into(), from: None }
    }

    /// The names in a folder.
    pub(crate) fn folder(path: impl AsRef<Path>) -> Result<Unsynced> {
        let path = path.as_ref();
        Ok(Unsynced::found(sys::open_dir(path).context("sync", path)?, path))
    }

    fn sync(&self) -> Result<()> {
        sys::sync(&self.file).context("sync", &self.path)
    }
}

/// Syncs all of these, in this order, if the write is to survive a power loss.
///
/// A sync waits for the file system's journal, once for each file whose text had
/// no place on the disk yet. So all are sent on their way first: then the first
/// sync waits for the journal, and the others find their part of it done.
pub(crate) fn sync(all: &[Unsynced], durability: Durability) -> Result<()> {
    if durability == Durability::Process {
        return Ok(());
    }
    for unsynced in all {
        if let Some(from) = unsynced.from {
            sys::begin_to_write_out(&unsynced.file, from);
        }
    }
    all.iter().try_for_each(Unsynced::sync)
}

/// Replaces a file by name alone: no lock, no merge, no history. For files that
/// nobody shares; a link is followed, and mode and owner survive.
///
/// # Durability
/// As asked for; on any error but [`Error::NotDurable`] the file is as it was.
pub fn replace(path: &Path, content: &[u8], durability: Durability) -> Result<()> {
    let real = crate::target::resolve(path)?;
    let temp_name = format!(".ccpar-{}.tmp", std::process::id());
    let replace =
        Replace { path: &real, temp_name: &temp_name, durability, break_hard_link: false };
    let found = read(&real)?;
    if let Some(found) = &found {
        replace.check(found)?;
    }
    let mut staged = replace.stage(content, found.as_ref())?;
    sync(&[staged.unsynced()?], durability)?;
    staged.put_in_place()
}

/// Replaces a file of ccpar's own, which is private. A link in its place is replaced
/// too, not followed.
pub(crate) fn replace_own(path: &Path, content: &[u8], durability: Durability) -> Result<()> {
    let temp_name = format!(".ccpar-{}.tmp", std::process::id());
    let replace = Replace { path, temp_name: &temp_name, durability, break_hard_link: true };
    let mut staged = replace.write(content, true)?;
    sync(&[staged.unsynced()?], durability)?;
    staged.put_in_place()
}

/// Gives a file of ccpar's own another name.
#[expect(clippy::disallowed_methods, reason = "this is the one place that renames")]
pub(crate) fn rename_own(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Creates the folders that a new file lacks, durably where asked.
pub(crate) fn create_folders(dir: &Path, durability: Durability) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_folders(parent, durability)?;
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    builder.create(dir).context("create the folder", dir)?;
    if durability == Durability::Disk {
        sys::sync_dir(folder(dir)).context("sync", folder(dir))?;
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
