//! `ccpar hook`: what Claude Code tells before and after its tools run.
//!
//! One entry for all events. Each reads the payload, does its part, and answers in
//! JSON on stdout. It fails open and aloud: whatever goes wrong here, the call goes
//! ahead, the person is told why, and it is written down for `ccpar doctor`. It
//! never ends with 2, which would stop the call.
//!
//! | event | what is done |
//! | --- | --- |
//! | `SessionStart` | registers the session; tells of siblings and of what changed |
//! | `UserPromptSubmit` | a beat; tells what changed of what the session has seen |
//! | `PreToolUse` | claims the guarded files that the call names, for the call |
//! | `PostToolUse` | takes what the tool wrote for a commit; frees the claim |
//! | `PostToolUseFailure` | the same of a command that failed; frees the claim |
//! | `PostToolBatch` | writes for the model what the client refused as stale |
//! | `FileChanged` | records what others wrote |
//! | `PermissionDenied`, `Stop`, `SubagentStop` | free what is still held |
//! | `SessionEnd` | the session is over |

mod after;
mod before;
mod command;
mod edit;
mod fields;
mod guard;
mod log;
mod patch;
mod payload;
mod refused;
mod reply;
mod session;
mod words;

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ccpar_core::registry::Release;
use ccpar_core::{Author, Harness, Wait};

use crate::config::Config;
use crate::context;
use crate::exit::Failure;
use crate::output;
use guard::Guard;
pub(crate) use guard::patterns;
pub(crate) use log::entries as log_entries;
use payload::Payload;
use reply::Reply;

/// How long a call waits for a sibling's claim before it goes ahead without one.
const PATIENCE: Duration = Duration::from_secs(5);

const HELP: &str = "Answers to what Claude Code tells before and after its tools run: reads a \
                    hook's input from stdin, as JSON. `ccpar install` puts it into the settings.\n";

/// A payload, and what is needed to act on it.
struct Call {
    payload: Payload,
    harness: Harness,
    guard: Guard,
    config: Config,
}

/// Runs one hook. Says nothing on bad usage, after an upgrade for one: the call
/// that is waiting for it goes ahead.
#[expect(clippy::disallowed_methods, reason = "a panic ends it; the kernel frees its locks")]
pub(crate) fn run() -> ExitCode {
    // A panic would end without a word.
    std::panic::set_hook(Box::new(|panic| {
        fail_open(&format!("a defect of ccpar: {panic}"), "");
        std::process::exit(0);
    }));
    if std::env::args_os().skip(2).any(|word| word == "--help" || word == "-h") {
        let _ = output::data(HELP.as_bytes());
        return ExitCode::SUCCESS;
    }
    let mut input = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut input);
    answer(read.map(|_| &*input).map_err(|error| error.to_string()));
    ExitCode::SUCCESS
}

/// Answers to the input of a hook, as far as there is any.
pub(crate) fn answer(input: Result<&[u8], String>) {
    let payload = match input.and_then(Payload::new) {
        Ok(payload) => payload,
        Err(problem) => {
            return fail_open(&format!("the hook's input cannot be read: {problem}"), "");
        }
    };
    let event = payload.hook_event_name.clone();
    let mut reply = Reply::default();
    if let Err(failure) = act(payload, &mut reply) {
        fail_open(&failure.text(), &event);
        let so = match event.as_str() {
            "PostToolUse" | "PostToolUseFailure" => {
                "what the call wrote may not have been recorded"
            }
            _ => "the call goes ahead unguarded",
        };
        reply.tell_person(format!("{so}: {}", failure.text()));
    }
    reply.print(&event);
}

/// Writes down that something went wrong before there was anything to answer
/// with, and answers.
fn fail_open(problem: &str, event: &str) {
    log::write(event, problem);
    if event.is_empty() {
        let mut reply = Reply::default();
        reply.tell_person(format!("the call goes ahead unguarded: {problem}"));
        reply.print("");
    }
}

fn act(payload: Payload, reply: &mut Reply) -> Result<(), Failure> {
    let Some(event) = Event::of(&payload) else { return Ok(()) };
    let is_call = matches!(event, Event::Before | Event::After | Event::Failed);
    if is_call && !guard::knows(&payload.tool_name) {
        return Ok(());
    }
    let config = Config::of_environment();
    let guard = Guard::new(&payload, &config);
    let mut files = Vec::new();
    if is_call {
        let input = payload.input();
        for problem in input.problems.iter().filter(|_| event == Event::Before) {
            let problem = format!("of this call of {}, {problem}", payload.tool_name);
            log::write(&payload.hook_event_name, &problem);
            reply.tell_person(format!("{problem}; it may go ahead unguarded"));
        }
        files = guard.files_of(&payload.tool_name, input);
        // Most calls are about files that nobody guards: they cost next to nothing.
        if files.is_empty() {
            return Ok(());
        }
    }
    let call = Call::new(payload, guard, config)?;
    match event {
        Event::Before => before::run(&call, &files, reply),
        Event::After => after::run(&call, &files, reply),
        Event::Failed => after::failed(&call, &files, reply),
        Event::Batch => refused::run(&call, reply),
        Event::Start => session::start(&call, reply),
        Event::Prompt => session::prompt(&call, reply),
        Event::Changed => session::changed(&call, reply),
        Event::Free => call.free(),
        Event::End => session::end(&call),
    }
}

/// What there is to do about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Before,
    After,
    Failed,
    Batch,
    Start,
    Prompt,
    Changed,
    Free,
    End,
}

impl Event {
    /// `None` for an event that is not known, or that is not about anything here.
    fn of(payload: &Payload) -> Option<Event> {
        Some(match payload.hook_event_name.as_str() {
            "PreToolUse" => Event::Before,
            "PostToolUse" => Event::After,
            "PostToolUseFailure" => Event::Failed,
            "PostToolBatch" => Event::Batch,
            "SessionStart" => Event::Start,
            "UserPromptSubmit" => Event::Prompt,
            "FileChanged" => Event::Changed,
            "PermissionDenied" | "Stop" | "SubagentStop" => Event::Free,
            "SessionEnd" => Event::End,
            _ => return None,
        })
    }
}

impl Call {
    fn new(payload: Payload, guard: Guard, config: Config) -> Result<Call, Failure> {
        let author = Author {
            session: Some(payload.session_id.clone()),
            agent: payload.agent_id.clone(),
            branch: ccpar_core::branch(&payload.cwd),
        };
        let harness = context::hooked(author, Wait::For(PATIENCE))?;
        Ok(Call { payload, harness, guard, config })
    }

    /// Frees what this agent holds for calls. Most hold nothing, and leave the lock
    /// that all sessions share alone.
    fn free(&self) -> Result<(), Failure> {
        let registry = self.harness.registry();
        let holder = registry.holder();
        let holds = registry.claims(None)?;
        if holds.iter().any(|(claim, _)| claim.call.is_some() && claim.holder == holder) {
            registry.release(Release::Calls)?;
        }
        Ok(())
    }

    /// The same for another agent of the session, or a word that stands for one.
    fn as_agent(&self, agent: &str) -> Result<Harness, Failure> {
        let author = Author { agent: Some(agent.to_owned()), ..self.harness.author().clone() };
        context::hooked(author, Wait::For(PATIENCE))
    }
}

/// A guarded file that a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    path: PathBuf,
    kind: guard::Kind,
}

impl Named {
    fn extension(&self) -> String {
        let extension = self.path.extension().and_then(|extension| extension.to_str());
        extension.unwrap_or_default().to_ascii_lowercase()
    }

    /// Whether it is JSON, whose keys may be told and no value.
    fn has_keys(&self) -> bool {
        self.kind == guard::Kind::Settings || self.extension() == "json"
    }
}
