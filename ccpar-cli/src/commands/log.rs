//! `ccpar log`

use std::path::{Path, PathBuf};

use ccpar_core::history::{History, How, Record};
use ccpar_core::{Harness, Version};
use clap::Args;
use serde::Serialize;

use crate::commands::report;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::paint::{self, Paint};
use crate::{output, when};

/// List the versions of a file, or of all known files, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Columns: number, version, time, how it came about, lines in and out, session
and branch; without a path each file is named too. `outside` is what was found
on disk: something other than ccpar wrote it.

Example: ccpar log notes.md
         ccpar log --since 2h
         ccpar log -p -n 3 notes.md")]
pub(crate) struct Arguments {
    /// The file, which need not exist any more; a folder means all known files in it
    path: Option<PathBuf>,

    /// Only versions since then: an age like 2h, or a time
    #[arg(long, value_name = "TIME", value_parser = when::ago)]
    since: Option<u64>,

    /// Only versions by this session: its id, or as much of it as names no other
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// At most so many, the newest
    #[arg(short = 'n', long = "max", value_name = "N")]
    most: Option<usize>,

    /// Show what each changed
    #[arg(short, long)]
    patch: bool,

    /// Print one JSON object per version
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    #[serde(flatten)]
    record: &'a Record,
    /// What it changed, where that was asked for and is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

/// A version, and the file that it is one of.
struct Entry<'a> {
    target: &'a Path,
    history: &'a History,
    record: Record,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let session = arguments.session.as_deref();
    let session = session.map(|given| named::session(&harness, given)).transpose()?;
    let (targets, mut trouble) = named::targets(&harness, arguments.path.as_deref())?;
    let alone = arguments.path.as_deref();
    let alone = alone.filter(|path| matches!(&targets[..], [target] if target == path));
    let mut histories = Vec::new();
    for target in &targets {
        let file = harness.file(target);
        // Among others each is what it was itself.
        let own = context::before_link(&file).filter(|_| alone.is_none());
        if let Some(own) = own {
            histories.push((target, own));
            continue;
        }
        trouble |= !context::settle(&file);
        histories.push((target, file.history()?));
    }
    let mut entries = Vec::new();
    for (target, history) in &histories {
        match records(&harness, arguments, history, target) {
            Ok((records, whole)) => {
                trouble |= !whole;
                entries.extend(records.into_iter().map(|record| Entry { target, history, record }));
            }
            Err(error) if alone.is_none() => {
                trouble = true;
                error.report();
            }
            Err(error) => return Err(error),
        }
    }
    let nothing_known = entries.is_empty();
    // One that ccpar wrote first was made there.
    let is_new = entries.last().is_none_or(|entry| {
        let Record { n, how, .. } = entry.record;
        (n, how) == (1, How::Outside)
    });
    entries.retain(|entry| arguments.wants(&entry.record, session.as_deref()));
    if alone.is_none() {
        entries.sort_unstable_by_key(|entry| {
            let Record { time, n, .. } = entry.record;
            std::cmp::Reverse((time, n))
        });
    }
    entries.truncate(arguments.most.unwrap_or(usize::MAX));
    let paint = Paint::stdout_or_json(arguments.json);
    let mut text = Vec::new();
    for entry in &entries {
        let patch = arguments.patch.then(|| entry.patch(paint)).transpose()?;
        if arguments.json {
            let patch = patch.map(|patch| String::from_utf8_lossy(&patch).into_owned());
            let path = &entry.target.to_string_lossy();
            let json = Json { path, record: &entry.record, patch };
            text.extend(output::json_line(&json)?);
            continue;
        }
        text.extend(entry.row(paint, alone.is_none()).into_bytes());
        text.push(b'\n');
        if let Some(patch) = patch {
            text.extend(patch);
            text.push(b'\n');
        }
    }
    output::text(&text)?;
    match (alone, nothing_known) {
        (Some(path), true) if !trouble => {
            output::say(report::no_history(path));
        }
        (None, true) if !trouble => match arguments.path.as_deref().map(output::path) {
            Some(folder) => output::say(format!("no file in `{folder}` has a history")),
            None => output::say("no file has a history yet"),
        },
        (_, false) if entries.is_empty() => output::say("no version is as asked for"),
        _ => {}
    }
    if let Some(path) = alone.filter(|_| is_new) {
        note_origin(&harness, path)?;
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}

/// Says so where a known file was renamed to this one.
fn note_origin(harness: &Harness, path: &Path) -> Result<(), Failure> {
    let real = harness.file(path).real_path()?;
    let real = real.to_string_lossy();
    // What cannot be read is said by who looks at it.
    let (targets, _) = harness.targets(None)?;
    let origin = targets.iter().find(|target| {
        let newest = History::new(harness.root(), target).recent(1).unwrap_or_default();
        newest.first().is_some_and(|head| head.moved_to.as_deref() == Some(&*real))
    });
    if let Some(origin) = origin {
        let was = output::short_path(origin);
        let word = output::file_word(origin);
        output::note(format!("`{}` was `{was}` before: ccpar log {word}", output::path(path)));
    }
    Ok(())
}

/// The records of a target, newest first, and whether all could be read.
fn records(
    harness: &Harness,
    arguments: &Arguments,
    history: &History,
    target: &Path,
) -> Result<(Vec<Record>, bool), Failure> {
    // The end of a log says how its last versions came about, and no more.
    if let (Some(most), None, None) = (arguments.most, arguments.since, &arguments.session) {
        return Ok((history.recent(most)?, true));
    }
    let parsed = history.records()?;
    for (line, problem) in &parsed.broken {
        let path = output::path(harness.file(target).path());
        output::say(format!("`{path}`: line {line} of its log cannot be read: {problem}"));
    }
    if !parsed.broken.is_empty() {
        output::hint("mend it with: ccpar doctor");
    }
    Ok((parsed.effective().rev().cloned().collect(), parsed.broken.is_empty()))
}

impl Arguments {
    fn wants(&self, record: &Record, session: Option<&str>) -> bool {
        self.since.is_none_or(|since| record.time >= since)
            && session.is_none_or(|id| record.session.as_deref() == Some(id))
    }
}

impl Entry<'_> {
    fn row(&self, paint: Paint, with_path: bool) -> String {
        let record = &self.record;
        let lines = record
            .lines
            .map_or_else(String::new, |(added, removed)| format!("+{added} -{removed}"));
        let mut row = format!(
            "{}  {}  {}  {:<8} {:<9} {}",
            paint.text(paint::PLACE, format_args!("{:>4}", record.n)),
            paint.text(paint::QUIET, format_args!("{:<8}", record.version.short())),
            output::time(record.time),
            record.how,
            lines,
            report::author(record).unwrap_or_default(),
        );
        if with_path {
            let path = output::short_path(self.target);
            row = format!("{}  {}", row.trim_end(), paint.text(paint::NAME, path));
        }
        let mut row = row.trim_end().to_owned();
        let mut note = |note: String| {
            row.push_str("  ");
            row.push_str(&paint.text(paint::REMOVED, format_args!("({note})")));
        };
        if let Some(lost) = record.lost {
            let maybe = if record.maybe { "perhaps " } else { "" };
            note(format!("{maybe}{} of others replaced unseen", output::count(lost, "line")));
        }
        if let (Some(told), Some(base)) = (record.told(), record.base) {
            note(format!("{} was made from {}", told.short(), base.short()));
        }
        if let Some(damage) = record.damage {
            note(format!("the file {damage}"));
        }
        if let Some(to) = &record.moved_to {
            note(format!("is `{}` now", output::short_path(Path::new(to))));
        } else if record.version.is_absent() && record.how == How::Outside {
            note("the file was removed".to_owned());
        }
        row
    }

    /// What this version changed of the one before.
    fn patch(&self, paint: Paint) -> Result<Vec<u8>, Failure> {
        let before = self.record.parents.first().copied().unwrap_or(Version::ABSENT);
        let text = |version| self.history.get(version);
        let (Some(old), Some(new)) = (text(before)?, text(self.record.version)?) else {
            return Ok(b"(a content of these is no longer kept)\n".to_vec());
        };
        let name = output::short_path(self.target);
        let names = [format!("{name}@{}", before.short()), format!("{name}@{}", self.record.n)];
        Ok(paint.diff([&names[0], &names[1]], &old, &new))
    }
}
