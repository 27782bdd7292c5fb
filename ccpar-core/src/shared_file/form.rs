//! Texts as tools show them: without their line ends, and the mark at the beginning.

use std::borrow::Cow;

/// Whether two texts are the same but for line ends, and the mark at the beginning.
pub(super) fn is_same_text(one: &[u8], other: &[u8]) -> bool {
    one == other || plain(one) == plain(other)
}

const MARK: &[u8] = "\u{feff}".as_bytes();

/// A text as tools show it.
fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    if memchr::memchr(b'\r', text).is_none() {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let bare = |line: &[u8]| match line.strip_suffix(b"\r\n") {
        Some(line) => [line, b"\n"].concat(),
        None => line.to_vec(),
    };
    Cow::Owned(lines.flat_map(bare).collect())
}

/// A text that a tool showed, with the line ends and the mark that the file has.
pub(super) fn in_form_of<'t>(file: &[u8], text: &'t [u8]) -> Cow<'t, [u8]> {
    let has_mark = file.starts_with(MARK) && !text.starts_with(MARK);
    let ends = memchr::memchr_iter(b'\n', file).count();
    let is_dos = ends > 0 && memchr::memmem::find_iter(file, b"\r\n").count() == ends;
    let gets_ends = is_dos && memchr::memchr(b'\r', text).is_none();
    if !has_mark && !gets_ends {
        return Cow::Borrowed(text);
    }
    let mut whole = if has_mark { MARK.to_vec() } else { Vec::new() };
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n").filter(|_| gets_ends) {
            Some(bare) => whole.extend([bare, b"\r\n"].concat()),
            None => whole.extend(line),
        }
    }
    Cow::Owned(whole)
}

/// Whether a tool shows a file otherwise than as its bytes: then what it tells cannot
/// be held against them.
pub(super) fn is_shown_otherwise(file: &[u8]) -> bool {
    file.starts_with(b"\xff\xfe")
        || file.starts_with(b"\xfe\xff")
        || file.contains(&0)
        || std::str::from_utf8(file).is_err()
}
