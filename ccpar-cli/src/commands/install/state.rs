//! Whether settings have Claude Code call a ccpar that is there.

use std::path::Path;

use serde::Serialize;

use super::hooks::{any, programs, with};
use super::settings::Settings;

/// How ccpar's hooks stand in a settings file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub(crate) enum State {
    /// There are none.
    Missing,
    /// All are there, and call a ccpar that is there.
    Installed,
    /// They are of several releases, or not all there.
    Stale,
    /// They call a ccpar that is not there.
    Gone {
        /// Its path.
        program: String,
    },
    /// The settings switch all hooks off.
    Disabled,
    /// The settings do not parse, or cannot be read.
    Unreadable,
}

impl State {
    /// How they stand in this file.
    pub(crate) fn of(path: &Path) -> State {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return State::Missing,
            Err(_) => return State::Unreadable,
        };
        let Ok(settings) = Settings::new(path, &text) else { return State::Unreadable };
        if !any(&settings.events) {
            return State::Missing;
        }
        if settings.are_disabled {
            return State::Disabled;
        }
        let programs = programs(&settings.events);
        if let Some(gone) = programs.iter().find(|program| !is_there(program)) {
            return State::Gone { program: gone.clone() };
        }
        let is_current =
            |program: &String| matches!(settings.with(&with(&settings.events, program)), Ok(None));
        let only = programs.first().filter(|_| programs.len() == 1);
        if only.is_some_and(is_current) { State::Installed } else { State::Stale }
    }

    /// Whether somebody meant to be guarded, and is not.
    pub(crate) fn is_wrong(&self) -> bool {
        !matches!(self, State::Missing | State::Installed)
    }
}

/// A bare name is looked for by whoever runs it.
fn is_there(program: &str) -> bool {
    !program.contains(['/', '\\']) || Path::new(program).is_file()
}
