//! `ccpar locked-edit`

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ccpar_core::{Error, Harness};
use clap::Args;

use crate::commands::report;
use crate::context::{self, Claimed, Keeping, Writing};
use crate::exit::{Exit, Failure};
use crate::output;

/// Run a filter on a file while nobody else writes it
#[derive(Debug, Args)]
#[command(after_help = "\
The filter gets the text on stdin and prints the new one. If it fails, nothing
changes, and ccpar ends with its exit code. Keep it quick: others wait.

Example: ccpar locked-edit notes.md -- sed 's/teh/the/g'")]
pub(crate) struct Arguments {
    /// The file to edit; if it does not exist the filter gets nothing
    path: PathBuf,

    /// The filter and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    claimed: Claimed,

    #[command(flatten)]
    keeping: Keeping,

    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = arguments.keeping.apply(context::writing(&arguments.writing)?);
    let harness = arguments.claimed.apply(harness);
    let file = harness.file(&arguments.path);
    context::decline_foreign(&file)?;
    let edit = |text: &[u8]| filter(&harness, &arguments.command, text).map_err(Undone::Filter);
    let commit = file.update(edit).map_err(|undone| match undone {
        Undone::Filter(failure) => failure,
        Undone::Write(error) => context::failed_write(&harness, error, Keeping::WAY_ROUND),
    })?;
    Ok(report::commit(&arguments.path, &commit, arguments.writing.how.json))
}

/// Why an edit was not done.
enum Undone {
    Filter(Failure),
    Write(Error),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Undone {
        Undone::Write(error)
    }
}

/// Runs the filter on files without a name rather than pipes: whatever it
/// leaves running in the background can keep nobody waiting.
fn filter(harness: &Harness, command: &[OsString], text: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot prepare the filter: {error}"));
    let input = || -> io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(text)?;
        file.rewind()?;
        Ok(file)
    };
    let mut output = tempfile::tempfile().map_err(failed)?;
    let (name, value) = context::callers(harness);
    let status = Command::new(&command[0])
        .args(&command[1..])
        .env(name, value)
        .stdin(Stdio::from(input().map_err(failed)?))
        .stdout(Stdio::from(output.try_clone().map_err(failed)?))
        .status()
        .map_err(|error| {
            let name = output::path(command[0].as_ref());
            Failure::new(format!("cannot run the filter `{name}`: {error}; nothing was changed"))
        })?;
    if !status.success() {
        return Err(Failure::silent(Exit::of(status)));
    }
    let mut edited = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut edited)).map_err(failed)?;
    Ok(edited)
}
