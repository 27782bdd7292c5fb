//! `ccpar release`

use std::path::PathBuf;

use ccpar_core::layout;
use ccpar_core::registry::Release;
use clap::Args;

use crate::context::{self, Acting};
use crate::exit::{Exit, Failure};
use crate::output;

/// Release claims: by token, on some files, or all of this session
#[derive(Debug, Args)]
#[command(after_help = "\
Exit: 0 released; 1 what was named is not held, or not any more; 2 trouble

Example: ccpar release --claim \"$token\"")]
pub(crate) struct Arguments {
    /// The files to release [default: all that this holder has claimed]
    paths: Vec<PathBuf>,

    /// Release the claim with this token, whoever holds it
    #[arg(long, value_name = "TOKEN", conflicts_with = "paths")]
    claim: Option<u64>,

    /// Print what was released as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    acting: Acting,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::acting(&arguments.acting)?;
    let what = match (arguments.claim, &arguments.paths[..]) {
        (Some(token), _) => Release::Token(token),
        (None, []) => Release::All,
        (None, paths) => Release::Files(paths),
    };
    // All that can fail comes before: what is released stays so.
    let mut keys = Vec::new();
    for path in &arguments.paths {
        keys.push(layout::key(&harness.file(path).real_path()?));
    }
    let registry = harness.registry();
    let released = registry.release(what)?;
    if arguments.json {
        for claim in &released {
            output::json(claim)?;
        }
    }
    let mut not_held = Vec::new();
    if let (Some(token), true) = (arguments.claim, released.is_empty()) {
        not_held.push(format!("token {token} holds no claim"));
    }
    for (path, key) in arguments.paths.iter().zip(keys) {
        if released.iter().flat_map(|claim| &claim.files).all(|file| file.key != key) {
            not_held.push(format!(
                "{} has no claim on `{}`",
                registry.holder(),
                output::path(path)
            ));
        }
    }
    if not_held.is_empty() {
        return Ok(Exit::Done);
    }
    for what in not_held {
        output::say(format!("{what} (any more)"));
    }
    Err(Failure::silent(Exit::No).with_hint("list the claims with: ccpar sessions --claims"))
}
