//! What can be typed.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    blame, claim, completions, demo, diff, doctor, heartbeat, install, lock, locked_edit,
    locked_read, locked_write, log, lost, man, merge, namespace, release, restore, sessions, show,
    status, uninstall, watch,
};
use crate::exit::{Exit, Failure};
use crate::output;

/// How the paragraph of a verb's help begins that tells its exit codes, and the one
/// that has the examples, each on a line.
pub(crate) const EXIT: &str = "Exit: ";
pub(crate) const EXAMPLE: &str = "Example: ";

/// What the verbs are for, as the help lists them.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Write", &["locked-write", "locked-read", "locked-edit", "lock", "merge"]),
    ("See", &["status", "watch", "demo"]),
    ("History", &["log", "show", "diff", "blame", "lost", "restore"]),
    ("Sessions", &["sessions", "heartbeat", "claim", "release"]),
    ("Memory", &["namespace"]),
    ("Claude Code", &["install", "uninstall"]),
    ("Care", &["doctor"]),
    ("Shell", &["completions", "man"]),
];

/// Keeps parallel coding sessions from overwriting each other's files
///
/// A text is put in place against the version its author had read; what others
/// wrote since then is merged in, and every version is kept.
#[derive(Debug, Parser)]
#[command(name = "ccpar", version, disable_help_subcommand = true, verbatim_doc_comment)]
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
    Completions(completions::Arguments),
    Man(man::Arguments),
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
            Command::Completions(arguments) => completions::run(arguments),
            Command::Man(arguments) => man::run(arguments),
        }
    }
}

/// All that can be typed, with a help that lists the verbs by what they are for.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let mut verbs = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(verbs, "{group}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(verbs, "  {name:<13} {about}");
        }
        verbs.push('\n');
    }
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}Options:\n{{options}}\n\n\
         Each verb tells more, with examples: ccpar VERB --help\n"
    ))
}

/// Reads the command line; on bad usage, or a call for help, prints and says
/// how to end.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    let read = |words: Vec<OsString>| {
        let matches = command().try_get_matches_from(words);
        matches.and_then(|matches| Cli::from_arg_matches(&matches))
    };
    read(words.clone()).map_err(|error| {
        // It is told of the words as they may be shown, which are no better usage.
        let shown = words.iter().map(|word| output::path(word.as_ref()).into());
        let error = read(shown.collect()).err().unwrap_or(error);
        let _ = error.print();
        if error.exit_code() != 0
            && let Some(example) = example(&words)
        {
            output::hint(format!("for example: {example}"));
        }
        match error.exit_code() {
            0 => Exit::Done,
            // `lock` ends as flock(1) does: EX_USAGE of sysexits(3).
            _ if words.get(1).is_some_and(|verb| verb == "lock") => Exit::Code(64),
            _ => Exit::Trouble,
        }
    })
}

/// The first example of the verb that these words call.
fn example(words: &[OsString]) -> Option<String> {
    let command = command();
    let mut verb = &command;
    for word in words.get(1..)? {
        match word.to_str().and_then(|word| verb.find_subcommand(word)) {
            Some(found) => verb = found,
            None => break,
        }
    }
    let help = verb.get_after_help()?.to_string();
    let (_, examples) = help.split_once(EXAMPLE)?;
    examples.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn the_help_lists_each_verb_once() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let command = command();
        let mut verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        listed.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(listed, verbs);
    }
}
