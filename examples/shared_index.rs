//! A tool that keeps entries in an index which other sessions write too: read,
//! take as long as it takes, commit what was made of it.
//!
//! `cargo run --example shared_index -- INDEX.md "- [build](build.md): how"`

use std::error::Error;

use ccpar_core::{CommitOptions, Harness, Outcome, layout};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(path), Some(entry)) = (words.next(), words.next()) else {
        return Err("usage: shared_index FILE ENTRY".into());
    };
    let root = layout::root(|name| std::env::var_os(name))?;
    let harness = Harness::open(root)?;
    let index = harness.file(path);

    let base = index.read()?;
    let text = [base.content(), entry.as_bytes(), b"\n"].concat();
    let commit = index.commit(&text, &CommitOptions::from(&base))?;
    match commit.outcome {
        // The index has what others wrote; all of this text is in the copy.
        Outcome::Conflict { copy, .. } => {
            return Err(format!("could not be merged: see {}", copy.display()).into());
        }
        Outcome::Merged => println!("added, to what others added meanwhile"),
        _ => println!("added"),
    }
    Ok(())
}
