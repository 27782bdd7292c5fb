//! The rig that tries to break ccpar's promises.
//!
//! `cargo test` runs a short form of it. Long ones:
//!
//! ```text
//! cargo test --release -p ccpar-cli --test torture -- PART [--seed N] [--minutes M]
//! ```
//!
//! A failure names the seed that leads to it again, as far as processes and clocks
//! let it, and shows the least of a history that is wrong.

#[cfg(unix)]
mod linear;
#[cfg(unix)]
mod rig;

#[cfg(unix)]
const USAGE: &str = "torture PART [--seed N] [--minutes M]
parts:
  linear   histories of threads and processes, some of them killed or stopped
";

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use std::time::{Duration, Instant};

    let words: Vec<String> = std::env::args().skip(1).collect();
    // What the tests' own harness understands says nothing here.
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<f64>().ok()
    };
    let named = |part: &str| words.first().is_some_and(|word| word == part);
    if words.iter().any(|word| word == "--help") {
        println!("{USAGE}");
        return std::process::ExitCode::SUCCESS;
    }
    if words.iter().any(|word| word == "--list") {
        return std::process::ExitCode::SUCCESS;
    }
    let part: [(&str, fn(&rig::Run) -> Result<String, String>, f64); 1] =
        [("linear", linear::run, 5.0)];
    let short = !part.iter().any(|(name, _, _)| named(name));
    if short && words.first().is_some_and(|word| !word.starts_with('-')) {
        // A filter that means other tests.
        return std::process::ExitCode::SUCCESS;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a seed is whole")]
    let seed = value("--seed").map_or(1, |seed| seed as u64);
    let mut failed = false;
    for (name, run, seconds) in part.into_iter().filter(|(name, _, _)| short || named(name)) {
        let seconds =
            if short { seconds } else { value("--minutes").map_or(seconds, |m| m * 60.0) };
        let begun = Instant::now();
        let limits = rig::Run { seed, until: begun + Duration::from_secs_f64(seconds), short };
        match run(&limits) {
            Ok(figures) => {
                println!("torture {name}: {figures}; {:.1} s", begun.elapsed().as_secs_f64());
            }
            Err(problem) => {
                println!("torture {name} FAILED: {problem}");
                failed = true;
            }
        }
    }
    if failed { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

#[cfg(not(unix))]
fn main() {
    println!("SKIPPED: torture: it kills and stops processes as Unix does");
}
