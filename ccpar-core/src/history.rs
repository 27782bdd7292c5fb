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
//! `<hash>`: the content. It is checked against its name whenever it is read.
//! A file that was torn by a crash is written anew by the next to put it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::atomic::Unsynced;
use crate::error::{Context as _, Error, Result};
use crate::{layout, sys};

/// The format that this code writes; a log of a later one is left alone.
const FORMAT: u64 = 1;

/// One content that a target had, or its absence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(Option<[u8; 32]>);

impl Version {
    /// The state of a target that does not exist. Its text is empty.
    pub const ABSENT: Version = Version(None);

    /// The version that has this content.
    pub fn of(content: &[u8]) -> Version {
        Version(Some(Sha256::digest(content).into()))
    }

    /// Whether this is the absence of the target.
    pub fn is_absent(self) -> bool {
        self.0.is_none()
    }

    /// The first eight hex digits, as people quote it.
    pub fn short(self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(hash) => f.write_str(&layout::hex(&hash)),
            None => f.write_str("absent"),
        }
    }
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Version({self})")
    }
}

impl FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Version, &'static str> {
        if text == "absent" {
            return Ok(Version::ABSENT);
        }
        let bad = "a version is 64 hex digits or `absent`";
        let digits = text.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 64 {
            return Err(bad);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or(bad);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).map_err(|_| bad)?;
        }
        Ok(Version(Some(hash)))
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Version, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a version came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum How {
    /// A writer's text, as it was.
    Write,
    /// A writer's text, merged with what came in between.
    Merge,
    /// Text added at the end.
    Append,
    /// A filter run under the lock.
    Edit,
    /// An older version, put back.
    Restore,
    /// The target was removed.
    Remove,
    /// Found on disk: written by something other than ccpar.
    Outside,
    /// The line before this one never took effect.
    Aborted,
    /// A kind that this release does not know.
    #[serde(other)]
    Unknown,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            How::Write => "write",
            How::Merge => "merge",
            How::Append => "append",
            How::Edit => "edit",
            How::Restore => "restore",
            How::Remove => "remove",
            How::Outside => "outside",
            How::Aborted => "aborted",
            How::Unknown => "unknown",
        })
    }
}

/// What stood on disk when an intent was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Its version.
    pub version: Version,
    /// Which file it was (device and inode): the same bytes in another file
    /// were written by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<(u64, u64)>,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, growing from 1.
    pub n: u64,
    /// What the target holds if this took effect.
    pub version: Version,
    /// How it came about.
    pub how: How,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// The versions it was made from: what stood there, then the writer's own
    /// text where that is another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Version>,
    /// What its text was made from, as known or inferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Version>,
    /// How many lines of others its author replaced without having seen them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<usize>,
    /// The records whose losses this one makes good, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<u64>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The branch that session worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The process that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Lines that came in and lines that went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<(usize, usize)>,
    /// What stood on disk; absent for what was found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// What a log holds: its records, and the lines that cannot be read.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The records, oldest first, those that were aborted included.
    pub records: Vec<Record>,
    /// The number of each broken line, counted from 1, and what is wrong.
    pub broken: Vec<(u64, String)>,
}

impl Parsed {
    /// Reads a log. Cannot fail: what cannot be read is named in the result.
    pub fn new(text: &[u8]) -> Parsed {
        let mut parsed = Parsed::default();
        // A last line without its newline is torn; see the module's page.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        for (line, number) in text[..whole].split_inclusive(|byte| *byte == b'\n').zip(1..) {
            match Line::parse(line) {
                Ok(Line::Record(record)) => parsed.records.push(*record),
                Ok(Line::Header { .. }) => {}
                Err(problem) => parsed.broken.push((number, problem)),
            }
        }
        parsed
    }

    /// The records that took effect, oldest first.
    pub fn effective(&self) -> impl DoubleEndedIterator<Item = &Record> {
        let aborted =
            |index: usize| self.records.get(index + 1).is_some_and(|next| next.how == How::Aborted);
        self.records
            .iter()
            .enumerate()
            .filter(move |(index, record)| record.how != How::Aborted && !aborted(*index))
            .map(|(_, record)| record)
    }
}

/// A line of the log: a record, or the header that opens the file.
enum Line {
    Record(Box<Record>),
    Header { format: u64 },
}

impl Line {
    fn parse(line: &[u8]) -> std::result::Result<Line, String> {
        #[derive(Deserialize)]
        struct Header {
            format: u64,
        }
        match serde_json::from_slice::<Record>(line) {
            Ok(record) => Ok(Line::Record(Box::new(record))),
            Err(problem) => match serde_json::from_slice::<Header>(line) {
                Ok(header) => Ok(Line::Header { format: header.format }),
                Err(_) => Err(problem.to_string()),
            },
        }
    }
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
        Ok(Unsynced::new(file, path))
    }

    /// The content of a version; `None` if it is not kept here.
    ///
    /// # Errors
    /// [`Error::Record`] if what is kept is not what its name says.
    pub fn get(&self, version: Version) -> Result<Option<Vec<u8>>> {
        if version.is_absent() {
            return Ok(Some(Vec::new()));
        }
        let path = self.content_file(version);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("read", &path),
        };
        if Version::of(&content) == version {
            Ok(Some(content))
        } else {
            let problem = "the content is not the one that its name says: it was damaged, or the \
                           machine crashed while it was written";
            Err(Error::Record { path: path.into(), line: 0, problem: problem.to_owned() })
        }
    }

    /// Every record of the log.
    pub fn records(&self) -> Result<Parsed> {
        let path = self.log_file();
        match fs::read(&path) {
            Ok(text) => {
                if let Ok(Line::Header { format }) = Line::parse(first_line(&text)) {
                    self.check_format(format)?;
                }
                Ok(Parsed::new(&text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Parsed::default()),
            Err(error) => Err(error).context("read", &path),
        }
    }

    /// The newest records that can be read, newest first, at most `most`: only
    /// the end of the log is read.
    pub fn recent(&self, most: usize) -> Result<Vec<Record>> {
        let log = match File::open(self.log_file()) {
            Ok(log) => log,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context("read", self.log_file()),
        };
        let (mut records, _) = tail(&log, most).context("read", self.log_file())?;
        records.truncate(most);
        Ok(records)
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
        if file.metadata().context("examine", &path)?.len() == 0 {
            file.write_all(&self.header()).context("write", &path)?;
        } else {
            let mut start = [0; 64];
            let read = sys::read_at(&file, &mut start, 0).context("read", &path)?;
            if let Some(format) = format_of(&start[..read]) {
                self.check_format(format)?;
            }
        }
        let (mut records, whole) = tail(&file, 1).context("read", &path)?;
        let head = if records.is_empty() { None } else { Some(records.swap_remove(0)) };
        Ok(Log { file, path, dir: self.dir.clone(), whole, head })
    }

    /// What a holder has seen of the target.
    pub fn seen(&self, holder: &str) -> Option<Version> {
        let text = fs::read_to_string(layout::seen_file(&self.root, holder, &self.target)).ok()?;
        text.trim_end().parse().ok()
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

    fn header(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Header<'a> {
            format: u64,
            target: std::borrow::Cow<'a, str>,
            /// The path's bytes in hex where it is not UTF-8.
            #[serde(skip_serializing_if = "Option::is_none")]
            target_bytes: Option<String>,
        }
        let target_bytes = match self.target.to_str() {
            Some(_) => None,
            None => Some(layout::hex(self.target.as_os_str().as_encoded_bytes())),
        };
        let header = Header { format: FORMAT, target: self.target.to_string_lossy(), target_bytes };
        let mut line = serde_json::to_vec(&header).expect("text is plain data");
        line.push(b'\n');
        line
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

/// A log, open for appending under the target's lock.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    path: Utf8PathBuf,
    dir: Utf8PathBuf,
    /// Where the last whole line ends.
    whole: u64,
    head: Option<Record>,
}

impl Log {
    /// The newest record: what the target should hold.
    pub(crate) fn head(&self) -> Option<&Record> {
        self.head.as_ref()
    }

    /// Appends a record, numbering it, and makes it the head. The log has still
    /// to be synced.
    pub(crate) fn append(&mut self, mut record: Record) -> Result<()> {
        record.n = self.head.as_ref().map_or(1, |head| head.n + 1);
        let mut line = serde_json::to_vec(&record).expect("a record is plain data");
        line.push(b'\n');
        if self.file.metadata().context("examine", &self.path)?.len() > self.whole {
            self.file.set_len(self.whole).context("cut the torn end of", &self.path)?;
        }
        self.file.write_all(&line).context("write", &self.path).inspect_err(|_| {
            let _ = self.file.set_len(self.whole);
        })?;
        self.whole += line.len() as u64;
        self.head = Some(record);
        Ok(())
    }

    /// What has to be synced for its records and new contents to be durable.
    pub(crate) fn unsynced(&self) -> Result<[Unsynced; 2]> {
        let log = self.file.try_clone().context("sync", &self.path)?;
        Ok([Unsynced::new(log, self.path.clone()), Unsynced::folder(&self.dir)?])
    }
}

/// Reads records from the end of a log, newest first, until there are `most`;
/// and where its last whole line ends. More may come than were asked for.
fn tail(log: &File, most: usize) -> io::Result<(Vec<Record>, u64)> {
    let len = log.metadata()?.len();
    // A line has some 400 bytes.
    let mut size = 512 * (most as u64).max(8);
    loop {
        let start = len.saturating_sub(size);
        let text = sys::read_range(log, start..len)?;
        // The first line of the piece may be cut off, unless it opens the file.
        let from = if start == 0 {
            0
        } else {
            text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |first| first + 1)
        };
        let parsed = Parsed::new(&text[from..]);
        if parsed.records.len() >= most || start == 0 {
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            return Ok((parsed.records.into_iter().rev().collect(), start + whole as u64));
        }
        size = size.saturating_mul(8);
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// The format from the first bytes of a log, whose header begins with it.
fn format_of(start: &[u8]) -> Option<u64> {
    let rest = start.strip_prefix(br#"{"format":"#)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}
