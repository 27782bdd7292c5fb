//! What std does not offer: private files and folders, file identity, metadata
//! that survives a replacement, whether a process lives, and waiting for that.
//!
//! The only module with platform branches, and the owner of `rustix`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

mod bell;
mod links;
mod place;
mod process;

pub(crate) use bell::{Bell, ring, touch};
pub(crate) use links::foreign_link;
pub(crate) use place::{boot, caller, host, machine, pid_namespace, uptime};
pub(crate) use process::{
    holds_by_inheritance, make_inheritable, process_exists, process_is_stopped, process_lives,
    process_start,
};

/// Which file a name stands for, for as long as the file exists. `None` where
/// std has no stable way to ask (Windows): callers then go without the check.
pub(crate) type FileId = Option<(u64, u64)>;

/// Opens a file of ccpar's own for reading and writing, creating it with mode
/// 0600 whatever the umask. Never follows a link in its last component.
pub(crate) fn open_private(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    if append {
        options.append(true);
    } else {
        options.write(true);
    }
    no_follow(&mut options);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    match create_private_with(options, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut options = OpenOptions::new();
            options.read(true).write(!append).append(append);
            no_follow(&mut options).open(path)
        }
        done => done,
    }
}

/// Creates a file of ccpar's own that must not exist yet, with mode 0600.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    create_private_with(options, path)
}

fn create_private_with(mut options: OpenOptions, path: &Path) -> io::Result<File> {
    options.create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    if mode(&file.metadata()?) != 0o600 {
        set_mode(&file, 0o600)?;
    }
    Ok(file)
}

/// Opens for reading; a link in the last component is an error, and a fifo does
/// not block.
pub(crate) fn open_no_follow(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    no_follow(&mut options).open(path)
}

/// Opens a file of ccpar's own to be read. What stands in its place and is no plain
/// file is an error: a link is not followed, and a fifo would be waited for.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    let file = open_no_follow(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"))
}

/// Reads the whole of a file of ccpar's own.
pub(crate) fn read_own(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = open_own(path.as_ref())?;
    let mut content = Vec::new();
    // Its length is of no use: it may grow.
    file.take(u64::MAX).read_to_end(&mut content)?;
    Ok(content)
}

fn no_follow(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).expect("open flags fit an int"));
    }
    options
}

/// Creates a folder of ccpar's own with mode 0700, and the parents it lacks.
/// The parents get the same mode if they lie within `root`, else the usual one.
pub(crate) fn create_private_dir_all(path: &Path, root: &Path) -> io::Result<()> {
    match create_private_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().ok_or(error)?;
            if parent.starts_with(root) {
                create_private_dir_all(parent, root)?;
            } else {
                fs::create_dir_all(parent)?;
            }
            create_private_dir(path)
        }
        done => done,
    }
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "a mode is set on Unix"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        done => done?,
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Says why this folder is not safe to keep histories in, if so; takes the
/// rights of others off a folder that is our own.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "it may fail on Unix"))]
pub(crate) fn make_private(path: &Path, metadata: &Metadata) -> io::Result<Option<String>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let (owner, me) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != me {
            return Ok(Some(format!(
                "belongs to user {owner}, and this is user {me}: set CCPAR_ROOT to a folder of \
                 your own"
            )));
        }
        let mode = mode(metadata);
        if mode & 0o022 != 0 {
            return Ok(Some(format!(
                "can be written by others (mode {mode:04o}): look at what is in it, then \
                 `chmod 0700` it"
            )));
        }
        if mode != 0o700 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
    }
    #[cfg(not(unix))]
    let _ = (path, metadata);
    Ok(None)
}

#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// The identity of the file behind some metadata.
#[cfg_attr(unix, expect(clippy::unnecessary_wraps, reason = "not every system has one"))]
pub(crate) fn file_id(metadata: &Metadata) -> FileId {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// What a file looks like from outside: if this is the same, nobody has written
/// it in between (within what its file system can tell apart in time).
pub(crate) type Stamp = [u64; 5];

/// The stamp of the file behind some metadata: device, inode, length, and when
/// its content and its inode were changed, in nanoseconds since 1970.
pub(crate) fn stamp(metadata: &Metadata) -> Stamp {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let nanos = |secs: i64, nanos: i64| {
            u64::try_from(i128::from(secs) * 1_000_000_000 + i128::from(nanos)).unwrap_or(0)
        };
        [
            metadata.dev(),
            metadata.ino(),
            metadata.len(),
            nanos(metadata.mtime(), metadata.mtime_nsec()),
            nanos(metadata.ctime(), metadata.ctime_nsec()),
        ]
    }
    #[cfg(not(unix))]
    {
        let nanos = |time: io::Result<std::time::SystemTime>| {
            let since = time.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            u64::try_from(since.as_nanos()).ok()
        };
        let (modified, created) = (nanos(metadata.modified()), nanos(metadata.created()));
        [0, 0, metadata.len(), modified.unwrap_or(0), created.unwrap_or(0)]
    }
}

/// A path from the bytes that `OsStr::as_encoded_bytes` gave.
#[cfg_attr(unix, expect(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are a path"))]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Option<std::path::PathBuf> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        Some(std::ffi::OsString::from_vec(bytes).into())
    }
    #[cfg(not(unix))]
    String::from_utf8(bytes).ok().map(Into::into)
}

/// How many names the file has.
pub(crate) fn link_count(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::nlink(metadata)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        1
    }
}

/// Whether this process may write to the file.
pub(crate) fn may_write(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD};
        rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        true
    }
}

/// Gives `to` the mode, the owner and the extended attributes of `from`, as far
/// as this process may.
///
/// The mode is a promise and its failure an error. Owner and attributes are
/// carried over where the system allows it: a member of a group may not give a
/// file away, and a file system may not know attributes at all.
pub(crate) fn carry_over(from: &File, metadata: &Metadata, to: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let now = to.metadata()?;
        if (now.uid(), now.gid()) != (metadata.uid(), metadata.gid()) {
            let owner = rustix::fs::Uid::from_raw(metadata.uid());
            let group = rustix::fs::Gid::from_raw(metadata.gid());
            if rustix::fs::fchown(to, Some(owner), Some(group)).is_err() {
                let _ = rustix::fs::fchown(to, None, Some(group));
            }
        }
        copy_attributes(from, to);
        set_mode(to, mode(metadata))
    }
    #[cfg(not(unix))]
    {
        let _ = from;
        to.set_permissions(metadata.permissions())
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn copy_attributes(from: &File, to: &File) {
    use rustix::fs::{
        XattrFlags, fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, fsetxattr,
    };
    let list = || {
        let mut names = vec![0; flistxattr_query(from)?];
        let size = flistxattr(from, &mut names)?;
        names.truncate(size);
        rustix::io::Result::Ok(names)
    };
    let copy = |name: &[u8]| {
        let mut value = vec![0; fgetxattr_query(from, name)?];
        let size = fgetxattr(from, name, &mut value)?;
        fsetxattr(to, name, &value[..size], XattrFlags::empty())
    };
    for name in list().unwrap_or_default().split(|byte| *byte == 0).filter(|n| !n.is_empty()) {
        let _ = copy(name);
    }
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_vendor = "apple"))))]
fn copy_attributes(_: &File, _: &File) {}

/// Takes the room that a file will need, where that can be done ahead.
pub(crate) fn reserve(file: &File, bytes: usize) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        let _ = fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes as u64);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (file, bytes);
}

/// Has the system begin to write out what was written to a file from this byte on,
/// where it can be asked to. No promise: that is for [`sync`].
pub(crate) fn begin_to_write_out(file: &File, from: u64) {
    // The advice that pages are no longer needed sends dirty ones on their way. Clean
    // ones it drops, so it is asked for what is new alone.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{Advice, fadvise};
        let _ = fadvise(file, from, None, Advice::DontNeed);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (file, from);
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    sync(&open_dir(path)?)
}

/// Makes a folder durable, with all that lies in it.
pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    // One call for the file system is cheaper than one a file.
    #[cfg(target_os = "linux")]
    if rustix::fs::syncfs(&open_dir(path)?).is_ok() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            // Windows syncs what is open for writing.
            let file = OpenOptions::new().write(true).open(entry.path());
            sync(&file.or_else(|_| File::open(entry.path()))?)?;
        }
    }
    sync_dir(path)
}

/// Opens a folder to sync it. Windows has no such call: there this is a handle
/// on nothing, and the file system's own journal has to do.
pub(crate) fn open_dir(path: &Path) -> io::Result<File> {
    File::open(if cfg!(windows) { Path::new("NUL") } else { path })
}

/// Makes a file's content durable, or a folder's names. Some file systems
/// cannot sync a folder, and say so with `EINVAL`; Windows syncs nothing that
/// was opened to be read, and the stand-in for a folder neither.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(error) if cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        done => done,
    }
}

/// Writes at an offset, without a seek that a crash could fall behind.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }
    #[cfg(windows)]
    {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// Reads what stands between two offsets, or as much of it as there is.
pub(crate) fn read_range(file: &File, range: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < bytes.len() {
        match read_at(file, &mut bytes[filled..], range.start + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads at an offset; may return less than fits, and 0 at the end.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_at(file, bytes, offset)
    }
    #[cfg(windows)]
    {
        std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
    }
}
