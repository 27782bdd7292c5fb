//! What of a folder belongs to its namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Result, is_missing};

/// The file that makes a folder one of a namespace, so that it is no part of what
/// it lies in.
pub(super) const MARKER: &str = ".ccpar-namespace";

/// What an entry of a folder is left out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// A link to a folder: what lies there is not copied.
    LinkToFolder,
    /// A link to nothing.
    LinkToNothing,
    /// Its name is not UTF-8.
    Name,
    /// Neither a file nor a folder.
    Kind,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::LinkToFolder => "is a link to a folder",
            Why::LinkToNothing => "is a link to nothing",
            Why::Name => "has a name that is not UTF-8",
            Why::Kind => "is neither a file nor a folder",
        })
    }
}

/// A text that did not merge, beside the file that it was for.
#[derive(Debug)]
pub(super) struct Copy {
    /// Who had written it, as its name has it.
    pub(super) who: String,
    pub(super) path: PathBuf,
}

/// The files of a folder, by their paths within it, with `/` between the parts.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: BTreeSet<String>,
    /// The conflict copies of a file.
    pub(super) copies: BTreeMap<String, Vec<Copy>>,
    pub(super) left_out: Vec<(PathBuf, Why)>,
}

impl Listing {
    /// Lists a folder. One that does not exist has no files.
    pub(crate) fn of(folder: &Path) -> Result<Listing> {
        let mut listing = Listing::default();
        listing.add(folder, folder, "")?;
        Ok(listing)
    }

    fn add(&mut self, top: &Path, folder: &Path, within: &str) -> Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).context("list", folder),
        };
        for entry in entries {
            self.add_entry(top, &entry.context("list", folder)?, within)?;
        }
        Ok(())
    }

    fn add_entry(&mut self, top: &Path, entry: &DirEntry, within: &str) -> Result<()> {
        let path = entry.path();
        let kind = entry.file_type().context("examine", &path)?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else {
            self.leave_out(top, &path, Why::Name);
            return Ok(());
        };
        if is_none_of_it(name) {
            return Ok(());
        }
        let inner = format!("{within}{name}");
        if kind.is_dir() {
            if has_marker(&path)? {
                return Ok(());
            }
            return self.add(top, &path, &format!("{inner}/"));
        }
        if let Some((of, who)) = copy_of(name) {
            let copy = Copy { who: who.to_owned(), path };
            self.copies.entry(format!("{within}{of}")).or_default().push(copy);
            return Ok(());
        }
        let leads_to = if kind.is_symlink() { fs::metadata(&path).ok() } else { None };
        let why = match leads_to {
            _ if kind.is_file() => None,
            Some(to) if to.is_file() => None,
            Some(to) if to.is_dir() => Some(Why::LinkToFolder),
            None if kind.is_symlink() => Some(Why::LinkToNothing),
            _ => Some(Why::Kind),
        };
        if let Some(why) = why {
            self.leave_out(top, &path, why);
            return Ok(());
        }
        self.files.insert(inner);
        Ok(())
    }

    fn leave_out(&mut self, top: &Path, path: &Path, why: Why) {
        let inner = path.strip_prefix(top).unwrap_or(path);
        self.left_out.push((inner.to_owned(), why));
    }

    /// Whether nothing can be said of the file of this name, as it, or a folder
    /// around it, is left out.
    pub(super) fn leaves_out(&self, name: &str) -> bool {
        self.left_out.iter().any(|(path, _)| Path::new(name).starts_with(path))
    }
}

/// What lies in such folders and is no note: git's, the client's, and our own.
pub(super) fn is_none_of_it(name: &str) -> bool {
    let ours = name.strip_prefix('.').is_some_and(|rest| rest.contains(".ccpar-"));
    ours || name.starts_with(".ccpar-") || [".git", ".consolidate-lock"].contains(&name)
}

/// Of what file one of this name is the conflict copy, and whose.
fn copy_of(name: &str) -> Option<(&str, &str)> {
    let (of, mark) = name.rsplit_once(".conflict-")?;
    let (who, hash) = mark.rsplit_once('-')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|c| c.is_ascii_hexdigit());
    (is_hash && !of.is_empty()).then_some((of, who))
}

/// The first part of a file's path within a folder, or the file, that something of
/// another kind stands in the place of: a link to a folder, or a namespace, is no
/// folder of this one.
pub(super) fn blocked(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    if path.is_dir() {
        return Some(path);
    }
    let within = |path: &&Path| *path != folder && path.starts_with(folder);
    let parents: Vec<&Path> = path.ancestors().skip(1).take_while(within).collect();
    let stands = |parent: &&Path| match fs::symlink_metadata(parent) {
        Ok(found) => !found.is_dir() || is_namespace(parent),
        Err(_) => false,
    };
    parents.into_iter().rev().find(stands).map(Path::to_owned)
}

/// Whether a folder is one of a namespace. Where that cannot be told, to go on would be
/// to pass it over in silence, or to take what is in it for removed.
pub(super) fn has_marker(folder: &Path) -> Result<bool> {
    let marker = folder.join(MARKER);
    match marker.metadata() {
        Ok(_) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(error).context("examine", &marker),
    }
}

/// Whether a folder is one of a namespace; one that cannot be looked into is left alone
/// as if it were.
pub(super) fn is_namespace(folder: &Path) -> bool {
    match folder.join(MARKER).metadata() {
        Ok(_) => true,
        Err(error) => !is_missing(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_copy_is_known_by_the_end_of_its_name() {
        assert_eq!(copy_of("a.md.conflict-feat-x-01234567"), Some(("a.md", "feat-x")));
        for name in ["a.md", "a.conflict-notes.md", ".conflict-x-01234567", "a.conflict-0123456"] {
            assert_eq!(copy_of(name), None, "{name}");
        }
    }

    #[test]
    fn temp_files_and_the_folders_of_others_are_no_notes() {
        for name in [".git", ".a.md.ccpar-0123456789abcdef", ".ccpar-77.tmp", MARKER] {
            assert!(is_none_of_it(name), "{name}");
        }
        for name in [".hidden.md", "a.ccpar-notes.md", ".gitignore"] {
            assert!(!is_none_of_it(name), "{name}");
        }
    }
}
