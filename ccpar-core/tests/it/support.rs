//! A world of its own for each test, and this binary as the other process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use ccpar_core::{Author, Base, Commit, CommitOptions, Durability, Harness, Settled, SharedFile};

/// A temporary folder with a root in it.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        World { folder: tempfile::Builder::new().prefix("ccpar-test-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn root(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join("root")
    }

    /// A harness for a session, or for nobody. What a power loss does is not
    /// tested here, so nothing is synced.
    pub(crate) fn session(&self, session: Option<&str>) -> Harness {
        harness(&self.root(), session)
    }

    /// Writes as something that knows nothing of ccpar would.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        outside(&path, text);
        path
    }

    pub(crate) fn text(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names in the folder, the root aside.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "root")
            .collect();
        names.sort();
        names
    }

    /// Starts this binary again, as the worker of this name.
    pub(crate) fn worker(&self, name: &str, arguments: &[&OsStr]) -> Child {
        let name = if name.contains("::") { name.into() } else { format!("processes::{name}") };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "--quiet", &name]);
        command.env("CCPAR_TEST_ROOT", self.root());
        for (n, argument) in arguments.iter().enumerate() {
            command.env(format!("CCPAR_TEST_{n}"), argument);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }
}

pub(crate) fn harness(root: &Utf8Path, session: Option<&str>) -> Harness {
    let author = Author { session: session.map(str::to_owned), ..Author::default() };
    Harness::open(root).unwrap().with_author(author).with_durability(Durability::Process)
}

#[expect(clippy::disallowed_methods, reason = "this is the outside writer")]
pub(crate) fn outside(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text).unwrap();
}

/// Looks at a file. A lock may be held a moment longer than its holder lives, by
/// a process that another test is starting.
pub(crate) fn look(file: &SharedFile<'_>) -> Settled {
    loop {
        match file.settle().unwrap() {
            Settled::Busy => std::thread::yield_now(),
            settled => return settled,
        }
    }
}

/// Commits against what the session has seen.
pub(crate) fn commit(file: &SharedFile<'_>, text: &str) -> Commit {
    file.commit(text.as_bytes(), &CommitOptions::default()).unwrap()
}

/// Commits against a text.
pub(crate) fn commit_on(file: &SharedFile<'_>, base: &str, text: &str) -> Commit {
    let options =
        CommitOptions { base: Base::Text(base.as_bytes().to_vec()), ..CommitOptions::default() };
    file.commit(text.as_bytes(), &options).unwrap()
}

/// An argument of a worker; `None` if this process is no worker.
pub(crate) fn argument(n: usize) -> Option<std::ffi::OsString> {
    std::env::var_os(format!("CCPAR_TEST_{n}"))
}

pub(crate) fn worker_root() -> Utf8PathBuf {
    std::env::var("CCPAR_TEST_ROOT").expect("a worker is told its root").into()
}
