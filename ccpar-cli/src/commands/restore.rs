//! `ccpar restore`

use std::ffi::OsString;
use std::path::PathBuf;

use ccpar_core::Outcome;
use clap::Args;

use crate::commands::report;
use crate::context::{self, Writing};
use crate::exit::{Exit, Failure};
use crate::output;

/// Put an older version of a file back, or lines that were lost
#[derive(Debug, Args)]
#[command(after_help = "\
A restore is a version like any other: what it replaces stays in the history.

Example: ccpar restore notes.md@3
         ccpar restore --lost notes.md")]
pub(crate) struct Arguments {
    /// The file and the version's number in `ccpar log`, or its hash
    #[arg(value_name = "PATH@VERSION", required_unless_present = "lost")]
    version: Option<OsString>,

    /// Merge back the lines of others that a write without a base replaced
    #[arg(long, value_name = "PATH", conflicts_with = "version")]
    lost: Option<PathBuf>,

    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing(&arguments.writing)?;
    if let Some(path) = &arguments.lost {
        let file = harness.file(path);
        context::decline_foreign(&file)?;
        let (closed, commit) = file.restore_lost()?;
        let shown = output::path(path);
        match (closed, &commit.outcome) {
            (_, Outcome::Conflict { .. }) => {}
            (0, _) => output::say(format!("nothing is lost from `{shown}`")),
            (_, Outcome::Unchanged) => {
                output::say(format!("`{shown}` holds everything that was lost already"));
            }
            _ => output::say(format!("`{shown}`: put back what was lost")),
        }
        return Ok(report::commit(path, &commit, arguments.writing.json));
    }
    let Some(word) = &arguments.version else {
        return Err(Failure::new("name the version: path@3"));
    };
    let (path, version) = context::path_at(word)?;
    let file = harness.file(&path);
    context::decline_foreign(&file)?;
    let commit = file.restore(file.find(&version)?)?;
    Ok(report::commit(&path, &commit, arguments.writing.json))
}
