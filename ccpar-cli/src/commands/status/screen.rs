//! What there is to tell, drawn.

use std::path::Path;

use super::view::{Session, View};
use crate::commands::install::State;
use crate::paint::{self, Paint};
use crate::{output, when};

/// How many files or sessions are shown before the rest is counted.
const MOST: usize = 30;

/// Where what stands after a heading begins.
const AFTER_HEADING: usize = 12;

/// Draws for a terminal of so many columns, if it is for one.
pub(super) fn draw(view: &View, paint: Paint, columns: Option<usize>) -> Vec<u8> {
    let width = columns.unwrap_or(usize::MAX);
    let mut screen = Screen { text: String::new(), paint, width };
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
    width: usize,
}

impl Screen {
    fn head(&mut self, name: &str, what: &str) {
        let name = self.paint.text(paint::NAME, format_args!("{name:<11}"));
        let parts: Vec<&str> = what.split_inclusive(", ").collect();
        self.pieces(&format!("{name} "), AFTER_HEADING, &parts);
    }

    /// Puts pieces on a line, and those that do not fit on lines below.
    fn pieces(&mut self, start: &str, indent: usize, pieces: &[impl AsRef<str>]) {
        let mut line = start.to_owned();
        let mut is_empty = true;
        for piece in pieces.iter().map(AsRef::as_ref) {
            let end = seen_width(&line) + seen_width(piece.trim_end());
            if end > self.width && !is_empty {
                self.push(&line);
                line = " ".repeat(indent);
            }
            line.push_str(piece);
            is_empty = false;
        }
        self.push(&line);
    }

    /// A sentence under what it is about, by words.
    fn sentence(&mut self, indent: usize, text: &str) {
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        self.pieces(&" ".repeat(indent), indent, &words);
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Says what is not shown.
    fn rest(&mut self, all: usize) {
        if all > MOST {
            self.push(&format!("    ... and {} more", all - MOST));
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
            let cells = [
                format!("{branch:<wide_branch$}  "),
                format!("{id:<wide_id$}  "),
                format!("{folder:<wide_folder$}  "),
                beat,
            ];
            self.pieces("    ", 8, &cells);
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
        let perhaps = output::count(today.lost_perhaps, "line");
        let more = if today.lost > 0 { " more" } else { "" };
        part(today.lost_perhaps, format!("perhaps {perhaps}{more} overwritten unseen"));
        let losses = if today.healed == 1 { "loss" } else { "losses" };
        part(today.healed, format!("{} {losses} closed", today.healed));
        self.head("today", &parts.join(", "));
    }

    fn files(&mut self, view: &View) {
        let spoken_of: Vec<_> = view.files.iter().filter(|file| !file.notes.is_empty()).collect();
        let in_order = view.known - spoken_of.len();
        let open = spoken_of.iter().filter(|file| file.is_open()).count();
        let to_know_of = spoken_of.len() - open;
        let mut words = Vec::new();
        words.extend((open > 0).then(|| format!("{open} to look at")));
        words.extend((to_know_of > 0).then(|| format!("{to_know_of} to know of")));
        words.push(if view.known == 0 {
            "none known".to_owned()
        } else {
            format!("{in_order} in order")
        });
        let words = words.join(", ");
        self.head("files", &words);
        for file in spoken_of.iter().take(MOST) {
            let name = self.paint.text(paint::NAME, output::short_path(&file.target));
            self.push(&format!("    {name}"));
            for (note, way) in &file.notes {
                self.sentence(8, note);
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

/// How many columns a text takes, its colours aside.
fn seen_width(text: &str) -> usize {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().map_or(0, |part| part.chars().count());
    let after = |part: &str| part.split_once('m').map_or(0, |(_, rest)| rest.chars().count());
    first + parts.map(after).sum::<usize>()
}

/// What fits a screen of this size, with a word on what does not; drawn over what
/// stands there, so that nothing flickers and what scrolled away stays.
pub(super) fn fit(text: &[u8], columns: usize, rows: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    // The cursor comes to stand on the last line.
    let rows = rows.saturating_sub(1).max(1);
    let height = |line: &&str| seen_width(line).div_ceil(columns.max(1)).max(1);
    let all: usize = text.lines().map(|line| height(&line)).sum();
    let mut left = if all > rows { rows - 1 } else { rows };
    let mut screen = "\u{1b}[H".to_owned();
    let mut hidden = 0;
    for line in text.lines() {
        let height = height(&line);
        if hidden > 0 || height > left {
            hidden += 1;
            continue;
        }
        left -= height;
        screen.push_str(line);
        screen.push_str("\u{1b}[K\n");
    }
    if hidden > 0 {
        let more = format!("... {} not shown: enlarge this", output::count(hidden, "line"));
        screen.extend(more.chars().take(columns));
        screen.push_str("\u{1b}[K\n");
    }
    screen.push_str("\u{1b}[J");
    screen.into_bytes()
}

/// An id of Claude Code's, as far as people look at it.
fn shortened(id: &str) -> &str {
    let is_uuid = id.len() == 36 && id.bytes().filter(|byte| *byte == b'-').count() == 4;
    if is_uuid { &id[..8] } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize) -> Screen {
        Screen { text: String::new(), paint: Paint::PLAIN, width }
    }

    #[test]
    fn a_narrow_screen_has_more_lines_and_each_fits() {
        let pieces = ["feat/voice  ", "s1  ", "~/src/worktree  ", "beat 3 s ago"];
        let mut wide = screen(80);
        wide.pieces("    ", 8, &pieces);
        assert_eq!(wide.text, "    feat/voice  s1  ~/src/worktree  beat 3 s ago\n");
        let mut narrow = screen(40);
        narrow.pieces("    ", 8, &pieces);
        assert_eq!(narrow.text, "    feat/voice  s1  ~/src/worktree\n        beat 3 s ago\n");
        let mut tiny = screen(10);
        tiny.sentence(4, "1 line overwritten");
        assert_eq!(tiny.text, "    1 line\n    overwritten\n");
        // Colours take no room.
        assert_eq!(seen_width("\u{1b}[31mred\u{1b}[0m x"), 5);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_nothing_scrolls() {
        let text = "1\n2\nlong line\n4\n";
        let shown = |columns, rows| String::from_utf8(fit(text.as_bytes(), columns, rows)).unwrap();
        assert_eq!(
            shown(80, 5),
            "\u{1b}[H1\u{1b}[K\n2\u{1b}[K\nlong line\u{1b}[K\n4\u{1b}[K\n\u{1b}[J"
        );
        let small = shown(5, 5);
        assert_eq!(small.matches('\n').count(), 3, "{small:?}");
        assert!(small.contains("... 2"), "{small:?}");
        let _ = shown(0, 0);
    }
}
