//! `ccpar locked-read`

use std::path::PathBuf;

use ccpar_core::{Harness, Settled, SharedFile, Snapshot, Version};
use clap::Args;
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::output;

/// Print a file and remember it as what this session has seen
#[derive(Debug, Args)]
#[command(after_help = "\
A later `ccpar locked-write` of the same session merges against what was read
here. One session is one reader: give readers that work at once a session each.
Waits for no lock. A file that does not exist prints nothing and is
remembered as absent. Where the history cannot be written the file is printed all
the same, and a note says that it is not remembered.

Example: ccpar locked-read notes.md --session $$ > mine.md")]
pub(crate) struct Arguments {
    /// The file to read
    path: PathBuf,

    #[command(flatten)]
    identity: Identity,

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
    let harness = context::reading(&arguments.identity)?;
    let path = &arguments.path;
    let file = harness.file(path);
    let (snapshot, unkept) = match file.look() {
        Ok(snapshot) => (snapshot, None),
        // If it can be read at all it was its keeping that failed.
        Err(error) => (file.look_only()?, Some(error.into())),
    };
    // That the log cannot be written is no reason not to read.
    if let Ok(Settled::Outside(record)) = file.settle() {
        report::outside(path, &record);
    }
    let version = snapshot.version();
    if arguments.json {
        let content = std::str::from_utf8(snapshot.content()).ok();
        output::json(&Json { path: &path.to_string_lossy(), version, content })?;
        // What was not printed was not seen.
        if content.is_some() {
            remember(&harness, &file, &snapshot, unkept);
        }
        return Ok(Exit::Done);
    }
    // Only what went out whole counts as seen: a reader that stops early ends
    // this here.
    output::data(snapshot.content())?;
    let remembered = remember(&harness, &file, &snapshot, unkept);
    if version.is_absent() {
        output::say(format!("`{}` does not exist yet", output::path(path)));
    }
    if remembered && harness.author().session.is_none() {
        output::hint(format!(
            "no session is known, so pass what you read to the write yourself: --base {version}"
        ));
    }
    Ok(Exit::Done)
}

/// Notes that a snapshot was seen, unless it could not be kept. Says so if that
/// failed: who only wants to read has what it came for.
fn remember(
    harness: &Harness,
    file: &SharedFile<'_>,
    snapshot: &Snapshot,
    unkept: Option<Failure>,
) -> bool {
    // Seen is only what is kept: a base that is gone merges nothing.
    let failed = unkept.or_else(|| file.mark_seen(snapshot).err().map(Failure::from));
    let Some(failed) = failed else { return true };
    let path = file.path();
    failed.report();
    output::note(format!("so `{}` is not remembered as read", output::path(path)));
    output::hint(format!(
        "make `{}` writable and read it again; or leave what you read in a file, and write with: \
         ccpar locked-write {} --no-history --base THAT_FILE",
        output::path(harness.root().as_std_path()),
        output::file_word(path),
    ));
    false
}
