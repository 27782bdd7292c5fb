//! What can be typed.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::commands::{
    blame, claim, demo, diff, doctor, heartbeat, install, lock, locked_edit, locked_read,
    locked_write, log, lost, merge, namespace, release, restore, sessions, show, status, uninstall,
    watch,
};
use crate::exit::{Exit, Failure};
use crate::output;

/// Keeps parallel coding sessions from overwriting each other's files
///
/// A text is put in place against the version its author had read; what others
/// wrote since then is merged in, and every version is kept.
#[derive(Debug, Parser)]
#[command(name = "ccpar", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    LockedWrite(locked_write::Arguments),
    LockedRead(locked_read::Arguments),
    LockedEdit(locked_edit::Arguments),
    Lock(lock::Arguments),
    Merge(merge::Arguments),
    Log(log::Arguments),
    Show(show::Arguments),
    Diff(diff::Arguments),
    Blame(blame::Arguments),
    Lost(lost::Arguments),
    Restore(restore::Arguments),
    Watch(watch::Arguments),
    Heartbeat(heartbeat::Arguments),
    Sessions(sessions::Arguments),
    Claim(claim::Arguments),
    Release(release::Arguments),
    Namespace(namespace::Arguments),
    Install(install::Arguments),
    Uninstall(uninstall::Arguments),
    Status(status::Arguments),
    Doctor(doctor::Arguments),
    Demo(demo::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        match self {
            Command::LockedWrite(arguments) => locked_write::run(arguments),
            Command::LockedRead(arguments) => locked_read::run(arguments),
            Command::LockedEdit(arguments) => locked_edit::run(arguments),
            Command::Lock(arguments) => lock::run(arguments),
            Command::Merge(arguments) => merge::run(arguments),
            Command::Log(arguments) => log::run(arguments),
            Command::Show(arguments) => show::run(arguments),
            Command::Diff(arguments) => diff::run(arguments),
            Command::Blame(arguments) => blame::run(arguments),
            Command::Lost(arguments) => lost::run(arguments),
            Command::Restore(arguments) => restore::run(arguments),
            Command::Watch(arguments) => watch::run(arguments),
            Command::Heartbeat(arguments) => heartbeat::run(arguments),
            Command::Sessions(arguments) => sessions::run(arguments),
            Command::Claim(arguments) => claim::run(arguments),
            Command::Release(arguments) => release::run(arguments),
            Command::Namespace(arguments) => namespace::run(arguments),
            Command::Install(arguments) => install::run(arguments),
            Command::Uninstall(arguments) => uninstall::run(arguments),
            Command::Status(arguments) => status::run(arguments),
            Command::Doctor(arguments) => doctor::run(arguments),
            Command::Demo(arguments) => demo::run(arguments),
        }
    }
}

/// Reads the command line; on bad usage, or a call for help, prints and says
/// how to end.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    Cli::try_parse_from(&words).map_err(|error| {
        // It is told of the words as they may be shown, which are no better usage.
        let shown = words.iter().map(|word| output::path(word.as_ref()));
        let error = Cli::try_parse_from(shown).err().unwrap_or(error);
        let _ = error.print();
        match error.exit_code() {
            0 => Exit::Done,
            // `lock` ends as flock(1) does: EX_USAGE of sysexits(3).
            _ if words.get(1).is_some_and(|verb| verb == "lock") => Exit::Code(64),
            _ => Exit::Trouble,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
