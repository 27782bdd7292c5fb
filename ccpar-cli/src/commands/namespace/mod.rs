//! `ccpar namespace`

mod block;
mod diff;
mod list;
mod passing;
mod run;
mod start;

use std::path::{Path, PathBuf};

use ccpar_core::claude_code::Client;
use ccpar_core::namespace::{Fork, Namespace};
use ccpar_core::{Author, Harness, checkout};
use clap::{Args, Subcommand};

use crate::context::{self, HowToWrite, Identity};
use crate::exit::{Exit, Failure};
use crate::output;

pub(crate) use list::{Entry, entries};

/// Fork the memory for a branch, and merge it back on purpose
#[derive(Debug, Args)]
#[command(after_help = "\
The memory is that of Claude Code for the checkout, or any folder: --of FOLDER.
The branch is the one that is checked out here, unless it is named.

Example: ccpar namespace run -- claude
         ccpar namespace promote --dry-run")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Path(PathArguments),
    Start(start::Arguments),
    Run(run::Arguments),
    Diff(diff::Arguments),
    Promote(passing::PromoteArguments),
    Update(passing::UpdateArguments),
    Discard(DiscardArguments),
    List(list::Arguments),
}

/// Print the folder of a namespace, started or not
#[derive(Debug, Args)]
#[command(after_help = "Example: ls \"$(ccpar namespace path)\"")]
struct PathArguments {
    #[command(flatten)]
    which: Which,
}

/// Remove a namespace; what only it has stays in the history
#[derive(Debug, Args)]
#[command(after_help = "Example: ccpar namespace discard feat/voice")]
struct DiscardArguments {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    how: HowToWrite,
}

/// Whose namespace, of which folder.
#[derive(Debug, Clone, Args)]
struct Which {
    /// The branch [default: the one that is checked out here]
    branch: Option<String>,

    #[command(flatten)]
    of: Of,
}

#[derive(Debug, Clone, Args)]
struct Of {
    /// The shared folder [default: Claude Code's memory of this checkout]
    #[arg(long, value_name = "FOLDER")]
    of: Option<PathBuf>,
}

impl Of {
    fn folder(&self) -> Result<PathBuf, Failure> {
        match &self.of {
            Some(folder) => Ok(folder.clone()),
            None => memory(),
        }
    }
}

impl Which {
    fn fork(&self) -> Result<Fork, Failure> {
        fork(self.branch.as_deref(), &self.of)
    }

    /// The namespace that is meant, which must have been started.
    fn open(&self, harness: &Harness) -> Result<Namespace, Failure> {
        let fork = self.fork()?;
        Namespace::open(harness, &fork.shared, &fork.branch)?.ok_or_else(|| {
            let (branch, shared) =
                (output::line(fork.branch.as_bytes()), output::path(&fork.shared));
            let word = output::shell_word(fork.branch.as_ref());
            let of = self
                .of
                .of
                .as_ref()
                .map_or_else(String::new, |of| format!(" --of {}", output::file_word(of)));
            Failure::new(format!("`{branch}` has no namespace of `{shared}`")).with_hint(format!(
                "start it with: ccpar namespace start {word}{of}   or see which there are: \
                 ccpar namespace list"
            ))
        })
    }
}

fn fork(branch: Option<&str>, of: &Of) -> Result<Fork, Failure> {
    let here = here()?;
    // A commit is no name: the next one would have another.
    let own = checkout::branch(&here).filter(|_| !checkout::is_detached(&here));
    let branch = branch.map(str::to_owned).or_else(|| own.clone()).ok_or_else(|| {
        let why = match checkout::top(&here) {
            Some(top) => {
                format!("no branch is named, and none is checked out in `{}`", output::path(&top))
            }
            None => "no branch is named, and there is no checkout here".to_owned(),
        };
        Failure::new(why).with_hint(
            "name any that is this work's own, like: ccpar namespace start my-branch --of notes",
        )
    })?;
    let worktree = checkout::top(&here).filter(|_| own.as_ref() == Some(&branch));
    Ok(Fork { worktree, ..Fork::new(of.folder()?, branch) })
}

/// The memory that Claude Code has for the checkout here.
fn memory() -> Result<PathBuf, Failure> {
    let env = |name: &str| std::env::var_os(name);
    let client = Client::new(&env).map_err(Failure::new)?;
    let hint = "name the folder with: --of FOLDER";
    client.memory(&here()?).map_err(|why| Failure::new(why).with_hint(hint))
}

fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::new(format!("cannot tell the working folder: {error}")))
}

/// The harness of who acts for a branch.
fn acting(how: &HowToWrite, branch: &str) -> Result<Harness, Failure> {
    let harness = context::writing_as(&Identity::default(), how)?;
    let author = Author { branch: Some(branch.to_owned()), ..harness.author().clone() };
    Ok(harness.with_author(author))
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match &arguments.verb {
        Verb::Path(arguments) => path(arguments),
        Verb::Start(arguments) => start::run(arguments),
        Verb::Run(arguments) => run::run(arguments),
        Verb::Diff(arguments) => diff::run(arguments),
        Verb::Promote(arguments) => passing::promote(arguments),
        Verb::Update(arguments) => passing::update(arguments),
        Verb::Discard(arguments) => discard(arguments),
        Verb::List(arguments) => list::run(arguments),
    }
}

fn path(arguments: &PathArguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let path = Namespace::path(&harness, &arguments.which.fork()?)?;
    output::path_data(&path)?;
    Ok(Exit::Done)
}

fn discard(arguments: &DiscardArguments) -> Result<Exit, Failure> {
    let fork = arguments.which.fork()?;
    let harness = acting(&arguments.how, &fork.branch)?;
    // One whose start was cut off goes, too.
    let shared = harness.file(&fork.shared).real_path()?;
    let (all, _) = Namespace::all(harness.root())?;
    let is_it = |other: &Namespace| other.shared() == shared && other.branch() == fork.branch;
    let namespace = match all.into_iter().find(is_it) {
        Some(namespace) => namespace,
        None => arguments.which.open(&harness)?,
    };
    let discarded = namespace.discard(&harness)?;
    let folder = output::file_word(namespace.folder());
    if arguments.how.json {
        output::json(&serde_json::json!({
            "branch": namespace.branch(),
            "folder": namespace.folder().to_string_lossy(),
            "files": discarded.files,
            "kept": discarded.kept,
        }))?;
    } else {
        let files = output::count(discarded.files, "file");
        output::say(format!(
            "`{}` is discarded: {files}",
            output::path(namespace.branch().as_ref())
        ));
        if discarded.kept > 0 {
            let kept = output::count(discarded.kept, "file");
            output::hint(format!(
                "{kept} of them only it had; list what each was with: ccpar log {folder}"
            ));
        }
    }
    for path in &discarded.left {
        output::note(format!("left where it is, as it is no note: `{}`", output::path(path)));
    }
    block::remove(&harness, &namespace)?;
    Ok(Exit::Done)
}

/// Names what is not looked at.
fn say_left_out(left_out: &[(PathBuf, ccpar_core::namespace::Why)]) {
    for (path, why) in left_out {
        output::note(format!("`{}` is left out: it {why}", output::path(Path::new(path))));
    }
}
