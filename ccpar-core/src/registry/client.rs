//! Claude Code's own list of its sessions: read, never written.
//!
//! The client keeps one file a session, `sessions/<pid>.json` in its config
//! folder, as 2.1.330 does: `sessionId`, `cwd`, `startedAt` in milliseconds since
//! 1970, `procStart`, the start time of `proc_pid_stat(5)`, and
//! `pidDomain`, which ends in the pid namespace. None of that is documented, so
//! whatever is not as expected is passed over. Child sessions may not be listed.

use std::path::Path;

use serde::Deserialize;

use super::session::SIZE_MAX;
use super::{Life, Now};
use crate::sys;

/// A session that Claude Code lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSession {
    /// Its id: the same that ccpar knows a session of Claude Code by.
    pub id: String,
    /// The process of the client.
    pub pid: u32,
    /// The folder it was started in.
    pub folder: Option<String>,
    /// When it was started, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Whether it lives.
    pub life: Life,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    pid: u32,
    session_id: String,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    started_at: Option<u64>,
    #[serde(default)]
    proc_start: Option<String>,
    #[serde(default)]
    pid_domain: Option<String>,
}

impl Entry {
    fn life(&self, now: &Now) -> Life {
        let domain = self.pid_domain.as_deref().and_then(|domain| domain.rsplit_once("pid:["));
        let namespace = domain.and_then(|(_, id)| id.strip_suffix(']')?.parse::<u64>().ok());
        if namespace.is_some() && namespace != now.place.pid_namespace {
            return Life::Unknown;
        }
        let start = self.proc_start.as_deref().and_then(|start| start.parse().ok());
        if sys::process_lives(self.pid, start) { Life::Lives } else { Life::Dead }
    }
}

/// The sessions that are listed in this folder and not known to be dead.
pub fn client_sessions(folder: &Path) -> Vec<ClientSession> {
    let now = Now::here();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let session = |entry: std::fs::DirEntry| {
        let is_plain =
            entry.metadata().is_ok_and(|found| found.is_file() && found.len() <= SIZE_MAX);
        let text = is_plain.then(|| std::fs::read(entry.path()).ok())??;
        let entry: Entry = serde_json::from_slice(&text).ok()?;
        let life = entry.life(&now);
        let Entry { pid, session_id: id, cwd: folder, started_at: since, .. } = entry;
        (life != Life::Dead).then_some(ClientSession { id, pid, folder, since, life })
    };
    let mut sessions: Vec<_> = entries.filter_map(session).collect();
    sessions.sort_unstable_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
    sessions
}
