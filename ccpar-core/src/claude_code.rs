//! Where Claude Code keeps what it remembers of a project.
//!
//! `<config>/projects/<project>/memory`, where `<project>` is the path of the main
//! checkout, so that all worktrees share one memory. `autoMemoryDirectory` in the
//! user's settings, or in the local ones of the main checkout, puts it elsewhere.
//! Settings that an administrator manages are not looked at. Those that are checked
//! in count for the client where the folder is trusted, which is not ours to tell:
//! they are an error.
//!
//! As client 2.1.330 does it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::checkout;

/// Longest name of a project's folder; a longer one is cut, and a hash follows.
const NAME_MAX: usize = 200;

/// The environment that counts, and whose memory is asked for.
pub struct Client<'a> {
    env: &'a dyn Fn(&str) -> Option<OsString>,
    config: PathBuf,
}

impl std::fmt::Debug for Client<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<'a> Client<'a> {
    /// The client as this environment has it: `$CLAUDE_CONFIG_DIR`, else
    /// `~/.claude`. `env` looks a variable up.
    ///
    /// # Errors
    /// The sentence to show, if neither is set.
    pub fn new(env: &'a dyn Fn(&str) -> Option<OsString>) -> Result<Client<'a>, String> {
        let home = home(env);
        let config = match (set(env, "CLAUDE_CONFIG_DIR"), home) {
            (Some(config), _) => PathBuf::from(config),
            (None, Some(home)) => home.join(".claude"),
            (None, None) => {
                return Err("neither CLAUDE_CONFIG_DIR nor HOME is set: name the folder of the \
                            memory"
                    .to_owned());
            }
        };
        Ok(Client { env, config })
    }

    /// The folder in which the client keeps its settings and projects.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The memory of the project around `dir`: of a worktree that of its main
    /// checkout. It need not exist.
    ///
    /// # Errors
    /// The sentence to show, if it cannot be told which folder that is.
    pub fn memory(&self, dir: &Path) -> Result<PathBuf, String> {
        let main = checkout::main(dir).unwrap_or_else(|| dir.to_owned());
        let [local, project] =
            ["settings.local.json", "settings.json"].map(|name| main.join(".claude").join(name));
        if let Some(folder) = self.auto_memory_directory(&local)? {
            return Ok(folder);
        }
        // At home it is the user's.
        let user = self.config.join("settings.json");
        if project != user
            && let Some(folder) = self.auto_memory_directory(&project)?
        {
            return Err(format!(
                "`{}` puts the memory in `{}`, which counts only for who trusts that: put it in \
                 settings.local.json there, or name the folder of the memory",
                project.display(),
                folder.display()
            ));
        }
        match self.auto_memory_directory(&user)? {
            Some(folder) => Ok(folder),
            None => Ok(self.config.join("projects").join(self.project(&main)).join("memory")),
        }
    }

    /// The memory that the project at exactly this path has: older clients gave one
    /// to each worktree.
    pub fn own_memory(&self, top: &Path) -> PathBuf {
        self.config.join("projects").join(name(&top.to_string_lossy())).join("memory")
    }

    /// The memory folders that older clients left to worktrees of the repository
    /// around `dir`, those that are gone included; sorted.
    pub fn left_memories(&self, dir: &Path, worktrees: &[PathBuf]) -> Vec<PathBuf> {
        let Some(main) = checkout::main(dir) else { return Vec::new() };
        let shared = self.memory(dir).ok();
        let mut found: Vec<PathBuf> = checkout::worktrees(dir)
            .iter()
            .chain(worktrees)
            .map(|top| self.own_memory(top))
            .collect();
        // The client's own worktrees lie in the main checkout.
        let start = format!("{}--claude-worktrees-", encoded(&main.to_string_lossy()));
        let projects = fs::read_dir(self.config.join("projects")).into_iter().flatten().flatten();
        found.extend(
            projects
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
                .map(|entry| entry.path().join("memory")),
        );
        found.retain(|folder| Some(folder) != shared.as_ref() && holds_a_file(folder));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The name of a project's folder. One that is given counts only beside a config
    /// folder that is given, too.
    fn project(&self, main: &Path) -> String {
        let given = set(self.env, "CLAUDE_CONFIG_DIR")
            .and_then(|_| set(self.env, "CLAUDE_CODE_PROJECT_DIR_NAME"))
            .and_then(|name| name.into_string().ok())
            .filter(|name| is_project_name(name));
        given.unwrap_or_else(|| name(&main.to_string_lossy()))
    }

    fn auto_memory_directory(&self, settings: &Path) -> Result<Option<PathBuf>, String> {
        let Ok(text) = fs::read(settings) else { return Ok(None) };
        let problem = |problem: String| format!("`{}`: {problem}", settings.display());
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| problem(error.to_string()))?;
        let Some(folder) = value.get("autoMemoryDirectory").and_then(|value| value.as_str()) else {
            return Ok(None);
        };
        let folder = match (folder.strip_prefix("~/"), home(self.env)) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(folder),
        };
        if folder.is_absolute() {
            Ok(Some(folder))
        } else {
            Err(problem(format!(
                "`autoMemoryDirectory` is `{}`, no absolute path",
                folder.display()
            )))
        }
    }
}

/// The name of the folder of the project at a path. The client has the path in
/// Unicode's composed form; here it is as the file system has it.
fn name(path: &str) -> String {
    let mut name = encoded(path);
    if name.len() > NAME_MAX {
        name.truncate(NAME_MAX);
        name.push('-');
        name.push_str(&base_36(hash(path).unsigned_abs()));
    }
    name
}

/// The client's hash of a text: over its UTF-16 units, as Java has it.
fn hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

fn base_36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// What the client takes for the name of a project's folder.
fn is_project_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let device = |start: &str| {
        let number = lower.strip_prefix(start).map(str::as_bytes);
        matches!(number, Some([b'1'..=b'9']))
    };
    let reserved =
        ["con", "prn", "aux", "nul"].contains(&&*lower) || device("com") || device("lpt");
    (1..=64).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
        && !reserved
}

/// A path as the client makes a name of it.
fn encoded(path: &str) -> String {
    // It counts UTF-16 units.
    path.chars()
        .flat_map(|c| {
            let kept = if c.is_ascii_alphanumeric() { c } else { '-' };
            std::iter::repeat_n(kept, c.len_utf16())
        })
        .collect()
}

fn set(env: &dyn Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    env(name).filter(|value| !value.is_empty())
}

fn home(env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    set(env, "HOME").or_else(|| set(env, "USERPROFILE")).map(PathBuf::from)
}

fn holds_a_file(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_as_the_client_does_it() {
        assert_eq!(encoded("/home/ada/my_app.v2"), "-home-ada-my-app-v2");
        assert_eq!(encoded("/ä/\u{1f600}"), "-----");
        assert_eq!(encoded("C:\\x"), "C--x");
    }

    #[test]
    fn a_long_path_is_cut_and_gets_the_hash_that_the_client_gives_it() {
        // Computed by the client's own function.
        assert_eq!(name(&format!("/home/ada/{}", "x".repeat(190))).len(), 200);
        for (path, end) in [
            (format!("/home/ada/{}", "x".repeat(191)), "xxxxx-u3zu2i"),
            (format!("/home/ada/{}end", "project/".repeat(40)), "rojec-g35ix3"),
            (format!("/\u{e4}/\u{1f600}/{}", "\u{f6}".repeat(250)), "------taqiha"),
        ] {
            assert_eq!(&name(&path)[195..], end, "{path}");
        }
        assert_eq!((&*base_36(i32::MIN.unsigned_abs()), &*base_36(0)), ("zik0zk", "0"));
    }

    #[test]
    fn a_project_has_the_name_that_is_given_only_where_the_client_takes_it() {
        for name in ["mine", "A_b-9", "com", "com10", "lpt0", &"n".repeat(64)] {
            assert!(is_project_name(name), "{name}");
        }
        for name in ["", "..", "a/b", "a.b", "\u{e4}", "CON", "Com1", "lpt9", &"n".repeat(65)] {
            assert!(!is_project_name(name), "{name}");
        }
    }
}
