//! What fits into a prompt, which cannot wait.

use std::env;
use std::path::Path;

use ccpar_core::{Durability, Harness, layout, registry};
use serde::{Deserialize, Serialize};

use super::view::{self, Session};
use crate::exit::{Exit, Failure};
use crate::{output, when};

/// For how long a line holds at the most while no stamp changes and each process is
/// there, in milliseconds: another one may have its pid, or it may have ended and
/// nobody asked for its exit code.
const HOLDS: u64 = 60_000;

/// For how long nobody looks whether a session has given a sign of life, which changes
/// no stamp and may bring back a claim whose term was over.
const UNSEEN: u64 = 5_000;

/// The last line, in `<root>/line.json`: a cache. Who loses it looks again.
#[derive(Serialize, Deserialize)]
struct Last {
    stamps: Vec<u64>,
    /// The processes of the sessions that it counts.
    processes: Vec<u32>,
    /// From when and until when it holds, in milliseconds since 1970.
    time: u64,
    until: u64,
    line: String,
}

/// When something was last put into a folder or file, in nanoseconds since 1970.
fn stamp(path: &Path) -> u64 {
    let modified = path.metadata().and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// When something in a folder was last changed, in nanoseconds since 1970.
fn newest_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| stamp(&entry.path())).max().unwrap_or(0)
}

/// The line, and how to end. Of files it tells what the last look found.
pub(super) fn line(harness: &Harness) -> Result<(String, Exit), Failure> {
    let root = harness.root().as_std_path();
    let client = layout::client_sessions(|name| env::var_os(name)).unwrap_or_default();
    // Taken first: what changes from here on is for the next line.
    let heartbeats = root.join("sessions");
    let own = ["sessions", "registry.0.json", "registry.1.json", "looked.jsonl"];
    let paths = own.map(|name| root.join(name)).into_iter().chain([client]);
    let stamps: Vec<u64> = paths.map(|path| stamp(&path)).collect();
    let (kept, now) = (root.join("line.json"), when::now());
    let last = std::fs::read(&kept).ok();
    let last = last.and_then(|text| serde_json::from_slice::<Last>(&text).ok());
    let holds = |last: &Last| {
        last.stamps == stamps
            && (last.time..last.until).contains(&now)
            && (now - last.time < UNSEEN || newest_in(&heartbeats) / 1_000_000 < last.time)
            && last.processes.iter().all(|pid| registry::process_exists(*pid))
    };
    if let Some(last) = last.filter(holds) {
        return Ok((last.line, Exit::Done));
    }
    let (sessions, trouble) = view::sessions(harness)?;
    let (line, exit) = told(harness, &sessions, trouble);
    // What needs somebody is looked at each time. And a folder that changed just now
    // may change again without another stamp.
    let newest = stamps.iter().max().copied().unwrap_or(0) / 1_000_000;
    if exit == Exit::Done && newest > 0 && newest + 20 < now {
        let processes = sessions.iter().filter_map(|session| session.process).collect();
        let ends = sessions.iter().map(|session| session.until);
        let until = ends.chain([now + HOLDS]).min().unwrap_or(now);
        let last = Last { stamps, processes, time: now, until, line: line.clone() };
        // Who cannot keep it looks again.
        let text = serde_json::to_vec(&last).unwrap_or_default();
        let _ = ccpar_core::replace(&kept, &text, Durability::Process);
    }
    Ok((line, exit))
}

fn told(harness: &Harness, sessions: &[Session], trouble: bool) -> (String, Exit) {
    let unguarded = sessions.iter().filter(|session| !session.guarded).count();
    let (_, open) = harness.last_survey();
    let mut parts = vec![output::count(sessions.len(), "session")];
    parts.extend((unguarded > 0).then(|| format!("{unguarded} unguarded")));
    let claims: usize = sessions.iter().map(|session| session.claims.len()).sum();
    parts.extend((claims > 0).then(|| output::count(claims, "claim")));
    parts.push(if open > 0 { format!("{open} to look at") } else { "all in order".to_owned() });
    let exit = match (trouble, open) {
        (true, _) => Exit::Trouble,
        (false, 0) => Exit::Done,
        (false, _) => Exit::No,
    };
    (format!("ccpar: {}", parts.join(", ")), exit)
}
