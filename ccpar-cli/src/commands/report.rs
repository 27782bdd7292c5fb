//! How a commit went, said to a person or a program.

use std::path::Path;

use ccpar_core::history::Record;
use ccpar_core::{Commit, Outcome, Version};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output;

/// How many lines of a loss are shown.
const LINES: usize = 10;

/// Who wrote what has no author of ours.
pub(crate) const OUTSIDE: &str = "something other than ccpar";

/// The session and the branch that wrote a version, as far as they are known, for
/// a column.
pub(crate) fn author(record: &Record) -> Option<String> {
    let name = match (&record.session, &record.branch) {
        (Some(session), Some(branch)) => format!("{session} on {branch}"),
        (Some(session), None) => session.clone(),
        (None, Some(branch)) => format!("on {branch}"),
        (None, None) => return None,
    };
    Some(output::line(name.as_bytes()))
}

/// Who wrote a version, as far as it is known, for a sentence.
pub(crate) fn who(record: &Record) -> Option<String> {
    let kind = if record.session.is_some() { "session" } else { "somebody" };
    author(record)
        .map(|author| format!("{kind} {author}"))
        .or_else(|| record.pid.map(|pid| format!("pid {pid}")))
}

/// That nothing is known of a file.
pub(crate) fn no_history(path: &Path) -> String {
    format!("`{}` has no history: ccpar has never read or written it", output::path(path))
}

/// That the path of a known file leads elsewhere now, and the command that puts
/// the link away.
pub(crate) fn link(target: &Path, to: &Path) -> (String, String) {
    let link = target.ancestors().find(|part| part.is_symlink()).unwrap_or(target);
    let to = output::short_path(to);
    let note = if link == target {
        format!("is a link now, to `{to}`")
    } else {
        format!("is `{to}` now, through the link `{}`", output::short_path(link))
    };
    let word = output::file_word(link);
    let mut aside = link.as_os_str().to_owned();
    aside.push(".link");
    (note, format!("mv {word} {}", output::file_word(aside.as_ref())))
}

/// Says what something other than ccpar did to a file, where that is to be said.
pub(crate) fn outside(path: &Path, record: &Record) {
    if let Some(note) = outside_note(path, record) {
        output::say(format!("`{}` {note}", output::path(path)));
    }
}

/// What something other than ccpar, or a stale writer, did to a file, in one line,
/// with the way back.
pub(crate) fn outside_note(path: &Path, record: &Record) -> Option<String> {
    let word = output::file_word(path);
    if record.version.is_absent() {
        let moved = record.moved_to.as_ref();
        let moved = moved.map_or_else(String::new, |to| {
            format!(" (the same file is `{}` now)", output::short_path(Path::new(to)))
        });
        return Some(format!("was removed{moved}; bring it back with: ccpar restore {word}"));
    }
    if let Some(damage) = record.damage {
        return Some(format!("{damage}; put back what it was with: ccpar restore {word}"));
    }
    let lines = output::count(record.lost?, "line");
    let maybe = if record.maybe { "perhaps " } else { "" };
    let by = who(record).unwrap_or_else(|| OUTSIDE.to_owned());
    Some(format!(
        "was overwritten by {by} that had {maybe}not seen {lines}; put back with: ccpar \
         restore --lost {word}"
    ))
}

#[derive(Serialize)]
struct Json {
    path: String,
    version: Version,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict_copy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swallowed: Option<Swallowed>,
    removed_meanwhile: bool,
}

#[derive(Serialize)]
struct Swallowed {
    base: Version,
    replaced: Version,
    lines: Vec<String>,
}

/// Reports an acknowledged commit, and gives the exit code it means.
pub(crate) fn commit(path: &Path, commit: &Commit, json: bool) -> Exit {
    let shown = output::path(path);
    if let Some(by) = &commit.removed_meanwhile {
        let who = who(by).unwrap_or_else(|| OUTSIDE.to_owned());
        output::say(format!(
            "`{shown}` had been removed by {who} since this text's base was read; it is there \
             again, as written"
        ));
    }
    if let Some(swallowed) = &commit.swallowed {
        output::say(format!(
            "`{shown}`: no base was given, so it was replaced. {} that this text's author has \
             probably not seen {} gone:",
            output::count(swallowed.lines.len(), "line"),
            if swallowed.lines.len() == 1 { "is" } else { "are" },
        ));
        for line in swallowed.lines.iter().take(LINES) {
            output::quote(output::line(line));
        }
        if swallowed.lines.len() > LINES {
            output::quote(format!("... and {} more", swallowed.lines.len() - LINES));
        }
        output::hint(format!(
            "put back what was lost with: ccpar restore --lost {}",
            output::file_word(path)
        ));
    }
    if let Outcome::Conflict { copy, regions } = &commit.outcome {
        output::say(format!(
            "`{shown}`: {} could not be merged. The file keeps what the others wrote there; your \
             whole text is in `{}`",
            output::count(*regions, "place"),
            output::path(copy),
        ));
        output::hint(format!(
            "settle it with: diff {} {}   then read it anew, write the result, and remove the copy",
            output::file_word(path),
            output::file_word(copy)
        ));
    }
    // The commit stands, whatever becomes of the words about it.
    if json && let Err(error) = print_json(path, commit) {
        error.report();
    }
    match commit.outcome {
        Outcome::Conflict { .. } => Exit::No,
        _ => Exit::Done,
    }
}

fn print_json(path: &Path, commit: &Commit) -> Result<(), Failure> {
    let (outcome, conflict) = match &commit.outcome {
        Outcome::Unchanged => ("unchanged", None),
        Outcome::Written => ("written", None),
        Outcome::Merged => ("merged", None),
        Outcome::Conflict { copy, regions } => ("conflict", Some((copy, *regions))),
    };
    let lossy = |path: &Path| path.to_string_lossy().into_owned();
    output::json(&Json {
        path: lossy(path),
        version: commit.version,
        outcome,
        conflict_copy: conflict.map(|(copy, _)| lossy(copy)),
        conflicts: conflict.map(|(_, regions)| regions),
        swallowed: commit.swallowed.as_ref().map(|swallowed| Swallowed {
            base: swallowed.base,
            replaced: swallowed.replaced,
            lines: swallowed
                .lines
                .iter()
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect(),
        }),
        removed_meanwhile: commit.removed_meanwhile.is_some(),
    })?;
    Ok(())
}
