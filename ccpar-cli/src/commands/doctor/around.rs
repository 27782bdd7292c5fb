//! What lies around: sessions, namespaces, indexes, and the client itself.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ccpar_core::registry::Life;
use ccpar_core::{Harness, index};

use super::finding::{Finding, Weight};
use crate::commands::namespace;
use crate::exit::Failure;
use crate::output;

/// The client whose hooks these are: an older one may not know all of their events.
const TRIED: [u32; 3] = [2, 1, 330];

/// How long the client may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// Heartbeats that cannot be read, and sessions of which it cannot be told whether
/// they live. Those that are dead go when they are listed.
pub(super) fn sessions(harness: &Harness) -> Result<Vec<Finding>, Failure> {
    let folder = harness.root().join("sessions");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let (listed, problems) = harness.registry().sessions()?;
    let mut found: Vec<Finding> = problems
        .into_iter()
        .map(|problem| {
            let text = Failure::from(problem).text();
            Finding::new(Weight::Warning, &folder, text, "remove it once its session is over")
        })
        .collect();
    for one in listed.iter().filter(|one| one.life == Life::Unknown && !one.claims.is_empty()) {
        let problem = format!(
            "it cannot be told from here whether session {} lives, and it has claims",
            output::line(one.session.id.as_bytes())
        );
        let remedy = "they end with their term; see them with: ccpar sessions --claims";
        found.push(Finding::new(Weight::Note, &folder, problem, remedy));
    }
    Ok(found)
}

/// Namespaces that nobody comes back to; and whether one cannot be read.
pub(super) fn namespaces(harness: &Harness) -> Result<(Vec<Finding>, bool), Failure> {
    let (entries, trouble) = namespace::entries(harness, None)?;
    let mut found = Vec::new();
    for entry in entries {
        for problem in &entry.problems {
            let remedy = entry.remedy.as_ref().map(|remedy| format!("mend with: {remedy}"));
            let remedy = remedy.unwrap_or_else(|| "see it with: ccpar namespace list".to_owned());
            found.push(Finding::new(Weight::Warning, &entry.folder, problem, remedy));
        }
    }
    Ok((found, trouble))
}

/// Indexes that do not say what lies beside them, in the folders of known files.
pub(super) fn indexes(harness: &Harness) -> Result<Vec<Finding>, Failure> {
    let (targets, _) = harness.targets(None)?;
    let folders: BTreeSet<&Path> = targets.iter().filter_map(|target| target.parent()).collect();
    let mut found = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        // A folder of anything else has no index to hold against it.
        let Ok(Some(checked)) = index::check(harness, folder, false) else { continue };
        if checked.flaws.is_empty() || !checked.path.is_file() {
            continue;
        }
        let flaws = output::count(checked.flaws.len(), "entry");
        let flaws = flaws.replace("entrys", "entries");
        let problem = format!("{flaws} and the files there do not agree");
        let word = output::file_word(folder);
        let remedy = format!("see which with: ccpar doctor {word}");
        found.push(Finding::new(Weight::Warning, checked.path, problem, remedy));
    }
    Ok(found)
}

/// What is to be said of the version of the client on the PATH, if there is one.
pub(super) fn client() -> Option<Finding> {
    let name = format!("claude{}", env::consts::EXE_SUFFIX);
    let path = env::var_os("PATH")?;
    let program = env::split_paths(&path).map(|folder| folder.join(&name)).find(|p| p.is_file())?;
    let (problem, weight) = match version(&program) {
        Some(version) if version < TRIED => {
            (format!("this client is version {}", shown(version)), Weight::Warning)
        }
        Some(version) if version[..2] == TRIED[..2] => return None,
        Some(version) => (format!("this client is version {}", shown(version)), Weight::Note),
        None => ("it does not tell its version".to_owned(), Weight::Warning),
    };
    let remedy = match weight {
        Weight::Note => "that is newer than any which ccpar's hooks were tried with".to_owned(),
        _ => format!(
            "ccpar's hooks were tried with {}: one that is older may not call them all. Bring it \
             up to date with: claude update",
            shown(TRIED)
        ),
    };
    Some(Finding::new(weight, program, problem, remedy))
}

fn shown([major, minor, patch]: [u32; 3]) -> String {
    format!("{major}.{minor}.{patch}")
}

/// What `claude --version` says, if it does so in time.
fn version(program: &PathBuf) -> Option<[u32; 3]> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let end = Instant::now() + PATIENCE;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// `2.1.330 (Claude Code)`.
fn parse(text: &str) -> Option<[u32; 3]> {
    let word = text.split_whitespace().next()?;
    let mut parts = word.splitn(3, '.').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    });
    Some([parts.next()??, parts.next()??, parts.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_clients_tell_it() {
        assert_eq!(parse("2.1.330 (Claude Code)\n"), Some([2, 1, 330]));
        assert_eq!(parse("2.1.330-beta.1"), Some([2, 1, 330]));
        for text in ["", "claude", "2.1", "v2.1.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!([2, 1, 99] < TRIED && [2, 2, 0] > TRIED);
    }
}
