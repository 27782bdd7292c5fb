//! `ccpar status`

use std::path::Path;

use ccpar_core::history::{How, Record};
use ccpar_core::survey::{Findings, State};
use clap::Args;
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::paint::{self, Paint};
use crate::{output, when};

/// How long a removed file, or a link in its place, is spoken of, in milliseconds.
const GONE: u64 = 7 * 24 * 3600 * 1000;

/// Look at all known files, and say which need somebody
#[derive(Debug, Args)]
#[command(after_help = "\
Records what something other than ccpar wrote since the last look, and names
lost lines, conflict copies, emptied, unparsable and removed files, and links in
their place, each with the way back. Lists nothing that is in order.

Example: ccpar status")]
pub(crate) struct Arguments {
    /// Print one JSON object per known file
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outside: Option<&'a Record>,
    #[serde(flatten)]
    found: &'a Findings,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let states = harness.survey()?;
    let trouble = states.iter().any(|state| state.problem.is_some());
    let mut text = Vec::new();
    let mut in_order = 0;
    let (paint, now) = (Paint::stdout(), when::now());
    for state in &states {
        if arguments.json {
            output::json(&Json {
                path: &state.target.to_string_lossy(),
                outside: state.outside.as_deref(),
                found: &state.found,
                problem: state.problem.as_ref().map(ToString::to_string),
            })?;
            continue;
        }
        let notes = notes(state, now);
        if notes.is_empty() {
            in_order += 1;
            continue;
        }
        text.extend(paint.text(paint::NAME, output::short_path(&state.target)).into_bytes());
        text.push(b'\n');
        for (note, way) in notes {
            text.extend(format!("    {note}\n").into_bytes());
            if let Some(way) = way {
                text.extend(format!("        {}\n", paint.text(paint::QUIET, way)).into_bytes());
            }
        }
    }
    if !arguments.json {
        output::text(&text)?;
        let known = output::count(states.len(), "known file");
        match states.len() - in_order {
            0 => output::say(format!("{known}, all in order")),
            open => output::say(format!("{known}, {open} to look at")),
        }
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}

/// Whether the link in a path is one that is spoken of still.
fn is_new(path: &Path, now: u64) -> bool {
    let link = path.ancestors().find(|part| part.is_symlink());
    let made = link.and_then(|link| link.symlink_metadata().ok()?.modified().ok());
    let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    made.is_none_or(|made| made.as_millis() + u128::from(GONE) > u128::from(now))
}

/// What there is to say about a target, and the way back.
fn notes(state: &State, now: u64) -> Vec<(String, Option<String>)> {
    let word = output::shell_word(state.target.as_os_str());
    let found = &state.found;
    let mut notes = Vec::new();
    if let Some(problem) = &state.problem {
        notes.push((output::line(problem.to_string().as_bytes()), None));
    }
    let gone = found.gone.as_ref().filter(|record| record.how == How::Outside);
    if let Some(record) = gone.filter(|record| now.saturating_sub(record.time) < GONE) {
        let seen = output::time(record.time);
        let note = match &record.moved_to {
            Some(to) => {
                format!("is `{}` now, as seen {seen}", output::short_path(Path::new(to)))
            }
            None => format!("was removed, as seen {seen}"),
        };
        notes.push((note, Some(format!("ccpar restore {word}"))));
    }
    if let Some(to) = found.linked.as_deref().filter(|_| is_new(&state.target, now)) {
        let (note, away) = report::link(&state.target, to);
        notes.push((note, Some(format!("{away} && ccpar restore {word}"))));
    }
    if let Some(damage) = found.damage {
        notes.push((damage.to_string(), Some(format!("ccpar restore {word}"))));
    }
    if found.losses > 0 {
        let lines = output::count(found.lost_lines, "line");
        let note = format!("{lines} overwritten by somebody who had not seen them");
        notes.push((note, Some(format!("ccpar lost {word}"))));
    }
    for copy in &found.conflicts {
        let diff = format!("diff {word} {}", output::shell_word(copy.as_os_str()));
        notes.push((format!("conflict copy `{}`", output::short_path(copy)), Some(diff)));
    }
    if found.broken > 0 {
        let lines = output::count(found.broken, "line");
        notes.push((format!("{lines} of its log cannot be read"), Some("ccpar doctor".to_owned())));
    }
    if let (true, Some(record)) = (notes.is_empty(), &state.outside) {
        let who = report::OUTSIDE;
        notes.push((format!("{who} wrote it: version {}", record.n), None));
    }
    notes
}
