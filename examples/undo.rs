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
    let log = file.history()?.records()?;
    let before = log.effective().rev().nth(1).ok_or("there is nothing to undo")?;
    let _ = file.restore(before.version)?;
    println!("back at {} of {:?}", before.version.short(), before.session);
    Ok(())
}
