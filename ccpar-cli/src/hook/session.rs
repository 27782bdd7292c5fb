//! A session begins, goes on, and ends: it is registered, and told of its siblings
//! and of what they changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ccpar_core::history::Record;
use ccpar_core::registry::{Beat, Listed};
use ccpar_core::{checkout, layout};

use super::reply::Reply;
use super::words::{self, Change};
use super::{Call, Named, after};
use crate::commands::report;
use crate::exit::Failure;
use crate::output;

/// How many files, sessions and notes are named at most.
const MOST: usize = 20;

/// How many of them are named in one line.
const FEW: usize = 5;

/// How many files the client is asked to watch.
const WATCHED: usize = 400;

/// The client loads so much of an index by itself: lines, and bytes.
const LOADED: (usize, usize) = (200, 25_000);

/// How many versions back it is looked what changed.
const VERSIONS: usize = 64;

pub(super) fn start(call: &Call, reply: &mut Reply) -> Result<(), Failure> {
    let beat = Beat { folder: Some(call.payload.cwd.clone()), ..Beat::default() };
    call.harness.registry().beat(&beat)?;
    reply.watch(watched(call));
    siblings(call, reply)?;
    since_last_time(call, reply)?;
    if call.payload.source.as_deref() == Some("compact") {
        // What it had read is summed up for it: its next whole text needs another look.
        call.harness.forget_seen()?;
    }
    let is_new = matches!(call.payload.source.as_deref(), Some("startup" | "clear"));
    if let Some(index) = call.guard.memory().map(|memory| memory.join("MEMORY.md"))
        && is_new
        && call.guard.named(&index).is_some()
    {
        let file = call.harness.file(&index);
        let found = file.look_only()?;
        let lines = found.content().split(|byte| *byte == b'\n').count();
        // It loads an index by itself, whole if it is not too large.
        if index.exists() && lines <= LOADED.0 && found.content().len() <= LOADED.1 {
            file.settle()?;
            file.read()?;
        }
    }
    Ok(())
}

/// Says who else is at work.
fn siblings(call: &Call, reply: &mut Reply) -> Result<(), Failure> {
    let (sessions, _) = call.harness.registry().sessions()?;
    let others = sessions
        .iter()
        .filter(|listed| !listed.is_gone() && listed.session.id != call.payload.session_id);
    let told: Vec<String> = others.take(MOST).map(sibling).collect();
    if !told.is_empty() {
        reply.tell_model(format!(
            "other sessions are at work on the same memory, settings and skills:\n{}\nWrites to \
             those files are merged with theirs; read a file again before you replace it.",
            told.join("\n")
        ));
    }
    Ok(())
}

fn sibling(listed: &Listed) -> String {
    let session = &listed.session;
    let branch = output::line(session.branch.as_deref().unwrap_or("no branch").as_bytes());
    let shown = |texts: Vec<&String>| {
        let shown = texts.into_iter().take(MOST).map(|text| output::line(text.as_bytes()));
        shown.collect::<Vec<_>>().join(", ")
    };
    let claims = listed.claims.iter().flat_map(|(claim, _)| &claim.files);
    let claimed = shown(claims.map(|file| &file.path).collect());
    let expected = shown(session.expects.iter().collect());
    let mut parts = vec![format!("- {branch} ({})", session.id.escape_debug())];
    parts.extend((!claimed.is_empty()).then(|| format!("has claimed {claimed}")));
    parts.extend((!expected.is_empty()).then(|| format!("expects to write {expected}")));
    parts.join(", ")
}

/// Says what changed in the memory since a session of this branch was last told.
fn since_last_time(call: &Call, reply: &mut Reply) -> Result<(), Failure> {
    let before = last_told(call);
    note_told(call);
    let (Some(memory), Some(before)) = (call.guard.memory(), before) else { return Ok(()) };
    let (targets, _) = call.harness.targets(Some(memory))?;
    let mut told = Vec::new();
    for target in targets {
        let file = call.harness.file(&target);
        file.settle()?;
        let records = file.history()?.recent(VERSIONS)?;
        let own = |record: &&Record| record.session.as_deref() != Some(&*call.payload.session_id);
        let new: Vec<&Record> =
            records.iter().take_while(|record| record.time > before).filter(own).collect();
        let Some(last) = new.first() else { continue };
        let lines = |of: fn(&(usize, usize)) -> usize| {
            new.iter().filter_map(|record| record.lines.as_ref().map(of)).sum::<usize>()
        };
        let by = report::who(last).unwrap_or_else(|| report::OUTSIDE.to_owned());
        let name = target.strip_prefix(memory).unwrap_or(&target);
        told.push(format!(
            "- {}: +{} -{} lines, last by {by} at {}",
            output::path(name),
            lines(|lines| lines.0),
            lines(|lines| lines.1),
            output::time(last.time)
        ));
    }
    if !told.is_empty() {
        let more = told.len().saturating_sub(MOST);
        told.truncate(MOST);
        let more = if more > 0 { format!("\n… and {more} more") } else { String::new() };
        reply.tell_model(format!(
            "since this branch last worked, these notes in `{}` changed:\n{}{more}",
            output::path(memory),
            told.join("\n")
        ));
    }
    Ok(())
}

/// The file whose time says when a session of this branch was last told.
fn told_file(call: &Call) -> Option<PathBuf> {
    let main = checkout::main(&call.payload.cwd)?;
    let branch = call.harness.author().branch.as_deref()?;
    let name = layout::component(&format!("{branch} of {}", main.display()));
    Some(call.harness.root().join("branches").join(name).into())
}

fn last_told(call: &Call) -> Option<u64> {
    let changed = fs::metadata(told_file(call)?).and_then(|metadata| metadata.modified()).ok()?;
    u64::try_from(changed.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Best effort: who is told twice loses nothing.
fn note_told(call: &Call) {
    if let Some(path) = told_file(call) {
        let _ = path.parent().map(fs::create_dir_all);
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }
}

/// The files to be told of when they change.
fn watched(call: &Call) -> Vec<String> {
    let mut paths = Vec::new();
    if let Some(config) = call.guard.config() {
        paths.extend(["settings.json", "CLAUDE.md"].map(|name| config.join(name)));
        let skills = list(&config.join("skills"));
        paths.extend(skills.iter().map(|folder| folder.join("SKILL.md")));
        paths.extend(skills);
    }
    if let Some(main) = checkout::main(&call.payload.cwd) {
        paths.push(main.join(".claude").join("settings.local.json"));
    }
    if let Some(memory) = call.guard.memory() {
        let notes = list(memory);
        let index = memory.join("MEMORY.md");
        if !notes.contains(&index) {
            paths.push(index);
        }
        paths.extend(notes);
    }
    let guarded = paths.into_iter().filter(|path| call.guard.named(path).is_some());
    guarded.take(WATCHED).filter_map(|path| path.into_os_string().into_string().ok()).collect()
}

fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}

/// A beat, and what changed of what this session has seen.
pub(super) fn prompt(call: &Call, reply: &mut Reply) -> Result<(), Failure> {
    let beat = Beat { folder: Some(call.payload.cwd.clone()), ..Beat::default() };
    call.harness.registry().beat(&beat)?;
    call.free()?;
    note_told(call);
    let told = call.as_agent(words::TOLD)?;
    let mut changes = Vec::new();
    for (target, seen) in call.harness.seen()? {
        let Some(Named { path, kind }) = call.guard.named(&target) else { continue };
        let file = call.harness.file(&path);
        file.settle()?;
        let now = file.look_only()?;
        let last = told.file(&path).seen()?.unwrap_or(seen);
        if [seen, last].contains(&now.version()) {
            continue;
        }
        let recent = file.history()?.recent(VERSIONS)?;
        let since = recent.iter().take_while(|record| record.version != last).count();
        let is_own = |record: &Record| record.session == call.harness.author().session;
        if since < recent.len() && recent[..since].iter().all(is_own) {
            words::told(call, &file)?;
            continue;
        }
        // What was told is kept as long as what was seen.
        let Ok(before) = file.version(last) else { continue };
        let named = Named { path, kind };
        let change = Change::between(&named, &before, now.content());
        if !change.is_nothing() {
            let shown = output::path(&named.path);
            let text = format!("`{shown}` was changed by others. It now has {}", change.text);
            // The others are told next time.
            if !changes.is_empty() && !reply.has_room(&text) {
                break;
            }
            reply.tell_model(text);
            changes.push(format!("`{shown}` +{} -{} lines", change.added, change.removed));
        }
        words::told(call, &file)?;
    }
    if !changes.is_empty() {
        let more = changes.len().saturating_sub(FEW);
        changes.truncate(FEW);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        reply.tell_person(format!("changed by others: {}{more}", changes.join(", ")));
    }
    Ok(())
}

/// Somebody changed a file.
pub(super) fn changed(call: &Call, reply: &mut Reply) -> Result<(), Failure> {
    let named = call.payload.file_path.as_ref().and_then(|path| call.guard.named(path));
    let Some(named) = named else { return Ok(()) };
    after::look(&named, &call.harness.file(&named.path), reply)
}

pub(super) fn end(call: &Call) -> Result<(), Failure> {
    note_told(call);
    call.harness.registry().end_here()?;
    Ok(())
}
