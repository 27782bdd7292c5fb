//! Texts of targets, each read the moment something had written it.
//!
//! Whoever watches targets may be told of a write while it still judges the one
//! before, and by the time it looks the next writer has overwritten it. So a text
//! is read as soon as its writer is done, and judged later, in its turn: by the
//! next to enter the target under its lock, before what stands there then.
//!
//! Reading a text and putting it into the queue is one step under the queue's own
//! mutex, and so is reading the target and taking its queue: what is in the queue
//! then stood there before. The mutex is taken under a target's lock, never the
//! other way round.
//!
//! Who watches may commit too, and a plain write that had begun by then goes into
//! the file that the commit replaced. So that file is kept open for a while, and
//! read with the target.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::held::Held;
use super::settle::{self, Standing};
use super::stale;
use crate::atomic::{self, OnDisk};
use crate::error::Result;
use crate::harness;
use crate::history::{History, How, Record, Version};
use crate::merge::{self, Rules};

/// How far back before it was seen a text is looked for that may be recorded already.
const VERSIONS: usize = 64;

/// How many bytes wait to be judged, at the most. What there is no room for is
/// looked at as it stands when its turn comes.
const BYTES: usize = 32 << 20;

/// How long a file that was replaced is kept open, and how many of a target.
const KEPT: Duration = Duration::from_secs(2);
const KEPT_MOST: usize = 4;

/// What one of them takes, besides its text.
const EACH: usize = 128;

/// A text that stood in a target.
#[derive(Debug)]
pub(super) struct Glimpse {
    pub(super) text: Vec<u8>,
    pub(super) file: Option<(u64, u64)>,
    /// When it was read, in milliseconds since 1970, or before it was replaced.
    pub(super) time: u64,
}

#[derive(Debug, Default)]
struct Queues {
    /// By canonical path.
    followed: BTreeMap<PathBuf, Followed>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Followed {
    queue: Vec<Glimpse>,
    replaced: Vec<Replaced>,
}

/// A file in whose place a commit put another.
#[derive(Debug)]
struct Replaced {
    file: OnDisk,
    at: Instant,
    /// A time before the commit's, in milliseconds since 1970.
    time: u64,
}

impl Queues {
    fn empty(&mut self, real: &Path) -> Vec<Glimpse> {
        let followed = self.followed.get_mut(real);
        let queue =
            followed.map(|followed| std::mem::take(&mut followed.queue)).unwrap_or_default();
        self.bytes -= queue.iter().map(|glimpse| glimpse.text.len() + EACH).sum::<usize>();
        queue
    }
}

/// Texts of some targets that were read in passing, and that wait to be judged.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use ccpar_core::{Glimpses, Harness};
///
/// # let home = tempfile::tempdir()?;
/// # let root = camino::Utf8Path::from_path(home.path()).unwrap().join("ccpar");
/// let glimpses = Arc::new(Glimpses::default());
/// let harness = Harness::open(&root)?.with_glimpses(Arc::clone(&glimpses));
/// let notes = harness.file(home.path().join("MEMORY.md"));
/// let path = notes.real_path()?;
/// glimpses.follow(path.clone());
/// std::fs::write(&path, "- one\n")?;
/// glimpses.take(&path);
/// std::fs::write(&path, "- two\n")?;
/// notes.settle()?;
/// assert_eq!(notes.history()?.recent(9)?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Glimpses(Mutex<Queues>);

impl Glimpses {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        // A queue is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in that the target with this canonical path is followed.
    pub fn follow(&self, real: PathBuf) {
        self.queues().followed.entry(real).or_default();
    }

    /// Reads a target that something has just written, if it is followed. An empty
    /// text is left to the look: a plain write empties the file first.
    pub fn take(&self, real: &Path) {
        let mut queues = self.queues();
        let mut room = BYTES.saturating_sub(queues.bytes);
        let before = room;
        let Some(followed) = queues.followed.get_mut(real) else {
            return;
        };
        let Followed { queue, replaced } = followed;
        let mut put = |text: Vec<u8>, file, time| {
            let size = text.len() + EACH;
            let is_new = !text.is_empty() && queue.iter().all(|glimpse| glimpse.text != text);
            if is_new && size <= room {
                room -= size;
                queue.push(Glimpse { text, file, time });
            }
        };
        replaced.retain(|replaced| replaced.at.elapsed() < KEPT);
        for Replaced { file, time, .. } in replaced {
            if let Some(text) = file.other_text() {
                put(text, file.file_id(), *time);
            }
        }
        let fits = |metadata: &fs::Metadata| metadata.len() <= BYTES as u64;
        // What cannot be read is for the look to say.
        if fs::symlink_metadata(real).is_ok_and(|metadata| fits(&metadata))
            && let Ok(Some(found)) = atomic::read(real)
        {
            let file = found.file_id();
            put(found.content, file, harness::now());
        }
        queues.bytes += before - room;
    }

    /// Keeps a file that was replaced by a commit of this time.
    pub(super) fn keep(&self, real: &Path, file: OnDisk, time: u64) {
        if let Some(Followed { replaced, .. }) = self.queues().followed.get_mut(real) {
            replaced.drain(..replaced.len().saturating_sub(KEPT_MOST - 1));
            replaced.push(Replaced { file, at: Instant::now(), time: time.saturating_sub(1) });
        }
    }

    /// Takes out what was seen in a file that a commit of this time, in milliseconds
    /// since 1970, replaced: it stood there before. Nothing where files have no identity.
    pub(super) fn seen_in(&self, real: &Path, file: &OnDisk, time: u64) -> Vec<Glimpse> {
        let mut queues = self.queues();
        let Queues { followed, bytes } = &mut *queues;
        let (Some(Followed { queue, .. }), Some(file)) = (followed.get_mut(real), file.file_id())
        else {
            return Vec::new();
        };
        let mut seen: Vec<_> = queue.extract_if(.., |glimpse| glimpse.file == Some(file)).collect();
        for Glimpse { text, time: at, .. } in &mut seen {
            *bytes -= text.len() + EACH;
            *at = (*at).min(time.saturating_sub(1));
        }
        seen
    }

    /// Reads the target, and takes out what stood there before.
    pub(super) fn read(&self, real: &Path) -> Result<(Option<OnDisk>, Vec<Glimpse>)> {
        let mut queues = self.queues();
        Ok((atomic::read(real)?, queues.empty(real)))
    }

    /// Takes out all that waits for a target if it is this very text, and says
    /// whether it was.
    pub(super) fn is_all(&self, real: &Path, text: &[u8]) -> bool {
        let mut queues = self.queues();
        let queue = queues.followed.get(real).map_or(&[][..], |followed| &followed.queue);
        let all = queue.iter().all(|glimpse| glimpse.text == text);
        if all {
            queues.empty(real);
        }
        all
    }
}

/// Writes down what was seen in passing, given what `stood` there as the log has
/// it. Says what stood there last.
///
/// A text that the log has already was recorded by who was quicker, or is of
/// ccpar's own making.
pub(super) fn take_in(
    held: &mut Held,
    glimpses: &[Glimpse],
    mut stood: Option<Version>,
) -> Result<Option<Version>> {
    if glimpses.is_empty() {
        return Ok(stood);
    }
    let logged = held.log.head().map_or(0, |head| head.n);
    let mut records = back_to(&held.history, glimpses)?;
    let mut known: Vec<Version> = records.iter().flat_map(Record::texts).collect();
    records.retain(|record| !record.is_remark());
    // The log may have gone on past it: then the newest version came in its place.
    let mut passed: Option<Passed> = None;
    for glimpse in glimpses {
        let version = Version::of(&glimpse.text);
        if known.contains(&version) {
            continue;
        }
        known.push(version);
        let next = records.iter().rfind(|record| record.time > glimpse.time);
        if let Some(next) = next {
            let base = passed.as_ref().map_or(next.replaced(), |passed| passed.base);
            stood = passed.map_or(Some(base), |_| stood);
            passed = Some(Passed { glimpse, base });
        } else if let Some(passed) = passed.take() {
            stood = passed.end(held, records.first())?.or(stood);
        }
        let last = held.log.head().map_or(0, |head| head.time);
        let standing = Standing {
            time: glimpse.time.max(last),
            // Those that were seen in passing before it come at the log's end too.
            later: next.map(|next| next.n..=logged),
            ..Standing::now(version, &glimpse.text, glimpse.file)
        };
        settle::take_down(held, &standing, stood)?;
        stood = Some(version);
    }
    passed.map_or(Ok(None), |passed| passed.end(held, records.first())).map(|end| end.or(stood))
}

/// The newest records, newest first, back to some before the first text was seen: many
/// may have been written since then, and one of those before is perhaps of that text.
fn back_to(history: &History, glimpses: &[Glimpse]) -> Result<Vec<Record>> {
    let first = glimpses.iter().map(|glimpse| glimpse.time).min().unwrap_or(u64::MAX);
    let mut most = VERSIONS;
    loop {
        let records = history.recent(most)?;
        let before = records.iter().filter(|record| record.time < first).count();
        if before >= VERSIONS || records.len() < most {
            return Ok(records);
        }
        most *= 4;
    }
}

/// A text that the log went on past before it was written down.
struct Passed<'g> {
    glimpse: &'g Glimpse,
    /// What stood there before.
    base: Version,
}

impl Passed<'_> {
    /// Writes down that the newest version came in its place, whose author knew
    /// nothing of it, and what that swallowed.
    fn end(self, held: &mut Held, newest: Option<&Record>) -> Result<Option<Version>> {
        let Some(newest) = newest else { return Ok(None) };
        let get = |version| held.history.get(version).ok().flatten().unwrap_or_default();
        let text = get(newest.version);
        let replaced = (Version::of(&self.glimpse.text), self.glimpse.text.clone());
        let base = (self.base, get(self.base));
        let rules = Rules::of(&held.real);
        let loss = if newest.how == How::Outside {
            // Made from any of those, as of one that was written down in its turn.
            let records = held.history.recent(VERSIONS)?;
            let aside = [base.0, replaced.0, newest.version];
            let others = stale::candidates(&held.history, &records, &aside);
            stale::infer(rules, &replaced, &mut others.chain([base]), &text)
        } else {
            // However near to it the text is: it was made from what was read before.
            let loss = stale::infer(rules, &replaced, &mut [base.clone()].into_iter(), &text);
            loss.or_else(|| stale::made_without(rules, &replaced, &base, &text))
        };
        let record = Record {
            time: held.log.head().map_or(newest.time, |head| head.time),
            parents: vec![replaced.0],
            lines: Some(merge::distance(&self.glimpse.text, &text)),
            base: loss.as_ref().map(|loss| loss.base),
            lost: loss.as_ref().map(|loss| loss.lines.len()),
            maybe: loss.is_some_and(|loss| loss.maybe),
            over: None,
            closes: Vec::new(),
            before: None,
            ..newest.clone()
        };
        held.log.append(record)?;
        held.outside = held.log.head().cloned();
        Ok(Some(newest.version))
    }
}
