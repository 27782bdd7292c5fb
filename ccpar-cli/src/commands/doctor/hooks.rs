//! Whether Claude Code's hooks work.

use std::env;
use std::path::PathBuf;

use ccpar_core::Harness;
use ccpar_core::claude_code::Client;
use serde::Serialize;

use crate::commands::install::State;
use crate::exit::Failure;
use crate::hook::log_entries;
use crate::{output, when};

/// How many failures are shown.
const MOST: usize = 5;

/// Something that is wrong with hooks, and what to do about it.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    path: PathBuf,
    problem: String,
    remedy: String,
}

impl Finding {
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return Ok(output::json(self)?);
        }
        let path = output::path(&self.path);
        let problem = output::line(self.problem.as_bytes());
        Ok(output::data(format!("`{path}`: {problem}\n    {}\n", self.remedy).as_bytes())?)
    }
}

pub(super) fn findings() -> Option<Finding> {
    let variable = |name: &str| env::var_os(name);
    let client = Client::new(&variable).ok()?;
    of_settings(client.config().join("settings.json"))
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
            return Some(Finding { path, problem, remedy: "mend with: ccpar install".to_owned() });
        }
        State::Disabled => {
            ("`disableAllHooks` switches ccpar's hooks off", "ccpar install, with that taken out")
        }
        State::Unreadable => ("these settings cannot be read", "ccpar install --dry-run"),
    };
    let remedy = format!("mend with: {remedy}");
    Some(Finding { path, problem: problem.to_owned(), remedy })
}
