//! `ccpar blame`

use std::ffi::OsString;

use ccpar_core::diff::{Step, blame};
use ccpar_core::history::{How, Record};
use clap::Args;
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::output;
use crate::paint::{self, Paint};

/// The widest name that is shown whole.
const WHO_MAX: usize = 28;

/// Show which session, branch and time each line came from
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: version, session and branch, time, line. A line that a restore brought
back is still that of its first author.

Example: ccpar blame notes.md
         ccpar blame notes.md@7")]
pub(crate) struct Arguments {
    /// The file, and the version that is asked about [default: the newest]
    #[arg(value_name = "PATH[@VERSION]")]
    path: OsString,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    line: usize,
    text: std::borrow::Cow<'a, str>,
    n: u64,
    how: How,
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<&'a str>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let (path, at) = named::path_maybe_at(&arguments.path);
    let file = harness.file(&path);
    // A version that is named is what it is.
    let trouble = !context::settle(&file) && at.is_none();
    let history = file.history()?;
    let parsed = history.records()?;
    let mut records: Vec<&Record> = parsed.effective().collect();
    if let Some(at) = at {
        let version = file.find(&at)?;
        let n = at.parse::<u64>().ok();
        let last = records
            .iter()
            .rposition(|record| n == Some(record.n) || (n.is_none() && record.version == version));
        records.truncate(last.map_or(0, |last| last + 1));
    }
    if records.is_empty() {
        if !trouble {
            output::say(report::no_history(&path));
        }
        return Ok(if trouble { Exit::Trouble } else { Exit::Done });
    }
    let mut gaps = 0;
    let mut steps = Vec::new();
    for record in &records {
        match history.get(record.version) {
            Ok(Some(text)) => {
                steps.push(Step { origin: *record, text, restores: record.how == How::Restore });
            }
            // What it brought in is told as the next version's.
            Ok(None) | Err(_) => gaps += 1,
        }
    }
    let told = blame(steps);
    let paint = Paint::stdout();
    let who = |record: &Record| {
        let name = report::author(record).unwrap_or_else(|| record.how.to_string());
        match name.char_indices().nth(WHO_MAX) {
            Some((cut, _)) => format!("{}...", &name[..cut]),
            None => name,
        }
    };
    let widest = told.iter().map(|(_, record)| who(record).chars().count()).max().unwrap_or(0);
    let mut text = Vec::new();
    for (number, (line, record)) in told.iter().enumerate() {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        if arguments.json {
            let json = Json {
                line: number + 1,
                text: String::from_utf8_lossy(bare),
                n: record.n,
                how: record.how,
                time: record.time,
                session: record.session.as_deref(),
                branch: record.branch.as_deref(),
            };
            text.extend(output::json_line(&json)?);
            continue;
        }
        let head = format!("{:>4}  {:<widest$}  ", record.n, who(record));
        text.extend(paint.text(paint::PLACE, head).into_bytes());
        let time = format!("{}  ", output::time(record.time));
        text.extend(paint.text(paint::QUIET, time).into_bytes());
        text.extend(paint.line(bare));
        text.push(b'\n');
    }
    output::text(&text)?;
    if gaps > 0 {
        let gaps = output::count(gaps, "version");
        output::say(format!(
            "the contents of {gaps} are no longer kept: a line of theirs is told as the next version's"
        ));
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}
