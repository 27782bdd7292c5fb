//! Which branch a folder is on, read from git's own files: a process a question
//! would cost more than everything else a commit does.

use std::fs;
use std::path::{Path, PathBuf};

/// The branch that is checked out in the work tree around `dir`, or the first
/// eight digits of the commit if none is. `None` outside a work tree.
///
/// Follows gitrepository-layout(5): `.git` is a folder, or in a linked worktree
/// a file that names one; `HEAD` in it names the branch.
pub fn branch(dir: &Path) -> Option<String> {
    let dot_git = worktree(dir)?.join(".git");
    let head = fs::read_to_string(git_dir(&dot_git)?.join("HEAD")).ok()?;
    let head = head.trim_end();
    match head.strip_prefix("ref: ") {
        Some(name) => Some(name.strip_prefix("refs/heads/").unwrap_or(name).to_owned()),
        None => head.get(..8).map(str::to_owned),
    }
}

/// The top folder of the work tree around `dir`.
pub(crate) fn worktree(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_owned)
}

fn git_dir(dot_git: &Path) -> Option<PathBuf> {
    if dot_git.is_dir() {
        return Some(dot_git.to_owned());
    }
    let text = fs::read_to_string(dot_git).ok()?;
    // A relative path counts from the folder that holds the file.
    Some(dot_git.parent()?.join(text.strip_prefix("gitdir: ")?.trim_end()))
}
