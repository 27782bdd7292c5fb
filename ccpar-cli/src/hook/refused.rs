//! A whole text that the client refused, as the file had changed since it was read.
//!
//! The client refuses before any hook runs and before it asks the person. A note of
//! memory, which it writes unasked, is merged and written for the model: else that
//! would read it all again, and derive its text a second time. For any other file
//! the merge is put beside, for the model to write by itself.

use ccpar_core::merge::{Merge, Rules};
use ccpar_core::{CommitOptions, Error, SharedFile, Version, layout};

use super::guard::Kind;
use super::reply::Reply;
use super::{Call, Named, after, words};
use crate::exit::Failure;
use crate::output;

/// How the client says so: before it asks whether it may, and when it is to write.
const STALE: [&str; 2] =
    ["File has been modified since read", "File content has changed since it was last read"];

/// How a session may be set where it writes notes unasked.
const UNASKED: [&str; 3] = ["default", "acceptEdits", "bypassPermissions"];

pub(super) fn run(call: &Call, reply: &mut Reply) -> Result<(), Failure> {
    call.free()?;
    for tool in call.payload.calls() {
        let refused =
            tool.name == "Write" && STALE.iter().any(|stale| tool.answer().contains(stale));
        let input = tool.input();
        let (Some(path), Some(content)) = (input.file_path.filter(|_| refused), input.content)
        else {
            continue;
        };
        let Some(named) = call.guard.named(&call.payload.cwd.join(path)) else { continue };
        let file = call.harness.file(&named.path);
        // What was not seen whole is no base.
        let Some(seen) = file.seen()? else { continue };
        let mode = call.payload.permission_mode.as_deref().unwrap_or_default();
        if named.kind == Kind::Memory && UNASKED.contains(&mode) {
            write(call, &named, &file, &content, reply)?;
        } else {
            after::look(&named, &file, reply)?;
            offer(call, &file, seen, &content, reply)?;
        }
    }
    Ok(())
}

fn write(
    call: &Call,
    named: &Named,
    file: &SharedFile<'_>,
    content: &str,
    reply: &mut Reply,
) -> Result<(), Failure> {
    after::look(named, file, reply)?;
    let commit = match file.commit(content.as_bytes(), &CommitOptions::default()) {
        // What it saw is kept no more: it has to read again, as it was told.
        Err(Error::UnknownVersion { .. }) => return Ok(()),
        done => done?,
    };
    let path = output::path(&named.path);
    reply.tell_model(format!(
        "the text that was refused for `{path}` has been written all the same, merged with what \
         others wrote since you read it. Do not write it again; read the file before you change it \
         next."
    ));
    reply.tell_person(format!(
        "`{path}` had changed since the session read it; its text was merged in"
    ));
    words::merged(call, named, file, &commit, content.as_bytes(), reply)?;
    // What made its text stale may have swallowed something itself.
    if named.has_keys() { Ok(()) } else { after::heal(call, named, file, reply) }
}

/// Leaves the merge in a file under the root.
fn offer(
    call: &Call,
    file: &SharedFile<'_>,
    seen: Version,
    content: &str,
    reply: &mut Reply,
) -> Result<(), Failure> {
    let Ok(base) = file.version(seen) else { return Ok(()) };
    let theirs = file.look()?;
    let real = file.real_path()?;
    let rules = Rules::of(&real);
    let merge = Merge::with_rules(rules, &base, content.as_bytes(), theirs.content());
    let merged = file.history()?.put(&merge.keep_theirs())?;
    let offer = layout::history_dir(call.harness.root(), &real).join(merged.to_string());
    let conflicts = merge.conflicts().count();
    let but = match conflicts {
        0 => String::new(),
        n => format!(
            " In {} yours could not be merged, and theirs stands there.",
            output::count(n, "place")
        ),
    };
    reply.tell_model(format!(
        "`{}` has changed since you read it. Your text, merged with what it holds now, is in \
         `{}`.{but} Read that and the file, and write the result.",
        output::path(file.path()),
        output::path(offer.as_std_path()),
    ));
    Ok(())
}
