//! `ccpar lost`

use std::path::{Path, PathBuf};

use ccpar_core::history::Record;
use ccpar_core::{Harness, Loss};
use clap::Args;
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Writing};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::output;
use crate::paint::{self, Paint};

/// List the lines that stale writers overwrote, and who wrote them
#[derive(Debug, Args)]
#[command(after_help = "\
A loss is open until `ccpar restore --lost` merges it back, until its lines stand
in the file again, or until it is dismissed. `perhaps` marks a text that may have
been meant: an older version as it was, an empty file, a tie.

Example: ccpar lost
         ccpar lost notes.md --dismiss")]
pub(crate) struct Arguments {
    /// The file; a folder means all known files in it [default: all known files]
    path: Option<PathBuf>,

    /// Close the losses of the file, its removal or damage: they were meant
    #[arg(long, requires = "path")]
    dismiss: bool,

    /// Dismiss only the loss of this version, by its number in `ccpar log`
    #[arg(long, value_name = "N", requires = "dismiss")]
    only: Option<u64>,

    #[command(flatten)]
    writing: Writing,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    /// The version that swallowed the lines.
    by: &'a Record,
    maybe: bool,
    lines: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    text: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writer: Option<&'a Record>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing(&arguments.writing)?;
    let path = arguments.path.as_deref();
    if arguments.dismiss {
        return dismiss(&harness, arguments);
    }
    let (targets, mut trouble) = named::targets(&harness, path)?;
    let alone = matches!((&targets[..], path), ([target], Some(path)) if target == path);
    let (mut losses, paint) = (0, Paint::stdout());
    for target in &targets {
        let file = harness.file(target);
        // What lies behind a link is known by its own path.
        if !alone && context::before_link(&file).is_some() {
            continue;
        }
        let looked = context::settle_quietly(&file);
        trouble |= !looked;
        let open = match file.losses() {
            Ok(open) => open,
            Err(error) => {
                trouble = true;
                // Why it could not look is said.
                if looked {
                    Failure::from(error).report();
                }
                continue;
            }
        };
        for loss in &open {
            trouble |= loss.problem.is_some();
            losses += 1;
            print(paint, target, loss, arguments.writing.how.json)?;
        }
        if !open.is_empty() && !arguments.writing.how.json {
            let name = output::file_word(target);
            output::hint(format!("put them back with: ccpar restore --lost {name}"));
        }
    }
    if losses == 0 && !trouble {
        match path {
            Some(path) if alone && harness.file(path).history()?.recent(1)?.is_empty() => {
                output::say(report::no_history(path));
            }
            Some(path) => output::say(format!("nothing is lost from `{}`", output::path(path))),
            None => output::say("nothing is lost"),
        }
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}

fn dismiss(harness: &Harness, arguments: &Arguments) -> Result<Exit, Failure> {
    let Some(path) = &arguments.path else {
        return Err(Failure::new("name the file whose losses were meant"));
    };
    let file = harness.file(path);
    let closed = file.dismiss(arguments.only)?;
    let shown = output::path(path);
    if closed > 0 {
        output::say(format!("`{shown}`: dismissed {}", losses(closed)));
    } else {
        output::say(format!("`{shown}`: no such loss is open"));
    }
    Ok(Exit::Done)
}

fn losses(n: usize) -> String {
    format!("{n} {}", if n == 1 { "loss" } else { "losses" })
}

fn print(paint: Paint, target: &Path, loss: &Loss, json: bool) -> Result<(), Failure> {
    let problem = loss.problem.as_ref().map(ToString::to_string);
    if json {
        let lines = loss.lines.iter().map(|line| Line {
            text: String::from_utf8_lossy(&line.text),
            writer: line.writer.as_deref(),
        });
        output::json(&Json {
            path: &target.to_string_lossy(),
            by: &loss.record,
            maybe: loss.record.maybe,
            lines: lines.collect(),
            problem,
        })?;
        return Ok(());
    }
    let record = &loss.record;
    let mut text = paint.text(paint::NAME, output::short_path(target)).into_bytes();
    let lines = match &problem {
        None => output::count(loss.lines.len(), "line"),
        Some(_) => output::count(record.lost.unwrap_or(0), "line"),
    };
    let said = format!(
        ": {}{lines} overwritten unseen by version {} ({}, {})\n",
        if record.maybe { "perhaps " } else { "" },
        record.n,
        report::who(record).unwrap_or_else(|| report::OUTSIDE.to_owned()),
        output::time(record.time),
    );
    text.extend(said.into_bytes());
    let mut last = None;
    for line in &loss.lines {
        let writer = line.writer.as_deref();
        if last != Some(writer.map(|writer| writer.n)) {
            let by = writer.map_or_else(
                || "of whom is not known".to_owned(),
                |writer| {
                    let who = report::who(writer).unwrap_or_else(|| report::OUTSIDE.to_owned());
                    format!("of {who}, {}", output::time(writer.time))
                },
            );
            text.extend(format!("  {}\n", paint.text(paint::QUIET, by)).into_bytes());
            last = Some(writer.map(|writer| writer.n));
        }
        text.extend(b"    ");
        text.extend(paint.line(&line.text));
        text.push(b'\n');
    }
    if let Some(problem) = problem {
        text.extend(format!("  cannot be told line by line: {problem}\n").into_bytes());
    }
    output::text(&text)?;
    Ok(())
}
