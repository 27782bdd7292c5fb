//! Each test by itself, in a network that is nothing but loopback.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Set where there is no network, and no process but those of the test.
const INSIDE: &str = "CCPAR_CLAUDE_INSIDE";

/// One after another: each has several clients at work.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a test with the client that it is to play to, or says aloud that it is skipped.
pub(crate) fn alone(test: impl FnOnce(PathBuf)) {
    let Some(client) = std::env::var_os("CCPAR_CLAUDE").filter(|client| !client.is_empty()) else {
        aloud("SKIPPED: CCPAR_CLAUDE names no client of Claude Code");
        return;
    };
    if std::env::var_os(INSIDE).is_some() {
        return test(client.into());
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut unshare = Command::new("unshare");
    unshare.args(["-rnpf", "--mount-proc", "--kill-child", "sh", "-c"]);
    let works = |mut command: Command| command.output().is_ok_and(|ran| ran.status.success());
    let mut trial = Command::new("unshare");
    trial.args(unshare.get_args()).arg("ip link set lo up");
    if !works(trial) {
        aloud("SKIPPED: no network of its own can be had here, the clients are asked to use none");
        return test(client.into());
    }
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let ran = unshare
        .arg("ip link set lo up && exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().unwrap())
        .args([&*name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    for line in said.lines().filter(|line| is_aloud(line)) {
        let _ = writeln!(std::io::stderr(), "\n{line}");
    }
    let stdout = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && stdout.contains("1 passed"), "{stdout}\n{said}");
}

/// Says something aloud: past the harness, which keeps to itself what a test that passes
/// prints.
pub(crate) fn aloud(what: &str) {
    let test = std::thread::current();
    let _ = writeln!(std::io::stderr(), "\n{what} ({})", test.name().unwrap_or("?"));
}

fn is_aloud(line: &str) -> bool {
    line.starts_with("SKIPPED: ") || line.starts_with("FIGURES: ")
}
