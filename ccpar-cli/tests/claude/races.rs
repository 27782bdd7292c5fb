//! Sessions that write the same files at the same time, bare and guarded.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::alone::{alone, aloud};
use crate::model::Step;
use crate::world::{Answer, World};

/// How often they race.
fn rounds() -> usize {
    std::env::var("CCPAR_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// What became of a race.
struct Race {
    calls: usize,
    acknowledged: usize,
    /// Acknowledged, and not in the file.
    lost: usize,
    /// In the file, acknowledged or not.
    stand: usize,
    seconds: f32,
}

impl std::fmt::Display for Race {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Race { calls, acknowledged, lost, stand, seconds } = self;
        write!(
            f,
            "{acknowledged} of {calls} acknowledged, {lost} of these lost; {stand} of {calls} \
             stand; {seconds:.1} s"
        )
    }
}

/// What a call is to leave in a file.
struct Mark {
    file: PathBuf,
    text: String,
}

/// What a session does: first steps, and calls that are to leave something.
type Script = (Vec<Step>, Vec<(Step, Mark)>);

/// Sessions with these scripts, and what became of what their calls were to leave.
fn race(world: &World, scripts: Vec<Script>) -> (Race, Vec<Vec<Answer>>) {
    let begun = Instant::now();
    let (mut sessions, mut marks) = (Vec::new(), Vec::new());
    for (n, (first, calls)) in scripts.into_iter().enumerate() {
        let before = first.len();
        let (steps, own): (Vec<Step>, Vec<Mark>) = calls.into_iter().unzip();
        marks.push((before, own));
        let steps = first.into_iter().chain(steps).collect();
        sessions.push(world.start(&format!("branch-{n}"), steps));
    }
    let answers = world.finish(sessions);
    let mut race = Race { calls: 0, acknowledged: 0, lost: 0, stand: 0, seconds: 0.0 };
    for (answers, (before, marks)) in answers.iter().zip(&marks) {
        race.calls += marks.len();
        for (answer, mark) in answers.iter().skip(*before).zip(marks) {
            race.acknowledged += usize::from(answer.ok);
            let stands = world.text(&mark.file).contains(&mark.text);
            race.stand += usize::from(stands);
            race.lost += usize::from(answer.ok && !stands);
        }
    }
    race.seconds = begun.elapsed().as_secs_f32();
    (race, answers)
}

/// Plays a race to bare clients and to guarded ones: these lose nothing, and no call
/// fails that bare ones do.
fn compare(client: PathBuf, name: &str, play: impl Fn(&World) -> Race) {
    let bare = play(&World::new(client.clone()));
    aloud(&format!("FIGURES: {name}, bare: {bare}"));
    let world = World::guarded(client);
    let guarded = play(&world);
    aloud(&format!("FIGURES: {name}, guarded: {guarded}"));
    assert_eq!(guarded.lost, 0, "{}", world.report());
    assert!(guarded.acknowledged >= bare.acknowledged, "{}", world.report());
    assert_eq!(world.claims(), "", "what was claimed is free");
}

fn anchor(n: usize) -> String {
    format!("- [area {n}](area-{n}.md)\n")
}

fn index_of(sessions: usize) -> String {
    let anchors: String = (0..sessions).map(anchor).collect();
    format!("# Memory\n\n{anchors}")
}

fn edit(file: &Path, n: usize, round: usize) -> (Step, Mark) {
    let text = format!("- [s{n} r{round}](s{n}-{round}.md)\n");
    let (old, new) = (anchor(n), format!("{}{text}", anchor(n)));
    (Step::edit(file, &old, &new), Mark { file: file.to_owned(), text })
}

/// What people write in a shell: read, think a moment, write.
fn command(file: &Path, n: usize, round: usize) -> (Step, Mark) {
    let text = format!("- [s{n} r{round}](s{n}-{round}.md)");
    let path = file.display();
    let line =
        format!("text=$(cat {path}); sleep 0.05; printf '%s\\n%s\\n' \"$text\" '{text}' > {path}");
    let mark = Mark { file: file.to_owned(), text };
    (Step::bash(&line), mark)
}

#[test]
fn edits_of_one_index() {
    alone(|client| {
        compare(client, "4 sessions, edits of one index", |world| {
            let index = world.memory("MEMORY.md");
            world.write(&index, &index_of(4));
            let read = Step::read(&index);
            let calls = |n| {
                let round = |round| {
                    let (step, mark) = edit(&index, n, round);
                    (step.at(format!("round {round}")), mark)
                };
                (0..rounds()).map(round).collect()
            };
            race(world, (0..4).map(|n| (vec![read.clone()], calls(n))).collect()).0
        });
    });
}

#[test]
fn commands_that_read_and_write_one_index() {
    alone(|client| {
        compare(client, "4 sessions, commands on one index", |world| {
            let index = world.memory("MEMORY.md");
            world.write(&index, &index_of(4));
            let calls = |n| {
                let round = |round| {
                    let (step, mark) = command(&index, n, round);
                    (step.at(format!("round {round}")), mark)
                };
                (0..rounds()).map(round).collect()
            };
            race(world, (0..4).map(|n| (Vec::new(), calls(n))).collect()).0
        });
    });
}

#[test]
fn whole_texts_of_one_note_from_one_reading() {
    alone(|client| {
        // The client stamps notes of memory that have a front matter, whenever it writes one.
        let note = "---\nname: architecture\ndescription: component map\nmetadata:\n  type: \
                    project\n---\n\n# Architecture\n\n## Storage\n\n- one file per tenant\n";
        let section = |n: usize| format!("## Area {n}\n\n- fact {n}\n- another fact of area {n}\n");
        let play = |world: &World| {
            let file = world.memory("architecture.md");
            world.write(&file, note);
            let script = |n: usize| {
                let read = Step::read(&file);
                let text = format!("{note}\n{}", section(n));
                let mark = Mark { file: file.clone(), text: section(n) };
                (vec![read], vec![(Step::write(&file, &text).at("write"), mark)])
            };
            race(world, (0..4).map(script).collect())
        };
        let bare = World::new(client.clone());
        let (figures, _) = play(&bare);
        aloud(&format!("FIGURES: 4 sessions, whole texts, bare: {figures}"));
        let world = World::guarded(client);
        let (figures, answers) = play(&world);
        aloud(&format!("FIGURES: 4 sessions, whole texts, guarded: {figures}"));
        let text = world.text(&world.memory("architecture.md"));
        for n in 0..4 {
            assert!(text.contains(&section(n)), "{n}: {text}\n{answers:?}\n{}", world.report());
        }
        assert!(answers.iter().all(|answers| answers.len() == 2), "no extra turn: {answers:?}");
        assert_eq!(text.matches("name: architecture").count(), 1, "{text}");
        assert_eq!(world.claims(), "");
    });
}

#[test]
fn a_note_that_several_begin_at_once() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.memory("gotchas.md");
        let text = |n| format!("# Gotchas\n\n- gotcha {n}: of session {n}\n");
        let script = |n: usize| {
            let mark = Mark { file: file.clone(), text: format!("gotcha {n}:") };
            (Vec::new(), vec![(Step::write(&file, &text(n)).at("write"), mark)])
        };
        let (figures, answers) = race(&world, (0..4).map(script).collect());
        aloud(&format!("FIGURES: 4 sessions, one new note, guarded: {figures}"));
        let text = world.text(&file);
        assert_eq!(figures.lost, 0, "{text}\n{answers:?}\n{}", world.report());
    });
}

#[test]
fn calls_of_one_turn() {
    alone(|client| {
        let world = World::guarded(client);
        let index = world.memory("MEMORY.md");
        world.write(&index, &index_of(4));
        let script = |n: usize| {
            let mut calls = Vec::new();
            for round in 0..3 {
                let text = format!("- [s{n} r{round}](x.md)\n");
                let (old, new) = (anchor(n), format!("{}{text}", anchor(n)));
                calls.push((
                    "Edit",
                    json!({"file_path": index, "old_string": old, "new_string": new}),
                ));
                let line =
                    format!("printf '%s\\n' '- [c{n} r{round}](x.md)' >> {}", index.display());
                calls.push(("Bash", json!({"command": line, "description": "note"})));
            }
            vec![Step::read(&index), Step::calls(calls).at("go")]
        };
        let sessions = (0..4).map(|n| world.start(&format!("branch-{n}"), script(n))).collect();
        let answers = world.finish(sessions);
        let text = world.text(&index);
        for (n, answers) in answers.iter().enumerate() {
            assert_eq!(answers.len(), 7, "{answers:?}");
            for (call, answer) in answers[1..].iter().enumerate() {
                let kind = if call % 2 == 0 { 's' } else { 'c' };
                let mark = format!("[{kind}{n} r{}]", call / 2);
                assert!(
                    answer.ok && text.contains(&mark),
                    "{mark}: {answer:?}\n{text}\n{}",
                    world.report()
                );
            }
        }
    });
}

/// Everything at once: a memory's index and two notes, the index of skills, settings.
fn mixed(world: &World, sessions: usize) -> Race {
    let index = world.memory("MEMORY.md");
    let skills = world.path("home/.claude/skills/INDEX.md");
    let notes = [world.memory("voice.md"), world.memory("build.md")];
    for file in [&index, &skills, &notes[0], &notes[1]] {
        world.write(file, &index_of(sessions));
    }
    let settings = world.settings();
    let script = |n: usize| {
        let files = [&index, &skills, &notes[0], &notes[1], &settings];
        let read = |file: &&PathBuf| Step::read(file);
        let first = files.iter().map(read).collect();
        let call = |round: usize| {
            let (step, mark) = match (n + round) % 5 {
                0 => edit(&index, n, round),
                1 => command(&skills, n, round),
                2 => edit(&notes[0], n, round),
                3 => command(&notes[1], n, round),
                _ => setting(&settings, n, round),
            };
            (step.at(format!("round {round}")), mark)
        };
        (first, (0..rounds()).map(call).collect())
    };
    race(world, (0..sessions).map(script).collect()).0
}

/// A key of its own in the settings.
fn setting(file: &Path, n: usize, round: usize) -> (Step, Mark) {
    let text = format!("\"S{n}_R{round}\": \"{n}\"");
    let (old, new) = (format!("\"AREA_{n}\": \"\""), format!("\"AREA_{n}\": \"\", {text}"));
    (Step::edit(file, &old, &new), Mark { file: file.to_owned(), text })
}

/// So many clients, or fewer where memory is short.
fn as_many_as_fit(most: usize) -> usize {
    const CLIENT: usize = 300 << 10;
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let free = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = free.and_then(|free| free.trim().trim_end_matches(" kB").parse::<usize>().ok());
    let fit = kib.map_or(most, |kib| (kib / CLIENT).clamp(2, most));
    if fit < most {
        aloud(&format!("SKIPPED: memory is short: {fit} sessions instead of {most}"));
    }
    fit
}

/// Runs something while a reader looks at a file again and again, and counts what it
/// could not parse.
fn watched<T>(file: &Path, run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut broken = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let text = std::fs::read(file).unwrap_or_default();
                let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&text);
                if parsed.is_err() {
                    broken.push(String::from_utf8_lossy(&text).into_owned());
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            broken
        });
        let done = run();
        over.store(true, Ordering::Relaxed);
        (done, reader.join().unwrap())
    })
}

#[test]
fn edits_and_commands_over_five_files() {
    alone(|client| {
        let sessions = as_many_as_fit(8);
        compare(client, &format!("{sessions} sessions, five files"), |world| {
            let areas: Vec<_> = (0..sessions).map(|n| format!("\"AREA_{n}\": \"\"")).collect();
            let is_guarded = world.settings().exists();
            world.write(&world.settings(), &format!("{{\"env\": {{{}}}}}\n", areas.join(", ")));
            if is_guarded {
                world.install();
            }
            let (race, broken) = watched(&world.settings(), || mixed(world, sessions));
            let (times, first) = (broken.len(), broken.first());
            assert!(
                times == 0 || !is_guarded,
                "{times} times the settings did not parse: {first:?}"
            );
            race
        });
    });
}
