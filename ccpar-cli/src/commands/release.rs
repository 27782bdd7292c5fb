//! `ccpar release`

use std::path::PathBuf;

use ccpar_core::layout;
use ccpar_core::registry::Release;
use clap::Args;

use crate::context::{self, Acting};
use crate::exit::{Exit, Failure};
use crate::output;

/// Release claims: of a token, on some files, or all of this session
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
    let registry = harness.registry();
    let released = registry.release(what)?;
    if arguments.json {
        for claim in &released {
            output::json(claim)?;
        }
    }
    let not_held = match (arguments.claim, &arguments.paths[..]) {
        (Some(token), _) if released.is_empty() => vec![format!("token {token} holds no claim")],
        (Some(_), _) | (None, []) => Vec::new(),
        (None, paths) => {
            let files: Vec<_> = released.iter().flat_map(|claim| &claim.files).collect();
            let key =
                |path: &PathBuf| harness.file(path).real_path().map(|real| layout::key(&real));
            let mut not_held = Vec::new();
            for path in paths {
                let key = key(path)?;
                if files.iter().all(|file| file.key != key) {
                    let (who, path) = (registry.holder(), output::path(path));
                    not_held.push(format!("{who} has no claim on `{path}`"));
                }
            }
            not_held
        }
    };
    let Some((last, others)) = not_held.split_last() else { return Ok(Exit::Done) };
    others.iter().for_each(|what| output::say(format!("{what} (any more)")));
    Err(Failure::new(format!("{last} (any more)"))
        .with_exit(Exit::No)
        .with_hint("list the claims with: ccpar sessions --claims"))
}
