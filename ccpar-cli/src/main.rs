//! `ccpar`: keeps parallel coding sessions from overwriting each other's files.
//!
//! A thin face of `ccpar-core`: each verb reads its arguments, calls the
//! library, and says how it went. stdout is data; everything else is stderr.

mod cli;
mod commands;
mod config;
mod context;
mod exit;
mod hook;
mod named;
mod output;
mod paint;
mod progress;
mod when;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A hook comes with nothing to parse, and has no time for it.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "hook") {
        return hook::run();
    }
    // Nor has a prompt.
    if std::env::args_os().skip(1).eq(["status", "--line"]) {
        return end(commands::status::print_line());
    }
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    end(cli.command.run())
}

fn end(ended: Result<exit::Exit, exit::Failure>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}
