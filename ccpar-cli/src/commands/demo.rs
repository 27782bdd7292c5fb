//! `ccpar demo`
use crate::exit::{Exit, Failure};
use clap::Args;

/// Demo
#[derive(Debug, Args)]
pub(crate) struct Arguments {}
pub(crate) fn run(_: &Arguments) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
