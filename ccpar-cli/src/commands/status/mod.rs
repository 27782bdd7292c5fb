//! `ccpar status`

mod files;
mod screen;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;

use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::paint::Paint;
use view::View;

/// How often what is shown is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// Clears a terminal.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J\x1b[3J";

/// Show who is at work, what was written, and what needs somebody
#[derive(Debug, Args)]
#[command(after_help = "\
Looks at all known files: records what something other than ccpar wrote since the
last look, and names lost lines, conflict copies, emptied, unparsable and removed
files, and links in their place, each with the way back. What is in order is counted.

--line prints what fits into a prompt, or Claude Code's status line; it tells what
the last look found.

Exit: 0 all is well; 1 something needs somebody; 2 trouble

Example: ccpar status --watch")]
pub(crate) struct Arguments {
    /// Show it again whenever it changes, until it is stopped
    #[arg(long, conflicts_with_all = ["json", "line"])]
    watch: bool,

    /// Print it in one line
    #[arg(long, conflicts_with = "json")]
    line: bool,

    /// Print one JSON object per session, file, namespace and other thing to tell of
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    if arguments.line {
        let (line, exit) = view::line(&harness)?;
        output::data(format!("{line}\n").as_bytes())?;
        return Ok(exit);
    }
    if arguments.watch {
        return watch(&harness);
    }
    let view = View::new(&harness)?;
    if arguments.json {
        view.print_json()?;
        return Ok(view.exit());
    }
    output::text(&screen::draw(&view, Paint::stdout()))?;
    output::say(view.summary());
    Ok(view.exit())
}

fn watch(harness: &ccpar_core::Harness) -> Result<Exit, Failure> {
    let is_terminal = std::io::stdout().is_terminal();
    let mut shown = None;
    loop {
        let view = View::new(harness)?;
        let mut text = screen::draw(&view, Paint::stdout());
        text.extend(format!("{}\n", view.summary()).into_bytes());
        if shown.as_ref() != Some(&text) {
            if is_terminal {
                output::data(CLEAR)?;
            } else if shown.is_some() {
                output::data(b"\n")?;
            }
            output::text(&text)?;
            shown = Some(text);
        }
        std::thread::sleep(AGAIN);
    }
}
