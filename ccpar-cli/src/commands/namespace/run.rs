//! `ccpar namespace run`

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use ccpar_core::namespace::{Fork, Namespace};
use ccpar_core::registry::Beat;
use ccpar_core::{Error, Harness, Runner};
use clap::{Args, ValueEnum};

use super::{Of, acting, fork, passing, start};
use crate::context::{self, HowToWrite};
use crate::exit::{Exit, Failure};
use crate::output;

/// Run an agent with its memory in the branch's namespace, and promote at its end
#[derive(Debug, Args)]
#[command(after_help = "\
The namespace is started if it is not there. `claude` gets its folder by
`--settings`, any other command in `$CCPAR_NAMESPACE`. Ends with the command's exit
code if that is not 0, else as promote does.

Example: ccpar namespace run -- claude
         ccpar namespace run --of notes --promote always -- ./learn.sh")]
pub(super) struct Arguments {
    /// The branch [default: the one that is checked out here]
    #[arg(long)]
    branch: Option<String>,

    #[command(flatten)]
    of: Of,

    /// Where it is to lie [default: in the shared folder, named after the branch]
    #[arg(long, value_name = "FOLDER")]
    at: Option<PathBuf>,

    /// Whether to promote at the end; without a terminal, `ask` does not
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Promote::Ask)]
    promote: Promote,

    #[command(flatten)]
    how: HowToWrite,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Promote {
    Ask,
    Always,
    Never,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let fork =
        Fork { at: arguments.at.clone(), ..fork(arguments.branch.as_deref(), &arguments.of)? };
    let harness = acting(&arguments.how, &fork.branch)?;
    let (namespace, _) = start::start(&harness, &fork)?;
    let agent = acting(&arguments.how, &fork.branch)?;
    let ended = launch(agent, &arguments.command, &namespace)?;
    let promoted = promote(arguments, &harness, &namespace)?;
    Ok(if ended == Exit::Code(0) { promoted } else { ended })
}

/// Runs the command to its end, as a session that is known to write there. A Ctrl-C is
/// the command's to answer.
fn launch(harness: Harness, words: &[OsString], namespace: &Namespace) -> Result<Exit, Failure> {
    let words = with_settings(words, namespace)?;
    ctrlc::set_handler(|| {})
        .map_err(|error| Failure::new(format!("cannot leave Ctrl-C to the command: {error}")))?;
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .env("CCPAR_NAMESPACE", namespace.folder())
        .spawn()
        .map_err(|error| {
            let name = output::path(words[0].as_ref());
            Failure::new(match error.kind() {
                io::ErrorKind::NotFound => format!("there is no command `{name}`"),
                _ => format!("cannot run `{name}`: {error}"),
            })
        })?;
    let harness = harness.with_runner(Runner::Pid(child.id()));
    let expects = Some(vec![namespace.folder().to_owned()]);
    let session = harness.registry().beat(&Beat { expects, ..context::beat() });
    let ended = child.wait();
    // The command has run, whether that could be written down or not.
    let told = session.and_then(|session| harness.registry().end(Some(&session.process)));
    match told {
        // A command that had ended by then was no session for long.
        Ok(_) | Err(Error::NoProcess { .. }) => {}
        Err(error) => {
            Failure::from(error).report();
        }
    }
    ended.map(Exit::of).map_err(|error| Failure::new(format!("cannot wait for it: {error}")))
}

/// Claude Code takes its memory's folder from the settings that it is given.
fn with_settings(words: &[OsString], namespace: &Namespace) -> Result<Vec<OsString>, Failure> {
    let program = Path::new(&words[0]).file_stem().unwrap_or_default();
    if program != "claude" {
        let name = output::path(Path::new(&words[0]));
        output::note(format!("`{name}` is not `claude`: its notes belong in $CCPAR_NAMESPACE"));
        return Ok(words.to_vec());
    }
    let mut settings = start::settings(namespace);
    let (own, rest) = without_settings(&words[1..]);
    if let Some(own) = own {
        let own = parse_settings(&own)?;
        if let Some(ours) = settings.as_object_mut() {
            for (key, value) in own {
                ours.entry(key).or_insert(value);
            }
        }
    }
    let words = [words[0].clone(), "--settings".into(), settings.to_string().into()];
    Ok(words.into_iter().chain(rest).collect())
}

/// Takes all `--settings` out of a command line; the last counts.
fn without_settings(words: &[OsString]) -> (Option<OsString>, Vec<OsString>) {
    let (mut given, mut rest) = (None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--settings" && words.len() > 0 {
            given = words.next().cloned();
        } else if let Some(value) = word.to_str().and_then(|word| word.strip_prefix("--settings="))
        {
            given = Some(value.into());
        } else {
            rest.push(word.clone());
        }
    }
    (given, rest)
}

/// Settings are given as JSON, or as a file that holds it.
fn parse_settings(word: &OsStr) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let wrong = |why: String| Failure::new(format!("`--settings` cannot be added to: {why}"));
    let text = word.to_string_lossy();
    let bytes = if text.trim_start().starts_with('{') {
        text.as_bytes().to_vec()
    } else {
        let shown = output::path(Path::new(word));
        std::fs::read(word).map_err(|error| wrong(format!("`{shown}`: {error}")))?
    };
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

fn promote(
    arguments: &Arguments,
    harness: &Harness,
    namespace: &Namespace,
) -> Result<Exit, Failure> {
    let json = arguments.how.json;
    if !matches!(arguments.promote, Promote::Always) {
        let planned = namespace.plan_promote(harness)?;
        let nothing = planned.changes.is_empty();
        passing::report(planned, namespace.shared(), true, json)?;
        let asks = matches!(arguments.promote, Promote::Ask) && !nothing;
        if !asks || output::ask("promote that?") != Some(true) {
            if !nothing {
                let of = output::file_word(namespace.shared());
                let branch = output::shell_word(namespace.branch().as_ref());
                output::hint(format!("ccpar namespace promote {branch} --of {of}"));
            }
            return Ok(Exit::Done);
        }
    }
    passing::report(namespace.promote(harness)?, namespace.shared(), false, json)
}
