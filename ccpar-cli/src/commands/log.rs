//! `ccpar log`

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::output;

/// List the versions of a file, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: number, version, time, how it came about, lines in and out, session
and branch.

Example: ccpar log notes.md")]
pub(crate) struct Arguments {
    /// The file; it need not exist any more
    path: PathBuf,

    /// Print one JSON object per version
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let parsed = harness.file(&arguments.path).history()?.records()?;
    let mut text = String::new();
    for record in parsed.effective().rev() {
        if arguments.json {
            let line = serde_json::to_string(record).map_err(std::io::Error::from)?;
            text.push_str(&line);
        } else {
            let lines = record
                .lines
                .map_or_else(String::new, |(added, removed)| format!("+{added} -{removed}"));
            let who = match (&record.session, &record.branch) {
                (Some(session), Some(branch)) => format!("{session} on {branch}"),
                (Some(name), None) => name.clone(),
                (None, Some(branch)) => format!("on {branch}"),
                (None, None) => String::new(),
            };
            let row = format!(
                "{:>4}  {:<8}  {}  {:<8} {:<9} {}",
                record.n,
                record.version.short(),
                output::time(record.time),
                record.how,
                lines,
                output::line(who.as_bytes()),
            );
            text.push_str(row.trim_end());
            if let Some(lost) = record.lost {
                let _ = write!(text, "  ({} of others replaced)", output::count(lost, "line"));
            }
        }
        text.push('\n');
    }
    output::data(text.as_bytes())?;
    for (line, problem) in &parsed.broken {
        output::say(format!("line {line} of the log cannot be read: {problem}"));
    }
    if text.is_empty() {
        let path = output::path(&arguments.path);
        output::say(format!("`{path}` has no history: ccpar has never read or written it"));
    }
    Ok(if parsed.broken.is_empty() { Exit::Done } else { Exit::Trouble })
}
