//! `ccpar namespace list`

use std::path::{Path, PathBuf};

use ccpar_core::claude_code::Client;
use ccpar_core::namespace::Namespace;
use ccpar_core::registry::Session;
use ccpar_core::{Harness, checkout};
use clap::Args;
use serde::Serialize;

use super::{Of, here};
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::paint::{self, Paint};
use crate::{output, when};

/// List all namespaces, and memory that was left behind
#[derive(Debug, Args)]
#[command(after_help = "\
With --of those of one folder.

Example: ccpar namespace list")]
pub(super) struct Arguments {
    #[command(flatten)]
    of: Of,

    /// Print one JSON object per namespace
    #[arg(long)]
    json: bool,
}

/// What there is to say of a namespace, or of a folder that is none any more.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) branch: Option<String>,
    pub(crate) folder: PathBuf,
    of: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<u64>,
    /// How many files changed here, and in the shared folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changes: Option<(usize, usize)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch_exists: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worktree_exists: Option<bool>,
    /// The live sessions that are known to write there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    used_by: Vec<String>,
    /// What is wrong with it, if anything.
    pub(crate) problems: Vec<String>,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let (mut entries, trouble) = entries(&harness, arguments.of.of.as_deref())?;
    if arguments.of.of.is_none() {
        entries.extend(left_behind(&harness)?);
    }
    if arguments.json {
        for entry in &entries {
            output::json(entry)?;
        }
    } else {
        print(&entries)?;
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}

fn print(entries: &[Entry]) -> Result<(), Failure> {
    let paint = Paint::stdout();
    let mut text = Vec::new();
    let wide = entries.iter().filter_map(|entry| entry.branch.as_ref());
    let wide = wide.map(|branch| branch.chars().count()).max().unwrap_or(0).clamp(10, 40);
    for entry in entries {
        let branch = entry
            .branch
            .as_deref()
            .map_or_else(|| "?".into(), |branch| output::line(branch.as_bytes()));
        let age = entry.started.map_or_else(String::new, when::age);
        let changes = entry
            .changes
            .map_or_else(String::new, |(ours, theirs)| format!("{ours} changed, {theirs} there"));
        let name = paint.text(paint::NAME, format_args!("{branch:<wide$}"));
        let folder = output::path(&entry.folder);
        let row = format!("{name}  {age:>8}  {changes:<22}  {folder}\n");
        text.extend(row.into_bytes());
        for session in &entry.used_by {
            let session = output::line(session.as_bytes());
            text.extend(format!("    in use by session {session}\n").into_bytes());
        }
        for problem in &entry.problems {
            text.extend(format!("    {problem}\n").into_bytes());
        }
        if let Some(remedy) = &entry.remedy {
            text.extend(format!("        {}\n", paint.text(paint::QUIET, remedy)).into_bytes());
        }
    }
    output::text(&text)?;
    if entries.is_empty() {
        output::say("there is no namespace");
    }
    Ok(())
}

/// The namespaces of one folder, or of all; and whether one cannot be read.
pub(crate) fn entries(harness: &Harness, of: Option<&Path>) -> Result<(Vec<Entry>, bool), Failure> {
    let of = of.map(|of| harness.file(of).real_path()).transpose()?;
    let (all, problems) = Namespace::all(harness.root())?;
    let trouble = !problems.is_empty();
    for problem in problems {
        Failure::from(problem).report();
    }
    let (sessions, _) = harness.registry().sessions()?;
    let live: Vec<Session> = sessions
        .into_iter()
        .filter(|listed| !listed.is_gone())
        .map(|listed| listed.session)
        .collect();
    let is_wanted = |namespace: &&Namespace| of.as_ref().is_none_or(|of| of == namespace.shared());
    let mut entries: Vec<Entry> =
        all.iter().filter(is_wanted).map(|namespace| entry(harness, namespace)).collect();
    for entry in &mut entries {
        let at_work = |session: &&Session| {
            session.expects.iter().any(|path| Path::new(path).starts_with(&entry.folder))
        };
        entry.used_by = live.iter().filter(at_work).map(|session| session.id.clone()).collect();
    }
    // Folders that another root knows, or none.
    let mut shared: Vec<&Path> = all.iter().map(Namespace::shared).collect();
    shared.extend(of.as_deref());
    shared.sort_unstable();
    shared.dedup();
    shared.retain(|shared| of.as_deref().is_none_or(|of| of == *shared));
    for shared in shared {
        for folder in Namespace::folders_in(shared)? {
            if all.iter().all(|namespace| namespace.folder() != folder) {
                let word = output::file_word(&folder);
                let shared_word = output::file_word(shared);
                entries.push(Entry {
                    problems: vec!["no record of this fork is kept here".to_owned()],
                    remedy: Some(format!(
                        "ccpar namespace promote --of {shared_word} --from {word}"
                    )),
                    of: shared.to_owned(),
                    folder,
                    ..Entry::default()
                });
            }
        }
    }
    Ok((entries, trouble))
}

fn entry(harness: &Harness, namespace: &Namespace) -> Entry {
    let header = namespace.header();
    let worktree = header.worktree.as_deref();
    let worktree_exists = worktree.map(Path::exists);
    // A branch that has no commit yet is one, too.
    let is_here = worktree.and_then(checkout::branch).as_ref() == Some(&header.branch);
    let repository = header.checkout.as_deref().filter(|place| place.exists());
    let branch_exists = repository.and_then(|place| {
        if is_here { Some(true) } else { checkout::has_branch(place, &header.branch) }
    });
    let mut problems = Vec::new();
    if worktree_exists == Some(false) {
        problems.push("its worktree is gone".to_owned());
    }
    if branch_exists == Some(false) {
        problems.push("its branch is gone".to_owned());
    }
    let changes = match namespace.compare(harness) {
        Ok(compared) => {
            let ours = compared.iter().filter(|file| file.ours != file.base).count();
            let theirs = compared.iter().filter(|file| file.theirs != file.base).count();
            Some((ours, theirs))
        }
        Err(error) => {
            problems.push(output::line(error.to_string().as_bytes()));
            None
        }
    };
    let remedy = (!problems.is_empty()).then(|| {
        let verb = if changes.is_some_and(|(ours, _)| ours > 0) { "promote" } else { "discard" };
        let branch = output::shell_word(header.branch.as_ref());
        let of = output::file_word(&header.shared);
        format!("ccpar namespace {verb} {branch} --of {of}")
    });
    Entry {
        branch: Some(header.branch.clone()),
        folder: header.folder.clone(),
        of: header.shared.clone(),
        started: Some(header.started),
        changes,
        branch_exists,
        worktree_exists,
        used_by: Vec::new(),
        problems,
        remedy,
    }
}

/// Memory that older clients gave to worktrees of the repository here.
fn left_behind(harness: &Harness) -> Result<Vec<Entry>, Failure> {
    let env = |name: &str| std::env::var_os(name);
    let Ok(client) = Client::new(&env) else { return Ok(Vec::new()) };
    let here = here()?;
    let Ok(memory) = client.memory(&here) else { return Ok(Vec::new()) };
    let (all, _) = Namespace::all(harness.root())?;
    let own = all.iter().filter(|namespace| namespace.shared() == memory);
    let worktrees: Vec<PathBuf> =
        own.filter_map(|namespace| namespace.header().worktree.clone()).collect();
    let left = client.left_memories(&here, &worktrees).into_iter();
    Ok(left
        .map(|folder| {
            let word = output::file_word(&folder);
            Entry {
                problems: vec!["was left behind by another version of Claude Code".to_owned()],
                remedy: Some(format!("ccpar namespace promote --from {word}")),
                of: memory.clone(),
                folder,
                ..Entry::default()
            }
        })
        .collect())
}
