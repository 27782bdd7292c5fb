//! What the config says: how much is kept, and what hooks guard.

use std::env;
use std::path::Path;
use std::time::Duration;

use ccpar_core::{Limits, layout};
use serde::Deserialize;

use crate::output;

/// `<root>/config.json`, which need not exist. Fields that are not known are
/// those of others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    history: HistoryConfig,
    pub(crate) guard: GuardConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HistoryConfig {
    keep_days: Option<u32>,
    keep_mib: Option<u32>,
}

/// Which files of Claude Code's hooks guard, besides those that they always do.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GuardConfig {
    /// Patterns of files to guard too.
    pub(crate) also: Vec<String>,
    /// Patterns of files to leave alone.
    pub(crate) not: Vec<String>,
    /// What becomes of a whole text for a file that its session has not read.
    pub(crate) unread_write: UnreadWrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnreadWrite {
    /// It is refused: the model reads, and writes again.
    #[default]
    Refuse,
    /// It is written; what it replaced is kept.
    Allow,
}

impl Config {
    /// A config that cannot be read is said and stops nobody.
    pub(crate) fn read(root: &Path) -> Config {
        let path = root.join("config.json");
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                output::say(format!("`{}` is not as it should be: {error}", output::path(&path)));
                Config::default()
            }),
            Err(_) => Config::default(),
        }
    }

    /// That of the root that the environment names.
    pub(crate) fn of_environment() -> Config {
        let root = layout::root(|name| env::var_os(name));
        root.map(|root| Config::read(root.as_std_path())).unwrap_or_default()
    }
}

/// How much is kept of each history: more, where the config cannot be read.
pub(crate) fn limits(root: &Path) -> Limits {
    let (limits, history) = (Limits::default(), Config::read(root).history);
    Limits {
        age: history
            .keep_days
            .map_or(limits.age, |days| Duration::from_secs(u64::from(days) * 24 * 3600)),
        bytes: history.keep_mib.map_or(limits.bytes, |mib| u64::from(mib) << 20),
    }
}
