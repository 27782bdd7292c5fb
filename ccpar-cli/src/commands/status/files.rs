//! What there is to say of known files, each with the way back.

use std::path::Path;

use ccpar_core::history::How;
use ccpar_core::survey::State;

use crate::commands::report;
use crate::output;

/// How long a removed file, or a link in its place, is spoken of, in milliseconds.
const GONE: u64 = 7 * 24 * 3600 * 1000;

/// Whether the link in a path is one that is spoken of still.
fn is_new(path: &Path, now: u64) -> bool {
    let link = path.ancestors().find(|part| part.is_symlink());
    let made = link.and_then(|link| link.symlink_metadata().ok()?.modified().ok());
    let made = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
    made.is_none_or(|made| made.as_millis() + u128::from(GONE) > u128::from(now))
}

/// What there is to say about a target, and the way back.
pub(super) fn notes(state: &State, now: u64) -> Vec<(String, Option<String>)> {
    let word = output::file_word(&state.target);
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
        let them = if found.lost_lines == 1 { "it" } else { "them" };
        let (all, some) = match found.lost_perhaps {
            0 => ("", String::new()),
            n if n == found.lost_lines => ("perhaps ", String::new()),
            n => ("", format!(", {n} of them perhaps")),
        };
        let note = format!("{all}{lines}{some} overwritten by somebody who had not seen {them}");
        notes.push((note, Some(format!("ccpar lost {word}"))));
    }
    for copy in &found.conflicts {
        let diff = format!("diff {word} {}", output::file_word(copy));
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
