//! After a tool ran: what it wrote is taken for a commit, what it read has been
//! seen, and its claim is free.

use ccpar_core::registry::Release;
use ccpar_core::shared_file::{Stood, Wrote};
use ccpar_core::{Base, Outcome, Settled, SharedFile, Version};

use super::edit::Edit;
use super::payload::{Input, Response};
use super::reply::Reply;
use super::{Call, Named, patch, words};
use crate::exit::Failure;

/// How many versions back it is looked whether there was a file.
const VERSIONS: usize = 64;

pub(super) fn run(call: &Call, files: &[Named], reply: &mut Reply) -> Result<(), Failure> {
    let writes = call.payload.writes();
    let done = files.iter().try_for_each(|named| {
        let file = call.harness.file(&named.path);
        match call.payload.tool_name.as_str() {
            "Read" => has_read(call, named, &file, reply),
            "Bash" if !writes => look(named, &file, reply),
            "Bash" => ran(call, named, &file, reply).and_then(|()| heal(call, named, &file, reply)),
            // Single lines that come back may be no part of what has a structure.
            _ if named.has_keys() => wrote(call, named, &file, reply),
            _ => wrote(call, named, &file, reply).and_then(|()| heal(call, named, &file, reply)),
        }
    });
    if writes {
        call.harness.registry().release(Release::Call(call.payload.call()))?;
    }
    done
}

/// A command that failed may have written before.
pub(super) fn failed(call: &Call, files: &[Named], reply: &mut Reply) -> Result<(), Failure> {
    if call.payload.tool_name == "Bash" {
        return run(call, files, reply);
    }
    call.harness.registry().release(Release::Call(call.payload.call()))?;
    Ok(())
}

fn has_read(
    call: &Call,
    named: &Named,
    file: &SharedFile<'_>,
    reply: &mut Reply,
) -> Result<(), Failure> {
    // What was read in part is no base for a whole text.
    if let Some(read) = call.payload.response().file.filter(super::payload::ReadFile::is_whole) {
        // With that it has a history, by which later changes are told.
        look(named, file, reply)?;
        file.mark_seen(&file.shown(read.content.as_bytes())?)?;
    }
    Ok(())
}

/// Records what stands there.
pub(super) fn look(named: &Named, file: &SharedFile<'_>, reply: &mut Reply) -> Result<(), Failure> {
    if let Settled::Outside(record) = file.settle()? {
        words::outside(&named.path, &record, reply);
    }
    Ok(())
}

/// A command wrote what it wrote: its base is inferred.
fn ran(
    call: &Call,
    named: &Named,
    file: &SharedFile<'_>,
    reply: &mut Reply,
) -> Result<(), Failure> {
    if let Settled::Outside(record) = file.settle_own()?
        && (record.lost.is_none() || record.maybe)
    {
        words::outside(&named.path, &record, reply);
        words::keep_up(call, file)?;
    }
    Ok(())
}

/// Puts back what stale writers swallowed, this one or others before, where nobody can
/// have meant that.
pub(super) fn heal(
    call: &Call,
    named: &Named,
    file: &SharedFile<'_>,
    reply: &mut Reply,
) -> Result<(), Failure> {
    if !file.may_be_healed()?
        || file.losses()?.iter().all(|loss| loss.record.maybe || loss.problem.is_some())
    {
        return Ok(());
    }
    let before = file.look_only()?;
    let (healed, commit) = file.heal_own()?;
    if healed == 0 {
        return Ok(());
    }
    words::merged(call, named, file, &commit, before.content(), reply)
}

fn wrote(
    call: &Call,
    named: &Named,
    file: &SharedFile<'_>,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let (input, response) = (call.payload.input(), call.payload.response());
    if response.staged == Some(true) {
        return Ok(());
    }
    let Some(written) = Written::new(&call.payload.tool_name, input, response, file)? else {
        // It did something that is not known: then what stands there is its own.
        file.settle_own()?;
        return Ok(());
    };
    let over = match &written.original {
        Some(original) => Stood::Text(original.as_bytes()),
        None if written.is_new => Stood::Absent,
        None => Stood::Unknown,
    };
    let base = match (&written.made, &written.original) {
        (Made::Edit(_) | Made::Cell, Some(original)) => Base::Text(original.as_bytes().to_vec()),
        (Made::Edit(_), None) if written.is_new => Base::Version(Version::ABSENT),
        _ => Base::Seen,
    };
    let text = written.text.as_bytes();
    let commit = file.adopt(&Wrote { text, over, base })?;
    if !matches!(commit.outcome, Outcome::Conflict { .. }) {
        note_seen(&written, file)?;
    }
    words::merged(call, named, file, &commit, text, reply)
}

/// Who wrote a whole text knows it; who edited knows what was seen before with the
/// edit, and nothing if that was nothing.
fn note_seen(written: &Written, file: &SharedFile<'_>) -> Result<(), Failure> {
    let known = match (&written.made, file.seen()?) {
        (Made::Whole, _) => Some(written.text.clone()),
        (Made::Edit(edit), _) if edit.makes_a_file() => Some(written.text.clone()),
        (Made::Edit(_), None) | (Made::Cell, _) => None,
        (Made::Edit(edit), Some(seen)) => {
            // A content that is kept no more is no base either.
            let before = file.version(seen).ok().and_then(|text| String::from_utf8(text).ok());
            before.and_then(|before| edit.apply(&before))
        }
    };
    if let Some(known) = known {
        file.mark_seen(&file.shown(known.as_bytes())?)?;
    }
    Ok(())
}

/// What a tool wrote.
struct Written {
    text: String,
    original: Option<String>,
    is_new: bool,
    made: Made,
}

/// What of a text its author made, and so knows.
enum Made {
    Whole,
    Edit(Edit),
    /// One cell of a notebook.
    Cell,
}

impl Written {
    fn new(
        tool: &str,
        input: Input,
        response: Response,
        file: &SharedFile<'_>,
    ) -> Result<Option<Written>, Failure> {
        let mut is_new = response.kind.as_deref() == Some("create");
        let mut original = response.original_file.clone();
        if tool == "NotebookEdit" {
            let text = response.updated_file;
            return Ok(text.map(|text| Written { text, original, is_new, made: Made::Cell }));
        }
        if tool == "Write" {
            let text = response.content.or(input.content);
            return Ok(text.map(|text| Written { text, original, is_new, made: Made::Whole }));
        }
        let Some(edit) = Edit::new(input, &response) else { return Ok(None) };
        let before = response.original_file.as_deref().unwrap_or_default();
        let asked = edit.apply(before);
        let patched = patch::apply(&response.structured_patch.unwrap_or_default(), before);
        let now = || -> Result<String, Failure> {
            Ok(String::from_utf8_lossy(file.look_only()?.content()).into_owned())
        };
        let text = match (patched, asked) {
            (Some(patched), Some(asked)) if patch::are_alike(&patched, &asked) => asked,
            // It wrote more than it was asked for. Of blanks and tabs the file knows.
            (Some(patched), _) => {
                Some(now()?).filter(|now| patch::are_alike(now, &patched)).unwrap_or(patched)
            }
            (None, Some(asked)) => asked,
            // It knew better what to replace: then what stands there is what it made.
            (None, None) => now()?,
        };
        if edit.makes_a_file() && before.is_empty() {
            // It says that a new one was empty.
            is_new = !was_blank(file)?;
            original = original.filter(|_| !is_new);
        }
        Ok(Some(Written { text, is_new, original, made: Made::Edit(edit) }))
    }
}

/// Whether a file stood there without a text, when that was last so.
fn was_blank(file: &SharedFile<'_>) -> Result<bool, Failure> {
    let blank = Version::of(b"");
    let recent = file.history()?.recent(VERSIONS)?;
    let mut without = recent.iter().map(|record| record.version);
    Ok(without.find(|version| version.is_absent() || *version == blank) == Some(blank))
}
