//! What is no longer kept.
//!
//! A history is bounded by age and by size. A prune runs under the target's
//! lock, but contents are put without one, so a content that is to go is first
//! put aside, under another name: whoever wants to keep it from then on makes
//! it anew. If it was touched up to that moment it comes back. A prune that is
//! killed in between is finished by the next, and what is aside can be read.
//!
//! `<root>/history/…/pruned` says up to which time contents may be gone: what is
//! missing and younger is damage. A second line says when the last prune was, and
//! how much it left, in the order of [`LastPrune`]. Of a log that has grown long the
//! oldest lines go too.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use camino::Utf8PathBuf;

use super::{History, Parsed, Record, Version};
use crate::atomic::{self, Durability};
use crate::error::{Context as _, Result};
use crate::{layout, sys};

/// What is put or touched is kept for so long, whatever the limits: its reader
/// may be about to note that it has seen it.
const SPARED: Duration = Duration::from_secs(3600);

/// For how long what a session has seen is kept: it may be resumed.
const SEEN: Duration = Duration::from_secs(30 * 24 * 3600);

/// A log is cut when it is longer than this, to so many of its newest lines.
const LOG_BYTES: u64 = 8 << 20;
const LOG_LINES: usize = 10_000;

/// What a content is called that a prune is about to remove.
const ASIDE: &str = ".pruned";

/// How much of a history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For how long a content is kept.
    pub age: Duration,
    /// How many bytes of contents are kept of one target.
    pub bytes: u64,
}

impl Default for Limits {
    /// 90 days and 64 MiB.
    fn default() -> Limits {
        Limits { age: Duration::from_secs(90 * 24 * 3600), bytes: 64 << 20 }
    }
}

/// What a prune removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many contents.
    pub contents: usize,
    /// How many bytes those were.
    pub bytes: u64,
    /// How many lines of the log.
    pub lines: usize,
}

/// When a history was pruned last, and what that left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LastPrune {
    /// The number of the newest record.
    n: u64,
    /// In milliseconds since 1970.
    time: u64,
    /// How many records.
    kept: u64,
}

impl LastPrune {
    /// Whether to prune again, where record `n` is being written and texts have some
    /// `len` bytes: when half as many records have come as were left, when they may
    /// have half the bytes that are allowed, or after a while.
    pub(crate) fn is_due(self, n: u64, now: u64, len: u64, limits: Limits) -> bool {
        const LEAST: u64 = 64;
        let new = n.saturating_sub(self.n);
        let age = u128::from(now.abs_diff(self.time));
        // A sixteenth of 90 days is the better part of a week.
        new >= (self.kept / 2).max(LEAST)
            || new.saturating_mul(len) >= limits.bytes / 2
            || age >= limits.age.as_millis() / 16
    }
}

/// A content that is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    version: Version,
    bytes: u64,
    /// When it was put or touched last, in milliseconds since 1970.
    touched: u64,
}

/// Decides which contents go: the oldest first, whatever is too old and then
/// what is too much; never those that are `spared`, nor what was touched within
/// the last hour.
fn doomed(contents: &[Kept], spared: &HashSet<Version>, now: u64, limits: Limits) -> Vec<Kept> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut newest = contents.to_vec();
    newest.sort_unstable_by_key(|kept| std::cmp::Reverse((kept.touched, kept.version)));
    let mut bytes = 0_u64;
    let goes = newest.into_iter().filter(|kept| {
        bytes = bytes.saturating_add(kept.bytes);
        let age = now.saturating_sub(kept.touched);
        let too_much = bytes > limits.bytes || age > millis(limits.age);
        too_much && age > millis(SPARED) && !spared.contains(&kept.version)
    });
    goes.collect()
}

fn millis_of(metadata: &fs::Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(u64::MAX)
}

/// Whether a note of what a holder has seen is so old that what it names is no longer
/// kept for it.
pub(super) fn is_beyond_belief(note: &Path) -> bool {
    let noted = fs::metadata(note).and_then(|note| note.modified());
    noted.is_ok_and(|noted| noted.elapsed().is_ok_and(|age| age > SEEN))
}

impl History {
    /// Removes what is beyond the limits. The caller holds the target's lock;
    /// `spared` are the versions that must stay, `times` says when each version
    /// stood there last, and `log` the number of the newest record and how many
    /// there are. A log that is open is to be opened anew if lines of it went.
    pub(crate) fn prune(
        &self,
        spared: &HashSet<Version>,
        times: &HashMap<Version, u64>,
        (newest, records): (u64, usize),
        now: u64,
        limits: Limits,
    ) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let (contents, aside) = self.contents()?;
        for path in aside {
            // A prune died here, or is told apart from this one by nothing.
            finish(&path, now, &mut pruned)?;
        }
        let doomed = doomed(&contents, spared, now, limits);
        let last = |kept: &Kept| kept.touched.max(times.get(&kept.version).copied().unwrap_or(0));
        if let Some(last) = doomed.iter().map(last).max() {
            let last = last.max(self.pruned_until());
            self.note(last, self.last_prune())?;
        }
        for kept in doomed {
            let path = self.content_file(kept.version);
            let aside: Utf8PathBuf = format!("{path}{ASIDE}").into();
            match atomic::rename_own(path.as_std_path(), aside.as_std_path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => {
                    done.context("remove", &path)?;
                    finish(&aside, now, &mut pruned)?;
                }
            }
        }
        pruned.lines = self.cut_log()?;
        let kept = records.saturating_sub(pruned.lines).max(contents.len() - pruned.contents);
        let last = LastPrune { n: newest, time: now, kept: kept as u64 };
        self.note(self.pruned_until(), last)?;
        Ok(pruned)
    }

    /// Written in place: it is shorter than a page.
    fn note(&self, until: u64, last: LastPrune) -> Result<()> {
        let LastPrune { n, time, kept } = last;
        let path = self.dir.join("pruned");
        let file = sys::open_private(path.as_std_path(), false).context("open", &path)?;
        let text = format!("{until:020}\n{n:020} {time:020} {kept:020}\n");
        sys::write_at(&file, text.as_bytes(), 0).context("write", &path)
    }

    /// The last prune; what cannot be read was long ago.
    pub(crate) fn last_prune(&self) -> LastPrune {
        let text = super::read_text(self.dir.join("pruned")).unwrap_or_default();
        let line = text.lines().nth(1).unwrap_or_default();
        let numbers: Vec<u64> = line.split(' ').filter_map(|n| n.parse().ok()).collect();
        match numbers[..] {
            [n, time, kept] => LastPrune { n, time, kept },
            _ => LastPrune::default(),
        }
    }

    /// The contents that are kept, and those that a prune has put aside.
    fn contents(&self) -> Result<(Vec<Kept>, Vec<Utf8PathBuf>)> {
        let (mut contents, mut aside) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((contents, aside)),
            Err(error) => return Err(error).context("list", &self.dir),
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.ends_with(ASIDE) {
                aside.push(self.dir.join(name));
            } else if let (Ok(version), Ok(metadata)) = (name.parse(), entry.metadata()) {
                let touched = millis_of(&metadata);
                contents.push(Kept { version, bytes: metadata.len(), touched });
            }
        }
        Ok((contents, aside))
    }

    /// Up to which time contents may be gone, in milliseconds since 1970.
    pub fn pruned_until(&self) -> u64 {
        let text = super::read_text(self.dir.join("pruned"));
        text.ok().and_then(|text| text.lines().next()?.parse().ok()).unwrap_or(0)
    }

    /// What any holder has seen of the target and may come back to.
    pub(crate) fn all_seen(&self, now: u64) -> Vec<Version> {
        let path = layout::seen_file(&self.root, "x", &self.target);
        let key = path.file_name().unwrap_or_default();
        let holders = fs::read_dir(self.root.join("seen")).into_iter().flatten().flatten();
        let seen = holders.filter_map(|holder| {
            let note = holder.path().join(key);
            let age = now.saturating_sub(millis_of(&fs::metadata(&note).ok()?));
            let lives = u128::from(age) <= SEEN.as_millis();
            lives.then(|| super::read_text(note).ok()?.trim_end().parse().ok())?
        });
        seen.collect()
    }

    /// Takes the oldest lines off a log that has grown long, but for losses that
    /// are open. Says how many.
    fn cut_log(&self) -> Result<usize> {
        let path = self.log_file();
        let len = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if len <= LOG_BYTES {
            return Ok(0);
        }
        let text = sys::read_own(&path).context("read", &path)?;
        let Some(kept) = cut(&text, LOG_LINES) else {
            return Ok(0);
        };
        atomic::replace_own(path.as_std_path(), &kept.0, Durability::Disk)?;
        Ok(kept.1)
    }
}

/// Removes notes of what holders have seen that are older than they are believed,
/// of all targets. Says how many.
pub fn forget_seen(root: &camino::Utf8Path, now: u64) -> usize {
    let folders = fs::read_dir(root.join("seen")).into_iter().flatten().flatten();
    let mut forgotten = 0;
    for folder in folders {
        for note in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let age =
                note.metadata().map_or(0, |metadata| now.saturating_sub(millis_of(&metadata)));
            if u128::from(age) > SEEN.as_millis() && fs::remove_file(note.path()).is_ok() {
                forgotten += 1;
            }
        }
        // Stays if there is still something in it.
        let _ = fs::remove_dir(folder.path());
    }
    forgotten
}

/// Removes a content that was put aside, or brings it back if it was touched.
fn finish(aside: &Utf8PathBuf, now: u64, pruned: &mut Pruned) -> Result<()> {
    let metadata = match fs::metadata(aside) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).context("examine", aside),
    };
    let spared = u64::try_from(SPARED.as_millis()).unwrap_or(u64::MAX);
    if now.saturating_sub(millis_of(&metadata)) <= spared {
        let back = aside.as_str().trim_end_matches(ASIDE);
        return atomic::rename_own(aside.as_std_path(), back.as_ref()).context("keep", aside);
    }
    fs::remove_file(aside).context("remove", aside)?;
    pruned.contents += 1;
    pruned.bytes += metadata.len();
    Ok(())
}

/// A log without its oldest lines, and how many those are: the header, losses
/// that are open and the newest lines stay, as they are.
fn cut(text: &[u8], most: usize) -> Option<(Vec<u8>, usize)> {
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let old = lines.len().checked_sub(most + 1).filter(|old| *old > 0)?;
    let parse = |line: &[u8]| serde_json::from_slice::<Record>(line).ok();
    let parsed = Parsed::new(text);
    let closed: HashSet<u64> =
        parsed.effective().flat_map(|record| &record.closes).copied().collect();
    let lost = parsed.effective().filter(|record| record.lost.is_some()).map(|record| record.n);
    let open: HashSet<u64> = lost.filter(|n| !closed.contains(n)).collect();
    let open = |line: &&&[u8]| parse(line).is_some_and(|record| open.contains(&record.n));
    let (header, rest) = lines.split_first()?;
    let stays: Vec<&[u8]> = rest[..old].iter().filter(open).copied().collect();
    let gone = old - stays.len();
    Some(([&[*header], &stays[..], &rest[old..]].concat().concat(), gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn the_oldest_go_first_and_some_never() {
        let version = |n: u64| Version::of(&n.to_le_bytes());
        let kept = |n, hours: u64| Kept {
            version: version(n),
            bytes: 10,
            touched: 1000 * HOUR - hours * HOUR,
        };
        let contents = [kept(0, 0), kept(1, 1), kept(2, 2), kept(3, 3), kept(4, 50), kept(5, 60)];
        let goes = |spared: &[u64], hours: u64, bytes| {
            let spared = spared.iter().map(|n| version(*n)).collect();
            let limits = Limits { age: Duration::from_secs(hours * 3600), bytes };
            let doomed = doomed(&contents, &spared, 1000 * HOUR, limits);
            let number = |kept: &Kept| (0..6).find(|n| version(*n) == kept.version).unwrap();
            doomed.iter().map(number).collect::<Vec<_>>()
        };
        assert_eq!(goes(&[], 100, 60), [0; 0]);
        // By age, by size, and by both; not what is spared.
        assert_eq!(goes(&[], 55, 60), [5]);
        assert_eq!(goes(&[], 100, 35), [3, 4, 5]);
        assert_eq!(goes(&[4], 100, 35), [3, 5]);
        // What was touched within the hour stays though there is no room.
        assert_eq!(goes(&[], 0, 0), [2, 3, 4, 5]);
        assert_eq!(goes(&[2, 5], 0, 0), [3, 4]);
    }

    #[test]
    fn the_more_was_left_the_longer_a_prune_waits() {
        let limits = Limits { age: Duration::from_secs(16 * 3600), bytes: 1 << 20 };
        let due = |last: LastPrune, n, hours, len| last.is_due(n, hours * HOUR, len, limits);
        let few = LastPrune { n: 1000, time: 50 * HOUR, kept: 10 };
        assert!(!due(few, 1063, 50, 10) && due(few, 1064, 50, 10));
        let many = LastPrune { kept: 5000, ..few };
        assert!(!due(many, 3499, 50, 10) && due(many, 3500, 50, 10));
        // By time, by bytes, and where nothing is known.
        assert!(due(many, 1001, 51, 10) && due(many, 1128, 50, 4096));
        assert!(!due(many, 1127, 50, 4096) && due(LastPrune::default(), 1, 50, 10));
    }

    #[test]
    fn a_log_is_cut_at_its_beginning_and_keeps_what_is_open() {
        let mut log = b"{\"format\":1,\"target\":\"x\"}\n".to_vec();
        for n in 1..=20 {
            let mut record = Record { n, ..Record::outside(Version::ABSENT, n) };
            record.lost = [2, 3].contains(&n).then_some(1);
            record.closes = if n == 15 { vec![2] } else { Vec::new() };
            log.extend(serde_json::to_vec(&record).unwrap());
            log.push(b'\n');
        }
        let (kept, gone) = cut(&log, 8).unwrap();
        let parsed = super::super::Parsed::new(&kept);
        let numbers: Vec<u64> = parsed.records.iter().map(|record| record.n).collect();
        assert_eq!(numbers, [3, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!((gone, parsed.broken.len()), (11, 0));
        assert!(kept.starts_with(b"{\"format\":1"));
        assert!(cut(&log, 20).is_none() && cut(b"", 0).is_none());
    }
}
