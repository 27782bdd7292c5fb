//! A record in two files that are written in place, in turn: whole at any moment,
//! without a new file for each change.
//!
//! Each holds one change of the record, as a line of JSON with its `sequence`, and
//! `length` and `checksum` of what follows; what may come after that is left over.
//! A change of an even sequence lies in the first file, of an odd one in the
//! second. The one that is whole and has the greater sequence is the record. It is
//! never written over, so a reader needs no lock, and a writer that is killed leaves
//! what was there before.

use std::fs::File;
use std::io;
use std::path::Path;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::error::{Context as _, Error, Result};
use crate::sys;

const FORMAT: u32 = 2;

/// How often to look when both are being written: a look is far shorter than the
/// time between two changes.
const LOOKS: usize = 100;

/// What is read at once: most tables are no longer.
const PAGE: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    sequence: u64,
    length: usize,
    checksum: u64,
}

/// What stands in the two files.
pub(super) enum Found {
    Nothing,
    /// Neither is whole.
    Damaged,
    Whole {
        text: Vec<u8>,
        sequence: u64,
        /// Whether the change before it is whole as well: if not, this may not be
        /// the last.
        is_last: bool,
    },
}

/// What stands in one of the files, if that is there: a change if it is whole.
type Slot = Option<Option<(u64, Vec<u8>)>>;

/// Reads the record.
pub(super) fn read(paths: &[Utf8PathBuf; 2]) -> Result<Found> {
    read_by(|n| {
        let path = &paths[n];
        let file = match sys::open_no_follow(path.as_std_path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            done => done.context("read", path)?,
        };
        let change = change(path.as_std_path(), &file)?;
        Ok(Some(change.filter(|(sequence, _)| sequence % 2 == n as u64)))
    })
}

fn read_by(slot: impl Fn(usize) -> Result<Slot>) -> Result<Found> {
    for _ in 0..LOOKS {
        let (first, second) = (slot(0)?, slot(1)?);
        if first.is_none() && second.is_none() {
            return Ok(Found::Nothing);
        }
        let (last, before) = match (first.flatten(), second.flatten()) {
            (Some(one), Some(two)) if one.0 > two.0 => (Some(one), Some(two)),
            (one, Some(two)) => (Some(two), one),
            // While that was read the first may have been written anew, and the second is
            // being: only what still stands there was the last.
            (Some(one), None) => {
                let again = slot(0)?.flatten();
                (again.filter(|again| again.0 == one.0), None)
            }
            (None, None) => (None, None),
        };
        if let Some((sequence, text)) = last {
            let is_last = before.is_some_and(|(before, _)| before + 1 == sequence);
            return Ok(Found::Whole { text, sequence, is_last });
        }
        std::thread::yield_now();
    }
    Ok(Found::Damaged)
}

/// The sequence and the text of a change, if it is whole.
fn change(path: &Path, file: &File) -> Result<Option<(u64, Vec<u8>)>> {
    let mut content = vec![0; PAGE];
    let read = sys::read_at(file, &mut content, 0).context("read", path)?;
    content.truncate(read);
    let Some(at) = content.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let Ok(header) = serde_json::from_slice::<Header>(&content[..at]) else { return Ok(None) };
    if header.format > FORMAT {
        let problem = format!(
            "its format is {}, of a newer ccpar; this one knows {FORMAT}: use the newer one",
            header.format
        );
        return Err(Error::Record { path: path.into(), line: 0, problem });
    }
    content.drain(..=at);
    if content.len() < header.length {
        let begin = content.len() as u64 + at as u64 + 1;
        // One that was torn may say any length.
        let end = begin.saturating_add((header.length - content.len()) as u64);
        let most = file.metadata().context("examine", path)?.len();
        let rest = sys::read_range(file, begin..end.min(most).max(begin));
        content.extend(rest.context("read", path)?);
    }
    content.truncate(header.length);
    let is_whole =
        content.len() == header.length && checksum(header.sequence, &content) == header.checksum;
    Ok(is_whole.then_some((header.sequence, content)))
}

/// Writes the change that follows `last`, in place of the one before that. Says its
/// sequence. If that fails, `last` still is the record.
pub(super) fn write(paths: &[Utf8PathBuf; 2], last: Option<u64>, text: &[u8]) -> Result<u64> {
    let sequence = last.map_or(0, |last| last.wrapping_add(1));
    let path = &paths[usize::from(sequence % 2 == 1)];
    let header =
        Header { format: FORMAT, sequence, length: text.len(), checksum: checksum(sequence, text) };
    let mut change = serde_json::to_vec(&header).expect("a header is plain data");
    change.push(b'\n');
    change.extend(text);
    let file = sys::open_private(path.as_std_path(), false).context("open", path)?;
    sys::write_at(&file, &change, 0).context("write", path)?;
    Ok(sequence)
}

/// FNV-1a: against a change that is being written, not against malice.
fn checksum(sequence: u64, text: &[u8]) -> u64 {
    let bytes = sequence.to_le_bytes();
    bytes.iter().chain(text).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tears what is on disk")]
mod tests {
    use super::*;

    fn paths(folder: &tempfile::TempDir) -> [Utf8PathBuf; 2] {
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        ["0", "1"].map(|name| folder.join(name))
    }

    fn whole(paths: &[Utf8PathBuf; 2]) -> (u64, Vec<u8>, bool) {
        match read(paths).unwrap() {
            Found::Whole { sequence, text, is_last } => (sequence, text, is_last),
            Found::Nothing => panic!("nothing"),
            Found::Damaged => panic!("damaged"),
        }
    }

    #[test]
    fn a_change_that_is_cut_anywhere_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(&folder);
        write(&paths, None, b"before the first").unwrap();
        assert_eq!(whole(&paths), (0, b"before the first".to_vec(), false));
        write(&paths, Some(0), b"first").unwrap();
        assert_eq!(whole(&paths), (1, b"first".to_vec(), true));
        // Of one digit and of two, shorter and longer than what stood there.
        let long = "long ".repeat(PAGE / 4);
        for (last, text) in [(1, "the second"), (7, "8"), (8, &long), (9, "tenth"), (10, "x")] {
            write(&paths, Some(last - 1), b"before").unwrap();
            let path = &paths[usize::from(last % 2 == 0)];
            let old = std::fs::read(path).unwrap();
            write(&paths, Some(last), text.as_bytes()).unwrap();
            let new = std::fs::read(path).unwrap();
            assert_eq!(whole(&paths), (last + 1, text.as_bytes().to_vec(), true));
            for at in 0..new.len() {
                let rest = old.get(at..).unwrap_or_default();
                std::fs::write(path, [&new[..at], rest].concat()).unwrap();
                let (sequence, found, _) = whole(&paths);
                // What is left over after the new text is none of it.
                let expected = if sequence > last { text } else { "before" };
                assert_eq!(found, expected.as_bytes(), "cut at {at}");
                assert!(sequence == last || sequence == last + 1, "{sequence} at {at}");
            }
            std::fs::write(path, &new).unwrap();
        }
        std::fs::remove_file(&paths[0]).unwrap();
        assert_eq!(whole(&paths), (11, b"x".to_vec(), false));
        std::fs::write(&paths[1], "{").unwrap();
        assert!(matches!(read(&paths).unwrap(), Found::Damaged));
    }

    #[test]
    fn what_was_read_first_is_not_the_record_if_it_was_written_anew_meanwhile() {
        let change = |n: u64| Some(Some((n, n.to_string().into_bytes())));
        // 13 is being written; when the first was read, 12 was not yet.
        let looks = std::cell::Cell::new(0);
        let found = read_by(|n| {
            looks.set(looks.get() + 1);
            Ok(match (n, looks.get()) {
                (0, 1) => change(10),
                (0, _) => change(12),
                _ => Some(None),
            })
        });
        assert!(matches!(found, Ok(Found::Whole { sequence: 12, is_last: false, .. })));
    }

    #[test]
    fn a_reader_without_a_lock_sees_whole_changes_that_only_grow() {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(&folder);
        write(&paths, None, b"0").unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let begun = std::time::Instant::now();
                for n in (0..).take_while(|_| begun.elapsed().as_millis() < 500) {
                    let times = usize::try_from(1 + n * 97 % 9000).unwrap();
                    write(&paths, Some(n), format!("{} ", n + 1).repeat(times).as_bytes()).unwrap();
                }
            });
            let mut last = 0;
            while !writer.is_finished() {
                let (sequence, text, _) = whole(&paths);
                assert!(sequence >= last, "{sequence} after {last}");
                last = sequence;
                let text = String::from_utf8(text).unwrap();
                assert!(text.split_whitespace().all(|word| word == sequence.to_string()));
            }
        });
    }
}
