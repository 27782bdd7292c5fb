//! The root: whose it is, whether it can be written, and whether locks exclude there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ccpar_core::lock::Mode;
use ccpar_core::{Harness, Lock, layout};

use super::finding::{Finding, Weight};
use crate::exit::{Exit, Failure};
use crate::output;

/// All there is to say of it; nothing of one that is not there yet. Its mode is 700:
/// who opens it sees to that.
pub(super) fn findings(harness: &Harness) -> Vec<Finding> {
    let root = harness.root().as_std_path();
    if !root.exists() {
        return Vec::new();
    }
    let word = output::file_word(root);
    let folders = ["", "locks", "history", "sessions", "seen"].map(|name| root.join(name));
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        // It has no name, so nothing is left of it.
        if let Err(error) = tempfile::tempfile_in(folder) {
            let problem = format!("nothing can be written there: {error}");
            let remedy = format!("mend with: chmod -R u+rwX {word}");
            return vec![Finding::new(Weight::Trouble, folder, problem, remedy)];
        }
    }
    foreign(root, &folders).into_iter().chain(locks(harness)).collect()
}

#[cfg(not(unix))]
fn foreign(_: &Path, _: &[PathBuf]) -> Option<Finding> {
    None
}

/// What belongs to another user than the root does: one who ran ccpar as somebody
/// else leaves that.
#[cfg(unix)]
fn foreign(root: &Path, folders: &[PathBuf]) -> Option<Finding> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = root.metadata().ok()?.uid();
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let is_foreign = |path: &PathBuf| path.symlink_metadata().is_ok_and(|it| it.uid() != owner);
    let all: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_foreign).collect();
    let things = output::count(all.len(), "thing");
    let problem = format!("{things} in it of another user, like `{}`", output::path(all.first()?));
    let word = output::file_word(root);
    let remedy = format!("mend with: sudo chown -R \"$(id -u)\" {word}");
    Some(Finding::new(Weight::Trouble, root, problem, remedy))
}

/// Whether a lock that one process holds keeps another out, and only while it is held.
fn locks(harness: &Harness) -> Option<Finding> {
    let name = format!("doctor-{}.lock", std::process::id());
    let path = harness.root().join("locks").join(&name);
    let tries = || {
        let lock = Lock::try_acquire(&path, Mode::Exclusive).map_err(Failure::from)?;
        let while_held = other_gets(harness, &name)?;
        drop(lock);
        Ok::<_, Failure>((while_held, other_gets(harness, &name)?))
    };
    let problem = match tries() {
        Ok((false, true)) => None,
        Ok((true, _)) => Some("two processes held one lock at once".to_owned()),
        Ok((false, false)) => Some("a lock stays taken when it was let go of".to_owned()),
        Err(failure) => Some(failure.text()),
    };
    let _ = std::fs::remove_file(&path);
    let remedy = "locks do not work on this file system: let `CCPAR_ROOT` name a folder of a local \
                  disk, for all sessions";
    problem
        .map(|problem| Finding::new(Weight::Trouble, harness.root().join("locks"), problem, remedy))
}

/// Whether another process can take this lock.
fn other_gets(harness: &Harness, name: &str) -> Result<bool, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(format!("no other process could be had to try a lock: {error}"))
    };
    let program = std::env::current_exe().map_err(cannot)?;
    let mut other = Command::new(program);
    other.args(["doctor", "--try-lock", name]).env("CCPAR_ROOT", harness.root().as_str());
    let other = other.stdin(Stdio::null()).stdout(Stdio::null());
    let output = other.stderr(Stdio::piped()).output().map_err(cannot)?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(Failure::new(output::line(output.stderr.trim_ascii()))),
    }
}

/// The other process.
pub(super) fn try_lock(harness: &Harness, name: &str) -> Result<Exit, Failure> {
    let path = harness.root().join("locks").join(name);
    let lock = Lock::try_acquire(&path, Mode::Exclusive)?;
    Ok(if lock.is_some() { Exit::Done } else { Exit::No })
}

/// What a killed writer left beside a file that nobody has written since.
pub(super) fn litter(harness: &Harness, mend: bool) -> Result<Vec<Finding>, Failure> {
    let (targets, _) = harness.targets(None)?;
    let mut found = Vec::new();
    for target in targets {
        let temp = target.with_file_name(layout::temp_name(harness.root(), &target));
        if temp.symlink_metadata().is_err() {
            continue;
        }
        let lock = layout::lock_file(harness.root(), &target);
        // Whoever holds the lock is at work on it.
        if Lock::try_acquire(&lock, Mode::Exclusive)?.is_none() {
            continue;
        }
        let file = harness.file(&target);
        let sweep = || file.update(|text| Ok::<_, ccpar_core::Error>(text.to_vec()));
        let mended = target.exists() && (!mend || (sweep().is_ok() && !temp.exists()));
        let remedy = if mended { "removed" } else { "the next write of that file removes it" };
        let problem = format!("a writer of `{}` died and left this", output::path(&target));
        let finding = Finding::new(Weight::Warning, temp, problem, remedy);
        found.push(Finding { mended, ..finding });
    }
    Ok(found)
}
