//! What the config says: how much is kept.

use std::path::Path;
use std::time::Duration;

use ccpar_core::Limits;
use serde::Deserialize;

use crate::output;

/// `<root>/config.json`, which need not exist. Fields that are not known are
/// those of others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    history: HistoryConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HistoryConfig {
    keep_days: Option<u32>,
    keep_mib: Option<u32>,
}

/// How much is kept of each history. A config that cannot be read is said and
/// stops nobody: then more is kept.
pub(crate) fn limits(root: &Path) -> Limits {
    let path = root.join("config.json");
    let config: Config = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            output::say(format!("`{}` is not as it should be: {error}", output::path(&path)));
            Config::default()
        }),
        Err(_) => Config::default(),
    };
    let (limits, history) = (Limits::default(), config.history);
    Limits {
        age: history
            .keep_days
            .map_or(limits.age, |days| Duration::from_secs(u64::from(days) * 24 * 3600)),
        bytes: history.keep_mib.map_or(limits.bytes, |mib| u64::from(mib) << 20),
    }
}
