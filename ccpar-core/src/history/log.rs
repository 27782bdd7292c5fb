//! The log of a target: its records, read from either end, and appended to.

use std::fs::File;
use std::io::{self, Write as _};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::Version;
use super::open::OpenLosses;
use crate::atomic::Unsynced;
use crate::error::{Context as _, Result};
use crate::sys;

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
    /// A text that could not be merged; it is among the parents, and the version
    /// holds what could.
    Conflict,
    /// A text that a tool wrote by itself, as its hook tells.
    Hook,
    /// The target was removed.
    Remove,
    /// Found on disk: written by something other than ccpar.
    Outside,
    /// The losses that it closes were meant; the target stays as it is.
    Dismiss,
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
            How::Conflict => "conflict",
            How::Hook => "hook",
            How::Remove => "remove",
            How::Outside => "outside",
            How::Dismiss => "dismiss",
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

/// What may be wrong with a text that something other than ccpar left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Damage {
    /// There was text, and now there is none.
    Emptied,
    /// It was JSON, and no longer is.
    Unparsable,
    /// A kind that this release does not know.
    #[serde(other)]
    Unknown,
}

impl Damage {
    /// Looks for damage in what became of `old`, a text that is `json` or not.
    pub fn of(old: &[u8], new: &[u8], json: bool) -> Option<Damage> {
        let parses = |text| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        if old.trim_ascii().is_empty() {
            None
        } else if new.trim_ascii().is_empty() {
            Some(Damage::Emptied)
        } else {
            (json && parses(old) && !parses(new)).then_some(Damage::Unparsable)
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Damage::Emptied => "was emptied",
            Damage::Unparsable => "no longer parses as JSON",
            Damage::Unknown => "is damaged",
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(flag: &bool) -> bool {
    !flag
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
    /// Whether that loss may have been meant: it is named, and never made good
    /// by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub maybe: bool,
    /// What it replaced, where that is not its first parent: a write that was
    /// seen half done stands between the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Version>,
    /// What is wrong with what was found on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Where a target that went away is now, as far as that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// The records whose losses this one makes good, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<u64>,
    /// The losses that are open with it; `None` where who wrote it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenLosses>,
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
    /// The file that was to become the target, or was found as it (device and
    /// inode).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<(u64, u64)>,
    /// What stood on disk; absent for what was found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

impl Record {
    /// A record of something that no author of ours did.
    pub(crate) fn outside(version: Version, time: u64) -> Record {
        Record {
            n: 0,
            version,
            how: How::Outside,
            time,
            parents: Vec::new(),
            base: None,
            lost: None,
            maybe: false,
            over: None,
            damage: None,
            moved_to: None,
            closes: Vec::new(),
            open: None,
            session: None,
            branch: None,
            pid: None,
            lines: None,
            file: None,
            before: None,
        }
    }

    /// What stood in the target before it.
    pub fn replaced(&self) -> Version {
        self.over.or(self.parents.first().copied()).unwrap_or(Version::ABSENT)
    }

    /// Whether it leaves the target as it is, and tells of a loss, or that one is over,
    /// or what a version was made from.
    pub(crate) fn is_remark(&self) -> bool {
        self.parents.first() == Some(&self.version)
    }

    /// The version of which it is a remark that says from what that was made, if so.
    pub fn told(&self) -> Option<Version> {
        let told = self.parents.get(1).filter(|_| self.is_remark() && !self.maybe);
        told.filter(|_| self.how == How::Hook).copied()
    }

    /// What a writer may have started from once this was written: the version
    /// itself, and a text that was merged into it. Its author may go on from that
    /// one, and who read the target in between has seen it too.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Version> {
        std::iter::once(self.version).chain(self.parents.iter().skip(1).copied())
    }

    /// Whether something other than ccpar removed the target.
    pub(crate) fn is_removal(&self) -> bool {
        self.how == How::Outside && self.version.is_absent() && !self.parents.is_empty()
    }

    /// Whether this took effect, given the record after it.
    fn took_effect(&self, next: Option<&Record>) -> bool {
        let aborts = |next: &Record| next.how == How::Aborted && next.n == self.n + 1;
        self.how != How::Aborted && !next.is_some_and(aborts)
    }
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
                Ok(Line::Header) => {}
                Err(problem) => parsed.broken.push((number, problem)),
            }
        }
        parsed
    }

    /// The records that took effect, oldest first.
    pub fn effective(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().enumerate().filter_map(|(index, record)| {
            record.took_effect(self.records.get(index + 1)).then_some(record)
        })
    }
}

/// A line of the log: a record, or the header that opens the file.
pub(super) enum Line {
    Record(Box<Record>),
    Header,
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> std::result::Result<Line, String> {
        if format_of(line).is_some() {
            return Ok(Line::Header);
        }
        serde_json::from_slice(line)
            .map(|record| Line::Record(Box::new(record)))
            .map_err(|problem| problem.to_string())
    }
}

/// A log, open for appending under the target's lock.
#[derive(Debug)]
pub(crate) struct Log {
    /// `None`: nothing is written down.
    file: Option<File>,
    path: Utf8PathBuf,
    dir: Utf8PathBuf,
    /// Where the last whole line ends.
    whole: u64,
    /// Where that was when it was opened.
    opened_at: u64,
    head: Option<Record>,
}

impl Log {
    pub(super) fn new(file: File, path: Utf8PathBuf, dir: Utf8PathBuf) -> Result<Log> {
        let (records, whole) = tail(&file, 1).context("read", &path)?;
        let head = records.into_iter().next();
        Ok(Log { file: Some(file), path, dir, whole, opened_at: whole, head })
    }

    /// A log that forgets what is appended.
    pub(super) fn nowhere(head: Option<Record>, path: Utf8PathBuf, dir: Utf8PathBuf) -> Log {
        Log { file: None, path, dir, whole: 0, opened_at: 0, head }
    }

    /// The newest record: what the target should hold.
    pub(crate) fn head(&self) -> Option<&Record> {
        self.head.as_ref()
    }

    /// Appends a record, numbering it, and makes it the head. The log has still
    /// to be synced.
    pub(crate) fn append(&mut self, mut record: Record) -> Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        record.n = self.head.as_ref().map_or(1, |head| head.n + 1);
        record.open = OpenLosses::after(self.head.as_ref(), &record);
        if record.open.is_none() {
            let whole = sys::read_range(file, 0..self.whole).context("read", &self.path)?;
            let mut parsed = Parsed::new(&whole);
            parsed.records.push(record.clone());
            record.open = Some(OpenLosses::of(&parsed));
        }
        let mut line = serde_json::to_vec(&record).expect("a record is plain data");
        line.push(b'\n');
        if file.metadata().context("examine", &self.path)?.len() > self.whole {
            file.set_len(self.whole).context("cut the torn end of", &self.path)?;
        }
        if let Err(error) = file.write_all(&line) {
            let _ = file.set_len(self.whole);
            return Err(error).context("write", &self.path);
        }
        self.whole += line.len() as u64;
        self.head = Some(record);
        Ok(())
    }

    /// What has to be synced for its records and new contents to be durable.
    pub(crate) fn unsynced(&self) -> Result<Vec<Unsynced>> {
        let Some(file) = &self.file else {
            return Ok(Vec::new());
        };
        let log = file.try_clone().context("sync", &self.path)?;
        Ok(vec![
            Unsynced::new(log, self.path.clone(), self.opened_at),
            Unsynced::folder(&self.dir)?,
        ])
    }
}

/// Reads records from the end of a log, newest first, `most` of them if it has so
/// many; and where its last whole line ends.
pub(super) fn tail(log: &File, most: usize) -> io::Result<(Vec<Record>, u64)> {
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
            memchr::memchr(b'\n', &text).map_or(text.len(), |first| first + 1)
        };
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |last| last + 1);
        let lines = text.get(from..whole).unwrap_or_default();
        let records = lines.split_inclusive(|byte| *byte == b'\n').rev().filter_map(|line| {
            let Line::Record(record) = Line::parse(line).ok()? else { return None };
            Some(*record)
        });
        let records: Vec<Record> = records.take(most).collect();
        if records.len() == most || start == 0 {
            return Ok((records, start + whole as u64));
        }
        size = size.saturating_mul(8);
    }
}

/// The format from the first bytes of a log, whose header begins with it.
pub(super) fn format_of(start: &[u8]) -> Option<u64> {
    let rest = start.strip_prefix(br#"{"format":"#)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}
