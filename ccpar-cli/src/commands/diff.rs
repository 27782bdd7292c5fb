//! `ccpar diff`

use std::ffi::OsString;
use std::path::Path;

use ccpar_core::{SharedFile, Version};
use clap::Args;
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::output;
use crate::paint::Paint;

/// Show what changed between two versions of a file
#[derive(Debug, Args)]
#[command(after_help = "\
One version: what changed since then. Two: what changed between them. None: what
the newest version changed. The output is one that patch(1) reads.

Example: ccpar diff notes.md@3
         ccpar diff notes.md@3 @7")]
pub(crate) struct Arguments {
    /// The file, and the older version: its number in `ccpar log`, or its hash
    #[arg(value_name = "PATH[@VERSION]")]
    from: OsString,

    /// The newer version [default: what stands there now]
    #[arg(value_name = "@VERSION")]
    to: Option<String>,

    /// Print versions and diff as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json {
    path: String,
    from: Version,
    to: Version,
    diff: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let (path, from) = named::path_maybe_at(&arguments.from);
    let file = harness.file(&path);
    // A version that is named is what it is, and so is what stands there now.
    let trouble = !context::settle(&file) && from.is_none();
    // `@2`, and with the file again.
    let to_name = arguments.to.as_deref().map(|to| match to.rsplit_once('@') {
        Some((before, name)) if before.is_empty() || Path::new(before) == path => name,
        _ => to,
    });
    let to = to_name.map(|to| file.find(to)).transpose()?;
    let (from, from_name) = match from {
        Some(name) => (file.find(&name)?, name),
        None => newest_change(&file, to)?,
    };
    let (new, to, to_name) = if let Some(to) = to {
        (file.version(to)?, to, to_name.unwrap_or_default().to_owned())
    } else {
        let now = file.look_only()?;
        let version = now.version();
        (now.into_content(), version, "now".to_owned())
    };
    let name = output::path(&path);
    let names = [format!("{name}@{from_name}"), format!("{name}@{to_name}")];
    let diff = Paint::stdout_or_json(arguments.json).diff(
        [&names[0], &names[1]],
        &file.version(from)?,
        &new,
    );
    if arguments.json {
        let path = path.to_string_lossy().into_owned();
        let diff = String::from_utf8_lossy(&diff).into_owned();
        output::json(&Json { path, from, to, diff })?;
    } else {
        output::text(&diff)?;
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}

/// What stood there before the newest version, or before the one that is named.
fn newest_change(file: &SharedFile<'_>, to: Option<Version>) -> Result<(Version, String), Failure> {
    let parsed = file.history()?.records()?;
    let newest = parsed
        .effective()
        .rev()
        .find(|record| to.is_none_or(|to| to == record.version) && changes(record));
    let Some(newest) = newest else {
        return Err(Failure::new(report::no_history(file.path())));
    };
    let before = newest.parents.first().copied().unwrap_or(Version::ABSENT);
    Ok((before, before.short()))
}

/// Whether a record is one of a new text.
fn changes(record: &ccpar_core::history::Record) -> bool {
    record.parents.first() != Some(&record.version)
}
