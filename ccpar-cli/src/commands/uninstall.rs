//! `ccpar uninstall`

use std::path::Path;

use ccpar_core::{SharedFile, Version};
use clap::Args;

use super::install::{How, Settings, Whose, any, show, without, write};
use crate::context::{self, HowToWrite, Identity};
use crate::exit::{Exit, Failure};

/// Take ccpar's hooks, and nothing else, out of the settings
#[derive(Debug, Args)]
#[command(after_help = "\
Versions and sessions stay where they are: `~/.claude/ccpar` can be removed by hand.

Example: ccpar uninstall --dry-run")]
pub(crate) struct Arguments {
    #[command(flatten)]
    whose: Whose,

    /// Only show what would change
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    how: HowToWrite,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing_as(&Identity::default(), &arguments.how)?;
    let path = arguments.whose.path()?;
    let file = harness.file(&path);
    let how = How {
        done: "taken out of",
        idle: "not in",
        dry_run: arguments.dry_run,
        json: arguments.how.json,
        asks: true,
    };
    // Settings that `install` made go with the last that is in them.
    let there = file.look_only()?;
    if any(&Settings::new(&path, there.content())?.events)
        && before(&file, there.content())? == Some(Version::ABSENT)
    {
        if !show(&file, &how, there.content(), b"")? {
            return Ok(Exit::No);
        }
        if how.dry_run || file.remove_if(there.version())?.is_none() {
            return how.report(&file, how.done);
        }
    }
    write(&file, &how, |text| {
        let settings = Settings::new(&path, text)?;
        if !any(&settings.events) {
            return Ok(None);
        }
        match before(&file, text)? {
            Some(version) if !version.is_absent() => Ok(Some(file.version(version)?)),
            _ => settings.with(&without(&settings.events)),
        }
    })
}

/// The last version without ccpar's hooks, if nothing but these has changed since then:
/// it is to stand there again as it was, whatever the hooks made of its layout.
fn before(file: &SharedFile<'_>, text: &[u8]) -> Result<Option<Version>, Failure> {
    let meaning = |text: &[u8]| {
        let settings = Settings::new(Path::new(""), text).ok()?;
        let (rest, had_any) = (without(&settings.events), any(&settings.events));
        Some((settings.meaning_with(rest), had_any))
    };
    let Some((now, _)) = meaning(text) else { return Ok(None) };
    let history = file.history()?;
    let records = history.records()?;
    let versions = records.effective().rev().flat_map(|record| [record.version, record.replaced()]);
    for version in versions {
        let Some((then, had_any)) = history.get(version)?.as_deref().and_then(meaning) else {
            return Ok(None);
        };
        if then != now {
            return Ok(None);
        }
        if !had_any {
            return Ok(Some(version));
        }
    }
    Ok(None)
}
