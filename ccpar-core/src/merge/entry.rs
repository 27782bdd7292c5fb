//! What a line of Markdown is, and by what it is known.
//!
//! An entry of a list or a row of a table is known by its **key**: the target
//! of its first link, else the text before its first colon or dash, else its
//! first cell. A heading is known by its text, a field of the front matter by
//! its name. What stands in a code fence or an HTML comment, or is indented as
//! code, is text and nothing else.

use memchr::memmem;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing but white space.
    Blank,
    /// A heading of this depth.
    Heading(usize),
    /// An entry of a list, so far indented.
    Item(usize),
    /// A row of a table.
    Row,
    /// A field of the front matter.
    Field,
    /// Anything else.
    Text,
}

/// A line's kind and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark<'a> {
    pub(super) kind: Kind,
    /// Empty if it has none.
    pub(super) key: &'a [u8],
}

impl Mark<'_> {
    /// Whether both are the same thing, perhaps in two wordings.
    pub(super) fn is_same_thing(self, other: Mark<'_>) -> bool {
        let same_kind = match (self.kind, other.kind) {
            // An entry that was indented is still that entry.
            (Kind::Item(_), Kind::Item(_)) => true,
            (one, two) => one == two,
        };
        same_kind && !self.key.is_empty() && self.key == other.key
    }

    /// Whether what this line is known by is but a part of it: then a change of the
    /// rest leaves it the same thing.
    pub(super) fn is_named(self, line: &[u8]) -> bool {
        match self.kind {
            Kind::Item(_) => item(line.trim_ascii()).is_some_and(|body| body != self.key),
            Kind::Row | Kind::Field => !self.key.is_empty(),
            Kind::Blank | Kind::Heading(_) | Kind::Text => false,
        }
    }
}

/// Marks every line of a text.
pub(super) fn mark<'a>(lines: &[&'a [u8]], markdown: bool) -> Vec<Mark<'a>> {
    let mut inert = Inert::default();
    let front_matter = if markdown { front_matter(lines) } else { 0 };
    lines
        .iter()
        .enumerate()
        .map(|(number, line)| {
            let text = line.trim_ascii();
            let mark = |kind, key| Mark { kind, key };
            if text.is_empty() {
                // A blank line of a fence is part of what it shows.
                mark(if inert.pass(line) { Kind::Text } else { Kind::Blank }, &line[..0])
            } else if !markdown {
                mark(Kind::Text, &line[..0])
            } else if number < front_matter {
                match field(line) {
                    Some(name) => mark(Kind::Field, name),
                    None => mark(Kind::Text, &line[..0]),
                }
            } else if inert.pass(line) {
                mark(Kind::Text, &line[..0])
            } else {
                of(line)
            }
        })
        .collect()
}

/// How many lines belong to the front matter, its fences included.
fn front_matter(lines: &[&[u8]]) -> usize {
    let is_fence = |line: &&[u8]| line.trim_ascii_end() == b"---";
    match lines {
        [first, rest @ ..] if is_fence(first) => {
            rest.iter().position(is_fence).map_or(0, |end| end + 2)
        }
        _ => 0,
    }
}

/// The name of a field of YAML.
pub(super) fn field(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    (!name.is_empty() && name.iter().all(is_word)).then_some(name)
}

/// Whether the lines are in a code fence or a comment.
#[derive(Default)]
struct Inert {
    /// The fence that is open: its character and length.
    fence: Option<(u8, usize)>,
    comment: bool,
}

impl Inert {
    /// Passes a line; whether it is text and nothing else.
    fn pass(&mut self, line: &[u8]) -> bool {
        let text = line.trim_ascii_start();
        if self.comment {
            self.comment = !contains(text, b"-->");
            return true;
        }
        let run = |c: u8| text.iter().take_while(|byte| **byte == c).count();
        let fence = [b'`', b'~'].into_iter().find(|c| run(*c) >= 3).map(|c| (c, run(c)));
        match (self.fence, fence) {
            (Some((open, length)), Some((c, run))) if c == open && run >= length => {
                self.fence = None;
                true
            }
            (Some(_), _) => true,
            (None, Some(fence)) => {
                self.fence = Some(fence);
                true
            }
            (None, None) => {
                self.comment = text.starts_with(b"<!--") && !contains(text, b"-->");
                self.comment
            }
        }
    }
}

fn of(line: &[u8]) -> Mark<'_> {
    let indent = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let text = line.trim_ascii();
    let depth = text.iter().take_while(|byte| **byte == b'#').count();
    if (1..=6).contains(&depth) && text.get(depth).is_none_or(u8::is_ascii_whitespace) {
        return Mark { kind: Kind::Heading(depth), key: text[depth..].trim_ascii() };
    }
    if let Some(row) = text.strip_prefix(b"|") {
        let cell = &row[..row.iter().position(|byte| *byte == b'|').unwrap_or(row.len())];
        // The line of dashes under a head is no row of its own.
        let is_rule = row.iter().all(|byte| b"-:| \t".contains(byte));
        let key = if is_rule { &row[..0] } else { link(cell).unwrap_or(cell.trim_ascii()) };
        return Mark { kind: Kind::Row, key };
    }
    match item(text) {
        Some(body) => Mark { kind: Kind::Item(indent), key: item_key(body) },
        None => Mark { kind: Kind::Text, key: &text[..0] },
    }
}

/// What follows the marker of a list's entry.
pub(super) fn item(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let marker = match text {
        [b'-' | b'*' | b'+', ..] => 1,
        _ if (1..=9).contains(&digits) && matches!(text.get(digits), Some(b'.' | b')')) => {
            digits + 1
        }
        _ => return None,
    };
    text[marker..].first().is_some_and(u8::is_ascii_whitespace).then(|| text[marker..].trim_ascii())
}

fn item_key(body: &[u8]) -> &[u8] {
    if let Some(target) = link(body) {
        return target;
    }
    let dashes = ["-", "\u{2013}", "\u{2014}"];
    let between_spaces = |rest: &[u8]| {
        let after = dashes.iter().find_map(|dash| rest.strip_prefix(dash.as_bytes()));
        after.is_some_and(|after| after.starts_with(b" "))
    };
    let first_of_long_dash = dashes[1].as_bytes()[0];
    let end = memchr::memchr3_iter(b':', b'-', first_of_long_dash, body)
        .find(|&at| body[at] == b':' || body[..at].ends_with(b" ") && between_spaces(&body[at..]));
    end.map_or(body, |end| body[..end].trim_ascii())
}

/// The target of the first link.
fn link(text: &[u8]) -> Option<&[u8]> {
    let start = memmem::find(text, b"](")? + 2;
    let target = &text[start..];
    let end = target.iter().position(|byte| b") ".contains(byte))?;
    (end > 0).then(|| &target[..end])
}

/// The text of the first link.
pub(super) fn label(text: &[u8]) -> Option<&[u8]> {
    let end = memmem::find(text, b"](")?;
    let start = text[..end].iter().rposition(|byte| *byte == b'[').map_or(0, |open| open + 1);
    Some(&text[start..end])
}

/// What an entry is sorted by: the text of its first link, else all of it,
/// without markers and in lower case.
pub(super) fn sort_key(line: &[u8]) -> Vec<u8> {
    let text = line.trim_ascii();
    let text = item(text).or(text.strip_prefix(b"|")).unwrap_or(text);
    let label = label(text).unwrap_or(text);
    let label = String::from_utf8_lossy(label).to_lowercase();
    label.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect::<String>().trim().into()
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(text: &str) -> Vec<(Kind, String)> {
        let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
        mark(&lines, true)
            .into_iter()
            .map(|mark| (mark.kind, String::from_utf8_lossy(mark.key).into_owned()))
            .collect()
    }

    #[test]
    fn entries_are_known_by_link_then_by_what_stands_before_a_colon_or_dash() {
        for (line, kind, key) in [
            ("- [a](a.md): words", Kind::Item(0), "a.md"),
            ("- [no link yet](): words", Kind::Item(0), "[no link yet]()"),
            ("  * **bold** - words", Kind::Item(2), "**bold**"),
            ("3. key: value - more", Kind::Item(0), "key"),
            ("+ \u{e9}t\u{e9} \u{2014} summer", Kind::Item(0), "\u{e9}t\u{e9}"),
            ("| [x](y) | z |", Kind::Row, "y"),
            ("| x | z |", Kind::Row, "x"),
            ("|---|:-:|", Kind::Row, ""),
            ("## A b", Kind::Heading(2), "A b"),
            ("#hashtag", Kind::Text, ""),
            ("-no entry", Kind::Text, ""),
            ("   ", Kind::Blank, ""),
        ] {
            assert_eq!(marks(line), [(kind, key.to_owned())], "{line}");
        }
    }

    #[test]
    fn fences_and_comments_are_text() {
        let text = "```\n- a\n~~~\n# b\n```\n- c: d\n<!-- x\n- e\n-->\n- f: g";
        let kinds: Vec<_> = marks(text).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Item(0)).count(), 2);
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Text).count(), 8);
    }

    #[test]
    fn front_matter_is_fields() {
        let found = marks("---\nname: x\nmodified: 1\n---\nname: y");
        assert_eq!(found[1], (Kind::Field, "name".to_owned()));
        assert_eq!(found[4].0, Kind::Text);
    }
}
