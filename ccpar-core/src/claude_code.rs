//! Where Claude Code keeps what it remembers of a project.
//!
//! `<config>/projects/<project>/memory`, where `<project>` is the path of the main
//! checkout, so that all worktrees share one memory. `autoMemoryDirectory` in the
//! user's settings, or in the local ones of the main checkout, puts it elsewhere.
//! Settings that an administrator manages are not looked at.

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
        let local = main.join(".claude").join("settings.local.json");
        for settings in [local, self.config.join("settings.json")] {
            if let Some(folder) = self.auto_memory_directory(&settings)? {
                return Ok(folder);
            }
        }
        Ok(self.project(&main)?.join("memory"))
    }

    /// The memory that the project at exactly this path has: older clients gave one
    /// to each worktree.
    ///
    /// # Errors
    /// As for [`memory`](Self::memory).
    pub fn own_memory(&self, top: &Path) -> Result<PathBuf, String> {
        Ok(self.config.join("projects").join(self.name(top)?).join("memory"))
    }

    /// The memory folders that older clients left to worktrees of the repository
    /// around `dir`, those that are gone included; sorted.
    pub fn left_memories(&self, dir: &Path, worktrees: &[PathBuf]) -> Vec<PathBuf> {
        let Some(main) = checkout::main(dir) else { return Vec::new() };
        let shared = self.memory(dir).ok();
        let mut found: Vec<PathBuf> = checkout::worktrees(dir)
            .iter()
            .chain(worktrees)
            .filter_map(|top| self.own_memory(top).ok())
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

    fn project(&self, main: &Path) -> Result<PathBuf, String> {
        let projects = self.config.join("projects");
        if let Some(name) = set(self.env, "CLAUDE_CODE_PROJECT_DIR_NAME") {
            return Ok(projects.join(name));
        }
        Ok(projects.join(self.name(main)?))
    }

    /// The name of a project's folder. Of a long path the client's hash is its own
    /// matter: the folder that is there tells it.
    fn name(&self, path: &Path) -> Result<String, String> {
        let name = encoded(&path.to_string_lossy());
        if name.len() <= NAME_MAX {
            return Ok(name);
        }
        let start = format!("{}-", &name[..NAME_MAX]);
        let entries = fs::read_dir(self.config.join("projects")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let found: Vec<String> = names.filter(|name| name.starts_with(&start)).collect();
        match &found[..] {
            [only] => Ok(only.clone()),
            _ => Err(format!(
                "the path `{}` is so long that Claude Code names its folder by a hash, and {} \
                 folders there begin so: set CLAUDE_CODE_PROJECT_DIR_NAME, or name the folder of \
                 the memory",
                path.display(),
                found.len()
            )),
        }
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
}
