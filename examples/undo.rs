//! Undo: puts back the version before the newest, whoever wrote that.
//!
//! `cargo run --example undo -- notes.md`

use std::error::Error;

use ccpar_core::{Harness, layout};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: undo FILE")?;
    let root = layout::root(|name| std::env::var_os(name))?;
    let harness = Harness::open(root)?;
    let file = harness.file(path);
    // What something other than ccpar wrote is in the history from here on.
    let _ = file.settle()?;

    let log = file.history()?.records()?;
    let before = log.effective().rev().nth(1).ok_or("there is nothing to undo")?;
    let _ = file.restore(before.version)?;
    let by = before.session.as_deref().unwrap_or("somebody");
    println!("back at number {}, by {by}", before.n);
    Ok(())
}
