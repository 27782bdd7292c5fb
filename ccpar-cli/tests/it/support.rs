//! `ccpar` in a home of its own, with nothing in its environment.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const CCPAR: &str = env!("CARGO_BIN_EXE_ccpar");

pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { folder: tempfile::Builder::new().prefix("ccpar-cli-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(clippy::disallowed_methods, reason = "the outside writer")]
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names in the home, `.claude` aside.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != ".claude")
            .collect();
        names.sort();
        names
    }

    /// Any program, in this home and with nothing but a PATH on which `ccpar`
    /// comes first.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let ours = Path::new(CCPAR).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Whoever runs the tests may have a client, of any age.
        let others = std::env::split_paths(&path).filter(|dir| !dir.join("claude").exists());
        let path = std::env::join_paths([ours].into_iter().chain(others));
        command.current_dir(self.folder.path()).env_clear().env("PATH", path.unwrap());
        command.env("HOME", self.folder.path()).stdin(Stdio::null());
        // Who measures what the tests cover counts what programs do as well.
        command.envs(std::env::vars_os().filter(|(name, _)| name == "LLVM_PROFILE_FILE"));
        command
    }

    /// `ccpar` with these words.
    pub(crate) fn ccpar(&self, words: &[&str]) -> Ran {
        run(self.command(CCPAR).args(words), b"")
    }

    /// The same for somebody who may not pass over the modes of files, as root may.
    /// `None` if that cannot be had here, which is said aloud.
    pub(crate) fn bound(&self, words: &[&str], text: impl AsRef<[u8]>) -> Option<Ran> {
        let mut command = if self.sh("id -u").stdout == "0\n" {
            if !there_is("setpriv") {
                return None;
            }
            let mut command = self.command("setpriv");
            command.args(["--bounding-set=-dac_override,-dac_read_search", CCPAR]);
            command
        } else {
            self.command(CCPAR)
        };
        Some(run(command.args(words), text.as_ref()))
    }

    /// `ccpar` with these words and this text on stdin.
    pub(crate) fn pipe(&self, words: &[&str], text: impl AsRef<[u8]>) -> Ran {
        run(self.command(CCPAR).args(words), text.as_ref())
    }

    /// A line of shell.
    pub(crate) fn sh(&self, line: &str) -> Ran {
        run(self.command("sh").args(["-c", line]), b"")
    }
}

impl Ran {
    /// It was done, and there was nothing to say about it.
    #[track_caller]
    pub(crate) fn quiet(self) -> String {
        assert_eq!((self.code, &*self.stderr), (0, ""), "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn ended(self, code: i32, said: &str) -> Ran {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.stderr.contains(said), "{self:?}");
        self
    }
}

pub(crate) fn run(command: &mut Command, text: &[u8]) -> Ran {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    let writer = std::thread::spawn(move || {
        // A program need not read what it is given.
        let _ = stdin.write_all(&text);
    });
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Says aloud that this test is skipped, or a part of it: past the harness, which
/// keeps to itself what a test that passes prints.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current();
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {}: {why}", test.name().unwrap_or("?"));
}

/// Whether a program is there; says aloud that a test is skipped if not.
pub(crate) fn there_is(program: &str) -> bool {
    let there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !there {
        skip(&format!("there is no {program} here"));
    }
    there
}
