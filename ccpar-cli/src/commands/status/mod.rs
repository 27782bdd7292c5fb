//! `ccpar status`

mod files;
mod line;
mod screen;
mod view;

use std::env;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use ccpar_core::{Harness, layout};
use clap::Args;
use terminal_size::{Height, Width, terminal_size_of};

use crate::commands::notice::Changes;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::paint::Paint;
use view::View;

/// When to look again at what nothing tells of: sessions that have died, a new day.
const AGAIN: Duration = Duration::from_secs(5);

/// How often ages are drawn anew.
const TICK: Duration = Duration::from_secs(1);

/// Show who is at work, what was written, and what needs somebody
#[derive(Debug, Args)]
#[command(after_help = "\
Looks at all known files: records what something other than ccpar wrote since the
last look, and names lost lines, conflict copies, emptied, unparsable and removed
files, and links in their place, each with the way back. What is in order is counted.

--line prints what fits into a prompt, or Claude Code's status line. Of files it
tells what the last look found. It may be five seconds behind where sessions only gave
a sign of life, and a minute where one ended whose process cannot be asked about.

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

/// What `--line` is for.
pub(crate) fn print_line() -> Result<Exit, Failure> {
    let (line, exit) = line::line(&context::reading(&Identity::default())?)?;
    output::data(format!("{line}\n").as_bytes())?;
    Ok(exit)
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.line {
        return print_line();
    }
    let harness = context::reading(&Identity::default())?;
    if arguments.watch {
        return watch(&harness);
    }
    let view = View::new(&harness)?;
    if arguments.json {
        output::data(&view.json()?)?;
        return Ok(view.exit());
    }
    output::text(&screen::draw(&view, Paint::stdout(), columns()))?;
    output::say(view.summary());
    Ok(view.exit())
}

/// The columns and rows of the terminal that stdout is, if it is one.
fn size() -> Option<(usize, usize)> {
    let stdout = std::io::stdout();
    let (Width(columns), Height(rows)) =
        terminal_size_of(&stdout).filter(|_| stdout.is_terminal())?;
    // A terminal that does not know its size says 0.
    (columns > 0 && rows > 0).then(|| (columns.into(), rows.into()))
}

fn columns() -> Option<usize> {
    size().map(|(columns, _)| columns)
}

/// Draws it again whenever something changed, in place on a terminal that can do
/// that; elsewhere the whole of it when more changed than an age.
fn watch(harness: &Harness) -> Result<Exit, Failure> {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    let in_place = std::io::stdout().is_terminal() && !is_dumb;
    let mut changes = Changes::new()?;
    let (mut view, mut looked) = (View::new(harness)?, Instant::now());
    let mut can_follow = follow(&mut changes, harness, &view);
    if let Err(failure) = &can_follow {
        failure.report();
    }
    let mut shown: Option<Vec<u8>> = None;
    loop {
        let mut text = screen::draw(&view, Paint::stdout(), columns());
        text.extend(format!("{}\n", view.summary()).into_bytes());
        if in_place {
            let (columns, rows) = size().unwrap_or((80, 24));
            let text = screen::fit(&text, columns, rows);
            if shown.as_ref() != Some(&text) {
                // What stood there before is scrolled away, not wiped out.
                if shown.is_none() {
                    output::data("\n".repeat(rows).as_bytes())?;
                }
                output::text(&text)?;
                shown = Some(text);
            }
        } else {
            let facts = view.json()?;
            if shown.as_ref() != Some(&facts) {
                if shown.is_some() {
                    output::data(b"\n")?;
                }
                output::text(&text)?;
                shown = Some(facts);
            }
        }
        let has_changed = changes.wait(TICK)?;
        if has_changed || looked.elapsed() >= AGAIN {
            (view, looked) = (View::new(harness)?, Instant::now());
            if can_follow.is_ok() {
                can_follow = follow(&mut changes, harness, &view);
            }
        }
    }
}

/// Has the system tell of all that is shown. Where it cannot, because a limit is
/// reached, what changes is seen when it is looked at again.
fn follow(changes: &mut Changes, harness: &Harness, view: &View) -> Result<(), Failure> {
    let root = harness.root().as_std_path();
    changes.follow(root)?;
    for folder in ["sessions", "namespaces"] {
        changes.follow(&root.join(folder))?;
    }
    let client = layout::client_sessions(|name| env::var_os(name));
    let files = view.files.iter().map(|file| &*file.target).chain(view.hooks.settings.as_deref());
    let folders = files.filter_map(|path| path.parent()).chain(client.as_deref());
    folders.into_iter().try_for_each(|folder| changes.follow(folder))
}
