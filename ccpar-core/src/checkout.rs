//! Which checkout a folder is in, read from git's own files: a process a question
//! would cost more than everything else a commit does.

use std::fs;
use std::path::{Path, PathBuf};

/// The branch that is checked out in the work tree around `dir`, or the first
/// eight digits of the commit if none is. `None` outside a work tree.
///
/// Follows gitrepository-layout(5): `.git` is a folder, or in a linked worktree
/// a file that names one; `HEAD` in it names the branch.
pub fn branch(dir: &Path) -> Option<String> {
    let head = head(dir)?;
    match head.strip_prefix("ref: ") {
        // git's tables of refs are no business of other programs.
        Some("refs/heads/.invalid") => None,
        Some(name) => Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned()),
        None => head.get(..8).map(str::to_owned),
    }
}

/// Whether a commit is checked out there, and no branch.
pub fn is_detached(dir: &Path) -> bool {
    head(dir).is_some_and(|head| !head.starts_with("ref: "))
}

fn head(dir: &Path) -> Option<String> {
    let head = fs::read_to_string(git_dir(&top(dir)?.join(".git"))?.join("HEAD")).ok()?;
    Some(head.trim_end().to_owned())
}

fn git_dir(dot_git: &Path) -> Option<PathBuf> {
    if dot_git.is_dir() {
        return Some(dot_git.to_owned());
    }
    let text = fs::read_to_string(dot_git).ok()?;
    // A relative path counts from the folder that holds the file.
    Some(dot_git.parent()?.join(text.strip_prefix("gitdir: ")?.trim_end()))
}

/// The top folder of the work tree around `dir`. `None` outside of one.
pub fn top(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned)
}

/// The main work tree of the repository around `dir`, which its linked worktrees
/// share; of a bare repository the folder itself. A submodule is a repository of its
/// own.
pub fn main(dir: &Path) -> Option<PathBuf> {
    let top = top(dir)?;
    if !git_dir(&top.join(".git"))?.join("commondir").is_file() {
        return fs::canonicalize(top).ok();
    }
    let common = common_dir(dir)?;
    match common.file_name() {
        Some(name) if name == ".git" => common.parent().map(Path::to_owned),
        _ => Some(common),
    }
}

/// The top folders of the linked worktrees of the repository around `dir`, those
/// that git knows and that are gone included; sorted.
pub fn worktrees(dir: &Path) -> Vec<PathBuf> {
    let Some(common) = common_dir(dir) else { return Vec::new() };
    let entries = fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten();
    let mut tops: Vec<PathBuf> = entries
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path().join("gitdir")).ok()?;
            entry.path().join(text.trim_end()).parent().map(Path::to_owned)
        })
        .collect();
    tops.sort_unstable();
    tops
}

/// Whether the repository around `dir` has a branch of this name. `None` if git keeps
/// its refs in tables.
pub fn has_branch(dir: &Path, name: &str) -> Option<bool> {
    let Some(common) = common_dir(dir) else { return Some(false) };
    if common.join("reftable").is_dir() {
        return None;
    }
    if common.join("refs").join("heads").join(name).is_file() {
        return Some(true);
    }
    let packed = fs::read_to_string(common.join("packed-refs")).unwrap_or_default();
    let full = format!("refs/heads/{name}");
    Some(packed.lines().any(|line| line.split_once(' ').is_some_and(|(_, name)| name == full)))
}

/// The folder that all worktrees of a repository share.
fn common_dir(dir: &Path) -> Option<PathBuf> {
    if dir.join("HEAD").is_file() && dir.join("objects").is_dir() {
        return fs::canonicalize(dir).ok();
    }
    let own = git_dir(&top(dir)?.join(".git"))?;
    let common = match fs::read_to_string(own.join("commondir")) {
        Ok(text) => own.join(text.trim_end()),
        Err(_) => own,
    };
    fs::canonicalize(common).ok()
}
