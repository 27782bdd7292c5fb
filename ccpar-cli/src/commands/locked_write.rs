//! `ccpar locked-write`

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use ccpar_core::{Base, CommitOptions, Error, SharedFile, Version, WithoutBase};
use clap::Args;

use crate::commands::report;
use crate::context::{self, Claimed, Keeping, Writing};
use crate::exit::{Exit, Failure};
use crate::output;

/// Put stdin in place of a file, merged with what came in between
#[derive(Debug, Args)]
#[command(after_help = "\
The text is merged against the version this session has last seen (read with
`ccpar locked-read`, or written), or against --base. Without either it replaces
the file as `cat > FILE` would, and says which lines that swallowed.

Exit: 0 written; 1 busy, refused, or a conflict was kept; 2 trouble, nothing written

Example: sed 's/old/new/' notes.md | ccpar locked-write notes.md --session $$")]
pub(crate) struct Arguments {
    /// The file to write; folders that it lacks are made
    path: PathBuf,

    /// What the text was made from: a version, or a file that holds it
    #[arg(long, value_name = "VERSION|FILE", conflicts_with = "append")]
    base: Option<PathBuf>,

    /// Add the text at the end instead
    #[arg(long, conflicts_with_all = ["merge", "require_base"])]
    append: bool,

    /// If no base is known, infer it from the history and merge
    #[arg(long)]
    merge: bool,

    /// If no base is known, refuse
    #[arg(long, conflicts_with = "merge")]
    require_base: bool,

    #[command(flatten)]
    claimed: Claimed,

    #[command(flatten)]
    keeping: Keeping,

    #[command(flatten)]
    writing: Writing,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = arguments.keeping.apply(context::writing(&arguments.writing)?);
    let harness = arguments.claimed.apply(harness);
    let path = &arguments.path;
    let file = harness.file(path);
    context::decline_foreign(&file)?;
    let base = arguments.base.as_deref().map(|base| parse_base(&file, base)).transpose()?;

    // The whole text before the lock: a slow writer must not hold others up.
    if io::stdin().is_terminal() {
        output::say("reading the text from the terminal; end it with Ctrl-D");
    }
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).map_err(|error| {
        Failure::new(format!("cannot read stdin: {error}; nothing was written"))
    })?;

    let options = CommitOptions {
        base: base.unwrap_or_default(),
        without_base: match (arguments.merge, arguments.require_base) {
            (true, _) => WithoutBase::Merge,
            (_, true) => WithoutBase::Refuse,
            _ => WithoutBase::Replace,
        },
    };
    let commit = if arguments.append { file.append(&text) } else { file.commit(&text, &options) };
    let commit =
        commit.map_err(|error| context::failed_write(&harness, error, Keeping::WAY_ROUND))?;
    Ok(report::commit(path, &commit, arguments.writing.how.json))
}

/// A whole version is one; else a file that is there; else a version's
/// beginning.
fn parse_base(file: &SharedFile<'_>, base: &Path) -> Result<Base, Failure> {
    let text = base.to_str().unwrap_or_default();
    if let Ok(version) = text.parse::<Version>() {
        return Ok(Base::Version(version));
    }
    match std::fs::read(base) {
        Ok(content) => Ok(Base::Text(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            file.find(text).map(Base::Version).map_err(|error| match error {
                Error::UnknownVersion { hint, .. } if !hint.contains("more than one") => {
                    let path = output::path(file.path());
                    Failure::new(format!(
                        "--base `{}` is neither a version of `{path}` nor a file",
                        output::path(base)
                    ))
                    .with_hint(format!("list the versions with: ccpar log {path}"))
                }
                other => other.into(),
            })
        }
        Err(error) => {
            Err(Failure::new(format!("cannot read the base `{}`: {error}", output::path(base))))
        }
    }
}
