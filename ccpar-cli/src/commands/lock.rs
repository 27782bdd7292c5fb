//! `ccpar lock`

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ccpar_core::lock::Mode;
use ccpar_core::{Wait, lock};
use clap::Args;

use crate::context::{self, Identity, seconds};
use crate::exit::{Exit, Failure};
use crate::output;

/// The exit codes of flock(1), from sysexits(3).
const EX_UNAVAILABLE: u8 = 69;
const EX_CANTCREAT: u8 = 73;

/// Run a command while holding a file's lock, as flock(1) does
#[derive(Debug, Args)]
#[command(after_help = "\
The command inherits the lock, so what it leaves running keeps it (-o prevents
that). ccpar ends with the command's exit code, with that of -E if the lock was
not free, else as flock(1) does.

A script that keeps using flock(1) excludes ccpar with:
  flock \"$(ccpar lock --print-path notes.md)\" COMMAND

Example: ccpar lock -w 5 notes.md -- git -C ~/.claude commit -am notes")]
pub(crate) struct Arguments {
    /// The file whose lock is taken; it need not exist
    path: PathBuf,

    /// The command and its arguments
    #[arg(trailing_var_arg = true, required_unless_present = "print_path", value_name = "COMMAND")]
    command: Vec<OsString>,

    /// Fail at once if the lock is not free
    #[arg(short, long, visible_alias = "nb", conflicts_with = "wait")]
    nonblock: bool,

    /// Fail if the lock is not free within this time
    #[arg(short, long, visible_alias = "timeout", value_name = "SECS", value_parser = seconds)]
    wait: Option<Duration>,

    /// Take a shared lock
    #[arg(short, long)]
    shared: bool,

    /// Take an exclusive lock, the default
    #[arg(short = 'x', short_alias = 'e', long, conflicts_with = "shared")]
    exclusive: bool,

    /// Exit with this code if the lock was not free
    #[arg(short = 'E', long, value_name = "CODE", default_value_t = 1)]
    conflict_exit_code: u8,

    /// Do not pass the lock on to the command
    #[arg(short = 'o', long)]
    close: bool,

    /// Print the path of the lock file, for use with flock(1), and end
    #[arg(long, conflicts_with = "command")]
    print_path: bool,

    #[command(flatten)]
    identity: Identity,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let wait = match arguments.wait {
        _ if arguments.nonblock => Wait::Never,
        Some(limit) => Wait::For(limit),
        None => Wait::Forever,
    };
    let harness = context::reading(&arguments.identity)?.with_wait(wait);
    let file = harness.file(&arguments.path);
    if arguments.print_path {
        let path = file.lock_path()?;
        // flock(1) would create it with another mode.
        lock::Lock::create(&path)?;
        output::path_data(path.as_std_path())?;
        return Ok(Exit::Done);
    }
    let mode = if arguments.shared { Mode::Shared } else { Mode::Exclusive };
    let lock = file.lock(mode).map_err(|error| {
        let failure = Failure::from(error);
        let code = if failure.is_no() { arguments.conflict_exit_code } else { EX_CANTCREAT };
        failure.with_exit(Exit::Code(code))
    })?;
    if !arguments.close {
        lock.pass_on()?;
    }
    let (name, value) = context::callers(&harness);
    let command = &arguments.command;
    match Command::new(&command[0]).args(&command[1..]).env(name, value).status() {
        Ok(status) => Ok(Exit::of(status)),
        Err(error) => {
            let name = output::path(command[0].as_ref());
            let what = if error.kind() == io::ErrorKind::NotFound {
                format!("there is no command `{name}`")
            } else {
                format!("cannot run `{name}`: {error}")
            };
            Err(Failure::new(what).with_exit(Exit::Code(EX_UNAVAILABLE)))
        }
    }
}
