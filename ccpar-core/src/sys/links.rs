//! Links that somebody else made where anybody may.
//!
//! In a folder like `/tmp`, which all may write and in which each may take away but
//! their own, a link of another user is a trap: whoever writes through it writes what
//! they never named. Linux itself does not follow one (`protected_symlinks`, proc(5));
//! but a path that was resolved beforehand has no link any more for it to refuse.

use std::io;
use std::path::{Path, PathBuf};

/// The link of another user that `path` leads through, which was resolved to `real`:
/// one in a folder of the kind, that belongs to neither this user nor the folder's.
/// The path itself, if it leads elsewhere by now, again and again.
pub(crate) fn foreign_link(path: &Path, real: &Path) -> io::Result<Option<PathBuf>> {
    #[cfg(unix)]
    {
        if path == real {
            return Ok(None);
        }
        for _ in 0..8 {
            match unix::walk(path)? {
                unix::Walked::Foreign(link) => return Ok(Some(link)),
                unix::Walked::To(to) if to == real => return Ok(None),
                unix::Walked::To(_) => {}
            }
        }
        Ok(Some(path.to_owned()))
    }
    #[cfg(not(unix))]
    {
        let _ = (path, real);
        Ok(None)
    }
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Component, Path, PathBuf};

    pub(super) enum Walked {
        To(PathBuf),
        Foreign(PathBuf),
    }

    /// How many links in a row are followed, `path_resolution(7)`.
    const LINKS_MAX: usize = 40;

    /// Follows an absolute path step by step. What is missing stands for itself.
    pub(super) fn walk(path: &Path) -> io::Result<Walked> {
        let parts = |path: &Path| -> Vec<PathBuf> {
            path.components().rev().map(|part| part.as_os_str().into()).collect()
        };
        let (mut left, mut at, mut links) = (parts(path), PathBuf::from("/"), 0);
        while let Some(part) = left.pop() {
            match part.components().next() {
                Some(Component::RootDir) => at = PathBuf::from("/"),
                Some(Component::ParentDir) => {
                    at.pop();
                }
                Some(Component::Normal(name)) => {
                    let next = at.join(name);
                    let link = match fs::symlink_metadata(&next) {
                        Ok(metadata) if metadata.is_symlink() => metadata,
                        Err(error) if !is_missing(&error) => return Err(error),
                        _ => {
                            at = next;
                            continue;
                        }
                    };
                    if is_foreign(&link, &fs::symlink_metadata(&at)?) {
                        return Ok(Walked::Foreign(next));
                    }
                    links += 1;
                    if links > LINKS_MAX {
                        return Ok(Walked::To(next));
                    }
                    left.extend(parts(&fs::read_link(&next)?));
                }
                _ => {}
            }
        }
        Ok(Walked::To(at))
    }

    fn is_missing(error: &io::Error) -> bool {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    }

    fn is_foreign(link: &fs::Metadata, folder: &fs::Metadata) -> bool {
        const STICKY_AND_ALL_MAY_WRITE: u32 = 0o1002;
        let me = rustix::process::geteuid().as_raw();
        folder.mode() & STICKY_AND_ALL_MAY_WRITE == STICKY_AND_ALL_MAY_WRITE
            && ![me, folder.uid()].contains(&link.uid())
    }
}
