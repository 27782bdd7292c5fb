//! `ccpar claim`

use std::path::PathBuf;
use std::time::Duration;

use ccpar_core::registry::Terms;
use clap::Args;

use crate::context::{self, Acting, seconds};
use crate::exit::{Exit, Failure};
use crate::output;

/// Claim files for this session, all or none, until released
#[derive(Debug, Args)]
#[command(after_help = "\
Prints the claim's token. `locked-write`, `locked-edit` and `restore` of others
wait, and are then refused. A claim ends with `ccpar release`, with its session's
process, or when its term has passed since the last `ccpar heartbeat`. That process
is the program that runs this: where it is timeout(1), make or the like, and ends
with the line, name the script's own with `--pid $$`.

Exit: 0 claimed; 1 somebody else holds one of them; 2 trouble

Example: token=$(ccpar claim notes.md --reason 'sorting the index')
         ccpar locked-write notes.md --claim \"$token\" < mine.md
         ccpar release --claim \"$token\"")]
pub(crate) struct Arguments {
    /// The files to claim; they need not exist
    paths: Vec<PathBuf>,

    /// Its term, in seconds from now or from the session's last beat
    #[arg(long, value_name = "SECS", value_parser = seconds, default_value = "600")]
    ttl: Duration,

    /// Wait at most this long; 0 tries once [default: 30, or `$CCPAR_WAIT`]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    wait: Option<Duration>,

    /// What it is for: said to those who wait
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Print the claim as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    acting: Acting,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.ttl.as_millis() == 0 {
        return Err(Failure::new("a claim of no time binds nobody: give --ttl some seconds"));
    }
    if arguments.paths.is_empty() {
        return Err(Failure::new("name the files to claim: nothing is claimed")
            .with_hint("see what is claimed, and by whom, with: ccpar sessions --claims"));
    }
    let harness = context::acting(&arguments.acting)?.with_wait(context::wait(arguments.wait)?);
    let terms = Terms {
        ttl: arguments.ttl,
        reason: arguments.reason.clone(),
        beat: context::beat(),
        ..Terms::default()
    };
    let claim = harness.registry().claim(&arguments.paths, &terms)?;
    if arguments.json {
        output::json(&claim)?;
    } else {
        output::data(format!("{}\n", claim.token).as_bytes())?;
    }
    Ok(Exit::Done)
}
