//! `ccpar namespace start`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ccpar_core::Harness;
use ccpar_core::namespace::{Fork, Namespace, Started};
use clap::Args;
use serde::Serialize;

use super::{Which, acting, block, say_left_out};
use crate::context::HowToWrite;
use crate::exit::{Exit, Failure};
use crate::output;

/// Fork the shared folder for a branch
#[derive(Debug, Args)]
#[command(after_help = "\
Prints where it lies. One that was started before is left as it is.

Example: claude --settings \"$(ccpar namespace start --print-settings)\"
         ccpar namespace start feat/voice --of notes --at ~/voice-notes")]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Where it is to lie [default: in the shared folder, named after the branch]
    #[arg(long, value_name = "FOLDER")]
    at: Option<PathBuf>,

    /// Print the JSON that `claude --settings` takes, instead of the folder
    #[arg(long, conflicts_with = "json")]
    print_settings: bool,

    /// Tell the agents of this worktree in its CLAUDE.local.md, or in the file that
    /// is named, which may then be one that git tracks
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    claude_md: Option<OsString>,

    #[command(flatten)]
    how: HowToWrite,
}

#[derive(Serialize)]
struct Json<'a> {
    branch: &'a str,
    folder: String,
    of: String,
    started: bool,
    files: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let fork = Fork { at: arguments.at.clone(), ..arguments.which.fork()? };
    let harness = acting(&arguments.how, &fork.branch)?;
    let file = match &arguments.claude_md {
        Some(file) => Some(block::file(&fork, Path::new(file))?),
        None => None,
    };
    let (namespace, started) = start(&harness, &fork)?;
    if let Some(file) = file {
        block::write(&harness, &file, &namespace)?;
    }
    if arguments.how.json {
        output::json(&Json {
            branch: namespace.branch(),
            folder: namespace.folder().to_string_lossy().into_owned(),
            of: namespace.shared().to_string_lossy().into_owned(),
            started: !started.before,
            files: started.files,
        })?;
    } else if arguments.print_settings {
        output::json(&settings(&namespace))?;
    } else {
        output::path_data(namespace.folder())?;
        if !started.before {
            output::hint("point an agent at it with: ccpar namespace run -- claude");
        }
    }
    Ok(Exit::Done)
}

/// Starts it, and says so.
pub(super) fn start(harness: &Harness, fork: &Fork) -> Result<(Namespace, Started), Failure> {
    let (namespace, started) = Namespace::start(harness, fork)?;
    let shown = output::path(namespace.folder());
    if started.before {
        output::say(format!(
            "`{}` has its namespace since before: `{shown}`",
            output::path(fork.branch.as_ref())
        ));
        if fork
            .at
            .as_ref()
            .is_some_and(|at| harness.file(at).real_path().is_ok_and(|at| at != namespace.folder()))
        {
            return Err(Failure::new(format!("it lies in `{shown}`, not where --at says"))
                .with_exit(Exit::No)
                .with_hint("discard it first, or go on without --at"));
        }
    } else {
        let files = output::count(started.files, "file");
        output::say(format!(
            "forked {files} of `{}` for `{}`",
            output::path(namespace.shared()),
            output::line(fork.branch.as_bytes())
        ));
    }
    say_left_out(&started.left_out);
    Ok((namespace, started))
}

/// What puts Claude Code's memory there.
pub(super) fn settings(namespace: &Namespace) -> serde_json::Value {
    serde_json::json!({ "autoMemoryDirectory": namespace.folder().to_string_lossy() })
}
