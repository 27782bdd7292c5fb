//! `ccpar merge`

use std::fs;
use std::path::{Path, PathBuf};

use ccpar_core::Durability;
use ccpar_core::merge::{Markers, Merge, Rules};
use clap::Args;

use crate::exit::{Exit, Failure};
use crate::output;

/// Merge three texts and print the result
#[derive(Debug, Args)]
#[command(after_help = "\
Works as a merge driver of git. In .gitattributes:
  *.md merge=ccpar
and once per clone:
  git config merge.ccpar.driver 'ccpar merge %O %A %B -o %A --path %P --marker-size %L'

Exit: 0 clean; 1 with conflict markers; 2 trouble

Example: ccpar merge old.md mine.md yours.md -o merged.md")]
pub(crate) struct Arguments {
    /// What both were made from
    base: PathBuf,

    /// One side: its changes come after the other's where both only add
    ours: PathBuf,

    /// The other side
    theirs: PathBuf,

    /// Write the result to this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The file's real name, which decides by which rules it is merged
    #[arg(long, value_name = "NAME")]
    path: Option<PathBuf>,

    /// Length of conflict markers
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    marker_size: u16,

    /// Show base in conflicts too
    #[arg(long)]
    diff3: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let base = read(&arguments.base)?;
    let ours = read(&arguments.ours)?;
    let theirs = read(&arguments.theirs)?;
    let rules = Rules::of(arguments.path.as_ref().unwrap_or(&arguments.ours));
    let merge = Merge::with_rules(rules, &base, &ours, &theirs);
    let markers = Markers {
        size: usize::from(arguments.marker_size),
        diff3: arguments.diff3,
        ..Markers::default()
    };
    let text = merge.with_markers(markers);
    match &arguments.output {
        // The user's own file: what it survives is git's or the user's matter.
        Some(path) => ccpar_core::replace(path, &text, Durability::Process)?,
        None => output::data(&text)?,
    }
    Ok(if merge.is_clean() { Exit::Done } else { Exit::No })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", output::path(path))))
}
