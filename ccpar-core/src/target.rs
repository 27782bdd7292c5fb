//! Which file a path means.
//!
//! A target is known by its canonical path: links and `..` resolved, in the
//! parents and in the last component. Two spellings are one target, and a write
//! through a link replaces the file and leaves the link.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::{Context as _, Error, Result};
use crate::sys;

/// How many links in a row are followed: Linux's own limit, `path_resolution(7)`.
const LINKS_MAX: usize = 40;

/// Resolves a path to the file that a write through it would reach. The file,
/// and the last of its folders, need not exist.
///
/// # Errors
/// [`Error::Target`] if it leads nowhere, or through a link that another user put
/// where anybody may.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).context("resolve", path)?;
    let real = follow(path.clone())?;
    match sys::foreign_link(&path, &real).context("resolve", &path)? {
        None => Ok(real),
        Some(path) => Err(Error::Target {
            path,
            problem: "is a link that another user made, in a folder where anybody may: name the \
                      file that is meant"
                .to_owned(),
        }),
    }
}

fn follow(mut path: PathBuf) -> Result<PathBuf> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") && !path.is_dir() {
        return Err(Error::Target {
            path,
            problem: "ends in a slash, so it names a folder: name the file in it".to_owned(),
        });
    }
    for _ in 0..LINKS_MAX {
        match fs::canonicalize(&path) {
            Ok(real) => return Ok(real),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("resolve", &path),
        }
        let Some(name) = path.file_name() else {
            return missing(&path);
        };
        let parent = existing(path.parent().unwrap_or(&path))?;
        let real = parent.join(name);
        match fs::read_link(&real) {
            // A dangling link: a write creates the file that it names.
            Ok(to) => path = parent.join(to),
            Err(_) => return Ok(real),
        }
    }
    Err(Error::Target { path, problem: "is a chain of links without an end".to_owned() })
}

/// What a path may have meant before a link took its place, or that of a folder
/// above it: no link followed, and none but in its last component.
pub(crate) fn unfollowed(path: &Path) -> Result<Vec<PathBuf>> {
    let path = std::path::absolute(path).context("resolve", path)?;
    let parent = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    let beside = parent.zip(path.file_name()).map(|(parent, name)| parent.join(name));
    Ok([Some(path), beside].into_iter().flatten().collect())
}

/// Resolves a folder of which the last parts may be missing.
fn existing(dir: &Path) -> Result<PathBuf> {
    match fs::canonicalize(dir) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What does not exist cannot be a link, so its name stands for
            // itself; but `missing/..` means nothing.
            match (dir.parent(), dir.components().next_back()) {
                (Some(parent), Some(Component::Normal(name))) => {
                    let real = existing(parent)?;
                    // A dangling link as a folder: writing would not create it.
                    match fs::symlink_metadata(real.join(name)) {
                        Ok(_) => missing(dir),
                        Err(_) => Ok(real.join(name)),
                    }
                }
                _ => missing(dir),
            }
        }
        Err(error) => Err(error).context("resolve", dir),
    }
}

fn missing(path: &Path) -> Result<PathBuf> {
    let problem = "leads through a folder, or a link to one, that does not exist: make it first";
    Err(Error::Target { path: path.into(), problem: problem.to_owned() })
}
