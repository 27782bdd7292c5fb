//! Which targets have a history.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::log::format_of;
use super::{FORMAT, History, Version};
use crate::error::{Context as _, Error, Result, is_missing};
use crate::{layout, sys};

/// The line that opens a log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    format: u64,
    target: String,
    /// The path's bytes in hex where it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_bytes: Option<String>,
}

impl Header {
    pub(super) fn line(target: &std::path::Path) -> Vec<u8> {
        let target_bytes = match target.to_str() {
            Some(_) => None,
            None => Some(layout::hex(target.as_os_str().as_encoded_bytes())),
        };
        let target = target.to_string_lossy().into_owned();
        let header = Header { format: FORMAT, target, target_bytes };
        let mut line = serde_json::to_vec(&header).expect("text is plain data");
        line.push(b'\n');
        line
    }

    /// Whose history a line says that this is, if it is such a line.
    pub(super) fn parse(line: &[u8]) -> Option<PathBuf> {
        serde_json::from_slice::<Header>(line).ok()?.target()
    }

    fn target(self) -> Option<PathBuf> {
        let Some(hex) = self.target_bytes else {
            return Some(self.target.into());
        };
        let digits: Option<Vec<u8>> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        sys::path_from_bytes(digits?)
    }
}

/// The first line of a log, without its newline. `None` if there is none yet, or
/// if a crash tore it.
pub(super) fn first_line(file: &File) -> io::Result<Option<Vec<u8>>> {
    // Few paths are longer.
    let mut size = 1024;
    loop {
        let mut start = sys::read_range(file, 0..size)?;
        if let Some(end) = start.iter().position(|byte| *byte == b'\n') {
            start.truncate(end);
            return Ok(Some(start));
        }
        if (start.len() as u64) < size {
            return Ok(None);
        }
        size *= 8;
    }
}

/// The names of the folders under `<root>/history`, sorted: one a target.
pub fn known(root: &Utf8Path) -> Result<Vec<String>> {
    let dir = root.join("history");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("list", &dir),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.context("list", &dir)?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// The histories of which a holder has seen a whole content, and which.
pub(crate) fn seen_by(root: &Utf8Path, holder: &str) -> Result<Vec<(History, Version)>> {
    // Who has seen nothing has no folder.
    let entries = fs::read_dir(layout::seen_dir(root, holder)).into_iter().flatten().flatten();
    let keys: HashSet<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let mut seen = Vec::new();
    if keys.is_empty() {
        return Ok(seen);
    }
    for name in known(root)? {
        let key = name.rsplit_once('-').map_or(&*name, |(_, key)| key);
        if keys.contains(key)
            // What is wrong with one stops none of the others.
            && let Ok(Some(history)) = History::named(root, &name)
            && let Ok(Some(version)) = history.seen(holder)
        {
            seen.push((history, version));
        }
    }
    Ok(seen)
}

/// Forgets what a holder has seen of all targets.
pub(crate) fn forget_seen_by(root: &Utf8Path, holder: &str) -> Result<()> {
    let seen = layout::seen_dir(root, holder);
    let entries = match fs::read_dir(&seen) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.context("list", &seen)?,
    };
    for entry in entries {
        let note = entry.context("list", &seen)?.path();
        match fs::remove_file(&note) {
            Err(error) if !is_missing(&error) => return Err(error).context("remove", &note),
            _ => {}
        }
    }
    Ok(())
}

impl History {
    /// The history in the folder of this name. `None` if it has no log yet: then
    /// contents were put there, and nothing else.
    ///
    /// # Errors
    /// [`Error::Record`] if the log does not say whose it is.
    pub fn named(root: &Utf8Path, name: &str) -> Result<Option<History>> {
        let path = root.join("history").join(name).join("log.jsonl");
        let line = match sys::open_own(path.as_std_path()).and_then(|file| first_line(&file)) {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error).context("read", &path),
        };
        let damaged =
            |problem: String| Error::Record { path: path.clone().into(), line: 1, problem };
        let header: Header = serde_json::from_slice(&line).map_err(|problem| {
            damaged(format!("the line that says whose history this is cannot be read: {problem}"))
        })?;
        let target = header.target().ok_or_else(|| damaged("the path is damaged".to_owned()))?;
        let history = History::new(root, &target);
        if history.dir.file_name() != Some(name) {
            let says = target.display();
            return Err(damaged(format!(
                "it says that this is the history of `{says}`, and that lies elsewhere"
            )));
        }
        if let Some(format) = format_of(&line) {
            history.check_format(format)?;
        }
        Ok(Some(history))
    }

    /// The canonical path of the target.
    pub fn target(&self) -> &std::path::Path {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_gives_the_path_back() {
        let back = |line: &[u8]| serde_json::from_slice::<Header>(line).unwrap().target();
        let path = std::path::Path::new("/home/ada/a \"b\".md");
        assert_eq!(back(&Header::line(path)).as_deref(), Some(path));
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt as _;
            let path = std::path::Path::new(std::ffi::OsStr::from_bytes(b"/x/\xff"));
            assert_eq!(back(&Header::line(path)).as_deref(), Some(path));
        }
        assert_eq!(back(br#"{"format":1,"target":"x","target_bytes":"0g"}"#), None);
    }
}
