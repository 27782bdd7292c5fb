//! From what strace recorded to operations on inodes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::disk::{Disk, Id, Node, Op};

/// What strace is asked for.
pub(crate) const CALLS: &str = "openat,write,pwrite64,writev,pwritev,rename,renameat,renameat2,\
    fsync,fdatasync,sync_file_range,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,truncate,link,\
    linkat,symlink,close,fcntl,dup,dup3,copy_file_range,sendfile";

/// An open file.
#[derive(Debug, Clone, Copy)]
struct Open {
    inode: Id,
    at: usize,
    appends: bool,
}

struct Reader<'a> {
    home: &'a Path,
    disk: Disk,
    files: HashMap<String, Open>,
    ops: Vec<Op>,
}

/// The operations in a trace of one process, and the disk as they left it.
pub(crate) fn read(home: &Path, start: &Disk, trace: &str) -> Result<(Vec<Op>, Disk), String> {
    let mut reader = Reader { home, disk: start.clone(), files: HashMap::new(), ops: Vec::new() };
    for line in trace.lines() {
        reader.line(line).ok_or_else(|| format!("not understood: {line}"))?;
    }
    Ok((reader.ops, reader.disk))
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Option<()> {
        if line.starts_with("+++") || line.starts_with("---") {
            return Some(());
        }
        let (name, rest) = line.split_once('(')?;
        let (words, result) =
            rest.rsplit_once(") ").map(|(words, result)| (words, result.trim()))?;
        let result = result.strip_prefix("= ")?.split(' ').next()?;
        let words: Vec<&str> = words.split(", ").collect();
        if result.starts_with('-') {
            return Some(());
        }
        match name {
            "openat" => self.open(words.get(1)?, words.get(2)?, result),
            "write" => self.write(words[0], words.get(1)?, None),
            "pwrite64" => {
                let at = words.get(3)?.parse().ok()?;
                self.write(words[0], words.get(1)?, Some(at))
            }
            "fcntl" | "dup" if name == "dup" || words.get(1)?.starts_with("F_DUPFD") => {
                if let Some(open) = self.files.get(words[0]) {
                    self.files.insert(result.to_owned(), *open);
                }
                Some(())
            }
            "fcntl" => Some(()),
            "close" => {
                self.files.remove(words[0]);
                Some(())
            }
            "fsync" | "fdatasync" => {
                if let Some(open) = self.files.get(words[0]) {
                    self.ops.push(Op::Sync(open.inode));
                }
                Some(())
            }
            "ftruncate" => {
                let Some(open) = self.files.get(words[0]) else { return Some(()) };
                let (inode, len) = (open.inode, words.get(1)?.parse().ok()?);
                self.done(Op::Cut { inode, len });
                Some(())
            }
            "mkdir" => self.link(words[0], Node::Folder(BTreeMap::new())).map(|_| ()),
            "unlink" | "rmdir" => self.unlink(words[0]),
            "unlinkat" if words[0] == "AT_FDCWD" => self.unlink(words.get(1)?),
            "rename" => {
                let (from, to) = (self.place(words[0])?, self.place(words.get(1)?)?);
                let inode = self.disk.find(&self.within(words[0])?)?;
                // Two folders would be two syncs: ccpar has no such rename.
                (from.0 == to.0).then_some(())?;
                self.done(Op::Move { folder: from.0, name: from.1, to: to.1, inode });
                Some(())
            }
            _ => None,
        }
    }

    fn open(&mut self, path: &str, flags: &str, file: &str) -> Option<()> {
        self.files.remove(file);
        let Some(within) = self.within(path) else { return Some(()) };
        if flags.contains("O_TMPFILE") {
            return Some(());
        }
        let inode = match self.disk.find(&within) {
            Some(inode) => inode,
            None => self.link(path, Node::File(Vec::new()))?,
        };
        if flags.contains("O_TRUNC") {
            self.done(Op::Cut { inode, len: 0 });
        }
        let open = Open { inode, at: 0, appends: flags.contains("O_APPEND") };
        self.files.insert(file.to_owned(), open);
        Some(())
    }

    fn write(&mut self, file: &str, bytes: &str, at: Option<usize>) -> Option<()> {
        if file == "1" {
            self.done(Op::Told);
            return Some(());
        }
        let Some(open) = self.files.get(file).copied() else { return Some(()) };
        let bytes = unhex(bytes)?;
        let from = at.unwrap_or(if open.appends { self.disk.len(open.inode) } else { open.at });
        if at.is_none() {
            self.files.get_mut(file)?.at = from + bytes.len();
        }
        self.done(Op::Write { inode: open.inode, at: from, bytes });
        Some(())
    }

    fn link(&mut self, path: &str, node: Node) -> Option<Id> {
        let (folder, name) = self.place(path)?;
        let inode = self.disk.new_node(node);
        self.done(Op::Link { folder, name, inode });
        Some(inode)
    }

    fn unlink(&mut self, path: &str) -> Option<()> {
        let (folder, name) = self.place(path)?;
        self.done(Op::Unlink { folder, name });
        Some(())
    }

    fn done(&mut self, op: Op) {
        self.disk.apply(&op);
        self.ops.push(op);
    }

    /// A path within the home, if it is.
    fn within(&self, path: &str) -> Option<PathBuf> {
        let path = PathBuf::from(String::from_utf8(unhex(path)?).ok()?);
        path.strip_prefix(self.home).ok().map(Path::to_owned)
    }

    fn place(&self, path: &str) -> Option<(Id, String)> {
        let path = self.within(path)?;
        Some((self.disk.find(path.parent()?)?, path.file_name()?.to_str()?.to_owned()))
    }
}

/// The bytes of a string, all of them in hex.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let bytes = text.split("\\x").skip(1);
    bytes.map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}
