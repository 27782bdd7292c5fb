//! The lines of `CLAUDE.local.md` that tell the agents of a worktree where to write.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ccpar_core::namespace::{Fork, Namespace};
use ccpar_core::{Error, Harness};

use crate::exit::Failure;
use crate::output;

const NAME: &str = "CLAUDE.local.md";
const BEGIN: &str = "<!-- ccpar namespace -->";
const END: &str = "<!-- /ccpar namespace -->";

/// The file to write: one that is named, or the worktree's own, which git must not
/// track.
pub(super) fn file(fork: &Fork, named: &Path) -> Result<PathBuf, Failure> {
    if !named.as_os_str().is_empty() {
        return Ok(named.to_owned());
    }
    let Some(worktree) = &fork.worktree else {
        return Err(Failure::new(format!(
            "`{}` is not checked out here",
            output::path(fork.branch.as_ref())
        ))
        .with_hint("go to its worktree, or name the file: --claude-md=FILE"));
    };
    let file = worktree.join(NAME);
    let all_the_same = format!("if it is to be written all the same: --claude-md={NAME}");
    if file.is_symlink() {
        // What it leads to may be tracked, or be shared with other worktrees.
        return Err(
            Failure::new(format!("`{}` is a link", output::path(&file))).with_hint(all_the_same)
        );
    }
    let tracked = Command::new("git")
        .args(["ls-files", "--error-unmatch", NAME])
        .current_dir(worktree)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match tracked {
        Ok(status) if status.success() => {
            Err(Failure::new(format!("`{}` is tracked by git", output::path(&file)))
                .with_hint(all_the_same))
        }
        Ok(_) => Ok(file),
        Err(error) => {
            Err(Failure::new(format!("cannot ask git whether it tracks {NAME}: {error}"))
                .with_hint(all_the_same))
        }
    }
}

pub(super) fn write(harness: &Harness, file: &Path, namespace: &Namespace) -> Result<(), Failure> {
    let folder = output::path(namespace.folder());
    let lines = format!(
        "Notes of this branch, `{}`, lie in `{folder}`. Read `MEMORY.md` there first; write what \
         you learn there, and nowhere else. It is passed on with `ccpar namespace promote`.\n",
        output::line(namespace.branch().as_bytes())
    );
    let edit = |text: &[u8]| Ok::<_, Error>(with_block(text, Some(&lines)));
    let _ = harness.file(file).update(edit)?;
    output::say(format!("`{}` tells the agents here", output::short_path(file)));
    Ok(())
}

/// Takes the block out of the worktree's own file, if it is this namespace's.
pub(super) fn remove(harness: &Harness, namespace: &Namespace) -> Result<(), Failure> {
    let Some(worktree) = &namespace.header().worktree else { return Ok(()) };
    let file = worktree.join(NAME);
    let Ok(text) = std::fs::read(&file) else { return Ok(()) };
    let folder = format!("`{}`", output::path(namespace.folder()));
    let is_its_own = block_of(&text)
        .is_some_and(|block| String::from_utf8_lossy(&text[block]).contains(&folder));
    if !is_its_own {
        return Ok(());
    }
    let rest = with_block(&text, None);
    let file = harness.file(file);
    let _ = if rest.is_empty() {
        file.remove()?
    } else {
        file.update(|text| Ok::<_, Error>(with_block(text, None)))?
    };
    Ok(())
}

/// Where the marks stand, and what is between them.
fn block_of(text: &[u8]) -> Option<std::ops::Range<usize>> {
    let find = |mark: &str, from: usize| {
        let at = text[from..].windows(mark.len()).position(|window| window == mark.as_bytes())?;
        Some(from + at)
    };
    let start = find(BEGIN, 0)?;
    let end = find(END, start)? + END.len();
    let line_end =
        ["\r\n", "\n"].into_iter().find(|line_end| text[end..].starts_with(line_end.as_bytes()));
    Some(start..end + line_end.map_or(0, str::len))
}

/// The text with these lines between the marks, or without marks and lines.
fn with_block(text: &[u8], lines: Option<&str>) -> Vec<u8> {
    let block = lines.map_or_else(String::new, |lines| format!("{BEGIN}\n{lines}{END}\n"));
    match block_of(text) {
        Some(range) => {
            let mut before = &text[..range.start];
            if block.is_empty() && range.end == text.len() {
                // The blank line that set it off.
                before =
                    before.strip_suffix(b"\n\n").map_or(before, |_| &before[..before.len() - 1]);
            }
            [before, block.as_bytes(), &text[range.end..]].concat()
        }
        None if block.is_empty() => text.to_vec(),
        None => {
            let gap: &[u8] = match text {
                [] => b"",
                _ if text.ends_with(b"\n") => b"\n",
                _ => b"\n\n",
            };
            [text, gap, block.as_bytes()].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, lines: Option<&str>) -> String {
        String::from_utf8(with_block(text.as_bytes(), lines)).unwrap()
    }

    #[test]
    fn a_block_is_written_once_replaced_and_taken_out_again() {
        for text in ["", "# Mine\n", "a\n\nb\n"] {
            let once = with(text, Some("one\n"));
            assert!(once.starts_with(text) && once.contains("one\n"), "{once}");
            assert_eq!(with(&once, Some("one\n")), once);
            let two = with(&once, Some("two\n"));
            assert!(!two.contains("one") && two.matches(BEGIN).count() == 1, "{two}");
            assert_eq!(with(&two, None), text);
        }
        let within = format!("a\n{BEGIN}\nx\n{END}\nb\n");
        assert_eq!(with(&within, None), "a\nb\n");
        assert_eq!(with(&within.replace('\n', "\r\n"), None), "a\r\nb\r\n");
        // A mark without its other half is somebody's text.
        let half = format!("{BEGIN}\nx\n");
        assert_eq!(with(&half, None), half);
    }
}
