//! Every version that a target had, and what each holder has seen of it.
//!
//! A version is known by the SHA-256 of its content, so `sha256sum FILE` names
//! it too. Contents are kept whole, once each. A log beside them tells in which
//! order they came, from whom, and from which parents.
//!
//! # Format
//! `log.jsonl`, one object a line, appended under the target's lock:
//!
//! ```text
//! {"format":1,"target":"/home/ada/.claude/skills/INDEX.md"}
//! {"n":1,"version":"9f86…","how":"outside","time":1790000000000,…}
//! ```
//!
//! A line is an *intent*: it is written before the target is replaced, and it
//! carries what stood there ([`Before`]). It took effect if the target holds
//! its version, or if a later line builds on it; if the target still is what it
//! was before, the next to look appends a line `aborted`. Fields that a reader
//! does not know are ignored. A last line without its newline was torn by a
//! crash: it is cut off before anything is appended. Any other line that cannot
//! be read is passed over and named.
//!
//! `pruned`: up to which time contents may be gone, in milliseconds since 1970.
//!
//! `<hash>`: the content. It is checked against its name whenever it is read.
//! A file that was torn by a crash is written anew by the next to put it.

mod known;
mod log;
mod open;
mod prune;
mod verify;
mod version;

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use crate::atomic::Unsynced;
use crate::error::{Context as _, Error, Result};
use crate::{layout, sys};
use camino::{Utf8Path, Utf8PathBuf};

use log::{format_of, tail};

pub use known::known;
pub(crate) use known::{forget_seen_by, seen_by};
pub(crate) use log::Log;
pub use log::{Before, Damage, How, Parsed, Record};
pub use open::OpenLosses;
pub use prune::{Limits, Pruned, forget_seen};
pub use verify::Finding;
pub(crate) use verify::{Check, check_seen};
pub use version::Version;

/// The format that this code writes; a log of a later one is left alone.
const FORMAT: u64 = 1;

/// Reads the whole of a file of ccpar's own that is text.
fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let text = sys::read_own(path)?;
    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The versions of one target.
#[derive(Debug, Clone)]
pub struct History {
    root: Utf8PathBuf,
    dir: Utf8PathBuf,
    target: std::path::PathBuf,
}

impl History {
    /// The history of the target with this canonical path. Nothing is created
    /// before there is something to keep.
    pub fn new(root: &Utf8Path, canonical: &Path) -> History {
        History {
            root: root.to_owned(),
            dir: layout::history_dir(root, canonical),
            target: canonical.to_owned(),
        }
    }

    /// Keeps a content. Takes no lock: a content that is there already is
    /// touched, so that a prune spares it. Survives the death of this process,
    /// not a power loss.
    pub fn put(&self, content: &[u8]) -> Result<Version> {
        let version = Version::of(content);
        let Unsynced { .. } = self.put_as(version, content)?;
        Ok(version)
    }

    /// Keeps a content whose version is known. The file that is returned has
    /// still to be synced, and its folder.
    pub(crate) fn put_as(&self, version: Version, content: &[u8]) -> Result<Unsynced> {
        let path = self.content_file(version).into_std_path_buf();
        let file = match sys::create_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create_dir()?;
                sys::create_private(&path)
            }
            done => done,
        };
        let file = match file {
            Ok(mut file) => {
                // What an error leaves half written stays: nobody takes it for
                // whole, and another process may be completing it by now.
                file.write_all(content).context("write", &path)?;
                file
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = sys::open_private(&path, false).context("open", &path)?;
                let len = file.metadata().context("examine", &path)?.len();
                if sys::read_range(&file, 0..len).context("read", &path)? == content {
                    let _ = file.set_modified(SystemTime::now());
                    // A prune that put it aside before it could see that makes
                    // room for a new one.
                    if !path.exists() {
                        return self.put_as(version, content);
                    }
                } else {
                    // Torn by a crash, or being written at this moment by
                    // another process: with the very bytes that we write, so
                    // that both writing in place comes out whole.
                    sys::write_at(&file, content, 0).context("write", &path)?;
                    file.set_len(content.len() as u64).context("write", &path)?;
                }
                file
            }
            Err(error) => return Err(error).context("create", &path),
        };
        Ok(Unsynced::new(file, path, 0))
    }

    /// The content of a version; `None` if it is not kept here.
    ///
    /// # Errors
    /// [`Error::Record`] if what is kept is not what its name says.
    pub fn get(&self, version: Version) -> Result<Option<Vec<u8>>> {
        if version.is_absent() {
            return Ok(Some(Vec::new()));
        }
        let Some(content) = self.get_unchecked(version)? else {
            return Ok(None);
        };
        if Version::of(&content) == version {
            Ok(Some(content))
        } else {
            let problem = "the content is not the one that its name says: it was damaged, or the \
                           machine crashed while it was written";
            let path = self.content_file(version);
            Err(Error::Record { path: path.into(), line: 0, problem: problem.to_owned() })
        }
    }

    /// The same, not held against its name.
    pub(crate) fn get_unchecked(&self, version: Version) -> Result<Option<Vec<u8>>> {
        let path = self.content_file(version);
        // A prune may have put it aside, and may bring it back.
        let aside = || sys::read_own(format!("{path}.pruned"));
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let read = sys::read_own(&path)
            .or_else(|error| if missing(&error) { aside() } else { Err(error) });
        let content = match read {
            Err(error) if missing(&error) => sys::read_own(&path),
            read => read,
        };
        match content {
            Ok(content) => Ok(Some(content)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(error).context("read", &path),
        }
    }

    /// The versions that are kept here and begin with these hex digits, those
    /// included that were only read and never stood at the head of the log.
    pub(crate) fn beginning_with(&self, digits: &str) -> Result<Vec<Version>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context("list", &self.dir),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let fits = names.filter(|name| name.starts_with(&digits.to_ascii_lowercase()));
        Ok(fits.filter_map(|name| name.parse().ok()).collect())
    }

    /// Every record of the log.
    pub fn records(&self) -> Result<Parsed> {
        let path = self.log_file();
        match sys::read_own(&path) {
            Ok(text) => {
                if let Some(format) = format_of(&text) {
                    self.check_format(format)?;
                }
                Ok(Parsed::new(&text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Parsed::default()),
            Err(error) => Err(error).context("read", &path),
        }
    }

    /// The newest records that took effect, newest first, at most `most`: only
    /// the end of the log is read.
    pub fn recent(&self, most: usize) -> Result<Vec<Record>> {
        let log = match sys::open_own(self.log_file().as_std_path()) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context("read", self.log_file()),
        };
        let mut wanted = most;
        loop {
            let (mut records, _) = tail(&log, wanted).context("read", self.log_file())?;
            let is_all = records.len() < wanted;
            records.reverse();
            let parsed = Parsed { records, ..Parsed::default() };
            let newest: Vec<Record> = parsed.effective().rev().take(most).cloned().collect();
            // Some never took effect.
            if newest.len() == most || is_all {
                return Ok(newest);
            }
            wanted = wanted.saturating_mul(2);
        }
    }

    /// The records that took effect and come after the one of this number, oldest
    /// first. Only the end of the log is read.
    pub fn after(&self, n: u64) -> Result<Vec<Record>> {
        let mut most = 8;
        loop {
            let mut records = self.recent(most)?;
            if records.len() < most || records.last().is_none_or(|oldest| oldest.n <= n) {
                records.retain(|record| record.n > n);
                records.reverse();
                return Ok(records);
            }
            most *= 8;
        }
    }

    /// The newest record, whether it took effect or not: what the target should
    /// hold.
    pub(crate) fn newest(&self) -> Result<Option<Record>> {
        match sys::open_own(self.log_file().as_std_path()) {
            Ok(log) => Ok(tail(&log, 1).context("read", self.log_file())?.0.into_iter().next()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("read", self.log_file()),
        }
    }

    /// The losses that are open; `None` if the whole log has to be read for that.
    ///
    /// # Errors
    /// Those of [`records`](Self::records).
    pub(crate) fn open_losses(&self) -> Result<Option<OpenLosses>> {
        let path = self.log_file();
        let log = match sys::open_own(path.as_std_path()) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(OpenLosses::default()));
            }
            Err(error) => return Err(error).context("read", &path),
        };
        if let Some(format) =
            known::first_line(&log).context("read", &path)?.as_deref().and_then(format_of)
        {
            self.check_format(format)?;
        }
        let (newest, _) = tail(&log, 1).context("read", &path)?;
        Ok(newest.into_iter().next().map_or(Some(OpenLosses::default()), |newest| newest.open))
    }

    /// Opens the log to append to it. The caller holds the target's lock.
    pub(crate) fn open_log(&self) -> Result<Log> {
        let path = self.log_file();
        let std_path = path.as_std_path();
        let open = || sys::open_private(std_path, true);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create_dir()?;
                open()
            }
            done => done,
        }
        .context("open", &path)?;
        if let Some(header) = known::first_line(&file).context("read", &path)? {
            if let Some(format) = format_of(&header) {
                self.check_format(format)?;
            }
        } else {
            // It is new, or who made it died before it had said whose it is.
            file.set_len(0).context("cut the torn end of", &path)?;
            file.write_all(&known::Header::line(&self.target)).context("write", &path)?;
        }
        Log::new(file, path, self.dir.clone())
    }

    /// Opens no log: what is appended is forgotten. For who writes without a
    /// history.
    pub(crate) fn open_nothing(&self) -> Log {
        let head = self.newest().ok().flatten();
        Log::nowhere(head, self.log_file(), self.dir.clone())
    }

    /// What a holder has seen of the target, if that is known.
    ///
    /// # Errors
    /// [`Error::Record`] if what is noted cannot be read: to take it for
    /// nothing would be to forget whose lines are at stake.
    pub fn seen(&self, holder: &str) -> Result<Option<Version>> {
        let path = layout::seen_file(&self.root, holder, &self.target);
        if prune::is_beyond_belief(path.as_std_path()) {
            return Ok(None);
        }
        match read_text(&path) {
            // It died before it noted anything.
            Ok(text) if text.is_empty() => Ok(None),
            Ok(text) => text.trim_end().parse().map(Some).map_err(|problem| Error::Record {
                path: path.into(),
                line: 1,
                problem: format!("{problem}; read the file again to note it anew"),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("read", &path),
        }
    }

    /// The folders in which this history was created, to be synced once.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Utf8Path> {
        let within = |folder: &&Utf8Path| folder.starts_with(&self.root);
        self.dir.ancestors().skip(1).take_while(within).chain(self.root.parent())
    }

    /// Notes what a holder has seen. Written in place: it is shorter than a
    /// page, and half of it is no version.
    pub(crate) fn set_seen(&self, holder: &str, version: Version) -> Result<()> {
        let path = layout::seen_file(&self.root, holder, &self.target);
        let path = path.as_std_path();
        let file = match sys::open_private(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let dir = path.parent().unwrap_or(path);
                sys::create_private_dir_all(dir, self.root.as_std_path()).context("create", dir)?;
                sys::open_private(path, false)
            }
            done => done,
        }
        .context("open", path)?;
        sys::write_at(
            &file,
            format!("{version:<64}\n", version = version.to_string()).as_bytes(),
            0,
        )
        .context("write", path)
    }

    fn content_file(&self, version: Version) -> Utf8PathBuf {
        self.dir.join(version.to_string())
    }

    fn log_file(&self) -> Utf8PathBuf {
        self.dir.join("log.jsonl")
    }

    fn create_dir(&self) -> Result<()> {
        sys::create_private_dir_all(self.dir.as_std_path(), self.root.as_std_path())
            .context("create", &self.dir)
    }

    fn check_format(&self, format: u64) -> Result<()> {
        if format <= FORMAT {
            return Ok(());
        }
        Err(Error::Record {
            path: self.log_file().into(),
            line: 1,
            problem: format!(
                "the log has format {format}, and this ccpar knows formats up to {FORMAT}: use \
                 the newer ccpar that wrote it"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_records_are_as_many_as_were_asked_for_though_most_never_took_effect() {
        let home = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(home.path()).unwrap().join("root");
        let history = History::new(&root, &home.path().join("notes.md"));
        let mut log = history.open_log().unwrap();
        for n in 0..100_u64 {
            let record = Record::outside(Version::of(&n.to_le_bytes()), n);
            log.append(record.clone()).unwrap();
            if n % 20 != 0 {
                log.append(Record { how: How::Aborted, ..record }).unwrap();
            }
        }
        let times = |records: Vec<Record>| records.iter().map(|r| r.time).collect::<Vec<_>>();
        assert_eq!(times(history.recent(3).unwrap()), [80, 60, 40]);
        assert_eq!(times(history.recent(9).unwrap()), [80, 60, 40, 20, 0]);
        assert_eq!(times(history.after(0).unwrap()), [0, 20, 40, 60, 80]);
        assert!(history.recent(0).unwrap().is_empty());
        assert_eq!(history.newest().unwrap().unwrap().how, How::Aborted);
    }
}
