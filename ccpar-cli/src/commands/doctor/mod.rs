//! `ccpar doctor`

mod around;
mod finding;
mod folder;
mod hooks;
mod root;

use std::path::PathBuf;
use std::time::Duration;

use ccpar_core::history::{Pruned, forget_seen};
use ccpar_core::{Harness, Limits};
use clap::Args;
use serde::Serialize;

use self::finding::Weight;
use crate::context::{self, Writing};
use crate::exit::{Exit, Failure};
use crate::named;
use crate::{output, when};

/// Check what ccpar keeps, and mend what can be
#[derive(Debug, Args)]
#[command(after_help = "\
Holds each content against its hash, reads each line of each log, and looks for
what is missing. What it mends there it copies to the folder `doctor` of its root
first. Looks too whose the root is and whether it can be written, whether locks
exclude there (two processes try), for what killed writers left, heartbeats that cannot be
read, namespaces whose branch or worktree is gone, indexes that do not say what
lies beside them, whether Claude Code's hooks work and why one failed today, hooks
of other tools that are gone, and how old the client is. Mends what is safe to mend;
for the rest it names the command.

With --prune it removes what is older, or more, than is to be kept. Each commit
does that now and then by itself.

With a folder of notes or skills it holds the index there against the files, and
names namespaces whose worktree is gone. --fix adds entries from the files' front
matter, and removes those that it could make again; any other line stays.

Exit: 0 in order, mended, or only worth a note; 1 somebody should see to something;
2 what ccpar promises does not hold (no locks, no root to write to), or it could not
be looked

Example: ccpar doctor --dry-run
         ccpar doctor ~/.claude/skills --fix")]
pub(crate) struct Arguments {
    /// The folder whose index to check, instead of what ccpar keeps
    #[arg(conflicts_with = "prune")]
    folder: Option<PathBuf>,

    /// Mend what is safe to mend: of a folder its index; else as without this
    #[arg(long, conflicts_with_all = ["dry_run", "prune"])]
    fix: bool,

    /// Say whether a lock can be had, to another doctor
    #[arg(long, hide = true, value_name = "NAME")]
    try_lock: Option<String>,

    /// Only say what is wrong
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Remove what is older or more than is to be kept, instead of checking
    #[arg(long, conflicts_with = "dry_run")]
    prune: bool,

    /// Keep contents for so many days [default: 90, or what config.json says]
    #[arg(long, value_name = "DAYS", requires = "prune")]
    keep_days: Option<u32>,

    /// Keep so many MiB of contents per file [default: 64, or what config.json says]
    #[arg(long, value_name = "MIB", requires = "prune")]
    keep_mib: Option<u32>,

    #[command(flatten)]
    writing: Writing,
}

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    line: u64,
    problem: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mended: Option<&'a str>,
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing(&arguments.writing)?;
    if let Some(name) = &arguments.try_lock {
        return root::try_lock(&harness, name);
    }
    if arguments.prune {
        return prune(harness, arguments);
    }
    if let Some(folder) = &arguments.folder {
        return folder::run(&harness, folder, arguments.fix, arguments.writing.how.json);
    }
    let stamp = when::file_stamp();
    let mend = !arguments.dry_run;
    // First what the rest stands on.
    let mut others = root::findings(&harness);
    let is_usable = others.iter().all(|finding| finding.weight < Weight::Trouble);
    let findings = harness.examine(mend && is_usable, &stamp)?;
    let (mut exit, mut mended) = (Exit::Done, 0);
    for finding in &findings {
        let finding = match finding {
            Ok(finding) => finding,
            Err(error) => {
                exit = Exit::Trouble;
                output::say(error.to_string());
                continue;
            }
        };
        if finding.mended.is_some() {
            mended += 1;
        } else if exit == Exit::Done {
            exit = Exit::No;
        }
        let path = finding.path.to_string_lossy();
        if arguments.writing.how.json {
            output::json(&Json {
                path: &path,
                line: finding.line,
                problem: &finding.problem,
                mended: finding.mended.as_deref(),
                dry_run: arguments.dry_run,
            })?;
            continue;
        }
        let line = match finding.line {
            0 => String::new(),
            line => format!(", line {line}"),
        };
        let remedy = finding.mended.as_deref().unwrap_or("it cannot be mended");
        let row = format!(
            "`{}`{line}: {}\n    {}{remedy}\n",
            output::path(&finding.path),
            output::line(finding.problem.as_bytes()),
            if arguments.dry_run && finding.mended.is_some() { "would mend: " } else { "" },
        );
        output::data(row.as_bytes())?;
    }
    hooks::note_failures(&harness);
    others.extend(root::litter(&harness, mend && is_usable)?);
    others.extend(around::sessions(&harness)?);
    let (namespaces, is_unreadable) = around::namespaces(&harness)?;
    if is_unreadable {
        exit = Exit::Trouble;
    }
    others.extend(namespaces);
    others.extend(around::indexes(&harness)?);
    others.extend(hooks::findings(&harness));
    others.extend(around::client());
    for finding in &others {
        finding.print(arguments.dry_run, arguments.writing.how.json)?;
        mended += usize::from(finding.mended);
        exit = match (exit, finding.exit()) {
            (Exit::Trouble, _) | (_, Exit::Trouble) => Exit::Trouble,
            (Exit::Done, found) => found,
            (exit, _) => exit,
        };
    }
    let told = others.iter().filter(|finding| finding.weight > Weight::Note).count();
    let found = findings.len() + told;
    if found == 0 {
        output::say("all is in order");
    } else if arguments.dry_run {
        output::say(format!("{}, {mended} can be mended", output::count(found, "problem")));
    } else {
        output::say(format!("{}, {mended} mended", output::count(found, "problem")));
        let copies = harness.root().join("doctor").join(&stamp);
        if copies.exists() {
            output::say(format!("what was touched is copied to `{copies}`"));
        }
    }
    Ok(exit)
}

fn prune(harness: Harness, arguments: &Arguments) -> Result<Exit, Failure> {
    const DAY: u64 = 24 * 3600;
    let limits = harness.limits();
    let days = arguments.keep_days.map(|days| Duration::from_secs(u64::from(days) * DAY));
    let harness = harness.with_limits(Limits {
        age: days.unwrap_or(limits.age),
        bytes: arguments.keep_mib.map_or(limits.bytes, |mib| u64::from(mib) << 20),
    });
    let (targets, mut trouble) = named::known_targets(&harness, None)?;
    let mut all = Pruned::default();
    for target in &targets {
        match harness.file(target).prune() {
            Ok(pruned) => {
                all.contents += pruned.contents;
                all.bytes += pruned.bytes;
                all.lines += pruned.lines;
            }
            Err(error) => {
                trouble = true;
                Failure::from(error).report();
            }
        }
    }
    let forgotten = forget_seen(harness.root(), when::now());
    if arguments.writing.how.json {
        #[derive(Serialize)]
        struct Json {
            contents: usize,
            bytes: u64,
            lines: usize,
            seen: usize,
        }
        let Pruned { contents, bytes, lines } = all;
        output::json(&Json { contents, bytes, lines, seen: forgotten })?;
    } else {
        output::say(format!(
            "removed {} ({} KiB), {} of logs, {} of what was seen",
            output::count(all.contents, "content"),
            all.bytes.div_ceil(1024),
            output::count(all.lines, "line"),
            output::count(forgotten, "note"),
        ));
    }
    Ok(if trouble { Exit::Trouble } else { Exit::Done })
}
