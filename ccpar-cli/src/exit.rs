//! Exit codes, and the one place where an error becomes a message.

use std::io;
use std::process::{ExitCode, ExitStatus};

use ccpar_core::Error;

use crate::output;

/// How a verb ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The answer is no: busy, refused, or a conflict was kept.
    No,
    /// Bad usage, or trouble.
    Trouble,
    /// What the command that was run ended with, or flock(1) in its place.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Trouble => 2,
            Exit::Code(code) => code,
        })
    }
}

impl Exit {
    /// The exit code of a command, as a shell sees it: 128 and the signal if
    /// one killed it.
    pub(crate) fn of(status: ExitStatus) -> Exit {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal: Option<i32> = None;
        let code = status.code().or(signal.map(|signal| 128 + signal));
        Exit::Code(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
    }
}

/// Why a verb could not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// Nothing to say if the reader of our output is gone.
    message: Option<String>,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Trouble, message: Some(message.into()), hint: None }
    }

    /// Ends with this code, in silence: a command that was run has spoken.
    pub(crate) fn silent(exit: Exit) -> Failure {
        Failure { exit, message: None, hint: None }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    pub(crate) fn with_exit(self, exit: Exit) -> Failure {
        Failure { exit, ..self }
    }

    /// Whether the answer was no, rather than trouble.
    pub(crate) fn is_no(&self) -> bool {
        self.exit == Exit::No
    }

    /// The message and what to do about it, in one line.
    pub(crate) fn text(&self) -> String {
        let parts = self.message.iter().chain(&self.hint).map(String::as_str);
        parts.collect::<Vec<_>>().join("; ")
    }

    /// Prints the message, and says how to end.
    pub(crate) fn report(&self) -> Exit {
        if let Some(message) = &self.message {
            output::say(message);
        }
        if let Some(hint) = &self.hint {
            output::hint(hint);
        }
        self.exit
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let exit = match error {
            Error::Busy { .. }
            | Error::NoBase { .. }
            | Error::Claimed { .. }
            | Error::Outdated { .. } => Exit::No,
            _ => Exit::Trouble,
        };
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        let failure = Failure::new(message).with_exit(exit);
        match &error {
            Error::Claimed { claim, .. } => failure.with_hint(format!(
                "claimed at {}; wait longer with --wait, or see who it is with: ccpar sessions",
                output::time(claim.granted.wall),
            )),
            Error::NotDurable { .. } => {
                failure.with_hint("a power loss may take it back: the same again makes it sure")
            }
            _ => failure,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        // A reader that closed the pipe has what it wanted.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::silent(Exit::Done);
        }
        Failure::new(format!("cannot write to stdout: {error}"))
    }
}
