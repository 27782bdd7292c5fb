//! `ccpar sessions`

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use ccpar_core::registry::{Claim, ClientSession, Life, Listed, Session, client_sessions};
use ccpar_core::{Error, Harness, layout};
use clap::Args;
use serde::Serialize;

use crate::commands::notice::Changes;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::paint::{self, Paint};
use crate::{output, when};

/// When to look for sessions that have died, which nothing tells.
const AGAIN: Duration = Duration::from_secs(1);

/// List the sessions that are at work, and what they have claimed
#[derive(Debug, Args)]
#[command(after_help = "\
Sessions of Claude Code that never called `ccpar heartbeat` are listed as
unguarded: ccpar knows nothing of what they write.

Exit: 0 listed; 2 trouble with one of them

Example: ccpar sessions --claims ~/.claude/settings.json")]
pub(crate) struct Arguments {
    /// List the claims instead: all, or those on one file
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "an option whose value is optional")]
    claims: Option<Option<PathBuf>>,

    /// List again whenever something changes, until it is stopped
    #[arg(long)]
    watch: bool,

    /// Print one JSON object per session, or per claim
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    session: &'a Session,
    beat: u64,
    life: Life,
    guarded: bool,
    claims: Vec<ClaimJson<'a>>,
}

#[derive(Serialize)]
struct ClaimJson<'a> {
    #[serde(flatten)]
    claim: &'a Claim,
    /// Until when, in milliseconds since 1970, unless it is renewed.
    until: u64,
}

#[derive(Serialize)]
struct Unguarded<'a> {
    session: &'a str,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<&'a str>,
    life: Life,
    guarded: bool,
}

impl<'a> ClaimJson<'a> {
    fn new((claim, left): &'a (Claim, u64)) -> ClaimJson<'a> {
        ClaimJson { claim, until: when::now().saturating_add(*left) }
    }
}

/// A listing, and what is wrong with sessions that are not in it.
struct Listing {
    text: Vec<u8>,
    problems: Vec<Error>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    if arguments.watch {
        return watch(&harness, arguments);
    }
    let Listing { text, problems } = list(&harness, arguments)?;
    output::text(&text)?;
    if text.is_empty() && problems.is_empty() {
        say_none(arguments);
    }
    let end = if problems.is_empty() { Exit::Done } else { Exit::Trouble };
    for problem in problems {
        Failure::from(problem).report();
    }
    Ok(end)
}

/// Says to people that there are none.
fn say_none(arguments: &Arguments) {
    if !arguments.json {
        output::say(match &arguments.claims {
            Some(Some(path)) => format!("`{}` is not claimed", output::path(path)),
            Some(None) => "nothing is claimed".to_owned(),
            None => "no session is at work".to_owned(),
        });
    }
}

fn list(harness: &Harness, arguments: &Arguments) -> Result<Listing, Failure> {
    if let Some(path) = &arguments.claims {
        let claims = harness.registry().claims(path.as_deref())?;
        let text = claims
            .iter()
            .map(|claim| claim_line(claim, arguments))
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(Listing { text: text.concat(), problems: Vec::new() });
    }
    let (sessions, problems) = harness.registry().sessions()?;
    let known: HashSet<_> = sessions.iter().map(|one| one.session.id.clone()).collect();
    let client = layout::client_sessions(|name| std::env::var_os(name));
    let client = client.map(|folder| client_sessions(&folder)).unwrap_or_default();
    let mut text = Vec::new();
    for one in sessions.iter().filter(|one| !one.is_gone()) {
        text.extend(session_text(one, arguments)?);
    }
    for one in client.iter().filter(|one| !known.contains(&one.id)) {
        text.extend(unguarded_text(one, arguments)?);
    }
    Ok(Listing { text, problems })
}

fn session_text(one: &Listed, arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    let session = &one.session;
    if arguments.json {
        let claims = one.claims.iter().map(ClaimJson::new).collect();
        let Listed { beat, life, .. } = *one;
        return Ok(output::json_line(&Json { session, beat, life, guarded: true, claims })?);
    }
    let paint = Paint::stdout();
    let branch = session
        .branch
        .as_deref()
        .map_or_else(String::new, |branch| format!(" on {}", output::line(branch.as_bytes())));
    let unsure = match one.life {
        Life::Unknown => {
            format!(" on host {}", output::line(session.process.place.host.as_bytes()))
        }
        _ => String::new(),
    };
    let name = paint.text(paint::NAME, output::line(session.id.as_bytes()));
    let mut text = format!(
        "{name}{branch}  pid {}{unsure}, since {}, last beat {}\n",
        session.process.pid,
        output::time(session.since),
        output::time(one.beat),
    );
    let mut row = |what: &str, value: String| {
        let _ = writeln!(text, "    {what} {value}");
    };
    if let Some(worktree) = &session.worktree {
        row("in", output::path(worktree.as_ref()));
    }
    for path in &session.expects {
        row("expects", output::short_path(path.as_ref()));
    }
    for claim in &one.claims {
        row("claims", claim_words(claim));
    }
    Ok(text.into_bytes())
}

fn unguarded_text(one: &ClientSession, arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    let ClientSession { id, pid, folder, since, life } = one;
    if arguments.json {
        let folder = folder.as_deref();
        return Ok(output::json_line(&Unguarded {
            session: id,
            pid: *pid,
            since: *since,
            folder,
            life: *life,
            guarded: false,
        })?);
    }
    let paint = Paint::stdout();
    let name = paint.text(paint::NAME, output::line(id.as_bytes()));
    let mark = paint.text(paint::REMOVED, "unguarded");
    let since = since.map_or_else(String::new, |since| format!(", since {}", output::time(since)));
    let mut text = format!("{name}  {mark}, pid {pid}{since}\n");
    if let Some(folder) = folder {
        let _ = writeln!(text, "    in {}", output::path(folder.as_ref()));
    }
    Ok(text.into_bytes())
}

fn claim_line(claim: &(Claim, u64), arguments: &Arguments) -> Result<Vec<u8>, Failure> {
    if arguments.json {
        return Ok(output::json_line(&ClaimJson::new(claim))?);
    }
    let holder = Paint::stdout().text(paint::NAME, &claim.0.holder);
    let branch = claim
        .0
        .branch
        .as_deref()
        .map_or_else(String::new, |branch| format!(" on {}", output::line(branch.as_bytes())));
    Ok(format!("{holder}{branch}  {}\n", claim_words(claim)).into_bytes())
}

/// What is claimed, since when and until when, and what for.
fn claim_words((claim, left): &(Claim, u64)) -> String {
    let files = claim.files.iter().map(|file| output::short_path(file.path.as_ref()));
    let agent = claim.holder.agent.as_deref();
    let agent =
        agent.map_or_else(String::new, |agent| format!(", by {}", output::line(agent.as_bytes())));
    let reason = claim.reason.as_deref();
    let reason =
        reason.map_or_else(String::new, |why| format!(": {}", output::line(why.as_bytes())));
    format!(
        "{} (token {}{agent}, since {}, until {}){reason}",
        files.collect::<Vec<_>>().join(", "),
        claim.token,
        output::time(claim.granted.wall),
        output::time(when::now().saturating_add(*left)),
    )
}

/// Lists again whenever the sessions, the claims or Claude Code's list change.
fn watch(harness: &Harness, arguments: &Arguments) -> Result<Exit, Failure> {
    let mut changes = Changes::new()?;
    let folders = harness.registry().folders()?;
    let client = layout::client_sessions(|name| std::env::var_os(name));
    for folder in folders.into_iter().chain(client.filter(|folder| folder.is_dir())) {
        changes.follow(&folder)?;
    }
    let mut shown = None;
    // What is wrong is said once.
    let mut known = HashSet::new();
    loop {
        let Listing { text, problems } = list(harness, arguments)?;
        for problem in problems {
            let said = problem.to_string();
            if known.insert(said) {
                Failure::from(problem).report();
            }
        }
        if shown.as_ref() != Some(&text) {
            if shown.is_some() && !arguments.json {
                output::data(b"\n")?;
            }
            output::text(&text)?;
            if text.is_empty() {
                say_none(arguments);
            }
            shown = Some(text);
        }
        changes.wait(AGAIN)?;
    }
}
