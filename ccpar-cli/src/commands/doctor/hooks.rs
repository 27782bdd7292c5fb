//! Whether Claude Code's hooks work.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use ccpar_core::Harness;
use ccpar_core::claude_code::Client;

use super::finding::{Finding, Weight};
use crate::commands::install::{Settings, State, without};
use crate::hook::log_entries;
use crate::{output, when};

/// How many failures are shown.
const MOST: usize = 5;

/// How many versions of the settings are looked at.
const RECENT: usize = 50;

/// What is wrong with ccpar's hooks, and which of others are gone.
pub(super) fn findings(harness: &Harness) -> Vec<Finding> {
    let variable = |name: &str| env::var_os(name);
    let Ok(client) = Client::new(&variable) else { return Vec::new() };
    let settings = client.config().join("settings.json");
    of_settings(settings.clone()).into_iter().chain(others(harness, &settings)).collect()
}

/// The hooks of other tools in a settings file, each as event and text.
fn foreign(path: &Path, text: &[u8]) -> Option<BTreeSet<(String, String)>> {
    let settings = Settings::new(path, text).ok()?;
    let events = without(&settings.events);
    let groups = events.iter().flat_map(|(event, groups)| {
        groups.iter().filter_map(|group| {
            let group: serde_json::Value = serde_json::from_str(group.get()).ok()?;
            Some((event.clone(), group.get("hooks")?.as_array()?.clone()))
        })
    });
    let each = groups.flat_map(|(event, hooks)| {
        hooks.into_iter().map(move |hook| (event.clone(), hook.to_string()))
    });
    Some(each.collect())
}

/// Hooks of another tool that stood there within a week, and are gone: who takes out
/// their own means that, and who writes all of a settings file may not.
fn others(harness: &Harness, path: &Path) -> Option<Finding> {
    let file = harness.file(path);
    let there = foreign(path, file.look_only().ok()?.content())?;
    let records = file.history().ok()?.recent(RECENT).ok()?;
    let week_ago = when::now().saturating_sub(7 * 24 * 3600 * 1000);
    for record in records.iter().take_while(|record| record.time >= week_ago) {
        let Ok(text) = file.version(record.version) else { continue };
        let gone = foreign(path, &text).map(|then| then.difference(&there).count());
        if let Some(gone) = gone.filter(|gone| *gone > 0) {
            let hooks = output::count(gone, "hook");
            let is = if gone == 1 { "is" } else { "are" };
            let problem = format!("{hooks} of others, which version {} had, {is} gone", record.n);
            let word = output::file_word(path);
            let remedy = format!("if nobody meant that, see: ccpar diff {word}@{}", record.n);
            return Some(Finding::new(Weight::Note, path, problem, remedy));
        }
    }
    None
}

/// Says which hooks failed today: that is over, and there is nothing to mend.
pub(super) fn note_failures(harness: &Harness) {
    let logged = log_entries(harness.root().as_std_path());
    let today: Vec<_> = logged.into_iter().filter(|entry| entry.time >= when::midnight()).collect();
    for entry in today.iter().rev().take(MOST) {
        let problem = output::line(entry.problem.as_bytes());
        // What could not be read named none.
        let event = match &*entry.event {
            "" => String::new(),
            event => format!(" ({})", output::line(event.as_bytes())),
        };
        let time = output::time(entry.time);
        output::note(format!("a hook{event} failed at {time}, and its call went ahead: {problem}"));
    }
    if today.len() > MOST {
        let path = harness.root().join("hooks.log");
        output::note(format!("{} more are in `{path}`", today.len() - MOST));
    }
}

fn of_settings(path: PathBuf) -> Option<Finding> {
    let (problem, remedy) = match State::of(&path) {
        State::Missing | State::Installed => return None,
        State::Stale => ("ccpar's hooks are of another release, or not all there", "ccpar install"),
        State::Gone { program } => {
            let problem = format!("its hooks call `{program}`, which is not there");
            return Some(Finding::new(Weight::Warning, path, problem, "mend with: ccpar install"));
        }
        State::Disabled => {
            ("`disableAllHooks` switches ccpar's hooks off", "ccpar install, with that taken out")
        }
        State::Unreadable => ("these settings cannot be read", "ccpar install --dry-run"),
    };
    let remedy = format!("mend with: {remedy}");
    Some(Finding::new(Weight::Warning, path, problem, remedy))
}
