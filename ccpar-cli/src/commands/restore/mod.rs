//! `ccpar restore`

mod plan;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ccpar_core::{Error, Harness, Outcome, SharedFile, Version};
use clap::Args;

use plan::{Left, Planned, Step, back_from, back_to, plan};

use crate::commands::report;
use crate::context::{self, Claimed, HowToWrite, Identity};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::paint::Paint;
use crate::{output, when};

/// Put back a version, a time, lost lines, or a file that is gone
#[derive(Debug, Args)]
#[command(after_help = "\
A restore is a version like any other: what it replaces stays in the history.
A path alone brings a file back that was removed, emptied, or no longer parses.

Example: ccpar restore notes.md
         ccpar restore --lost notes.md
         ccpar restore notes.md@3
         ccpar restore ~/.claude/memory --at 10:30 --dry-run
         ccpar restore --session 0f3c2 --dry-run")]
pub(crate) struct Arguments {
    /// The file and the version's number in `ccpar log`, or its hash; with --at or
    /// --session a file, or a folder for all known files in it
    #[arg(value_name = "PATH[@VERSION]", required_unless_present_any = ["lost", "session"])]
    what: Option<OsString>,

    /// Merge back the lines that stale writers overwrote
    #[arg(long, value_name = "PATH", conflicts_with = "what")]
    lost: Option<PathBuf>,

    /// Put back what stood there then: an age like 2h, or a time
    #[arg(long, value_name = "TIME", value_parser = when::ago, conflicts_with_all = ["lost", "session"])]
    at: Option<u64>,

    /// Take back what this session wrote, keeping what others wrote since then: its
    /// id, or as much of it as names no other
    #[arg(long, value_name = "ID", conflicts_with = "lost")]
    session: Option<String>,

    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    claimed: Claimed,

    #[command(flatten)]
    how: HowToWrite,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing_as(&Identity::default(), &arguments.how)?;
    let harness = arguments.claimed.apply(harness);
    if let Some(path) = &arguments.lost {
        return restore_lost(&harness, path, arguments);
    }
    match (&arguments.what, arguments.at, &arguments.session) {
        (what, None, Some(given)) => {
            let session = named::session(&harness, given)?;
            if session != *given {
                output::note(format!("this is session {}", output::line(session.as_bytes())));
            }
            let targets = targets(&harness, what.as_deref().map(Path::new))?;
            many(&harness, &targets, arguments, |file| back_from(file, &session))
        }
        (Some(what), Some(time), _) => {
            let targets = targets(&harness, Some(Path::new(what)))?;
            many(&harness, &targets, arguments, |file| back_to(file, time))
        }
        (Some(what), None, None) => one(&harness, what, arguments),
        (None, ..) => Err(Failure::new("name what to restore: path@3")),
    }
}

fn restore_lost(harness: &Harness, path: &Path, arguments: &Arguments) -> Result<Exit, Failure> {
    let file = harness.file(path);
    context::decline_foreign(&file)?;
    let shown = output::path(path);
    if arguments.dry_run {
        let looked = context::settle_quietly(&file);
        let losses = file.losses()?;
        let lines: Vec<_> = losses.iter().flat_map(|loss| &loss.lines).collect();
        let mut text = Vec::new();
        for line in &lines {
            text.extend(b"+");
            text.extend(Paint::stdout().line(&line.text));
            text.push(b'\n');
        }
        output::text(&text)?;
        output::say(format!("`{shown}`: would put back {}", output::count(lines.len(), "line")));
        return Ok(if looked { Exit::Done } else { Exit::Trouble });
    }
    let (closed, commit) = file.restore_lost().map_err(|error| {
        let word = output::file_word(path);
        let way_round = format!(
            "make `{}` writable, with room on its disk, and run this again; until then see the \
             lines with: ccpar restore --lost {word} --dry-run",
            output::path(harness.root().as_std_path())
        );
        context::failed_write(harness, error, &way_round)
    })?;
    match (closed, &commit.outcome) {
        (_, Outcome::Conflict { .. }) => {}
        (0, _) => output::say(format!("nothing is lost from `{shown}`")),
        (_, Outcome::Unchanged) => {
            output::say(format!("`{shown}` holds everything that was lost already"));
        }
        _ => output::say(format!("`{shown}`: put back what was lost")),
    }
    Ok(report::commit(path, &commit, arguments.how.json))
}

/// One file, to a version that is named, or to the last that was in order.
fn one(harness: &Harness, what: &OsString, arguments: &Arguments) -> Result<Exit, Failure> {
    let (path, version) = match named::path_maybe_at(what) {
        // A version that looks like none is to be named as such.
        (path, None) if !path.exists() && what.to_string_lossy().contains('@') => {
            let file = harness.file(&path);
            if file.history()?.recent(1)?.is_empty() {
                let (path, version) = named::path_at(what)?;
                (path, Some(version))
            } else {
                (path, None)
            }
        }
        split => split,
    };
    let shown = output::path(&path);
    let word = output::file_word(&path);
    if named::is_folder(harness, &path)? {
        return Err(Failure::new(format!("`{shown}` is a folder, and no time is named"))
            .with_hint(format!("ccpar restore {word} --at 10:30 --dry-run")));
    }
    let file = harness.file(&path);
    context::decline_foreign(&file)?;
    if let Some(own) = context::before_link(&file) {
        let (note, away) = report::link(own.target(), &file.real_path()?);
        return Err(Failure::new(format!(
            "`{shown}` {note}, and had versions of its own: name the file that is meant"
        ))
        .with_hint(format!("to see those put the link away first: {away} && ccpar log {word}")));
    }
    let looked = context::settle_quietly(&file);
    let version = if let Some(version) = version {
        file.find(&version)?
    } else if let Some(good) = file.last_good()? {
        let at = output::time(good.time);
        output::say(format!("`{shown}`: version {} of {at} was in order", good.n));
        good.version
    } else {
        if file.history()?.recent(1)?.is_empty() {
            return Err(Failure::new(report::no_history(&path))
                .with_hint("list the files that it knows with: ccpar log"));
        }
        if !looked {
            return Err(Failure::silent(Exit::Trouble));
        }
        let failure = Failure::new(format!(
            "`{shown}` is there and in order, or no version of it was: name the version, like \
             {word}@3"
        ));
        let hint = if file.losses().is_ok_and(|open| !open.is_empty()) {
            format!("lines of it are lost: put them back with: ccpar restore --lost {word}")
        } else {
            format!("list the versions with: ccpar log {word}")
        };
        return Err(failure.with_hint(hint));
    };
    if arguments.dry_run {
        if let Some(planned) = plan(&file, version)? {
            planned.print(Paint::stdout(), arguments, None)?;
        }
        return Ok(Exit::Done);
    }
    let commit = file.restore(version).map_err(|error| failed(harness, &file, version, error))?;
    Ok(report::commit(&path, &commit, arguments.how.json))
}

/// An error of a restore, with the way round if its version can be had.
fn failed(harness: &Harness, file: &SharedFile<'_>, version: Version, error: Error) -> Failure {
    if version.is_absent() || file.version(version).is_err() {
        return error.into();
    }
    let word = output::file_word(file.path());
    let way_round = format!(
        "to put it back all the same, without keeping what it replaces: ccpar show {word}@{} | \
         ccpar locked-write {word} --no-history",
        version.short()
    );
    context::failed_write(harness, error, &way_round)
}

/// The known targets that a path means.
fn targets(harness: &Harness, path: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let (targets, _) = named::known_targets(harness, path)?;
    match path {
        Some(path) if targets.is_empty() => {
            let shown = output::path(path);
            Err(Failure::new(format!("no file in `{shown}` has a history"))
                .with_hint("list the files that have one with: ccpar log"))
        }
        _ => Ok(targets),
    }
}

/// Many files: what is wrong with one stops none of the others.
fn many(
    harness: &Harness,
    targets: &[PathBuf],
    arguments: &Arguments,
    plan: impl Fn(&SharedFile<'_>) -> Result<Result<Planned, Left>, Failure>,
) -> Result<Exit, Failure> {
    let paint = Paint::stdout();
    let (mut exit, mut done) = (Exit::Done, 0);
    let (mut created, mut unknown, mut linked) = (Vec::new(), Vec::new(), Vec::new());
    for target in targets {
        let file = harness.file(target);
        // What lies there now is known by its own path.
        let planned = if context::before_link(&file).is_some() {
            Ok(Err(Left::BehindLink))
        } else {
            context::settle_quietly(&file);
            plan(&file)
        };
        let went = planned.and_then(|planned| match planned {
            Err(Left::AsItIs) => Ok(None),
            Err(Left::CreatedSince) => {
                created.push(target);
                Ok(None)
            }
            Err(Left::NotKnownThen) => {
                unknown.push(target);
                Ok(None)
            }
            Err(Left::BehindLink) => {
                linked.push(target);
                Ok(None)
            }
            Ok(planned) if arguments.dry_run => Ok(Some((planned, None))),
            Ok(planned) => {
                context::decline_foreign(&file)?;
                let commit = match &planned.step {
                    Step::ToVersion => {
                        let version = planned.version;
                        let failed = |error| failed(harness, &file, version, error);
                        Some(file.restore(version).map_err(failed)?)
                    }
                    Step::WithoutSession(session) => file.take_back(session)?,
                };
                Ok(commit.map(|commit| (planned, Some(commit.outcome))))
            }
        });
        match went {
            Ok(None) => {}
            Ok(Some((planned, outcome))) => {
                done += 1;
                planned.print(paint, arguments, outcome.as_ref())?;
                if let Some(Outcome::Conflict { copy, .. }) = &outcome {
                    exit = if exit == Exit::Done { Exit::No } else { exit };
                    output::hint(format!("as it was before: `{}`", output::short_path(copy)));
                }
            }
            Err(failure) => {
                exit = Exit::Trouble;
                output::say(format!("`{}` is left as it is:", output::short_path(target)));
                failure.report();
            }
        }
    }
    for (left, why) in [
        (created, "created since then"),
        (unknown, "known only since later"),
        (linked, "links now"),
    ] {
        if !left.is_empty() {
            let names = left.iter().take(5).map(|path| output::short_path(path));
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if left.len() > 5 { ", ..." } else { "" };
            let files = output::count(left.len(), "file");
            output::say(format!("left as they are, {why}: {files} ({names}{more})"));
        }
    }
    if done == 0 && exit == Exit::Done {
        output::say("nothing to put back");
    }
    Ok(exit)
}
