//! Calls through `ccpar`, a process each, some of which are killed or stopped.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use ccpar_core::Version;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::History;
use super::model::{Answer, Text};
use super::text::{line, lines, text};
use super::worker::{Call, Terms, Told};
use crate::rig::{CCPAR, Random, World, said};

/// A process that stands for a session, and does nothing else.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn start(world: &World) -> Result<Agent, String> {
        let child = world.command("sleep").arg("1000").spawn();
        child.map(Agent).map_err(|error| format!("cannot start an agent: {error}"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn end(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn call(
    history: &History,
    agent: u32,
    holder: u8,
    random: &mut Random,
    call: &Call,
    terms: Terms,
) -> Result<Told, String> {
    let (mut command, input) = command(history, agent, holder, call, terms);
    let input = input.unwrap_or_default();
    history.count.by_process.fetch_add(1, SeqCst);
    let output = disturbed(history, &mut command, &input, random)
        .map_err(|error| format!("cannot run ccpar: {error}"))?;
    told(history, call, &output)
}

fn command(
    history: &History,
    agent: u32,
    holder: u8,
    call: &Call,
    terms: Terms,
) -> (Command, Option<Vec<u8>>) {
    let mut command = history.world.command(CCPAR);
    command.env("CCPAR_DURABILITY", "process").env("CCPAR_SESSION", format!("s{holder}"));
    command.env("CLAUDE_PID", agent.to_string());
    command.env("CCPAR_WAIT", terms.wait.as_secs_f64().to_string());
    let target = history.target();
    let mut write = |words: &[&str]| {
        command.args(words).arg(&target).arg("--json");
        if let Some(token) = terms.token {
            command.args(["--claim", &token.to_string()]);
        }
    };
    let mut input = None;
    match call {
        Call::Read => {
            command.args(["locked-read", "--json"]).arg(&target);
        }
        Call::Commit(base, ours) => {
            write(&["locked-write"]);
            if let Some(base) = base {
                command.args(["--base", &base.to_string()]);
            }
            input = Some(text(ours.iter().copied()));
        }
        Call::Append(number) => {
            write(&["locked-write", "--append"]);
            input = Some(line(*number).into_bytes());
        }
        Call::Edit(number, _) => {
            write(&["locked-edit"]);
            command.args(["--", "sh", "-c", "cat && printf %s \"$0\"", &line(*number)]);
        }
        Call::Restore(version) => {
            let mut word = target.clone().into_os_string();
            word.push(format!("@{version}"));
            command.arg("restore").arg(word).arg("--json");
            if let Some(token) = terms.token {
                command.args(["--claim", &token.to_string()]);
            }
        }
        Call::Claim => {
            command.arg("claim").arg(&target).arg("--json");
        }
        Call::Release | Call::Remove => {
            command.args(["release", "--json"]);
        }
    }
    (command, input)
}

/// Runs it, and perhaps kills it or stops it for a while in the middle.
fn disturbed(
    history: &History,
    command: &mut Command,
    input: &[u8],
    random: &mut Random,
) -> std::io::Result<Output> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may be dead by then, or not read at all.
    let _ = stdin.write_all(input);
    drop(stdin);
    let usual = history.count.usual_micros.load(SeqCst);
    let pid = Pid::from_child(&child);
    match random.below(100) {
        0..30 => {
            std::thread::sleep(random.micros(usual * 5 / 4 + 1));
            let _ = child.kill();
        }
        30..45 => {
            std::thread::sleep(random.micros(usual + 1));
            // Not waited for yet, so the pid is still its own.
            let _ = kill_process(pid, Signal::STOP);
            std::thread::sleep(random.micros(30_000));
            let _ = kill_process(pid, Signal::CONT);
            history.count.stops.fetch_add(1, SeqCst);
        }
        _ => {
            let output = child.wait_with_output();
            let took = begun.elapsed().min(Duration::from_millis(200));
            let took = u64::try_from(took.as_micros()).unwrap_or(usual);
            history.count.usual_micros.store((usual * 7 + took) / 8, SeqCst);
            return output;
        }
    }
    child.wait_with_output()
}

fn told(history: &History, call: &Call, output: &Output) -> Result<Told, String> {
    let killed = output.status.signal() == Some(9);
    if killed {
        history.count.kills.fetch_add(1, SeqCst);
    }
    let wrong = || {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        format!("ended with {}: {stderr}{stdout}", output.status)
    };
    // Killed after it had told: told it is. But what was read is noted as seen only
    // after it went out.
    let json: Value = match serde_json::from_slice(&output.stdout) {
        _ if killed && matches!(call, Call::Read) => return Ok(Told::Killed),
        Ok(json) if output.stdout.ends_with(b"\n") => json,
        _ if killed => return Ok(Told::Killed),
        _ => return said_no(output, call).ok_or_else(wrong),
    };
    let version = || -> Result<Version, String> {
        json["version"].as_str().and_then(|version| version.parse().ok()).ok_or_else(wrong)
    };
    let stands = || -> Result<Text, String> {
        let version = version()?;
        if version.is_absent() {
            return Ok(None);
        }
        let stored = ccpar_core::Harness::open(history.world.root())
            .and_then(|harness| harness.file(history.target()).version(version));
        lines(&stored.map_err(said)?).map(Some)
    };
    Ok(match call {
        Call::Read => {
            let content = json["content"].as_str().unwrap_or_default();
            Told::Read(version()?, content.as_bytes().to_vec())
        }
        Call::Claim => Told::Answer(Answer::Granted(json["token"].as_u64().ok_or_else(wrong)?)),
        Call::Release => Told::Answer(Answer::Released(true)),
        _ => match (json["conflict_copy"].as_str(), stands()?, call) {
            (None, stands, _) => Told::Answer(Answer::Wrote(stands)),
            (Some(copy), Some(stands), Call::Commit(_, ours)) => {
                super::library::kept(copy.as_ref(), &text(ours.iter().copied()))?;
                Told::Answer(Answer::Conflict(stands))
            }
            _ => return Err(wrong()),
        },
    })
}

/// What it means that nothing was printed.
fn said_no(output: &Output, call: &Call) -> Option<Told> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    match (output.status.code()?, call) {
        (0, Call::Release) => Some(Told::Answer(Answer::Released(false))),
        (1, _) if stderr.contains("holds no claim on") => Some(Told::Answer(Answer::Outdated)),
        (1, _) => match stderr.split("is claimed by session s").nth(1) {
            Some(by) => {
                let digits: String = by.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok().map(|by| Told::Answer(Answer::Held(by)))
            }
            None => stderr.contains("` is locked").then_some(Told::Busy),
        },
        _ => None,
    }
}
