//! Before a tool runs: its files are claimed for the call, and what stands in them
//! is recorded.

use std::path::PathBuf;
use std::time::Duration;

use ccpar_core::history::Record;
use ccpar_core::registry::{Beat, Release, Terms};
use ccpar_core::{Error, SharedFile};

use super::reply::Reply;
use super::{Call, Named, after, guard};
use crate::commands::report;
use crate::exit::Failure;
use crate::output;

/// How long a claim for a tool that writes one file may last; a person may be asked
/// in between, and others do not wait for that.
const FILE_TOOL: Duration = Duration::from_secs(10);

/// How long a command runs if nothing else is said.
const COMMAND: Duration = Duration::from_secs(120);

pub(super) fn run(call: &Call, files: &[Named], reply: &mut Reply) -> Result<(), Failure> {
    if call.payload.writes() {
        claim(call, files, reply)?;
    }
    for named in files {
        let file = call.harness.file(&named.path);
        after::look(named, &file, reply)?;
        if call.payload.tool_name != "Write" || file.seen()?.is_some() {
            continue;
        }
        let now = file.look_only()?;
        if now.content().trim_ascii().is_empty() {
            // Whose text comes late, after that of another who saw nothing there
            // either, has that as its base: the two are merged.
            file.mark_seen(&file.look()?)?;
        } else if guard::refuses_unread(&call.config)
            && let Some(reason) = unread(call, &file, now.content())?
        {
            reply.refuse(reason);
            // No tool runs, so nothing comes after.
            call.harness.registry().release(Release::Call(call.payload.call()))?;
        }
    }
    Ok(())
}

fn claim(call: &Call, files: &[Named], reply: &mut Reply) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = files.iter().map(|named| named.path.clone()).collect();
    let tool = &call.payload.tool_name;
    let ttl =
        if tool == "Bash" { call.payload.input().timeout.unwrap_or(COMMAND) } else { FILE_TOOL };
    let terms = Terms {
        ttl,
        reason: Some(tool.clone()),
        call: Some(call.payload.call().to_owned()),
        beat: Beat { folder: Some(call.payload.cwd.clone()), ..Beat::default() },
    };
    match call.harness.registry().claim(&paths, &terms) {
        Ok(_) => Ok(()),
        // A sibling takes its time: what comes of that is merged afterwards.
        Err(error @ (Error::Claimed { .. } | Error::Busy { .. })) => {
            reply.tell_person(format!("{error}; this call goes ahead all the same"));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a whole text is not to be written by who has not read what it replaces.
fn unread(call: &Call, file: &SharedFile<'_>, now: &[u8]) -> Result<Option<String>, Failure> {
    let parsed = file.history()?.records()?;
    // What it made by commands it knows, as long as nobody else wrote.
    let is_own = |record: &Record| record.session == call.harness.author().session;
    let last = parsed.effective().next_back();
    if (last.is_some() && parsed.effective().all(is_own))
        || call.payload.input().content.is_some_and(|text| text.as_bytes() == now)
    {
        return Ok(None);
    }
    let by = last.map_or_else(String::new, |record| {
        let who = report::who(record).unwrap_or_else(|| "an unknown writer".to_owned());
        format!(", last written by {who} at {}", output::time(record.time))
    });
    let lines = now.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    Ok(Some(format!(
        "`{}` holds {}{by}, and this session has not read them all: this text would replace them. \
         Read the whole file, put what is to be kept into your text, and write it again; or change \
         just the part that is meant with Edit.",
        output::path(file.path()),
        output::count(lines, "line"),
    )))
}
