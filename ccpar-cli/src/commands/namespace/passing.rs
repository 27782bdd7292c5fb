//! `ccpar namespace promote` and `update`

use std::path::{Path, PathBuf};

use ccpar_core::Version;
use ccpar_core::namespace::{Action, Change, Namespace, Passed, rescue};
use clap::Args;
use serde::Serialize;

use super::{Which, acting, say_left_out};
use crate::context::HowToWrite;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::paint::{self, Paint};

/// Pass on to the shared folder what was learned in a namespace
#[derive(Debug, Args)]
#[command(after_help = "\
Each file is merged with what the shared folder learned since the fork. What was
removed is removed there, unless it was changed meanwhile. What does not merge is
kept on both sides: theirs in the file, yours in a conflict copy beside it.

Exit: 0 passed on, or nothing to do; 1 conflicts; 2 trouble

Example: ccpar namespace promote --dry-run
         ccpar namespace promote --from ~/.claude/projects/-home-ada-app-wt/memory")]
pub(super) struct PromoteArguments {
    #[command(flatten)]
    which: Which,

    /// Pass on the notes of this folder, which nobody forked, instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "branch")]
    from: Option<PathBuf>,

    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Even if it holds no file any more, which removes those that were left alone
    #[arg(long, conflicts_with = "from")]
    even_if_empty: bool,

    #[command(flatten)]
    how: HowToWrite,
}

/// Bring into a namespace what the shared folder has learned since
#[derive(Debug, Args)]
#[command(after_help = "\
Exit: 0 brought in, or nothing to do; 1 conflicts; 2 trouble

Example: ccpar namespace update")]
pub(super) struct UpdateArguments {
    #[command(flatten)]
    which: Which,

    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Even if it holds no file any more, which removes those that were left alone
    #[arg(long)]
    even_if_empty: bool,

    #[command(flatten)]
    how: HowToWrite,
}

pub(super) fn promote(arguments: &PromoteArguments) -> Result<Exit, Failure> {
    let dry = arguments.dry_run;
    if let Some(from) = &arguments.from {
        return promote_from(from, arguments);
    }
    let fork = arguments.which.fork()?;
    let harness = acting(&arguments.how, &fork.branch)?;
    let namespace = even_if(arguments.even_if_empty, arguments.which.open(&harness)?);
    let passed =
        if dry { namespace.plan_promote(&harness)? } else { namespace.promote(&harness)? };
    report(passed, namespace.shared(), dry, arguments.how.json)
}

fn promote_from(from: &Path, arguments: &PromoteArguments) -> Result<Exit, Failure> {
    let dry = arguments.dry_run;
    if !from.is_dir() {
        return Err(Failure::new(format!("`{}` is no folder", output::path(from))));
    }
    let shared = arguments.which.of.folder()?;
    let name = format!("from-{}", from.file_name().unwrap_or_default().to_string_lossy());
    let harness = acting(&arguments.how, &name)?;
    let real = harness.file(from).real_path()?;
    // One that was forked has a base.
    let (all, _) = Namespace::all(harness.root())?;
    let known = all.iter().find(|namespace| namespace.folder() == real);
    if let Some(namespace) = known {
        let harness = acting(&arguments.how, namespace.branch())?;
        let passed =
            if dry { namespace.plan_promote(&harness)? } else { namespace.promote(&harness)? };
        return report(passed, namespace.shared(), dry, arguments.how.json);
    }
    report(rescue(&harness, from, &shared, dry)?, &shared, dry, arguments.how.json)
}

pub(super) fn update(arguments: &UpdateArguments) -> Result<Exit, Failure> {
    let fork = arguments.which.fork()?;
    let harness = acting(&arguments.how, &fork.branch)?;
    let namespace = even_if(arguments.even_if_empty, arguments.which.open(&harness)?);
    let dry = arguments.dry_run;
    let passed = if dry { namespace.plan_update(&harness)? } else { namespace.update(&harness)? };
    report(passed, namespace.folder(), dry, arguments.how.json)
}

fn even_if(empty: bool, namespace: Namespace) -> Namespace {
    if empty { namespace.even_if_empty() } else { namespace }
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    action: Action,
    version: Version,
    added: usize,
    removed: usize,
    regions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict_copy: Option<String>,
    dry_run: bool,
}

/// Says what was done, or would be, to the files of `folder`.
pub(super) fn report(
    passed: Passed,
    folder: &Path,
    dry: bool,
    json: bool,
) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    for change in &passed.changes {
        let (added, removed) = change.lines;
        if json {
            output::json(&Json {
                path: &change.path,
                action: change.action,
                version: change.version,
                added,
                removed,
                regions: change.regions,
                conflict_copy: change.copy.as_ref().map(|copy| copy.to_string_lossy().into()),
                dry_run: dry,
            })?;
            continue;
        }
        let name = Paint::stdout().text(paint::NAME, output::path(Path::new(&change.path)));
        let lines = format!("+{added} -{removed}");
        let row = format!("{:<14} {lines:<9} {name}\n", word(change.action, dry));
        text.extend(row.into_bytes());
    }
    output::text(&text)?;
    let conflicts: Vec<_> =
        passed.changes.iter().filter(|change| change.action.is_conflict()).collect();
    let is_clean = conflicts.is_empty();
    for change in conflicts {
        say_conflict(change, folder, dry);
    }
    for copy in &passed.open {
        output::note(format!("a conflict of before is still to settle: `{}`", output::path(copy)));
    }
    say_left_out(&passed.left_out);
    let done = passed.changes.iter().filter(|change| is_done(change.action)).count();
    let mut trouble = false;
    let problems = passed.problems.len();
    for problem in passed.problems {
        trouble |= Failure::from(problem).report() == Exit::Trouble;
    }
    let folder = output::path(folder);
    let would = if dry { "would be passed on" } else { "passed on" };
    if done > 0 {
        output::say(format!("{would} to `{folder}`: {}", output::count(done, "file")));
    } else if passed.changes.is_empty() && problems == 0 {
        output::say(format!("`{folder}` has all of it"));
    }
    Ok(if trouble {
        Exit::Trouble
    } else if !is_clean || problems > 0 {
        Exit::No
    } else {
        Exit::Done
    })
}

/// Whether the other side was changed by it.
fn is_done(action: Action) -> bool {
    !matches!(action, Action::Keep | Action::Wait | Action::Blocked)
}

fn word(action: Action, dry: bool) -> &'static str {
    match (action, dry) {
        (Action::Create, false) => "created",
        (Action::Create, true) => "would create",
        (Action::Write, false) => "written",
        (Action::Write, true) => "would write",
        (Action::Merge, false) => "merged",
        (Action::Merge, true) => "would merge",
        (Action::Remove, false) => "removed",
        (Action::Remove, true) => "would remove",
        (Action::Wait, _) => "waits",
        _ => "CONFLICT",
    }
}

fn say_conflict(change: &Change, folder: &Path, dry: bool) {
    let file = folder.join(&change.path);
    let shown = output::path(&file);
    let places = output::count(change.regions, "place");
    let kept = match &change.copy {
        Some(copy) => format!("; the whole text is in `{}`", output::path(copy)),
        None if dry => "; the whole text would go to a conflict copy".to_owned(),
        None => String::new(),
    };
    output::say(match change.action {
        Action::Keep => format!("`{shown}` was removed on this side and changed there: it stays"),
        Action::BringBack => {
            format!("`{shown}` was changed on this side and removed there: it is back")
        }
        Action::Blocked => {
            format!("`{shown}` cannot be there, as something of another kind is{kept}")
        }
        Action::Wait => {
            let copy = change.copy.as_deref().unwrap_or(folder);
            format!(
                "`{}` waits for a conflict to be settled: do that, and remove `{}`",
                output::path(Path::new(&change.path)),
                output::path(copy)
            )
        }
        _ => format!("`{shown}`: {places} could not be merged, and keep what is there{kept}"),
    });
    if let Some(copy) = change.copy.as_ref().filter(|_| change.action == Action::Conflict) {
        output::hint(format!(
            "settle it with: diff {} {}   then write the result and remove the copy",
            output::file_word(&file),
            output::file_word(copy)
        ));
    }
}
