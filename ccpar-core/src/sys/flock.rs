//! The kernel's whole-file lock, on a handle that keeps it.

use std::fs::File;
use std::io;

/// What a lock is to exclude, and whether to wait for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Every other lock, or exclusive ones only.
    pub(crate) exclusive: bool,
    /// Else an error of the kind `WouldBlock` says that it is not free.
    pub(crate) block: bool,
}

/// Locks a file. Closing the last handle that shares it with this one releases
/// the lock, so it is never longer held than its process lives.
#[cfg(unix)]
pub(crate) fn flock(file: File, asked: Asked) -> (File, io::Result<()>) {
    use rustix::fs::FlockOperation;
    let operation = match (asked.exclusive, asked.block) {
        (true, true) => FlockOperation::LockExclusive,
        (true, false) => FlockOperation::NonBlockingLockExclusive,
        (false, true) => FlockOperation::LockShared,
        (false, false) => FlockOperation::NonBlockingLockShared,
    };
    let done = rustix::fs::flock(&file, operation).map_err(io::Error::from);
    (file, done)
}

/// Locks a file's first byte. fd-lock lends a guard that borrows its file:
/// forgetting the guard keeps the lock, and closing the file releases it.
#[cfg(not(unix))]
pub(crate) fn flock(file: File, asked: Asked) -> (File, io::Result<()>) {
    use std::mem::forget;
    let mut lock = fd_lock::RwLock::new(file);
    let done = match (asked.exclusive, asked.block) {
        (true, true) => lock.write().map(forget),
        (true, false) => lock.try_write().map(forget),
        (false, true) => lock.read().map(forget),
        (false, false) => lock.try_read().map(forget),
    };
    (lock.into_inner(), done)
}
