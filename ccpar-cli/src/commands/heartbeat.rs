//! `ccpar heartbeat`

use std::path::PathBuf;
use std::time::Duration;

use ccpar_core::Runner;
use ccpar_core::registry::{Beat, Session};
use clap::Args;

use crate::context::{self, Acting, seconds};
use crate::exit::{Exit, Failure};
use crate::output;

/// Say that this session is at work, and renew its claims
#[derive(Debug, Args)]
#[command(after_help = "\
The session lives as long as its process: --pid, else Claude Code's own, else the
script that runs this. The first call registers it; later ones cost a touch.

Exit: 0 done; 2 trouble

Example: ccpar heartbeat --expect ~/.claude/settings.json
         ccpar heartbeat --every 60 &")]
pub(crate) struct Arguments {
    /// Files that this session expects to write, in place of what it said before:
    /// a notice, which binds nobody
    #[arg(long, value_name = "PATH", num_args = 1..)]
    expect: Option<Vec<PathBuf>>,

    /// Repeat every so many seconds until the session's process ends
    #[arg(long, value_name = "SECS", value_parser = seconds, conflicts_with = "end")]
    every: Option<Duration>,

    /// The session is over: forget it, and free its claims
    #[arg(long, conflicts_with = "expect")]
    end: bool,

    /// Print the session as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    acting: Acting,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::acting(&arguments.acting)?;
    if arguments.every.is_some_and(|every| every.is_zero()) {
        return Err(Failure::new("beats without a pause: give --every some seconds"));
    }
    if arguments.end {
        let released = harness.registry().end(None)?;
        if arguments.json {
            for claim in &released {
                output::json(claim)?;
            }
        }
        return Ok(Exit::Done);
    }
    // Some beats may be missed.
    let term = arguments.every.map(|every| every.saturating_mul(3).max(Duration::from_secs(30)));
    let beat = Beat { expects: arguments.expect.clone(), term, ..context::beat() };
    let session = harness.registry().beat(&beat)?;
    if arguments.json {
        output::json(&session)?;
    }
    match arguments.every {
        Some(every) => repeat(arguments, &session, every.max(Duration::from_millis(10))),
        None => Ok(Exit::Done),
    }
}

fn repeat(arguments: &Arguments, session: &Session, every: Duration) -> Result<Exit, Failure> {
    let process = &session.process;
    loop {
        // The branch may be another by now.
        let harness = context::acting(&arguments.acting)?.with_runner(Runner::Pid(process.pid));
        let registry = harness.registry();
        if registry.wait_for_end(session, every)? {
            registry.end(Some(process))?;
            return Ok(Exit::Done);
        }
        match registry.beat_of(process, &context::beat()) {
            Ok(true) => {}
            // Somebody ended it, or it was resumed by another process.
            Ok(false) => return Ok(Exit::Done),
            // A disk may be full for a while.
            Err(error) => {
                Failure::from(error).report();
            }
        }
    }
}
