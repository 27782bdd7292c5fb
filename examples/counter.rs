//! A number that many processes count up: made from the newest text under the
//! lock, so that no base is needed and nothing comes in between.
//!
//! `cargo run --example counter -- COUNT`

use std::error::Error;

use ccpar_core::{Harness, layout};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: counter FILE")?;
    let root = layout::root(|name| std::env::var_os(name))?;
    let harness = Harness::open(root)?;
    let mut count: u64 = 0;
    let _ = harness.file(path).update(|text| {
        let text = std::str::from_utf8(text)?.trim();
        count = if text.is_empty() { 1 } else { text.parse::<u64>()? + 1 };
        Ok::<_, Box<dyn Error>>(format!("{count}\n").into_bytes())
    })?;
    println!("{count}");
    Ok(())
}
