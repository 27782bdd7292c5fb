//! `ccpar install`

mod hooks;
mod plugin;
mod settings;
mod state;

use std::path::{Path, PathBuf};

use ccpar_core::claude_code::Client;
use ccpar_core::{Outcome, SharedFile, checkout};
use clap::Args;
use serde::Serialize;

pub(crate) use hooks::{any, without};
pub(crate) use settings::Settings;
pub(crate) use state::State;

use crate::context::{self, HowToWrite, Identity};
use crate::exit::{Exit, Failure};
use crate::hook::patterns;
use crate::output;
use crate::paint::Paint;

/// Have Claude Code call ccpar around each write, to lose nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Adds ccpar's hooks to the settings of Claude Code and leaves everything else there as
it is. Shows what will change, and asks if there is a terminal. Again, it brings the
hooks of an older or moved ccpar up to date. `ccpar uninstall` takes them out.

Example: ccpar install --dry-run
         ccpar install --plugin ~/plugins/ccpar")]
pub(crate) struct Arguments {
    #[command(flatten)]
    whose: Whose,

    /// Make a plugin in this folder instead, for `claude --plugin-dir` or a marketplace
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["user", "project"])]
    plugin: Option<PathBuf>,

    /// Only show what would change
    #[arg(short = 'n', long)]
    dry_run: bool,

    #[command(flatten)]
    how: HowToWrite,
}

/// Whose settings.
#[derive(Debug, Clone, Args)]
pub(crate) struct Whose {
    /// The user's settings, unless told otherwise: `$CLAUDE_CONFIG_DIR`, else `~/.claude`
    #[arg(long, conflicts_with = "project")]
    user: bool,

    /// The settings of the checkout here, `.claude/settings.json`
    #[arg(long)]
    project: bool,
}

impl Whose {
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        if !self.project {
            let env = |name: &str| std::env::var_os(name);
            let client = Client::new(&env).map_err(Failure::new)?;
            return Ok(client.config().join("settings.json"));
        }
        let here = std::env::current_dir().ok();
        let top = here.and_then(|here| checkout::top(&here)).ok_or_else(|| {
            Failure::new("there is no checkout here, so no settings of a project")
        })?;
        Ok(top.join(".claude").join("settings.json"))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::writing_as(&Identity::default(), &arguments.how)?;
    let program = program()?;
    let how = How {
        done: "installed in",
        idle: "already in",
        dry_run: arguments.dry_run,
        json: arguments.how.json,
        asks: arguments.plugin.is_none(),
    };
    if let Some(folder) = &arguments.plugin {
        return plugin::make(&harness, folder, &program, &how);
    }
    let path = arguments.whose.path()?;
    let file = harness.file(&path);
    let there = file.look_only()?;
    let settings = Settings::new(&path, there.content())?;
    let exit = write(&file, &how, |text| {
        let settings = Settings::new(&path, text)?;
        settings.with(&hooks::with(&settings.events, &program))
    })?;
    if exit == Exit::Done && !arguments.dry_run {
        output::say("guarded in each session that starts from now on:");
        for pattern in patterns() {
            output::quote(pattern);
        }
        let word = if arguments.whose.project { " --project" } else { "" };
        output::hint(format!("take it out again with: ccpar uninstall{word}"));
    }
    if settings.are_disabled {
        let shown = output::path(&path);
        output::say(format!(
            "`{shown}` says `disableAllHooks`: nothing is guarded until that is taken out"
        ));
    }
    if arguments.whose.project {
        output::note(
            "who shares these settings needs a ccpar at the same path: `ccpar install` guards \
             one user's sessions in all projects",
        );
    }
    Ok(exit)
}

/// How the files of the set-up are written, and what is said about it.
#[derive(Debug)]
pub(crate) struct How<'a> {
    /// For what was done to a file.
    pub(crate) done: &'a str,
    /// For a file that was well as it was.
    pub(crate) idle: &'a str,
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
    /// Whether somebody at a terminal is asked first.
    pub(crate) asks: bool,
}

/// What a verb of the set-up did, or would do.
#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    outcome: &'a str,
    dry_run: bool,
}

impl How<'_> {
    /// Says what became of a file.
    pub(crate) fn report(&self, file: &SharedFile<'_>, outcome: &str) -> Result<Exit, Failure> {
        if self.json {
            let path = &file.path().to_string_lossy();
            let outcome = if outcome == self.idle { "unchanged" } else { "written" };
            output::json(&Json { path, outcome, dry_run: self.dry_run })?;
        }
        let shown = output::path(file.path());
        let would = if self.dry_run && outcome == self.done { "would be " } else { "" };
        output::say(format!("{would}{outcome} `{shown}`"));
        Ok(Exit::Done)
    }
}

/// Shows a change of a file, and asks. Whether to go on.
pub(crate) fn show(
    file: &SharedFile<'_>,
    how: &How<'_>,
    old: &[u8],
    new: &[u8],
) -> Result<bool, Failure> {
    if how.json {
        return Ok(true);
    }
    let shown = output::path(file.path());
    let diff = match (settings::spread(old), settings::spread(new)) {
        (Some(old), Some(new)) => {
            output::note(format!("`{shown}` is shown spread out: its own layout stays"));
            Paint::stdout().diff([&shown, &shown], &old, &new)
        }
        _ => Paint::stdout().diff([&shown, &shown], old, new),
    };
    output::text(&diff)?;
    if how.dry_run || !how.asks || output::ask("write that?") != Some(false) {
        return Ok(true);
    }
    output::say("nothing was written");
    Ok(false)
}

/// Shows what `edit` makes of a file, asks, and has it made of what stands there by
/// then. `None` of `edit` says that it is well as it is.
pub(crate) fn write(
    file: &SharedFile<'_>,
    how: &How<'_>,
    edit: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, Failure>,
) -> Result<Exit, Failure> {
    let there = file.look_only()?;
    let Some(planned) = edit(there.content())? else {
        return how.report(file, how.idle);
    };
    if !show(file, how, there.content(), &planned)? {
        return Ok(Exit::No);
    }
    if how.dry_run {
        return how.report(file, how.done);
    }
    let commit = file.update(|text| {
        let edited = edit(text)?;
        Ok::<_, Failure>(edited.unwrap_or_else(|| text.to_vec()))
    })?;
    let is_idle = commit.outcome == Outcome::Unchanged;
    how.report(file, if is_idle { how.idle } else { how.done })
}

/// This very program, by a path that holds wherever it is run.
fn program() -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot tell where this ccpar lies: {error}")))?;
    if !program.is_file() {
        let shown = output::path(&program);
        return Err(Failure::new(format!("this ccpar has been moved away from `{shown}`"))
            .with_hint("run it from where it lies now"));
    }
    program.into_os_string().into_string().map_err(|program| {
        let shown = output::path(Path::new(&program));
        Failure::new(format!("`{shown}` cannot be named in settings: it is not UTF-8"))
    })
}
