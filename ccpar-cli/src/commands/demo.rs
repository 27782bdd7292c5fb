//! `ccpar demo`: the day that went wrong, again, with real processes.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output;

/// Replay the day that went wrong: with bare writes, flock, ccpar
#[derive(Debug, Args)]
#[command(after_help = "\
Runs real processes in a temporary folder, and removes it at the end.

Example: ccpar demo --rounds 50 --sessions 6")]
pub(crate) struct Arguments {
    /// How often each session reads, thinks and writes
    #[arg(long, value_name = "N", default_value_t = 15)]
    rounds: usize,

    /// How many sessions work at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=64))]
    sessions: u8,

    /// Print one JSON object per way and scene
    #[arg(long)]
    json: bool,
}

/// The three of that day; more sessions get a number.
const BRANCHES: [&str; 3] = ["feat/voice-buffer", "fix/og-emit", "feat/citation-tracker"];

const INDEX: &str = "# Skills\n\n- [commit-style](commit-style/SKILL.md): how we write commits\n";
const ARCHITECTURE: &str = "# Architecture\n\n## Storage\n\nOne SQLite file per tenant.\n";

/// The wrapper that people write, as they write it.
const WRAPPER: &str = "exec 9>\"$1.lock\"\nflock 9\ncat > \"$1\"\n";

/// A way of writing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Bare,
    Flock,
    Ccpar,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Way::Bare => "cat > file",
            Way::Flock => "flock wrapper",
            Way::Ccpar => "ccpar",
        }
    }
}

/// How a scene came out.
#[derive(Debug, Serialize)]
struct Outcome {
    way: Way,
    scene: &'static str,
    /// Writes that ended with exit code 0.
    acknowledged: usize,
    /// Of those, the ones whose lines are in the file at the end.
    kept: usize,
    lost: usize,
    /// How often a reader looked, and how often it saw an empty or cut file.
    reads: usize,
    torn: usize,
    /// The file at the end.
    text: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let failed = |error| Failure::new(format!("cannot set up the demo's folder: {error}"));
    let folder = tempfile::Builder::new().prefix("ccpar-demo-").tempdir().map_err(failed)?;
    let mut ways = Vec::new();
    if runs("bash", &["-c", "true"]) {
        ways.push(Way::Bare);
        if runs("flock", &["--version"]) {
            ways.push(Way::Flock);
        } else {
            output::say("there is no flock(1) here: the flock wrapper is left out");
        }
    } else {
        output::say("there is no bash here: bare writes and the flock wrapper are left out");
    }
    ways.push(Way::Ccpar);

    let mut outcomes = Vec::new();
    for way in ways {
        let stage = Stage::new(way, folder.path()).map_err(failed)?;
        for outcome in [
            stage.both_from_one_read("3:42", "INDEX.md", INDEX, |who| {
                let name = who.rsplit('/').next().unwrap_or(who);
                format!("- [{name}]({name}/SKILL.md): learned on {who}\n")
            }),
            stage.both_from_one_read("6:18", "architecture.md", ARCHITECTURE, |who| {
                format!("\n## Decided on {who}\n\nWhat it took eight minutes to find out.\n")
            }),
            stage.rounds(arguments.rounds, usize::from(arguments.sessions)),
        ] {
            outcomes.push(outcome.map_err(failed)?);
        }
    }
    if arguments.json {
        for outcome in &outcomes {
            output::json(outcome)?;
        }
    } else {
        output::data(table(&outcomes, arguments).as_bytes())?;
    }
    // The proof is in the numbers: a run in which ccpar lost a line fails.
    let sound = outcomes
        .iter()
        .filter(|outcome| outcome.way == Way::Ccpar)
        .all(|outcome| outcome.lost == 0 && outcome.torn == 0 && outcome.acknowledged > 0);
    Ok(if sound { Exit::Done } else { Exit::No })
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A folder in which one way of writing is tried.
struct Stage {
    way: Way,
    folder: PathBuf,
    wrapper: PathBuf,
    program: PathBuf,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "a fresh folder of the demo's own")]
    fn new(way: Way, parent: &Path) -> std::io::Result<Stage> {
        let folder = parent.join(way.name().replace([' ', '>'], "-"));
        fs::create_dir(&folder)?;
        let wrapper = folder.join("locked-write.sh");
        fs::write(&wrapper, WRAPPER)?;
        Ok(Stage { way, folder, wrapper, program: std::env::current_exe()? })
    }

    /// Two sessions read one version; then each writes what it made of it.
    #[expect(clippy::disallowed_methods, reason = "a fresh file of the demo's own")]
    fn both_from_one_read(
        &self,
        scene: &'static str,
        name: &str,
        base: &str,
        addition: impl Fn(&str) -> String,
    ) -> std::io::Result<Outcome> {
        let file = self.folder.join(name);
        fs::write(&file, base)?;
        let mut texts = Vec::new();
        for who in &BRANCHES[..2] {
            texts.push((who, self.read(&file, who)? + &addition(who)));
        }
        let mut acknowledged = Vec::new();
        for (who, text) in texts {
            if self.write(&file, who, &text)? {
                acknowledged.push(addition(who));
            }
        }
        self.outcome(scene, &file, &acknowledged, (0, 0))
    }

    /// All sessions at once, round after round: read, think, write.
    #[expect(clippy::disallowed_methods, reason = "a fresh file of the demo's own")]
    fn rounds(&self, rounds: usize, sessions: usize) -> std::io::Result<Outcome> {
        let file = &self.folder.join("notes.md");
        fs::write(file, "# Notes\n\n")?;
        let done = &AtomicBool::new(false);
        let (acknowledged, seen) = thread::scope(|scope| {
            let reader = scope.spawn(move || watch(file, done));
            let sessions: Vec<_> =
                (0..sessions).map(|n| scope.spawn(move || self.session(file, n, rounds))).collect();
            let acknowledged: std::io::Result<Vec<_>> = sessions
                .into_iter()
                .map(|session| session.join().expect("a session does not panic"))
                .collect();
            done.store(true, Ordering::Relaxed);
            (acknowledged, reader.join().expect("a reader does not panic"))
        });
        self.outcome("all day", file, &acknowledged?.concat(), seen)
    }

    fn session(&self, file: &Path, n: usize, rounds: usize) -> std::io::Result<Vec<String>> {
        let branch =
            BRANCHES.get(n).map_or_else(|| format!("feat/session-{n}"), ToString::to_string);
        let mut acknowledged = Vec::new();
        for round in 0..rounds {
            let text = self.read(file, &branch)?;
            // A different pause each time; nothing here needs real randomness.
            thread::sleep(Duration::from_millis((n * 7 + round * 13) as u64 % 20));
            let line = format!("- {branch}: learned {round}\n");
            if self.write(file, &branch, &(text + &line))? {
                acknowledged.push(line);
            }
        }
        Ok(acknowledged)
    }

    fn outcome(
        &self,
        scene: &'static str,
        file: &Path,
        acknowledged: &[String],
        (reads, torn): (usize, usize),
    ) -> std::io::Result<Outcome> {
        let text = fs::read_to_string(file)?;
        let kept = acknowledged.iter().filter(|lines| text.contains(&***lines)).count();
        let (acknowledged, lost) = (acknowledged.len(), acknowledged.len() - kept);
        Ok(Outcome { way: self.way, scene, acknowledged, kept, lost, reads, torn, text })
    }

    fn read(&self, file: &Path, who: &str) -> std::io::Result<String> {
        let mut command = match self.way {
            Way::Ccpar => self.ccpar("locked-read", file, who),
            Way::Bare | Way::Flock => {
                let mut command = Command::new("cat");
                command.arg(file);
                command
            }
        };
        let output = command.stdin(Stdio::null()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Writes the whole text; whether that was acknowledged.
    fn write(&self, file: &Path, who: &str, text: &str) -> std::io::Result<bool> {
        let mut command = match self.way {
            Way::Ccpar => self.ccpar("locked-write", file, who),
            Way::Bare => {
                let mut command = Command::new("bash");
                command.args(["-c", "cat > \"$1\"", "bash"]).arg(file);
                command
            }
            Way::Flock => {
                let mut command = Command::new("bash");
                command.arg(&self.wrapper).arg(file);
                command
            }
        };
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        // A writer that does not read to the end has not acknowledged it.
        let _ = child.stdin.take().expect("stdin is piped").write_all(text.as_bytes());
        Ok(child.wait()?.success())
    }

    fn ccpar(&self, verb: &str, file: &Path, who: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(verb).arg(file).args(["--session", who]);
        command.env("CCPAR_ROOT", self.folder.join("root"));
        command
    }
}

/// Reads as fast as it can until told to stop; how often, and how often the
/// file was empty or cut off.
fn watch(file: &Path, done: &AtomicBool) -> (usize, usize) {
    let (mut reads, mut torn) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        let text = fs::read_to_string(file).unwrap_or_default();
        reads += 1;
        torn += usize::from(!text.starts_with("# Notes\n\n") || !text.ends_with('\n'));
        thread::sleep(Duration::from_micros(200));
    }
    (reads, torn)
}

fn table(outcomes: &[Outcome], arguments: &Arguments) -> String {
    let ways: Vec<Way> =
        outcomes.iter().filter(|outcome| outcome.scene == "3:42").map(|o| o.way).collect();
    let of = |way: Way, scene: &str| {
        outcomes.iter().find(|outcome| outcome.way == way && outcome.scene == scene)
    };
    let mut text = String::new();
    let mut row = |label: &str, cell: &dyn Fn(Way) -> String| {
        let mut line = format!("{label:<46}");
        for way in &ways {
            let _ = write!(line, "  {:>16}", cell(*way));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    let kept = |scene: &'static str| {
        move |way: Way| {
            of(way, scene).map_or_else(String::new, |outcome| {
                format!("{} of {} kept", outcome.kept, outcome.acknowledged)
            })
        }
    };
    let day = |number: fn(&Outcome) -> String| {
        move |way: Way| of(way, "all day").map(number).unwrap_or_default()
    };
    row("", &|way| way.name().to_owned());
    row("3:42  two sessions register a skill", &kept("3:42"));
    row("6:18  two sessions add a section", &kept("6:18"));
    row(
        &format!("all day: {} sessions x {} rounds", arguments.sessions, arguments.rounds),
        &|_| String::new(),
    );
    row("  writes acknowledged", &day(|outcome| outcome.acknowledged.to_string()));
    row("  kept", &day(|outcome| outcome.kept.to_string()));
    row("  lost", &day(|outcome| outcome.lost.to_string()));
    row("  torn or empty reads", &day(|o| format!("{} of {}", o.torn, o.reads)));
    for (scene, name) in [("3:42", "INDEX.md"), ("6:18", "architecture.md")] {
        for way in &ways {
            if let Some(outcome) = of(*way, scene) {
                let _ = writeln!(text, "\n{name} in the end, by {}:", way.name());
                for line in outcome.text.lines().filter(|line| !line.is_empty()) {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
    }
    text
}
