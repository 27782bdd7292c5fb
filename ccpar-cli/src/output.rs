//! How things are said: one line a message on stderr, ages and paths as people
//! write them, JSON objects for programs.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::progress;

/// A message without what would drive the terminal, whatever has come into it.
fn harmless(message: &str) -> Cow<'_, str> {
    let is_harm = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !message.contains(is_harm) {
        return message.into();
    }
    message.chars().map(|c| if is_harm(c) { '\u{fffd}' } else { c }).collect()
}

fn to_person(what: &str, message: &str) {
    progress::wipe_out();
    // A closed stderr is no reason to fail.
    let _ = writeln!(io::stderr(), "{what}{}", harmless(message));
}

/// Says one thing to the person at the terminal.
pub(crate) fn say(message: impl AsRef<str>) {
    to_person("ccpar: ", message.as_ref());
}

/// Says what to do about the message before.
pub(crate) fn hint(message: impl AsRef<str>) {
    to_person("hint: ", message.as_ref());
}

/// Says what is worth knowing and stops nothing.
pub(crate) fn note(message: impl AsRef<str>) {
    to_person("note: ", message.as_ref());
}

/// Shows a line that the message before is about.
pub(crate) fn quote(line: impl AsRef<str>) {
    to_person("    ", line.as_ref());
}

/// Asks, where there is somebody to answer; `None` if there is not.
pub(crate) fn ask(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    say(format!("{question} [y/N]"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Some(read.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// One object on a line of its own. JSON leaves the upper control characters as they
/// are, and a terminal may not.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_string(value)?;
    if !text.contains(char::is_control) {
        return Ok((text + "\n").into_bytes());
    }
    // Within a string: there is none anywhere else.
    let shown = |c: char| match c {
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    let mut line: String = text.chars().map(shown).collect::<Vec<_>>().concat();
    line.push('\n');
    Ok(line.into_bytes())
}

/// Prints one object on a line of its own.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    data(&json_line(value)?)
}

/// Prints data as it is.
pub(crate) fn data(bytes: &[u8]) -> io::Result<()> {
    progress::wipe_out();
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Prints a path for a program to take as it is, or for a person to read.
pub(crate) fn path_data(path: &Path) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return data(format!("{}\n", self::path(path)).as_bytes());
    }
    data(&[path.as_os_str().as_encoded_bytes(), b"\n"].concat())
}

/// Prints text that may be coloured, if it goes to a terminal.
pub(crate) fn text(bytes: &[u8]) -> io::Result<()> {
    if !io::stdout().is_terminal() {
        return data(bytes);
    }
    progress::wipe_out();
    // Old consoles of Windows have no codes for colours.
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Whether anybody can still read what is written, without writing: who waits for
/// something to show ends when nobody can.
///
/// # Errors
/// The reader of a pipe is gone. Where the system cannot be asked, the next write
/// tells.
pub(crate) fn check_reader() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = io::stdout();
        let mut pipe = [PollFd::new(&stdout, PollFlags::empty())];
        let asked = poll(&mut pipe, Some(&Timespec::default()));
        if asked.is_ok() && pipe[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
    Ok(())
}

/// `1 line`, `3 lines`.
pub(crate) fn count(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

/// A path in a message.
pub(crate) fn path(path: &Path) -> String {
    ccpar_core::error::Shown(path).to_string()
}

/// A path as it is shorter from the working folder, or from the home folder.
pub(crate) fn short_path(full: &Path) -> String {
    let within = std::env::current_dir()
        .ok()
        .and_then(|dir| Some(full.strip_prefix(std::fs::canonicalize(dir).ok()?).ok()?.to_owned()));
    match within.filter(|within| !within.as_os_str().is_empty()) {
        Some(within) => path(&within),
        None => home_path(full),
    }
}

/// A path as it is shorter from the home folder.
pub(crate) fn home_path(full: &Path) -> String {
    match in_home(full) {
        Some(within) => path(&Path::new("~").join(within)),
        None => path(full),
    }
}

/// Where in the home folder a path leads, by either name of that.
fn in_home(full: &Path) -> Option<&Path> {
    let home = std::env::home_dir().filter(|home| home.is_absolute())?;
    let real = || full.strip_prefix(home.canonicalize().ok()?).ok();
    full.strip_prefix(&home).ok().or_else(real)
}

/// A line of a file in a message: no control characters, not too long.
pub(crate) fn line(bytes: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() && c != '\t' { '?' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

/// A path as a shell takes it, and from any folder if it is absolute, for commands to
/// copy.
pub(crate) fn file_word(full: &Path) -> String {
    // Not each shell of Windows knows `~`.
    match in_home(full).filter(|within| cfg!(unix) && !within.as_os_str().is_empty()) {
        Some(within) => format!("~/{}", shell_word(within.as_os_str())),
        // It is no option.
        None if full.as_os_str().as_encoded_bytes().starts_with(b"-") => {
            shell_word(Path::new(".").join(full).as_os_str())
        }
        None => shell_word(full.as_os_str()),
    }
}

/// A word as a POSIX shell takes it, for commands to copy.
pub(crate) fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,~=".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('~') {
        text.into_owned()
    } else if text.chars().any(char::is_control) {
        // Not to drive the terminal that shows the command: as bash, zsh and ksh take it,
        // and POSIX since 2024.
        let shown = text.chars().map(|c| match c {
            '\\' | '\'' => format!("\\{c}"),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                let bytes = c.encode_utf8(&mut bytes).bytes();
                bytes.map(|byte| format!("\\{byte:03o}")).collect::<Vec<_>>().concat()
            }
            c => c.to_string(),
        });
        format!("$'{}'", shown.collect::<String>())
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A time in milliseconds since 1970, in the local zone.
pub(crate) fn time(ms: u64) -> String {
    i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map_or_else(
        || "?".to_owned(),
        |time| {
            let zoned = time.to_zoned_datetime(jiff::tz::TimeZone::system());
            zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_from_the_shell_as_they_were() {
        for (word, shown) in [
            ("notes/a.md", "notes/a.md"),
            ("my notes", "'my notes'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("~x", "'~x'"),
            ("it's\n\\\u{1b}[1m\u{9b}", r"$'it\'s\012\\\033[1m\302\233'"),
        ] {
            assert_eq!(shell_word(OsStr::new(word)), shown);
        }
        assert_eq!(file_word(Path::new("-x.md")), "./-x.md");
        assert_eq!(file_word(Path::new("a b.md")), "'a b.md'");
    }

    #[test]
    fn json_means_the_same_and_cannot_drive_the_terminal() {
        let text = "a\u{1b}\u{7f}\u{9b}\n\u{e9}";
        let line = json_line(&text).unwrap();
        assert!(!String::from_utf8_lossy(&line[..line.len() - 1]).contains(char::is_control));
        assert_eq!(serde_json::from_slice::<String>(&line).unwrap(), text);
    }

    #[test]
    fn a_line_cannot_drive_the_terminal() {
        assert_eq!(line(b"a\x1b[31mb"), "a?[31mb");
        assert_eq!(line("x".repeat(200).as_bytes()).chars().count(), 123);
    }
}
