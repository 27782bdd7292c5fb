//! Which files are guarded.
//!
//! Those that sessions share: in the client's folder, settings, `CLAUDE.md`, skills,
//! agents and their memory, rules, commands, and each project's memory, wherever the
//! settings say that this one's is; and a repository's `.claude/settings.local.json`.
//! `guard.also` and `guard.not` in `<root>/config.json` add and take away by pattern.

use std::cell::OnceCell;
use std::env;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use ccpar_core::claude_code::Client;
use glob::{MatchOptions, Pattern};

use super::Named;
use super::command;
use super::payload::{Input, Payload};
use crate::config::{Config, UnreadWrite};
use crate::output;

/// What a guarded file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A note of this project's memory, or of an agent's: the client writes it
    /// unasked.
    Memory,
    /// Settings, which may hold secrets.
    Settings,
    /// Anything else.
    Other,
}

/// Single files in the client's folder, and folders of which all is guarded.
const FILES: [&str; 3] = ["settings.json", "settings.local.json", "CLAUDE.md"];
const FOLDERS: [&str; 5] = ["skills", "agents", "agent-memory", "rules", "commands"];

/// A repository's own settings for one machine, which all its worktrees share.
const LOCAL: [&str; 2] = [".claude", "settings.local.json"];

/// What is guarded unless the config says otherwise, for people.
pub(crate) fn patterns() -> Vec<String> {
    let files = FILES.iter().map(|name| format!("~/.claude/{name}"));
    let folders = FOLDERS.iter().map(|name| format!("~/.claude/{name}/**"));
    let others = ["~/.claude/projects/*/memory/**", "<repository>/.claude/settings.local.json"];
    files.chain(folders).chain(others.map(str::to_owned)).collect()
}

/// How many files of one call are looked at.
const MOST: usize = 32;

/// The tools whose calls are about files.
const TOOLS: [&str; 5] = ["Edit", "Write", "Read", "NotebookEdit", "Bash"];

/// Tells which files are guarded.
#[derive(Debug)]
pub(super) struct Guard {
    cwd: PathBuf,
    /// The client's folder as it is named, and as it really is called.
    config: Vec<PathBuf>,
    memories: OnceCell<Vec<PathBuf>>,
    linked: OnceCell<Vec<(PathBuf, Kind)>>,
    also: Vec<Pattern>,
    not: Vec<Pattern>,
}

impl Guard {
    pub(super) fn new(payload: &Payload, config: &Config) -> Guard {
        let variable = |name: &str| env::var_os(name);
        let named = Client::new(&variable).map(|client| client.config().to_owned()).ok();
        Guard {
            cwd: payload.cwd.clone(),
            config: both_names(named),
            memories: OnceCell::new(),
            linked: OnceCell::new(),
            also: read(&config.guard.also),
            not: read(&config.guard.not),
        }
    }

    /// The guarded files that a call of a tool is about.
    pub(super) fn files_of(&self, tool: &str, input: Input) -> Vec<Named> {
        let paths = match tool {
            "Edit" | "Write" | "Read" => input.file_path.into_iter().collect(),
            "NotebookEdit" => input.notebook_path.into_iter().collect(),
            "Bash" => {
                let text = input.command.unwrap_or_default();
                command::files(&text, &self.cwd, |folder| self.holds(folder))
            }
            _ => Vec::new(),
        };
        let mut named: Vec<Named> =
            paths.into_iter().filter_map(|path| self.named(&self.cwd.join(path))).collect();
        named.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        named.dedup();
        named.truncate(MOST);
        named
    }

    /// A path as a guarded file, if it is one.
    pub(super) fn named(&self, path: &Path) -> Option<Named> {
        let path = plain(path);
        let kind = self.kind(&path).or_else(|| {
            // It may lead there by another name, or a link may lead from there to it.
            let real = path.parent()?.canonicalize().ok()?.join(path.file_name()?);
            let last = if real.is_symlink() { real.canonicalize().ok()? } else { real.clone() };
            let linked = || {
                let mut linked = self.linked().iter();
                linked.find(|(target, _)| last.starts_with(target)).map(|(_, kind)| *kind)
            };
            self.kind(&real).or_else(|| self.kind(&last)).or_else(linked)
        })?;
        if path.is_dir() || is_left_alone(&path) || matches(&self.not, &path) {
            return None;
        }
        Some(Named { path, kind })
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if self.memories().iter().any(|memory| path.starts_with(memory)) {
            return Some(Kind::Memory);
        }
        for config in &self.config {
            let Ok(rest) = path.strip_prefix(config) else { continue };
            let names: Vec<&OsStr> = rest.iter().collect();
            let first = names.first().and_then(|name| name.to_str()).unwrap_or_default();
            let is_file = names.len() == 1 && FILES.contains(&first);
            return match first {
                "projects" if names.len() > 3 && names[2] == "memory" => Some(Kind::Other),
                "agent-memory" => Some(Kind::Memory),
                _ if is_file && first != "CLAUDE.md" => Some(Kind::Settings),
                _ if is_file || FOLDERS.contains(&first) => Some(Kind::Other),
                _ => matches(&self.also, path).then_some(Kind::Other),
            };
        }
        if path.ends_with(PathBuf::from_iter(LOCAL)) {
            return Some(Kind::Settings);
        }
        matches(&self.also, path).then_some(Kind::Other)
    }

    /// Where links that stand for guarded files and folders lead, one each, or one
    /// for each skill.
    fn linked(&self) -> &[(PathBuf, Kind)] {
        self.linked.get_or_init(|| {
            let Some(config) = self.config() else { return Vec::new() };
            let skills = std::fs::read_dir(config.join("skills")).into_iter().flatten().flatten();
            let is_link =
                |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let skills = skills.filter(is_link).map(|entry| entry.path());
            let single = FILES.iter().chain(&FOLDERS).map(|name| config.join(name));
            let links = single.filter(|path| path.is_symlink()).chain(skills);
            links.filter_map(|link| Some((link.canonicalize().ok()?, self.kind(&link)?))).collect()
        })
    }

    /// The memory of the project, wherever that is.
    pub(super) fn memory(&self) -> Option<&Path> {
        self.memories().first().map(PathBuf::as_path)
    }

    /// It as it is named, and as it really is called.
    fn memories(&self) -> &[PathBuf] {
        self.memories.get_or_init(|| {
            let variable = |name: &str| env::var_os(name);
            let client = Client::new(&variable).ok();
            both_names(client.and_then(|client| client.memory(&self.cwd).ok()))
        })
    }

    /// The client's folder.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.first().map(PathBuf::as_path)
    }

    /// Whether a folder holds, or may hold, guarded files.
    fn holds(&self, folder: &Path) -> bool {
        let folder = plain(folder);
        self.config.iter().any(|config| folder.starts_with(config))
            || folder.file_name().is_some_and(|name| name == LOCAL[0])
            || self.kind(&folder.join("x")).is_some()
    }
}

/// A folder as it is named, and as it really is called.
fn both_names(named: Option<PathBuf>) -> Vec<PathBuf> {
    let real = named.as_ref().and_then(|named| named.canonicalize().ok());
    let mut folders: Vec<PathBuf> = named.into_iter().chain(real).collect();
    folders.dedup();
    folders
}

/// Whether a tool's calls may be about guarded files.
pub(super) fn knows(tool: &str) -> bool {
    TOOLS.contains(&tool)
}

/// Patterns of the config. One that is none is said, and stops nobody.
fn read(texts: &[String]) -> Vec<Pattern> {
    let read = |text: &String| match Pattern::new(&expanded(text)) {
        Ok(pattern) => Some(pattern),
        Err(problem) => {
            output::say(format!("the pattern `{text}` in config.json: {problem}"));
            None
        }
    };
    texts.iter().filter_map(read).collect()
}

/// Whether a file lies there for another purpose: the client's own, ccpar's
/// conflict copies and temp files.
fn is_left_alone(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name == ".consolidate-lock"
        || name.contains(".conflict-")
        || name.starts_with(".ccpar-")
        || path.iter().any(|part| part == ".trash" || part == ".git")
}

fn matches(patterns: &[Pattern], path: &Path) -> bool {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    patterns.iter().any(|pattern| pattern.matches_path_with(path, options))
}

/// A pattern or path with the home folder in place of `~`.
pub(super) fn expanded(text: &str) -> String {
    let home = || env::var("HOME").or_else(|_| env::var("USERPROFILE")).ok();
    let text = match (text.strip_prefix('~'), home()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with(['/', '\\']) => home + rest,
        _ => text.to_owned(),
    };
    if cfg!(windows) { with_drive(&text).unwrap_or(text) } else { text }
}

/// A path as a shell on Windows shows it, `/c/Users`, in the form that the system
/// knows.
fn with_drive(path: &str) -> Option<String> {
    let path = path.strip_prefix("/cygdrive").unwrap_or(path);
    let mut rest = path.strip_prefix('/')?.chars();
    let drive = rest.next().filter(char::is_ascii_alphabetic)?.to_ascii_uppercase();
    let rest = rest.as_str();
    (rest.is_empty() || rest.starts_with('/'))
        .then(|| format!("{drive}:{}", if rest.is_empty() { "/" } else { rest }))
}

/// A path without `.` and `..`, as it is written.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// What to do with a whole text for a file that its author has not read.
pub(super) fn refuses_unread(config: &Config) -> bool {
    config.guard.unread_write == UnreadWrite::Refuse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_as_a_shell_on_windows_shows_it_has_a_drive() {
        let cases = [
            ("/c/Users/ada/a.md", Some("C:/Users/ada/a.md")),
            ("/cygdrive/d/a.md", Some("D:/a.md")),
            ("/c", Some("C:/")),
            ("/tmp/a.md", None),
            ("/", None),
            ("c/a.md", None),
            ("C:/Users", None),
        ];
        for (path, native) in cases {
            assert_eq!(with_drive(path).as_deref(), native, "{path}");
        }
    }
}
