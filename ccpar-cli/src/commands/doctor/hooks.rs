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

pub(super) fn findings(harness: &Harness) -> Vec<Finding> {
    let variable = |name: &str| env::var_os(name);
    let settings = Client::new(&variable).ok().map(|client| client.config().join("settings.json"));
    let mut findings: Vec<Finding> = settings.into_iter().filter_map(of_settings).collect();
    let path = harness.root().join("hooks.log").into_std_path_buf();
    let logged = log_entries(harness.root().as_std_path());
    let today = logged.into_iter().filter(|entry| entry.time >= when::midnight());
    let today: Vec<_> = today.collect();
    findings.extend(today.iter().rev().take(MOST).map(|entry| {
        Finding {
            path: path.clone(),
            problem: format!(
                "{} failed at {}: {}",
                entry.event,
                output::time(entry.time),
                entry.problem
            ),
            remedy:
                "what it was to guard went ahead unguarded; `ccpar status` tells what came of it"
                    .to_owned(),
        }
    }));
    findings
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
