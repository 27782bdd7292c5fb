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
mod faults;
#[cfg(unix)]
mod linear;
#[cfg(unix)]
mod power;
#[cfg(unix)]
mod rig;
#[cfg(unix)]
mod soak;

#[cfg(unix)]
const USAGE: &str = "torture PART [--seed N] [--minutes M] [--only NAME]
parts:
  faults   each system call of each verb that writes fails, or is the last; no time limit
           but the one that is given
  power    each disk that a power loss could leave, and each sync taken out
  soak     16 writers, 4 others, a watch, prunes, looks and claims at once
  linear   histories of threads and processes, some of them killed or stopped
";

/// One part of the rig.
#[cfg(unix)]
struct Part {
    name: &'static str,
    run: fn(&rig::Run) -> Result<String, String>,
    /// How long it goes on at the most, with the tests and when it is named.
    short_seconds: f64,
    minutes: f64,
}

#[cfg(unix)]
const PARTS: [Part; 4] = [
    Part { name: "linear", run: linear::run, short_seconds: 5.0, minutes: 1.0 },
    Part { name: "faults", run: faults::run_faults, short_seconds: 8.0, minutes: 600.0 },
    Part { name: "soak", run: soak::run, short_seconds: 0.0, minutes: 10.0 },
    Part { name: "power", run: power::run, short_seconds: 5.0, minutes: 600.0 },
];

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
    let short = !PARTS.iter().any(|part| named(part.name));
    if short && words.first().is_some_and(|word| !word.starts_with('-')) {
        // A filter that means other tests.
        return std::process::ExitCode::SUCCESS;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a seed is whole")]
    let seed = value("--seed").map_or(1, |seed| seed as u64);
    let only = words.iter().position(|word| word == "--only");
    let only = only.and_then(|at| words.get(at + 1)).cloned().unwrap_or_default();
    let mut failed = false;
    for part in
        PARTS.iter().filter(|part| if short { part.short_seconds > 0.0 } else { named(part.name) })
    {
        let minutes = value("--minutes").unwrap_or(part.minutes);
        let seconds = if short { part.short_seconds } else { minutes * 60.0 };
        let begun = Instant::now();
        let limits = rig::Run {
            seed,
            until: begun + Duration::from_secs_f64(seconds),
            short,
            only: only.clone(),
        };
        match (part.run)(&limits) {
            Ok(figures) => {
                println!(
                    "torture {}: {figures}; {:.1} s",
                    part.name,
                    begun.elapsed().as_secs_f64()
                );
            }
            Err(problem) => {
                println!("torture {} FAILED: {problem}", part.name);
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
