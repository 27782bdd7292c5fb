//! `ccpar merge`

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ccpar_core::Durability;
use ccpar_core::merge::{Markers, Merge, Region, Resolution, Rules};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output;

/// Merge three texts and print the result
#[derive(Debug, Args)]
#[command(after_help = "\
Works as a merge driver of git. In .gitattributes:
  *.md merge=ccpar
and once per clone:
  git config merge.ccpar.driver 'ccpar merge %O %A %B -o %A --path %P --marker-size %L'
From git 2.45 on, --labels %S %X %Y names the sides as git does.

Exit: 0 clean; 1 with conflict markers; 2 trouble

Example: ccpar merge old.md mine.md yours.md -o merged.md")]
pub(crate) struct Arguments {
    /// What both were made from
    base: PathBuf,

    /// One side, what stands there: its lines come first where both only add
    ours: PathBuf,

    /// The other side
    theirs: PathBuf,

    /// Write the result to this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The file's real name, which decides by which rules it is merged
    #[arg(long, value_name = "NAME")]
    path: Option<PathBuf>,

    /// By which rules to merge, whatever the name
    #[arg(long = "as", value_name = "RULES", value_enum)]
    rules: Option<RulesArg>,

    /// Print how each change was resolved, and why, instead of the text
    #[arg(long)]
    explain: bool,

    /// Length of conflict markers
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    marker_size: u16,

    /// How conflicts look: both sides, or base between them too
    #[arg(long, value_name = "STYLE", value_enum, default_value_t = Style::Merge)]
    style: Style,

    /// What the three texts are called at conflict markers
    #[arg(long, num_args = 3, value_names = ["BASE", "OURS", "THEIRS"])]
    labels: Option<Vec<String>>,

    /// Print the changes as --explain does, one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    Merge,
    Diff3,
}

/// A change, for programs: lines are counted from 1.
#[derive(Serialize)]
struct Change {
    resolution: &'static str,
    why: String,
    /// A pointer (RFC 6901) to a value of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    base: Lines,
    ours: Lines,
    theirs: Lines,
}

#[derive(Serialize)]
struct Lines {
    first: usize,
    lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RulesArg {
    Lines,
    Markdown,
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let base = read(&arguments.base)?;
    let ours = read(&arguments.ours)?;
    let theirs = read(&arguments.theirs)?;
    let rules = match arguments.rules {
        Some(RulesArg::Lines) => Rules::Lines,
        Some(RulesArg::Markdown) => Rules::Markdown,
        Some(RulesArg::Json) => Rules::Json,
        None => Rules::of(arguments.path.as_ref().unwrap_or(&arguments.ours)),
    };
    let merge = Merge::ours_first(rules, &base, &ours, &theirs);
    let name = arguments.path.as_ref().unwrap_or(&arguments.ours);
    if merge.is_coarse() {
        output::note(format!(
            "{}: large and changed a lot, so it was not compared line by line: conflicts may be \
             larger than need be",
            output::path(name)
        ));
    }
    if let Some(refusal) = merge.refusal() {
        output::note(format!("{}: {refusal}; merged as text", output::path(name)));
    }
    let labels = match arguments.labels.as_deref() {
        Some([base, ours, theirs]) => [&**base, ours, theirs],
        _ => Markers::default().labels,
    };
    let diff3 = arguments.style == Style::Diff3;
    let markers = Markers { size: usize::from(arguments.marker_size), diff3, labels };
    let text = merge.with_markers(markers);
    match &arguments.output {
        // The user's own file: what it survives is git's or the user's matter.
        Some(path) => ccpar_core::replace(path, &text, Durability::Process)?,
        None if arguments.explain || arguments.json => {}
        None => output::data(&text)?,
    }
    if arguments.json {
        for change in changes(&merge) {
            output::json(&change)?;
        }
    } else if arguments.explain {
        output::data(explain(&merge).as_bytes())?;
    }
    Ok(if merge.is_clean() { Exit::Done } else { Exit::No })
}

fn explain(merge: &Merge<'_>) -> String {
    let mut text = String::new();
    for region in merge.regions().iter().filter(|r| r.resolution != Resolution::Unchanged) {
        let place = match (region.theirs.start + 1, region.theirs.len()) {
            (first, 0) => format!("before line {first} of theirs"),
            (first, 1) => format!("line {first} of theirs"),
            (first, count) => format!("lines {first} to {} of theirs", first + count - 1),
        };
        let pointer = region.place.as_deref().map(|pointer| match pointer {
            "" => "the whole value, ".to_owned(),
            pointer => format!("{}, ", output::line(pointer.as_bytes())),
        });
        let pointer = pointer.unwrap_or_default();
        let _ = writeln!(text, "{pointer}{place}: {}", region.resolution);
        for (name, lines) in ["base", "ours", "theirs"].into_iter().zip(merge.sides(region)) {
            for line in lines {
                let _ = writeln!(text, "  {name:>6} | {}", output::line(line));
            }
        }
    }
    text
}

fn changes<'m>(merge: &'m Merge<'_>) -> impl Iterator<Item = Change> + 'm {
    let changed = |region: &&Region<'_>| region.resolution != Resolution::Unchanged;
    merge.regions().iter().filter(changed).map(|region| {
        let ranges = [&region.base, &region.ours, &region.theirs];
        let sides = merge.sides(region);
        let [base, ours, theirs] = [0, 1, 2].map(|n| Lines {
            first: ranges[n].start + 1,
            lines: sides[n].iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect(),
        });
        Change {
            resolution: region.resolution.name(),
            why: region.resolution.to_string(),
            pointer: region.place.clone(),
            base,
            ours,
            theirs,
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", output::path(path))))
}
