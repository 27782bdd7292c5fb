//! What is kept of a namespace, in a folder of its own under the root.
//!
//! ```text
//! <root>/namespaces/<branch>-<key>/
//!   log.jsonl   who it is, then one line per change, appended
//!   texts       the bases, one behind the other
//!   texts-<n>   the same, since they were written anew: the first line says so
//! ```
//!
//! ```text
//! {"format":1,"branch":"feat/x","shared":"/…/memory","folder":"/…/memory/feat-x",…}
//! {"path":"a.md","base":"9f86…","at":0,"len":412}      a file's base, and where it lies
//! {"ready":true}                                        the fork is whole
//! {"path":"a.md","intent":"60ab…","after":7,"into":"shared"}
//! {"discarding":true}
//! ```
//!
//! Of several lines for one file the last holds. An **intent** is written before a
//! text is passed on, and says which version of the other side stood before. If no
//! base follows it, a crash came in between: whether the text had arrived is told by
//! the history of the file that it was for. A last line without its newline is cut
//! off before anything is appended. Fields that a reader does not know are ignored.
//!
//! What no longer holds is dropped when it is more than what does: all is written
//! anew beside the old, and a rename of the log puts it in place. The texts before
//! that stay until the next time, for who reads without a lock.

mod compact;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::atomic::Durability;
use crate::error::{Context as _, Error, Result, Shown, is_missing};
use crate::history::Version;
use crate::sys;

const FORMAT: u64 = 1;

const LOG: &str = "log.jsonl";

/// Who a namespace is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub(super) format: u64,
    /// The branch that it is for.
    pub branch: String,
    /// The folder that it was forked from.
    pub shared: PathBuf,
    /// Where it lies.
    pub folder: PathBuf,
    /// The worktree that it was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<PathBuf>,
    /// The main checkout of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout: Option<PathBuf>,
    /// When, in milliseconds since 1970.
    pub started: u64,
    /// In which file the texts are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) texts: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Header {
    fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("paths were made of text");
        line.push(b'\n');
        line
    }
}

/// Which side a text is passed on to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Into {
    Shared,
    Namespace,
}

impl Into {
    pub(super) fn other(self) -> Into {
        match self {
            Into::Shared => Into::Namespace,
            Into::Namespace => Into::Shared,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<Into>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ready: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    discarding: bool,
}

/// Where a base lies.
#[derive(Debug, Clone, Copy)]
struct Kept {
    version: Version,
    at: u64,
    len: u64,
}

/// A text that is, or was when a crash came, being passed on.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) path: String,
    pub(super) version: Version,
    pub(super) after: u64,
    pub(super) into: Into,
}

/// The record of one namespace.
#[derive(Debug)]
pub(super) struct Record {
    dir: Utf8PathBuf,
    /// The name of the log, which another has while it is written anew.
    log: &'static str,
    pub(super) header: Header,
    bases: BTreeMap<String, Kept>,
    pub(super) intent: Option<Intent>,
    pub(super) ready: bool,
    pub(super) discarding: bool,
    /// Where the last whole line ends.
    whole: u64,
    /// How many lines follow the first.
    lines: usize,
}

impl Record {
    fn new(dir: &Utf8Path, header: Header) -> Record {
        Record {
            dir: dir.to_owned(),
            log: LOG,
            header,
            bases: BTreeMap::new(),
            intent: None,
            ready: false,
            discarding: false,
            whole: 0,
            lines: 0,
        }
    }

    /// Reads a record; `None` if there is none, or none that had got anywhere.
    pub(super) fn load(dir: &Utf8Path) -> Result<Option<Record>> {
        let path = dir.join(LOG);
        let text = match sys::read_own(&path) {
            Ok(text) => text,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error).context("read", &path),
        };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut lines = text[..whole].split_inclusive(|byte| *byte == b'\n');
        let broken = |line: u64, problem: String| {
            let path = path.clone().into();
            Error::Record { path, line, problem }
        };
        let unreadable = |line: u64, folder: Option<&Path>, why: &serde_json::Error| {
            let folder = folder.map_or("FOLDER".into(), |folder| Shown(folder).to_string());
            let problem = format!(
                "{why}; save the notes with `ccpar namespace promote --from {folder}`, then \
                 remove `{dir}`, which forgets the namespace"
            );
            broken(line, problem)
        };
        let Some(first) = lines.next() else { return Ok(None) };
        let header: Header =
            serde_json::from_slice(first).map_err(|error| unreadable(1, None, &error))?;
        if header.format > FORMAT {
            let problem = format!(
                "the namespace has format {}, and this ccpar knows formats up to {FORMAT}: use the \
                 newer ccpar that wrote it",
                header.format
            );
            return Err(broken(1, problem));
        }
        let mut record = Record { whole: whole as u64, ..Record::new(dir, header) };
        for (line, number) in lines.zip(2..) {
            let line = serde_json::from_slice(line)
                .map_err(|error| unreadable(number, Some(&record.header.folder), &error))?;
            record.take(line);
        }
        Ok(Some(record))
    }

    /// Begins a record, in place of any other.
    pub(super) fn create(dir: &Utf8Path, root: &Utf8Path, header: Header) -> Result<Record> {
        remove(dir)?;
        sys::create_private_dir_all(dir.as_std_path(), root.as_std_path())
            .context("create", dir)?;
        let mut record = Record::new(dir, header);
        record.append(&record.header.line())?;
        Ok(record)
    }

    fn take(&mut self, line: Line) {
        self.lines += 1;
        self.ready |= line.ready;
        self.discarding |= line.discarding;
        let Some(path) = line.path else { return };
        if let (Some(version), Some(after), Some(into)) = (line.intent, line.after, line.into) {
            self.intent = Some(Intent { path, version, after, into });
        } else if let Some(version) = line.base {
            if self.intent.as_ref().is_some_and(|intent| intent.path == path) {
                self.intent = None;
            }
            let (at, len) = (line.at.unwrap_or(0), line.len.unwrap_or(0));
            if version.is_absent() {
                self.bases.remove(&path);
            } else {
                self.bases.insert(path, Kept { version, at, len });
            }
        }
    }

    /// The files that have a base.
    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.bases.keys()
    }

    /// The base of a file.
    pub(super) fn base(&self, path: &str) -> Version {
        self.bases.get(path).map_or(Version::ABSENT, |kept| kept.version)
    }

    /// The text of a file's base.
    pub(super) fn text(&self, path: &str) -> Result<Vec<u8>> {
        let Some(kept) = self.bases.get(path) else { return Ok(Vec::new()) };
        let texts = self.texts();
        let file = sys::open_own(texts.as_std_path()).context("read", &texts)?;
        let text = sys::read_range(&file, kept.at..kept.at + kept.len).context("read", &texts)?;
        if Version::of(&text) == kept.version {
            return Ok(text);
        }
        let problem = format!("the base of `{path}` is damaged");
        Err(Error::Record { path: texts.into(), line: 0, problem })
    }

    fn texts(&self) -> Utf8PathBuf {
        texts(&self.dir, self.header.texts)
    }

    /// Notes the base of many files at once. No line says what a power loss takes.
    pub(super) fn set_bases<'a>(
        &mut self,
        durability: Durability,
        texts: impl IntoIterator<Item = Result<(String, std::borrow::Cow<'a, [u8]>)>>,
    ) -> Result<()> {
        let path = self.texts();
        let own = sys::open_private(path.as_std_path(), true).context("open", &path)?;
        let mut at = own.metadata().context("examine", &path)?.len();
        let mut file = io::BufWriter::with_capacity(1 << 16, &own);
        let mut lines = Vec::new();
        let mut taken = Vec::new();
        for text in texts {
            let (name, text) = text?;
            file.write_all(&text).context("write", &path)?;
            let len = text.len() as u64;
            let line = Line {
                path: Some(name),
                base: Some(Version::of(&text)),
                at: Some(at),
                len: Some(len),
                ..Line::default()
            };
            at += len;
            push(&mut lines, &line);
            taken.push(line);
        }
        file.flush().context("write", &path)?;
        if durability == Durability::Disk {
            sys::sync(&own).context("sync", &path)?;
        }
        self.append(&lines)?;
        for line in taken {
            self.take(line);
        }
        Ok(())
    }

    /// Notes the base of a file; `None`: it has none any more.
    pub(super) fn set_base(
        &mut self,
        durability: Durability,
        path: &str,
        text: Option<&[u8]>,
    ) -> Result<()> {
        match text {
            Some(text) => self.set_bases(durability, [Ok((path.to_owned(), text.into()))]),
            None => self.say(Line {
                path: Some(path.to_owned()),
                base: Some(Version::ABSENT),
                ..Line::default()
            }),
        }
    }

    pub(super) fn intend(&mut self, intent: Intent) -> Result<()> {
        self.say(Line {
            path: Some(intent.path),
            intent: Some(intent.version),
            after: Some(intent.after),
            into: Some(intent.into),
            ..Line::default()
        })
    }

    pub(super) fn set_ready(&mut self) -> Result<()> {
        self.say(Line { ready: true, ..Line::default() })
    }

    pub(super) fn set_discarding(&mut self) -> Result<()> {
        self.say(Line { discarding: true, ..Line::default() })
    }

    fn say(&mut self, line: Line) -> Result<()> {
        let mut text = Vec::new();
        push(&mut text, &line);
        self.append(&text)?;
        self.take(line);
        Ok(())
    }

    fn append(&mut self, lines: &[u8]) -> Result<()> {
        let path = self.dir.join(self.log);
        let mut file = sys::open_private(path.as_std_path(), true).context("open", &path)?;
        if file.metadata().context("examine", &path)?.len() > self.whole {
            file.set_len(self.whole).context("cut the torn end of", &path)?;
        }
        if let Err(error) = file.write_all(lines) {
            let _ = file.set_len(self.whole);
            return Err(error).context("write", &path);
        }
        self.whole += lines.len() as u64;
        Ok(())
    }

    /// Makes it durable.
    pub(super) fn sync(&self) -> Result<()> {
        for path in [self.texts(), self.dir.join(self.log)] {
            match sys::open_own(path.as_std_path()) {
                Ok(file) => sys::sync(&file).context("sync", &path)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context("open", &path),
            }
        }
        for folder in [Some(&*self.dir), self.dir.parent()].into_iter().flatten() {
            sys::sync_dir(folder.as_std_path()).context("sync", folder)?;
        }
        Ok(())
    }

    /// Forgets it. The log goes last: while it is there, the work is not done.
    pub(super) fn remove(self) -> Result<()> {
        remove(&self.dir)
    }
}

fn texts(dir: &Utf8Path, n: u64) -> Utf8PathBuf {
    dir.join(if n == 0 { "texts".to_owned() } else { format!("texts-{n}") })
}

fn remove(dir: &Utf8Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error).context("list", dir),
    };
    for entry in entries {
        let path = entry.context("list", dir)?.path();
        if path.file_name().is_some_and(|name| name != LOG) {
            gone(fs::remove_file(&path)).context("remove", &path)?;
        }
    }
    gone(fs::remove_file(dir.join(LOG))).context("remove", dir.join(LOG))?;
    gone(fs::remove_dir(dir)).context("remove", dir)
}

/// What is gone already is gone.
pub(super) fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn push(to: &mut Vec<u8>, line: &Line) {
    serde_json::to_writer(&mut *to, line).expect("it is plain data");
    to.push(b'\n');
}
