//! An index of notes or skills, held against the files that it lists.
//!
//! A memory's index is its `MEMORY.md`, one entry a note; Claude Code loads the
//! first 200 lines of it, or 25 KB. A folder of skills, each with its `SKILL.md`, may
//! have one: `INDEX.md`, `SKILLS.md` or `README.md`.
//!
//! What an entry says can be derived from the `name` and `description` in the front
//! matter of its file. So an entry can be made where one is missing, and one that is
//! too many can go: if the same line stands elsewhere, or is what its file said. Any
//! other line stays.

mod mend;
mod read;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::harness::Harness;
use crate::namespace::Listing;
use mend::{mended, separator};
use read::{Entry, links};

/// How much of a memory's index Claude Code loads.
pub const LINES_MAX: usize = 200;
/// The same in bytes.
pub const BYTES_MAX: usize = 25_000;

/// The folders among skills that are the client's own.
const RESERVED: [&str; 2] = ["synced/", ".trash/"];

/// What is wrong with an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The line, counted from 1; 0 for the index as a whole.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
    /// What mends it, if anything does.
    pub fix: Option<String>,
}

/// What a look at an index found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The index.
    pub path: PathBuf,
    /// What is wrong with it, in the order of its lines.
    pub flaws: Vec<Flaw>,
}

/// Holds the index of a folder against its files; `None` if it has none. With `fix`
/// it mends what can be derived, by a commit.
pub fn check(harness: &Harness, folder: &Path, fix: bool) -> Result<Option<Checked>> {
    let Some(known) = Known::of(harness, folder)? else { return Ok(None) };
    let file = harness.file(&known.index);
    let mut flaws = Vec::new();
    if fix {
        let _ = file.update(|text| {
            let (found, text) = known.examine(text);
            flaws = found;
            Ok::<_, Error>(text)
        })?;
    } else {
        flaws = known.examine(file.look_only()?.content()).0;
    }
    Ok(Some(Checked { path: known.index, flaws }))
}

/// The files that an index is to list.
struct Known {
    index: PathBuf,
    is_memory: bool,
    /// Each with the entry that its front matter makes.
    files: BTreeMap<String, Option<Entry>>,
    /// What files that are gone said.
    gone: HashMap<String, Entry>,
}

impl Known {
    fn of(harness: &Harness, folder: &Path) -> Result<Option<Known>> {
        let listing = Listing::of(folder)?;
        let (mut index, mut is_memory) = (folder.join("MEMORY.md"), true);
        let is_skill = |path: &&String| {
            path.split('/').count() == 2
                && path.ends_with("/SKILL.md")
                && !RESERVED.iter().any(|reserved| path.starts_with(reserved))
        };
        let skills: Vec<&String> = listing.files.iter().filter(is_skill).collect();
        let is_note = |path: &&String| {
            Path::new(path).extension().is_some_and(|is| is == "md") && *path != "MEMORY.md"
        };
        let mut paths: Vec<&String> = listing.files.iter().filter(is_note).collect();
        if !listing.files.contains("MEMORY.md") && !skills.is_empty() {
            let names = ["INDEX.md", "SKILLS.md", "README.md"];
            let Some(name) = names.into_iter().find(|name| listing.files.contains(*name)) else {
                return Ok(None);
            };
            (index, is_memory, paths) = (folder.join(name), false, skills);
        } else if paths.is_empty() && !listing.files.contains("MEMORY.md") {
            return Ok(None);
        }
        let files = paths.into_iter().map(|path| {
            let text = fs::read(folder.join(path)).unwrap_or_default();
            (path.clone(), Entry::from_front_matter(&text))
        });
        let mut known = Known { index, is_memory, files: files.collect(), gone: HashMap::new() };
        let text = fs::read(&known.index).unwrap_or_default();
        for (_, _, target) in links(&String::from_utf8_lossy(&text)) {
            let path = folder.join(&target);
            if !path.exists()
                && let Some(entry) = last_words(harness, &path)?
            {
                known.gone.insert(target, entry);
            }
        }
        Ok(Some(known))
    }

    /// What is wrong with an index, and its text with what can be derived mended.
    fn examine(&self, text: &[u8]) -> (Vec<Flaw>, Vec<u8>) {
        let shown = String::from_utf8_lossy(text);
        let found: Vec<(usize, bool, String)> = links(&shown);
        let lines: Vec<&str> = shown.split_inclusive('\n').collect();
        let mut flaws = Vec::new();
        let mut dropped: HashSet<usize> = HashSet::new();
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut mentioned: HashSet<String> = HashSet::new();
        for (at, is_entry, target) in &found {
            let file = self.file_of(target);
            let mut flaw = |problem: String, fix: Option<&str>| {
                let (line, fix) = (*at as u64 + 1, fix.map(str::to_owned));
                flaws.push(Flaw { line, problem, fix });
            };
            let says = |entry: Option<&Entry>| {
                entry.is_some_and(|entry| entry.is_said_by(lines[*at], target))
            };
            if let Some(file) = &file {
                mentioned.insert(file.clone());
            } else if !self.folder().join(target).exists() {
                let goes = *is_entry && says(self.gone.get(target));
                if goes {
                    dropped.insert(*at);
                }
                flaw(format!("`{target}` does not exist"), goes.then_some("the entry is removed"));
                continue;
            }
            if !is_entry {
                continue;
            }
            let key = file.unwrap_or_else(|| target.clone());
            match first.get(&key) {
                None => {
                    first.insert(key, *at);
                }
                Some(other) if other == at => {}
                Some(other) => {
                    let same = lines[*other].trim_end() == lines[*at].trim_end();
                    let goes = same || says(self.files.get(&key).and_then(Option::as_ref));
                    if goes {
                        dropped.insert(*at);
                    }
                    let problem = format!("`{target}` is listed in line {} already", other + 1);
                    flaw(problem, goes.then_some("the entry is removed"));
                }
            }
        }
        let mut added = Vec::new();
        for (file, entry) in self.files.iter().filter(|(file, _)| !mentioned.contains(*file)) {
            let problem = format!("`{file}` has no entry");
            let fix = entry.as_ref().map(|entry| entry.line(file, separator(&lines, &found)));
            flaws.push(Flaw {
                line: 0,
                problem,
                fix: fix.as_ref().map(|line| format!("added: {}", line.trim_end())),
            });
            added.extend(fix);
        }
        if self.is_memory && (lines.len() > LINES_MAX || text.len() > BYTES_MAX) {
            let problem = format!(
                "{} lines and {} bytes: Claude Code loads the first {LINES_MAX} lines, or \
                 {BYTES_MAX} bytes",
                lines.len(),
                text.len()
            );
            flaws.push(Flaw { line: 0, problem, fix: None });
        }
        let text = if dropped.is_empty() && added.is_empty() {
            text.to_vec()
        } else {
            mended(text, &found, &dropped, &added)
        };
        (flaws, text)
    }

    fn folder(&self) -> &Path {
        self.index.parent().unwrap_or(&self.index)
    }

    /// Which file a target means: of a skill its folder is enough.
    fn file_of(&self, target: &str) -> Option<String> {
        let target = target.strip_prefix("./").unwrap_or(target);
        let skill = format!("{}/SKILL.md", target.trim_end_matches('/'));
        [target.to_owned(), skill].into_iter().find(|path| self.files.contains_key(path))
    }
}

/// What the front matter of a file said that is gone.
fn last_words(harness: &Harness, path: &Path) -> Result<Option<Entry>> {
    const VERSIONS: usize = 16;
    let Ok(history) = harness.file(path).history() else { return Ok(None) };
    for record in history.recent(VERSIONS)? {
        let stood = [record.version, record.replaced()];
        for version in stood.into_iter().filter(|version| !version.is_absent()) {
            if let Some(text) = history.get(version)? {
                return Ok(Entry::from_front_matter(&text));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &str, description: &str) -> String {
        format!("---\nname: {name}\ndescription: {description}\n---\n\nText.\n")
    }

    fn known(files: &[(&str, &str)], gone: &[(&str, &str)]) -> Known {
        let entry = |text: &&str| Entry::from_front_matter(text.as_bytes());
        Known {
            index: "/nowhere/at/all/MEMORY.md".into(),
            is_memory: true,
            files: files.iter().map(|(file, text)| ((*file).to_owned(), entry(text))).collect(),
            gone: gone
                .iter()
                .map(|(file, text)| ((*file).to_owned(), entry(text).unwrap()))
                .collect(),
        }
    }

    fn examine(known: &Known, text: &str) -> (Vec<(u64, String, bool)>, String) {
        let (flaws, text) = known.examine(text.as_bytes());
        let flaws =
            flaws.into_iter().map(|flaw| (flaw.line, flaw.problem, flaw.fix.is_some())).collect();
        (flaws, String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_missing_entry_is_added_in_the_style_of_the_others() {
        let (a, b) = (note("a", "first"), note("b", "second"));
        let known = known(&[("a.md", &a), ("b.md", &b), ("c.md", "no front matter\n")], &[]);
        let text = "# M\n\n- [a](a.md) — first\n\nEnd.\n";
        let (flaws, fixed) = examine(&known, text);
        assert_eq!(
            flaws,
            [(0, "`b.md` has no entry".into(), true), (0, "`c.md` has no entry".into(), false)]
        );
        assert_eq!(fixed, "# M\n\n- [a](a.md) — first\n- [b](b.md) — second\n\nEnd.\n");
        assert_eq!(examine(&known, &fixed).1, fixed);
        let (_, new) = examine(&known, "# M");
        assert_eq!(new, "# M\n\n- [a](a.md): first\n- [b](b.md): second\n");
        assert!(examine(&known, "a\r\n").1.ends_with("[b](b.md): second\r\n"));
    }

    #[test]
    fn only_a_line_that_can_be_derived_is_dropped() {
        let (a, gone) = (note("a", "first"), note("gone", "was here"));
        let known = known(&[("a.md", &a)], &[("gone.md", &gone)]);
        let text = "- [a](a.md): first\n\
                    - [gone](gone.md): was here\n\
                    - [gone](gone.md): was here, and I know more\n\
                    - [lost](lost.md): nobody knows\n\
                    - [a](./a.md): my own words\n\
                    * [a](a.md) — first\n";
        let (flaws, fixed) = examine(&known, text);
        let lines: Vec<(u64, bool)> = flaws.iter().map(|(line, _, fix)| (*line, *fix)).collect();
        assert_eq!(lines, [(2, true), (3, false), (4, false), (5, false), (6, true)]);
        assert_eq!(
            fixed,
            "- [a](a.md): first\n\
             - [gone](gone.md): was here, and I know more\n\
             - [lost](lost.md): nobody knows\n\
             - [a](./a.md): my own words\n"
        );
    }

    #[test]
    fn an_index_that_is_too_long_is_named() {
        let known = known(&[], &[]);
        assert!(examine(&known, &"x\n".repeat(200)).0.is_empty());
        let (flaws, text) = examine(&known, &"x\n".repeat(201));
        assert!(flaws[0].1.contains("201 lines"), "{flaws:?}");
        assert_eq!(text.len(), 402);
        assert_eq!(examine(&known, &"x".repeat(25_001)).0.len(), 1);
    }
}
