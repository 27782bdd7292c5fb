//! What the environment says: which root, which session, how long to wait.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use ccpar_core::history::Record;
use ccpar_core::registry::Beat;
use ccpar_core::{
    Author, Durability, Error, Harness, History, Runner, Settled, SharedFile, Wait, layout,
};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::commands::report;
use crate::config;
use crate::exit::Failure;
use crate::output;
use crate::progress::Progress;

/// The processes that wait for this one, so that it does not wait for them.
const CALLERS: &str = "CCPAR_CALLERS";

/// Who acts.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Identity {
    /// The session that acts [default: `$CCPAR_SESSION`, else Claude Code's own]
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    session: Option<String>,
}

/// Who is at work.
#[derive(Debug, Clone, Args)]
pub(crate) struct Acting {
    #[command(flatten)]
    identity: Identity,

    /// The process that the session lives as long as [default: `$CLAUDE_PID`, else
    /// the script that runs this]
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Which agent of the session: each has claims of its own
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    holder: Option<String>,
}

/// Under which claim a text is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Claimed {
    /// Write under the claim with this token: refuse if that is over
    #[arg(long, value_name = "TOKEN")]
    claim: Option<u64>,
}

impl Claimed {
    pub(crate) fn apply(&self, harness: Harness) -> Harness {
        harness.with_token(self.claim)
    }
}

/// Who writes, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Writing {
    #[command(flatten)]
    identity: Identity,

    #[command(flatten)]
    pub(crate) how: HowToWrite,
}

/// How a write is done.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowToWrite {
    /// Wait at most this long for the lock; 0 tries once [default: 30, or `$CCPAR_WAIT`]
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    wait: Option<Duration>,

    /// Write even if the file has other names (hard links), splitting it off
    #[arg(long)]
    break_hard_link: bool,

    /// What the write survives: `disk` a power loss, `process` a crash of ccpar
    /// [default: disk, or `$CCPAR_DURABILITY`]
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true)]
    durability: Option<DurabilityArg>,

    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether what is written is kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct Keeping {
    /// Keep nothing of what is written and replaced: for a disk that is full, or a
    /// history that cannot be written
    #[arg(long)]
    no_history: bool,
}

impl Keeping {
    /// The way round a history that cannot be written.
    pub(crate) const WAY_ROUND: &str = "to write all the same, without keeping what was there, \
                                        add: --no-history";

    pub(crate) fn apply(&self, harness: Harness) -> Harness {
        if self.no_history { harness.without_history() } else { harness }
    }
}

/// An error of a write: with the way round if it was the history's, and with what
/// to do if there is no lock to be had.
pub(crate) fn failed_write(harness: &Harness, error: Error, way_round: &str) -> Failure {
    let is_in = |folder: &str| match &error {
        Error::Io { path, .. } | Error::Record { path, .. } => {
            path.starts_with(harness.root().join(folder))
        }
        _ => false,
    };
    let (of_history, of_lock) = (is_in("history"), is_in("locks"));
    let failure = Failure::from(error);
    if of_history {
        failure.with_hint(format!("nothing was written; {way_round}"))
    } else if of_lock {
        failure.with_hint(format!(
            "nothing was written, as without a lock others may write at the same time: make `{}` \
             writable, or set CCPAR_ROOT to a folder that is, for all who write the file",
            harness.root()
        ))
    } else {
        failure
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DurabilityArg {
    Disk,
    Process,
}

/// Parses a number of seconds, with fractions.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|secs| Duration::try_from_secs_f64(secs).ok())
        .ok_or_else(|| "not a number of seconds, like 5 or 0.2".to_owned())
}

/// The harness for a verb that writes.
pub(crate) fn writing(options: &Writing) -> Result<Harness, Failure> {
    writing_as(&options.identity, &options.how)
}

/// The same, where who writes was said elsewhere.
pub(crate) fn writing_as(identity: &Identity, options: &HowToWrite) -> Result<Harness, Failure> {
    let durability = durability(options.durability)?;
    let wait = wait(options.wait)?;
    let harness = reading(identity)?.with_wait(wait).with_durability(durability);
    let limits = config::limits(harness.root().as_std_path());
    let harness = harness.with_limits(limits);
    Ok(if options.break_hard_link { harness.with_hard_links_broken() } else { harness })
}

fn durability(given: Option<DurabilityArg>) -> Result<Durability, Failure> {
    match (given, variable("CCPAR_DURABILITY").as_deref()) {
        (Some(DurabilityArg::Disk), _) | (None, None | Some("disk")) => Ok(Durability::Disk),
        (Some(DurabilityArg::Process), _) | (None, Some("process")) => Ok(Durability::Process),
        (None, Some(other)) => {
            Err(Failure::new(format!("CCPAR_DURABILITY=`{other}` is neither `disk` nor `process`")))
        }
    }
}

/// How long to wait for a lock or a claim.
pub(crate) fn wait(given: Option<Duration>) -> Result<Wait, Failure> {
    let wait = match (given, variable("CCPAR_WAIT")) {
        (Some(wait), _) => wait,
        (None, Some(text)) => {
            seconds(&text).map_err(|why| Failure::new(format!("CCPAR_WAIT=`{text}` is {why}")))?
        }
        (None, None) => Duration::from_secs(30),
    };
    Ok(if wait.is_zero() { Wait::Never } else { Wait::For(wait) })
}

/// The harness for a verb that says who is at work.
pub(crate) fn acting(acting: &Acting) -> Result<Harness, Failure> {
    let mut harness = reading(&acting.identity)?;
    if let Some(agent) = &acting.holder {
        let author = Author { agent: Some(agent.clone()), ..harness.author().clone() };
        harness = harness.with_author(author);
    }
    Ok(match acting.pid {
        Some(pid) => harness.with_runner(Runner::Pid(pid)),
        None => harness,
    })
}

/// The harness for a hook, which knows who acts, and what it may cost to wait.
pub(crate) fn hooked(author: Author, wait: Wait) -> Result<Harness, Failure> {
    let root = layout::root(|name| env::var_os(name)).map_err(Failure::new)?;
    let harness = Harness::open(root)?.with_author(author).with_wait(wait).with_runner(runner());
    let limits = config::limits(harness.root().as_std_path());
    Ok(harness.with_durability(durability(None)?).with_limits(limits))
}

/// What a session says of itself whenever it speaks.
pub(crate) fn beat() -> Beat {
    Beat { folder: env::current_dir().ok(), ..Beat::default() }
}

/// Claude Code says which process it is; else the script that runs this one is
/// meant.
fn runner() -> Runner {
    let client = variable("CLAUDE_PID").and_then(|pid| pid.parse().ok());
    client.map_or(Runner::Caller, Runner::Pid)
}

/// The harness for a verb that only looks.
pub(crate) fn reading(identity: &Identity) -> Result<Harness, Failure> {
    let root = layout::root(|name| env::var_os(name)).map_err(Failure::new)?;
    let callers = variable(CALLERS).unwrap_or_default();
    let harness = Harness::open(root)?
        .with_author(author(identity))
        .with_runner(runner())
        .with_callers(callers.split_whitespace().map(str::to_owned).collect())
        .on_claimed(|path, claim| {
            output::say(format!(
                "waiting for `{}`, claimed by {} since {}",
                output::path(path),
                claim.holder,
                output::time(claim.granted.wall)
            ));
        })
        .on_wait(|path, owner| {
            let path = output::path(path);
            match owner {
                Some(owner) => output::say(format!(
                    "waiting for `{path}`, locked by {owner} since {}",
                    output::time(owner.since)
                )),
                None => output::say(format!("waiting for `{path}`, which is locked")),
            }
        });
    Ok(match Progress::on_terminal() {
        Some(progress) => harness.on_progress(move |done, of| progress.tell(done, of)),
        None => harness,
    })
}

fn author(identity: &Identity) -> Author {
    let given = identity.session.clone().or_else(|| variable("CCPAR_SESSION"));
    // Within a session of Claude Code this is a command that the session runs,
    // whose reads the session itself has not seen.
    let (session, agent) = match given {
        Some(session) => (Some(session), None),
        None => match variable("CLAUDE_CODE_SESSION_ID") {
            Some(session) => (Some(session), Some(Author::COMMAND.to_owned())),
            None => (None, None),
        },
    };
    let branch = env::current_dir().ok().and_then(|dir| ccpar_core::branch(&dir));
    Author { session, agent, branch }
}

/// What a command that is run under a lock is told.
pub(crate) fn callers(harness: &Harness) -> (&'static str, String) {
    let outer = variable(CALLERS).unwrap_or_default();
    (CALLERS, format!("{outer} {}", harness.owner().process()).trim().to_owned())
}

/// Declines a file that has a locking of its own, which ccpar's does not
/// exclude.
pub(crate) fn decline_foreign(file: &SharedFile<'_>) -> Result<(), Failure> {
    let real = file.real_path()?;
    if real.file_name().is_none_or(|name| name != ".claude.json") {
        return Ok(());
    }
    let folders = ["CLAUDE_CONFIG_DIR", "HOME", "USERPROFILE"].map(env::var_os);
    for folder in folders.into_iter().flatten().map(PathBuf::from) {
        let own = file.sibling(folder.join(".claude.json"));
        if own.real_path().is_ok_and(|own| own == real) {
            let message = format!(
                "`{}` is Claude Code's own and has a lock of another kind, which ccpar's does \
                 not exclude: a write could destroy the client's state",
                output::path(file.path())
            );
            return Err(Failure::new(message).with_hint("use `claude config` or `claude mcp`"));
        }
    }
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Looks whether something other than ccpar wrote a file that is known, and says
/// so where lines were swallowed. That this fails is said, and no reason to do
/// nothing: whether it could look is for who would call all well.
pub(crate) fn settle(file: &SharedFile<'_>) -> bool {
    settle_with(file, |record| report::outside(file.path(), record))
}

/// The same for a verb that says itself what was swallowed.
pub(crate) fn settle_quietly(file: &SharedFile<'_>) -> bool {
    settle_with(file, |_| {})
}

/// The history that a path had of its own, if it leads through a link now: what
/// its path means is then another file.
pub(crate) fn before_link(file: &SharedFile<'_>) -> Option<History> {
    file.before_link().ok().flatten()
}

/// Says so where a path leads through a link and had a history of its own, with the
/// way to that.
fn note_link(file: &SharedFile<'_>) {
    if let (Some(own), Ok(real)) = (before_link(file), file.real_path()) {
        let (note, away) = report::link(own.target(), &real);
        output::note(format!("`{}` {note}, and this is about that", output::path(file.path())));
        let word = output::file_word(own.target());
        output::hint(format!("see what it was itself with: {away} && ccpar log {word}"));
    }
}

fn settle_with(file: &SharedFile<'_>, tell: impl FnOnce(&Record)) -> bool {
    note_link(file);
    let known = || Ok::<_, Error>(!file.history()?.recent(1)?.is_empty());
    match known().and_then(|known| if known { file.settle() } else { Ok(Settled::Known) }) {
        Ok(Settled::Outside(record)) => tell(&record),
        Ok(Settled::Known | Settled::Busy) => {}
        Err(error) => {
            Failure::from(error).report();
            return false;
        }
    }
    true
}
