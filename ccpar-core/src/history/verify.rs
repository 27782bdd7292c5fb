//! Whether a history is sound, and what can be mended.
//!
//! Every content is held against its name, every line of the log is read, and
//! each version that should be kept is looked for. What is mended is copied to
//! `<root>/doctor/<time>/` first. The caller holds the target's lock.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::known::Header;
use super::log::{Line, format_of};
use super::{FORMAT, History, Parsed, Version};
use crate::atomic::{self, Durability};
use crate::error::{Context as _, Result};
use crate::{layout, sys};

/// Something that is wrong with a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file that is wrong.
    pub path: PathBuf,
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
    /// How it is, or would be, mended. `None` if it cannot be.
    pub mended: Option<String>,
}

/// What a check may do, and with what.
#[derive(Clone, Copy)]
pub(crate) struct Check<'a> {
    pub(crate) root: &'a Utf8Path,
    /// The name of the folder under `<root>/history`.
    pub(crate) name: &'a str,
    /// Whether to mend.
    pub(crate) mend: bool,
    /// Where copies go of what is mended.
    pub(crate) copies: &'a Utf8Path,
    /// Paths of which one may be that of the target, where the log does not say.
    pub(crate) perhaps: &'a [PathBuf],
}

impl Check<'_> {
    fn dir(&self) -> Utf8PathBuf {
        self.root.join("history").join(self.name)
    }

    /// Checks all that is kept of one target.
    pub(crate) fn run(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let log = self.dir().join("log.jsonl");
        let text = match sys::read_own(&log) {
            Ok(text) => text,
            // Contents that were read, and no version that was written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).context("read", &log),
        };
        if let Some(format) = format_of(&text).filter(|format| *format > FORMAT) {
            findings.push(Finding {
                path: log.into(),
                line: 1,
                problem: format!(
                    "the log has format {format}, which is newer than this ccpar's {FORMAT}: it \
                     is left alone"
                ),
                mended: None,
            });
            return Ok(findings);
        }
        let target = if text.is_empty() { None } else { self.log(&text, &mut findings)? };
        self.contents(target.as_deref(), &Parsed::new(&text), &mut findings)?;
        Ok(findings)
    }

    /// Checks the lines of the log, and says whose it is.
    fn log(&self, text: &[u8], findings: &mut Vec<Finding>) -> Result<Option<PathBuf>> {
        let path = self.dir().join("log.jsonl");
        let mut finding = |line: u64, problem: String, mended: Option<String>| {
            findings.push(Finding { path: path.clone().into(), line, problem, mended });
        };
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let torn = lines.pop_if(|line| !line.ends_with(b"\n"));
        let fits =
            |target: &Path| layout::history_dir(self.root, target).file_name() == Some(self.name);
        let says = lines.first().and_then(|line| Header::parse(line)).filter(|path| fits(path));
        let target = says.clone().or_else(|| self.perhaps.iter().find(|path| fits(path)).cloned());
        let mut mended: Vec<u8> = Vec::with_capacity(text.len());
        if let (None, Some(target)) = (&says, &target) {
            finding(
                1,
                "the line that says whose history this is cannot be read".to_owned(),
                Some(format!("it is that of `{}`, and says so again", target.display())),
            );
            mended.extend(Header::line(target));
        } else if says.is_none() {
            let problem = "the line that says whose history this is cannot be read";
            finding(1, problem.to_owned(), None);
        }
        let mut known = 0;
        for (line, number) in lines.iter().zip(1_u64..) {
            match Line::parse(line) {
                Ok(Line::Header) if number == 1 && says.is_some() => mended.extend(*line),
                Ok(Line::Header) => {}
                Ok(Line::Record(record)) => {
                    if record.n <= known {
                        let problem = format!("version {} comes after {known}", record.n);
                        finding(number, problem, None);
                    }
                    known = record.n;
                    mended.extend(*line);
                }
                // That one is named above.
                Err(_) if number == 1 && says.is_none() => {}
                Err(problem) => {
                    let taken = "it is taken out of the log".to_owned();
                    finding(number, problem, Some(taken));
                }
            }
        }
        if let Some(torn) = torn {
            let problem = format!("a crash tore the last line after {} bytes", torn.len());
            finding(lines.len() as u64 + 1, problem, Some("it is cut off".to_owned()));
        }
        if self.mend && target.is_some() && mended != text {
            self.copy(&path)?;
            atomic::replace_own(path.as_std_path(), &mended, Durability::Disk)?;
        }
        Ok(target)
    }

    /// Checks the contents, and that none is missing.
    fn contents(
        &self,
        target: Option<&Path>,
        parsed: &Parsed,
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        let mut sound = BTreeSet::new();
        let mut damaged = Vec::new();
        let entries = fs::read_dir(self.dir()).context("list", self.dir())?;
        for entry in entries {
            let path = entry.context("list", self.dir())?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Ok(version) = name.parse::<Version>() else {
                if !["log.jsonl", "pruned"].contains(&&*name) && !name.ends_with(".pruned") {
                    let problem = "this is no file of ccpar's".to_owned();
                    findings.push(Finding { path, line: 0, problem, mended: None });
                }
                continue;
            };
            match sys::read_own(&path) {
                Ok(content) if Version::of(&content) == version => {
                    sound.insert(version);
                }
                // Whoever reads the target puts its content without a lock.
                Ok(_) if is_being_put(&path) => {
                    sound.insert(version);
                }
                Ok(_) => damaged.push((version, path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context("read", &path),
            }
        }
        for (version, path) in damaged {
            let found = self.elsewhere(target, version);
            let mended =
                found.as_ref().map(|(_, at)| format!("it is copied from `{}`", at.display()));
            let lost = match (&found, self.mend) {
                (Some(_), _) => "",
                (None, true) => "; nothing has it whole, and it is put away",
                (None, false) => "; nothing has it whole, and it is to be put away",
            };
            let of = of(parsed, version);
            let problem = format!("the content is not the one that its name says{of}{lost}");
            if self.mend {
                let utf8 = Utf8PathBuf::from_path_buf(path.clone()).unwrap_or_default();
                self.copy(&utf8)?;
                match &found {
                    Some((content, _)) => atomic::replace_own(&path, content, Durability::Disk)?,
                    None => fs::remove_file(&path).context("remove", &path)?,
                }
            }
            findings.push(Finding { path, line: 0, problem, mended });
            sound.insert(version);
        }
        self.missing(target, parsed, &sound, findings)
    }

    /// Names the versions that should be kept and are not.
    fn missing(
        &self,
        target: Option<&Path>,
        parsed: &Parsed,
        sound: &BTreeSet<Version>,
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        // A content is put a moment before its line.
        const MOMENT: u64 = 60_000;
        let Some(target) = target else { return Ok(()) };
        let history = History::new(self.root, target);
        let until = history.pruned_until();
        let mut newest: HashMap<Version, u64> = HashMap::new();
        for record in parsed.effective() {
            newest.insert(record.version, record.time);
        }
        let mut missing: Vec<_> = newest
            .into_iter()
            .filter(|(version, time)| {
                let gone = until > 0 && *time <= until.saturating_add(MOMENT);
                !gone && !version.is_absent() && !sound.contains(version)
            })
            .collect();
        missing.sort_unstable_by_key(|(version, time)| (*time, *version));
        for (version, _) in missing {
            let found = self.elsewhere(Some(target), version);
            let mended =
                found.as_ref().map(|(_, at)| format!("it is copied from `{}`", at.display()));
            if let (true, Some((content, _))) = (self.mend, &found) {
                history.put(content)?;
            }
            findings.push(Finding {
                path: self.dir().join(version.to_string()).into(),
                line: 0,
                problem: format!("the content is missing{}", of(parsed, version)),
                mended,
            });
        }
        Ok(())
    }

    /// Where else this content is: the target, what lies beside it, the histories
    /// of others.
    fn elsewhere(&self, target: Option<&Path>, version: Version) -> Option<(Vec<u8>, PathBuf)> {
        let name = target.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let copies = target
            .and_then(Path::parent)
            .into_iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| {
                let beside = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                name.as_ref().is_some_and(|name| beside.starts_with(name))
            });
        let others = super::known(self.root).unwrap_or_default().into_iter();
        let others = others
            .filter(|other| other != self.name)
            .map(|other| self.root.join("history").join(other).join(version.to_string()).into());
        copies.chain(others).find_map(|path| {
            let content =
                sys::read_own(&path).ok().filter(|content| Version::of(content) == version)?;
            Some((content, path))
        })
    }

    /// Copies a file before it is touched.
    fn copy(&self, path: &Utf8Path) -> Result<()> {
        let dir = self.copies.join(self.name);
        sys::create_private_dir_all(dir.as_std_path(), self.root.as_std_path())
            .context("create", &dir)?;
        let to = dir.join(path.file_name().unwrap_or("file"));
        let content = sys::read_own(path).context("read", path)?;
        let file = sys::open_private(to.as_std_path(), false).context("create", &to)?;
        sys::write_at(&file, &content, 0).context("write", &to)?;
        sys::sync(&file).context("sync", &to)
    }
}

/// Checks the notes of what holders have seen. One that cannot be read is, or
/// would be, put away: the next read notes it anew.
pub(crate) fn check_seen(root: &Utf8Path, mend: bool, copies: &Utf8Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let holders = fs::read_dir(root.join("seen")).into_iter().flatten().flatten();
    let mut notes: Vec<PathBuf> = holders
        .flat_map(|holder| fs::read_dir(holder.path()).into_iter().flatten().flatten())
        .map(|note| note.path())
        .collect();
    notes.sort_unstable();
    for path in notes {
        // One that is empty died before it noted anything.
        let Ok(text) = sys::read_own(&path) else { continue };
        let sound = std::str::from_utf8(&text)
            .is_ok_and(|text| text.is_empty() || text.trim_end().parse::<Version>().is_ok());
        if sound {
            continue;
        }
        if mend {
            let check = Check { root, name: "seen", mend, copies, perhaps: &[] };
            check.copy(&Utf8PathBuf::from_path_buf(path.clone()).unwrap_or_default())?;
            fs::remove_file(&path).context("remove", &path)?;
        }
        findings.push(Finding {
            path,
            line: 1,
            problem: "the note of what a session has seen cannot be read".to_owned(),
            mended: Some("it is put away: the next read notes it anew".to_owned()),
        });
    }
    Ok(findings)
}

/// Which versions have this content, as a person knows them.
fn of(parsed: &Parsed, version: Version) -> String {
    let numbers: Vec<String> = parsed
        .effective()
        .filter(|record| record.version == version)
        .map(|record| record.n.to_string())
        .collect();
    match numbers.len() {
        0 => String::new(),
        1 => format!(": version {}", numbers[0]),
        _ => format!(": versions {}", numbers.join(", ")),
    }
}
/// Whether a content was touched this minute: then it may be half done.
fn is_being_put(path: &Path) -> bool {
    const MOMENT: Duration = Duration::from_secs(60);
    let touched = fs::metadata(path).and_then(|metadata| metadata.modified());
    touched.is_ok_and(|touched| touched.elapsed().is_ok_and(|age| age < MOMENT))
}
