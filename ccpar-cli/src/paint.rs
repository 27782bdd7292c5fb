//! Colours, where there is somebody to see them, and diffs to read.

use std::fmt::Write as _;
use std::io;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use ccpar_core::diff::{Sign, hunks};

pub(crate) const ADDED: Style = AnsiColor::Green.on_default();
pub(crate) const REMOVED: Style = AnsiColor::Red.on_default();
pub(crate) const PLACE: Style = AnsiColor::Cyan.on_default();
pub(crate) const NAME: Style = Style::new().bold();
pub(crate) const QUIET: Style = Style::new().dimmed();

/// How many lines are shown around a change.
const CONTEXT: usize = 3;

/// Whether stdout is read by a person, and may be coloured: not in a pipe, not
/// with `NO_COLOR`, not on a dumb terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    colour: bool,
    terminal: bool,
}

impl Paint {
    /// For a program: text as it is.
    pub(crate) const PLAIN: Paint = Paint { colour: false, terminal: false };

    /// Plain if that is JSON, which is for programs wherever it goes.
    pub(crate) fn stdout_or_json(json: bool) -> Paint {
        if json { Paint::PLAIN } else { Paint::stdout() }
    }

    pub(crate) fn stdout() -> Paint {
        let colour = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Paint { colour, terminal: io::IsTerminal::is_terminal(&io::stdout()) }
    }

    pub(crate) fn text(self, style: Style, text: impl std::fmt::Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// A line of a file: as it is for a program, without control characters for
    /// a terminal, which they could drive.
    pub(crate) fn line(self, line: &[u8]) -> Vec<u8> {
        if !self.terminal {
            return line.to_vec();
        }
        let clean = |c: char| if c.is_control() && c != '\t' { '?' } else { c };
        String::from_utf8_lossy(line).chars().map(clean).collect::<String>().into_bytes()
    }

    fn diff_line(self, to: &mut Vec<u8>, style: Option<Style>, sign: &str, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let style = style.filter(|_| self.colour);
        to.extend(style.map_or_else(String::new, |style| style.to_string()).into_bytes());
        to.extend(sign.as_bytes());
        to.extend(self.line(line));
        to.extend(style.map_or_else(String::new, |style| format!("{style:#}")).into_bytes());
        to.push(b'\n');
    }

    /// What changed between two texts, as `patch` and people read it.
    pub(crate) fn diff(self, names: [&str; 2], old: &[u8], new: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let hunks = hunks(old, new, CONTEXT);
        if hunks.is_empty() {
            return text;
        }
        for (mark, name) in ["---", "+++"].iter().zip(names) {
            text.extend(self.text(NAME, format_args!("{mark} {name}")).into_bytes());
            text.push(b'\n');
        }
        for hunk in hunks {
            let side = |range: &std::ops::Range<usize>| {
                // A side without lines is named by the line before it.
                let start = range.start + usize::from(!range.is_empty());
                let mut side = start.to_string();
                if range.len() != 1 {
                    let _ = write!(side, ",{}", range.len());
                }
                side
            };
            let place = format!("@@ -{} +{} @@", side(&hunk.old), side(&hunk.new));
            text.extend(self.text(PLACE, place).into_bytes());
            text.push(b'\n');
            for (sign, line) in hunk.lines {
                let (style, sign) = match sign {
                    Sign::Same => (None, " "),
                    Sign::Removed => (Some(REMOVED), "-"),
                    Sign::Added => (Some(ADDED), "+"),
                };
                self.diff_line(&mut text, style, sign, line);
                if !line.ends_with(b"\n") {
                    text.extend(b"\\ No newline at end of file\n");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_reads_as_diff_u_writes_it() {
        let diff = Paint::PLAIN.diff(["a", "b"], b"1\n2\n3\n", b"1\nx\n3");
        let expected = "--- a\n+++ b\n@@ -1,3 +1,3 @@\n 1\n-2\n-3\n+x\n+3\n\\ No newline at end of \
                        file\n";
        assert_eq!(String::from_utf8(diff).unwrap(), expected);
        let created = Paint::PLAIN.diff(["a", "b"], b"", b"1\n");
        assert_eq!(created, b"--- a\n+++ b\n@@ -0,0 +1 @@\n+1\n");
        assert!(Paint::PLAIN.diff(["a", "b"], b"x", b"x").is_empty());
    }

    #[test]
    fn a_terminal_sees_no_control_characters_and_a_pipe_sees_the_bytes() {
        let old = b"";
        let text = b"\x1b[31mred\xff\n";
        assert!(Paint::PLAIN.diff(["a", "b"], old, text).ends_with(b"+\x1b[31mred\xff\n"));
        let seen = Paint { colour: false, terminal: true }.diff(["a", "b"], old, text);
        assert!(!seen.contains(&0x1b), "{seen:?}");
        let seen = Paint { colour: true, terminal: true }.diff(["a", "b"], old, b"x\n");
        assert!(String::from_utf8(seen).unwrap().contains("\u{1b}[32m+x\u{1b}[0m"));
    }
}
