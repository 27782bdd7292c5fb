//! Files, versions and sessions, as they are named on the command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ccpar_core::{Harness, History};

use crate::exit::Failure;
use crate::output;

/// Whether a path is a folder, or was one: it is gone, and there are known files
/// that lay in it.
pub(crate) fn is_folder(harness: &Harness, path: &Path) -> Result<bool, Failure> {
    if path.symlink_metadata().is_ok() {
        return Ok(path.is_dir());
    }
    let real = harness.file(without_slash(path)).real_path()?;
    let (targets, _) = harness.targets(Some(&real))?;
    Ok(targets.iter().any(|target| *target != real))
}

/// `folder/` as `folder`: one that is gone is no folder.
fn without_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The files that a path means: itself, or all known ones in it if it is a folder,
/// or was one. Says whose history is damaged, and whether one was.
pub(crate) fn targets(
    harness: &Harness,
    path: Option<&Path>,
) -> Result<(Vec<PathBuf>, bool), Failure> {
    match path {
        Some(path) if !is_folder(harness, path)? => Ok((vec![path.to_owned()], false)),
        path => known_targets(harness, path),
    }
}

/// All known files, or those that are or lie in a path, which need not exist.
pub(crate) fn known_targets(
    harness: &Harness,
    path: Option<&Path>,
) -> Result<(Vec<PathBuf>, bool), Failure> {
    let (targets, problems) = harness.targets(path.map(without_slash).as_deref())?;
    let trouble = !problems.is_empty();
    for problem in problems {
        Failure::from(problem).report();
    }
    Ok((targets, trouble))
}

/// The session that an id names, or the beginning of one, among those that wrote
/// known files.
pub(crate) fn session(harness: &Harness, given: &str) -> Result<String, Failure> {
    let (targets, _) = harness.targets(None)?;
    let mut fit = BTreeSet::new();
    // What cannot be read is said by who looks at it.
    for history in targets.iter().map(|target| History::new(harness.root(), target)) {
        let records = history.records().unwrap_or_default();
        let sessions = records.effective().filter_map(|record| record.session.as_deref());
        let fits = sessions.filter(|id| !given.is_empty() && id.starts_with(given));
        fit.extend(fits.map(str::to_owned));
    }
    if fit.len() == 1 || fit.contains(given) {
        return Ok(fit.take(given).or_else(|| fit.pop_first()).unwrap_or_default());
    }
    let shown = output::line(given.as_bytes());
    if fit.is_empty() {
        return Err(Failure::new(format!("no session `{shown}` has written a known file"))
            .with_hint("see who has with: ccpar log"));
    }
    let some: Vec<String> = fit.iter().take(5).map(|id| output::line(id.as_bytes())).collect();
    let more = if fit.len() > some.len() { ", ..." } else { "" };
    let all = output::count(fit.len(), "session");
    Err(Failure::new(format!("`{shown}` begins the ids of {all}: {}{more}", some.join(", "))))
}

/// Splits `path@version` where there is a version; a name may hold an `@` of its
/// own.
pub(crate) fn path_maybe_at(word: &OsString) -> (PathBuf, Option<String>) {
    let version = |text: &str| {
        text == "absent"
            || text.bytes().all(|c| c.is_ascii_digit())
            || (text.len() >= 4 && text.bytes().all(|c| c.is_ascii_hexdigit()))
    };
    match path_at(word) {
        Ok((path, at)) if version(&at) && !Path::new(word).exists() => (path, Some(at)),
        _ => (word.into(), None),
    }
}

/// Splits `path@version`; a name may hold an `@` of its own.
pub(crate) fn path_at(word: &OsString) -> Result<(PathBuf, String), Failure> {
    let wrong = || {
        Failure::new(format!("`{}` names no version", output::path(Path::new(word))))
            .with_hint("write `path@3` or `path@1f3870be`; `ccpar log path` lists the versions")
    };
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = word.as_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'@').ok_or_else(wrong)?;
        let version = std::str::from_utf8(&bytes[at + 1..]).map_err(|_| wrong())?;
        if at == 0 || version.is_empty() {
            return Err(wrong());
        }
        Ok((std::ffi::OsStr::from_bytes(&bytes[..at]).into(), version.to_owned()))
    }
    #[cfg(not(unix))]
    {
        let text = word.to_str().ok_or_else(wrong)?;
        match text.rsplit_once('@') {
            Some((path, version)) if !path.is_empty() && !version.is_empty() => {
                Ok((path.into(), version.to_owned()))
            }
            _ => Err(wrong()),
        }
    }
}
