//! What a disk can hold after a power loss.
//!
//! A disk is inodes: files with their bytes, folders with their names. An operation
//! changes one of them (a rename within a folder is one change), and is on the disk
//! for certain once that inode was synced after it. Of all others any may be there,
//! and a write may be there in part.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::rig::Random;

pub(crate) type Id = usize;

/// What a disk writes at once, or in part in its order.
const BLOCK: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<String, Id>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Link {
        folder: Id,
        name: String,
        inode: Id,
    },
    Unlink {
        folder: Id,
        name: String,
    },
    Move {
        folder: Id,
        name: String,
        to: String,
        inode: Id,
    },
    Write {
        inode: Id,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        inode: Id,
        len: usize,
    },
    Sync(Id),
    /// Who asked was told that it is done.
    Told,
}

/// How much of an operation is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    None,
    Whole,
    Half,
    /// The file is as long as that, and what was written is not there.
    Zeros,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    /// The first is the home.
    pub(crate) nodes: Vec<Node>,
    /// Which number each has in the file system that it was found in.
    pub(crate) numbers: Vec<Option<u64>>,
}

impl Disk {
    pub(crate) fn read(home: &Path) -> Disk {
        let mut disk = Disk { nodes: Vec::new(), numbers: Vec::new() };
        disk.take_in(home);
        disk
    }

    fn take_in(&mut self, path: &Path) -> Id {
        let id = self.nodes.len();
        self.new_node(Node::File(Vec::new()));
        self.numbers[id] = path.metadata().ok().map(|metadata| metadata.ino());
        self.nodes[id] = if path.is_dir() {
            let mut names = BTreeMap::new();
            for entry in std::fs::read_dir(path).expect("a folder that is there").flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                names.insert(name, self.take_in(&entry.path()));
            }
            Node::Folder(names)
        } else {
            Node::File(std::fs::read(path).expect("a file that is there"))
        };
        id
    }

    pub(crate) fn new_node(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.numbers.push(None);
        self.nodes.len() - 1
    }

    /// What lies at a path within the home.
    pub(crate) fn find(&self, path: &Path) -> Option<Id> {
        path.iter().try_fold(0, |id, name| match &self.nodes[id] {
            Node::Folder(names) => names.get(name.to_str()?).copied(),
            Node::File(_) => None,
        })
    }

    pub(crate) fn len(&self, id: Id) -> usize {
        match &self.nodes[id] {
            Node::File(bytes) => bytes.len(),
            Node::Folder(_) => 0,
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        self.apply_part(op, Part::Whole);
    }

    fn apply_part(&mut self, op: &Op, part: Part) {
        if part == Part::None {
            return;
        }
        match op {
            Op::Link { folder, name, inode } => {
                self.names(*folder).insert(name.clone(), *inode);
            }
            Op::Unlink { folder, name } => {
                self.names(*folder).remove(name);
            }
            Op::Move { folder, name, to, inode } => {
                let names = self.names(*folder);
                names.remove(name);
                names.insert(to.clone(), *inode);
            }
            Op::Write { inode, at, bytes } => {
                let Node::File(content) = &mut self.nodes[*inode] else { return };
                let end = if part == Part::Half { at + bytes.len() / 2 } else { at + bytes.len() };
                content.resize(content.len().max(end), 0);
                if part != Part::Zeros {
                    content[*at..end].copy_from_slice(&bytes[..end - at]);
                }
            }
            Op::Cut { inode, len } => {
                if let Node::File(content) = &mut self.nodes[*inode] {
                    content.resize(*len, 0);
                }
            }
            Op::Sync(_) | Op::Told => {}
        }
    }

    fn names(&mut self, folder: Id) -> &mut BTreeMap<String, Id> {
        match &mut self.nodes[folder] {
            Node::Folder(names) => names,
            Node::File(_) => panic!("{folder} is no folder"),
        }
    }

    /// The same for two disks on which the same can be found.
    pub(crate) fn image(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash_from(0, &mut hasher);
        hasher.finish()
    }

    fn hash_from(&self, id: Id, hasher: &mut DefaultHasher) {
        match &self.nodes[id] {
            Node::File(bytes) => (id, bytes).hash(hasher),
            Node::Folder(names) => {
                names.len().hash(hasher);
                for (name, id) in names {
                    name.hash(hasher);
                    self.hash_from(*id, hasher);
                }
            }
        }
    }
}

impl Op {
    /// What has to be synced for it to be on the disk for certain.
    pub(crate) fn inode(&self) -> Option<Id> {
        match self {
            Op::Link { folder, .. } | Op::Unlink { folder, .. } | Op::Move { folder, .. } => {
                Some(*folder)
            }
            Op::Write { inode, .. } | Op::Cut { inode, .. } => Some(*inode),
            Op::Sync(_) | Op::Told => None,
        }
    }

    fn parts(&self) -> &'static [Part] {
        match self {
            Op::Write { .. } => &[Part::None, Part::Whole, Part::Half, Part::Zeros],
            _ => &[Part::None, Part::Whole],
        }
    }
}

/// Calls `look` with what can be on the disk if the power goes after each operation
/// in turn, and whether it was told by then; where there are more than `most` ways
/// at one of them, with so many that are drawn. `sure` are inodes of which nothing
/// is asked: they are there as they were.
pub(crate) fn crashes(
    start: &Disk,
    ops: &[Op],
    sure: &[Id],
    most: usize,
    random: &mut Random,
    mut look: impl FnMut(&Disk, bool) -> Result<(), String>,
) -> Result<(), String> {
    for end in 0..=ops.len() {
        let (past, told) = (&ops[..end], ops[..end].contains(&Op::Told));
        let is_sure = |n: usize| {
            let inode = past[n].inode();
            inode.is_none_or(|inode| {
                sure.contains(&inode) || past[n + 1..].contains(&Op::Sync(inode))
            })
        };
        let open: Vec<usize> = (0..end).filter(|n| !is_sure(*n)).collect();
        let mut ways: usize = 1;
        for n in &open {
            ways = ways.saturating_mul(past[*n].parts().len());
        }
        let drawn = if ways <= most { ways } else { most };
        for way in 0..drawn {
            let mut rest = way;
            let mut disk = start.clone();
            let mut next = 0;
            let mut torn: Vec<(Id, usize)> = Vec::new();
            let mut can_be = true;
            for (n, op) in past.iter().enumerate() {
                let part = if open.get(next) == Some(&n) {
                    next += 1;
                    let parts = op.parts();
                    let chosen = match way {
                        _ if ways <= most => rest % parts.len(),
                        // All, none, and each alone, there or not; then by lot.
                        0 => 1,
                        1 => 0,
                        _ if way - 2 < open.len() => usize::from(next - 1 == way - 2),
                        _ if way - 2 < 2 * open.len() => {
                            usize::from(next - 1 != way - 2 - open.len())
                        }
                        _ => random.below(parts.len()),
                    };
                    rest /= parts.len();
                    parts[chosen]
                } else {
                    Part::Whole
                };
                // A block goes to the disk as it is in memory: what was written to it
                // later is not there without what was written to it before.
                if let Op::Write { inode, at, bytes } = op {
                    let blocks = at / BLOCK..=(at + bytes.len()) / BLOCK;
                    let later =
                        torn.iter().any(|(id, block)| id == inode && blocks.contains(block));
                    can_be &= !later || !matches!(part, Part::Whole | Part::Half);
                    if part != Part::Whole {
                        torn.extend(blocks.map(|block| (*inode, block)));
                    }
                }
                disk.apply_part(op, part);
            }
            if can_be {
                look(&disk, told)?;
            }
        }
    }
    Ok(())
}
