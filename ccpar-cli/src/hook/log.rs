//! What went wrong in hooks, written down: `<root>/hooks.log`, one object a line.
//!
//! At a mebibyte it begins anew. What cannot be written is not: the person was told.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use ccpar_core::layout;

const MOST: u64 = 1 << 20;

/// One thing that went wrong.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// In milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) event: String,
    pub(crate) problem: String,
}

pub(super) fn write(event: &str, problem: &str) {
    let Ok(root) = layout::root(|name| env::var_os(name)) else { return };
    let path = root.join("hooks.log");
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    let _ = folder.recursive(true).create(&root);
    if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.len() > MOST) {
        let _ = fs::remove_file(&path);
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let entry = Entry { time, event: event.to_owned(), problem: problem.to_owned() };
    let Ok(mut line) = serde_json::to_vec(&entry) else { return };
    line.push(b'\n');
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(&path).and_then(|mut file| file.write_all(&line));
}

/// What is written down, oldest first.
pub(crate) fn entries(root: &Path) -> Vec<Entry> {
    let all = fs::read_to_string(root.join("hooks.log")).unwrap_or_default();
    all.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
