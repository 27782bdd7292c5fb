//! What there is to tell, drawn.

use std::path::Path;

use super::view::{Session, View};
use crate::commands::install::State;
use crate::paint::{self, Paint};
use crate::{output, when};

/// How many files or sessions are shown before the rest is counted.
const MOST: usize = 30;

pub(super) fn draw(view: &View, paint: Paint) -> Vec<u8> {
    let mut screen = Screen { text: String::new(), paint };
    screen.sessions(view);
    screen.today(view);
    screen.files(view);
    screen.namespaces(view);
    screen.hooks(view);
    screen.text.into_bytes()
}

struct Screen {
    text: String,
    paint: Paint,
}

impl Screen {
    fn head(&mut self, name: &str, what: &str) {
        let name = self.paint.text(paint::NAME, format_args!("{name:<11}"));
        self.push(&format!("{name} {what}"));
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Says what is not shown.
    fn rest(&mut self, all: usize) {
        if all > MOST {
            self.push(&format!("    … and {} more", all - MOST));
        }
    }

    fn sessions(&mut self, view: &View) {
        let unguarded = view.sessions.iter().filter(|session| !session.guarded).count();
        let mark = self.paint.text(paint::REMOVED, format_args!("{unguarded} unguarded"));
        let what = match (view.sessions.len(), unguarded) {
            (0, _) => "none at work".to_owned(),
            (n, 0) => format!("{n} at work"),
            (n, _) => format!("{n} at work, {mark}"),
        };
        self.head("sessions", &what);
        let wide = |text: &dyn Fn(&Session) -> String, most| {
            let shown = view.sessions.iter().take(MOST);
            shown.map(|session| text(session).chars().count()).max().unwrap_or(0).min(most)
        };
        let branch = |session: &Session| {
            let branch = session.branch.as_deref().unwrap_or("no branch");
            output::line(branch.as_bytes())
        };
        let id = |session: &Session| output::line(shortened(&session.id).as_bytes());
        let folder = |session: &Session| {
            session
                .worktree
                .as_deref()
                .map_or_else(String::new, |path| output::home_path(path.as_ref()))
        };
        let (wide_branch, wide_id) = (wide(&branch, 30), wide(&id, 20));
        let wide_folder = wide(&folder, 40);
        for session in view.sessions.iter().take(MOST) {
            let beat = match session.beat {
                Some(beat) => format!("beat {} ago", when::age(beat)),
                None => self.paint.text(paint::REMOVED, "unguarded: start it anew"),
            };
            let (branch, id, folder) = (branch(session), id(session), folder(session));
            self.push(&format!(
                "    {branch:<wide_branch$}  {id:<wide_id$}  {folder:<wide_folder$}  {beat}"
            ));
            for (what, paths) in [("claims", &session.claims), ("expects", &session.expects)] {
                for path in paths.iter().take(MOST) {
                    let path = output::home_path(path.as_ref());
                    self.push(&format!("        {what} {path}"));
                }
            }
        }
        self.rest(view.sessions.len());
    }

    fn today(&mut self, view: &View) {
        let today = &view.today;
        let mut parts = vec![format!("{} written", output::count(today.written, "version"))];
        let mut part = |n: usize, text: String| parts.extend((n > 0).then_some(text));
        part(today.merged, format!("{} merged", today.merged));
        part(today.lost, format!("{} overwritten unseen", output::count(today.lost, "line")));
        let losses = if today.healed == 1 { "loss" } else { "losses" };
        part(today.healed, format!("{} {losses} closed", today.healed));
        self.head("today", &parts.join(", "));
    }

    fn files(&mut self, view: &View) {
        let spoken_of: Vec<_> = view.files.iter().filter(|file| !file.notes.is_empty()).collect();
        let in_order = view.known - spoken_of.len();
        self.head("files", &format!("{in_order} in order"));
        for file in spoken_of.iter().take(MOST) {
            let name = self.paint.text(paint::NAME, output::short_path(&file.target));
            self.push(&format!("    {name}"));
            for (note, way) in &file.notes {
                self.push(&format!("        {note}"));
                if let Some(way) = way {
                    let way = self.paint.text(paint::QUIET, way);
                    self.push(&format!("            {way}"));
                }
            }
        }
        self.rest(spoken_of.len());
    }

    fn namespaces(&mut self, view: &View) {
        if view.namespaces.is_empty() {
            return;
        }
        self.head("namespaces", &format!("{} to be promoted", view.namespaces.len()));
        for waiting in view.namespaces.iter().take(MOST) {
            let branch = output::line(waiting.branch.as_bytes());
            let changes = output::count(waiting.changes, "note");
            self.push(&format!("    {branch}  {changes} changed"));
            let word = output::shell_word(waiting.branch.as_ref());
            let way = format!("ccpar namespace promote {word}");
            self.push(&format!("            {}", self.paint.text(paint::QUIET, way)));
        }
        self.rest(view.namespaces.len());
    }

    fn hooks(&mut self, view: &View) {
        let hooks = &view.hooks;
        let place = hooks
            .settings
            .as_deref()
            .map_or_else(String::new, |path: &Path| format!(" in {}", output::home_path(path)));
        let (what, way) = match &hooks.state {
            State::Missing => ("not installed".to_owned(), Some("ccpar install")),
            State::Installed => (format!("installed{place}"), None),
            State::Stale => (
                format!("those{place} are of another ccpar, or not all there"),
                Some("ccpar install"),
            ),
            State::Gone { program } => {
                let program = output::line(program.as_bytes());
                (
                    format!("those{place} call `{program}`, which is not there"),
                    Some("ccpar install"),
                )
            }
            State::Disabled => (format!("switched off{place} by `disableAllHooks`"), None),
            State::Unreadable => {
                (format!("settings{place} cannot be read"), Some("ccpar install -n"))
            }
        };
        self.head("hooks", &what);
        if hooks.failures > 0 {
            let failures = output::count(hooks.failures, "failure");
            self.push(&format!("    {failures} today"));
            self.push(&format!("            {}", self.paint.text(paint::QUIET, "ccpar doctor")));
        }
        if let Some(way) = way {
            self.push(&format!("            {}", self.paint.text(paint::QUIET, way)));
        }
    }
}

/// An id of Claude Code's, as far as people look at it.
fn shortened(id: &str) -> &str {
    let is_uuid = id.len() == 36 && id.bytes().filter(|byte| *byte == b'-').count() == 4;
    if is_uuid { &id[..8] } else { id }
}
