//! `ccpar show`

use std::ffi::OsString;

use ccpar_core::Version;
use clap::Args;
use serde::Serialize;

use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::output;

/// Print an older version of a file
#[derive(Debug, Args)]
#[command(after_help = "Example: ccpar show notes.md@3")]
pub(crate) struct Arguments {
    /// The file and the version's number in `ccpar log`, or its hash
    #[arg(value_name = "PATH@VERSION")]
    version: OsString,

    /// Print path, version and content as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    version: Version,
    /// Absent if the content is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (path, version) = named::path_at(&arguments.version)?;
    let harness = context::reading(&Identity::default())?;
    let file = harness.file(&path);
    context::settle(&file);
    let version = file.find(&version)?;
    let content = file.version(version)?;
    if arguments.json {
        let content = std::str::from_utf8(&content).ok();
        output::json(&Json { path: &path.to_string_lossy(), version, content })?;
    } else {
        output::data(&content)?;
    }
    Ok(Exit::Done)
}
