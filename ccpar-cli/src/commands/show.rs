//! `ccpar show`

use std::ffi::OsString;

use clap::Args;

use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::output;

/// Print an older version of a file
#[derive(Debug, Args)]
#[command(after_help = "Example: ccpar show notes.md@3")]
pub(crate) struct Arguments {
    /// The file and the version's number in `ccpar log`, or its hash
    #[arg(value_name = "PATH@VERSION")]
    version: OsString,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (path, version) = context::path_at(&arguments.version)?;
    let harness = context::reading(&Identity::default())?;
    let file = harness.file(&path);
    let content = file.version(file.find(&version)?)?;
    output::data(&content)?;
    Ok(Exit::Done)
}
