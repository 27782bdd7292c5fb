//! Commands as they are typed, writers that nobody guards, and a ccpar that is broken.

use std::path::PathBuf;

use crate::alone::alone;
use crate::model::Step;
use crate::world::World;

const INDEX: &str = "# Memory\n\n- [one](one.md)\n- [two](two.md)\n- [three](three.md)\n";

/// A world with an index in its memory, guarded.
fn world(client: PathBuf) -> (World, PathBuf) {
    let world = World::guarded(client);
    let index = world.memory("MEMORY.md");
    world.write(&index, INDEX);
    (world, index)
}

#[test]
fn a_file_is_guarded_however_a_command_names_it() {
    alone(|client| {
        let (world, index) = world(client);
        let folder = index.parent().unwrap().display().to_string();
        let home = world.path("home").display().to_string();
        let below = folder.strip_prefix(&home).unwrap();
        let by_shell = |before: &str, file: &str| {
            format!(
                "{before}text=$(cat {file}); sleep 0.05; printf '%s\\n%s\\n' \"$text\" '- LINE' > {file}"
            )
        };
        let python = format!(
            "python3 - <<'END'\nimport time\npath = '{folder}/MEMORY.md'\ntext = open(path).read()\n\
             time.sleep(.05)\nopen(path, 'w').write(text + '- LINE\\n')\nEND"
        );
        let lines = [
            by_shell(&format!("cd {folder} && "), "MEMORY.md"),
            by_shell("", &format!("~{below}/MEMORY.md")),
            by_shell("", &format!("\"$HOME{below}/MEMORY.md\"")),
            by_shell(&format!("FILE={folder}/MEMORY.md; "), "$FILE"),
            python,
        ];
        let script = |(n, line): (usize, &String)| {
            let step = |round: usize| {
                Step::bash(&line.replace("LINE", &format!("s{n} r{round}."))).at(round.to_string())
            };
            world.start(&format!("branch-{n}"), (0..4).map(step).collect())
        };
        let answers = world.finish(lines.iter().enumerate().map(script).collect());
        let text = world.text(&index);
        for (n, answers) in answers.iter().enumerate() {
            for (round, answer) in answers.iter().enumerate() {
                let mark = format!("- s{n} r{round}.\n");
                let line = &lines[n];
                assert!(
                    answer.ok && text.contains(&mark),
                    "{line}: {answer:?}\n{}",
                    world.report()
                );
            }
        }
    });
}

#[test]
fn a_command_that_takes_longer_than_a_sibling_waits_swallows_nothing() {
    alone(|client| {
        let (world, index) = world(client);
        world.sh("mkfifo go");
        let (go, path) = (world.path("home/go").display().to_string(), index.display());
        let line = format!(
            "text=$(cat {path}); cat {go}; printf '%s\\n%s\\n' \"$text\" '- slow' > {path}"
        );
        let slow = world.start("slow", vec![Step::bash(&line)]);
        world.until("there is a claim", || !world.claims().is_empty());
        let steps = vec![
            Step::read(&index),
            Step::edit(&index, "- [two](two.md)\n", "- [two](two.md)\n- quick\n"),
            Step::say("over").done("edited"),
        ];
        let quick = world.start("quick", steps);
        world.model.wait_for("edited");
        assert!(world.text(&index).contains("- quick"));
        world.sh("echo > go");
        let script = slow.script();
        world.finish(vec![slow, quick]);
        let text = world.text(&index);
        assert!(text.contains("- slow") && text.contains("- quick"), "{text}");
        assert!(world.context(script).contains("+- quick"), "{}", world.report());
    });
}

#[test]
fn what_an_editor_swallows_is_recorded_at_once_and_comes_back() {
    alone(|client| {
        let (world, index) = world(client);
        let steps = vec![
            Step::read(&index),
            Step::edit(&index, "- [two](two.md)\n", "- [two](two.md)\n- [new](new.md)\n"),
            Step::bash("true").done("edited"),
            Step::say("over").after("looked"),
        ];
        let session = world.start("a", steps);
        world.model.wait_for("edited");
        // It had the file open since before.
        world.write(&index, &format!("{INDEX}- [editor](editor.md)\n"));
        // Nobody but the client looks: the log as it lies there.
        let log = "cat .claude/ccpar/history/MEMORY.md-*/log.jsonl";
        world.until("the client tells of it", || world.sh(log).contains("\"lost\":1"));
        world.model.done("looked");
        world.finish_one(session);
        let lost = world.sh("ccpar lost");
        assert!(lost.contains("- [new](new.md)"), "{lost}");
        world.sh(&format!("ccpar restore --lost {}", index.display()));
        let text = world.text(&index);
        assert!(text.contains("[new]") && text.contains("[editor]"), "{text}");
    });
}

#[test]
fn settings_of_a_repository_for_one_machine_are_guarded_from_all_worktrees() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.path("home/repo/.claude/settings.local.json");
        let rule = |name: &str| format!("\"Bash({name}:*)\"");
        let rules: Vec<_> = (0..3).map(|n| rule(&format!("area-{n}"))).collect();
        let text =
            format!("{{\n  \"permissions\": {{\n    \"allow\": [{}]\n  }}\n}}\n", rules.join(", "));
        world.write(&file, &text);
        let script = |n: usize| {
            let old = rule(&format!("area-{n}"));
            let step = |round: usize| {
                let new = format!("{old}, {}", rule(&format!("s{n}-r{round}")));
                Step::edit(&file, &old, &new).at(round.to_string())
            };
            let steps = [Step::read(&file)].into_iter().chain((0..3).map(step)).collect();
            world.start(&format!("branch-{n}"), steps)
        };
        let answers = world.finish((0..3).map(script).collect());
        assert!(answers.iter().flatten().all(|answer| answer.ok), "{answers:?}");
        let text = world.text(&file);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        assert_eq!(text.matches("Bash(s").count(), 9, "{text}");
    });
}

#[test]
fn a_ccpar_that_is_broken_or_gone_stops_no_call() {
    alone(|client| {
        let (world, index) = world(client);
        let edit = |old: &str, new: &str| vec![Step::read(&index), Step::edit(&index, old, new)];
        world.sh("rm -rf .claude/ccpar && echo > .claude/ccpar");
        let answers = world.finish_one(world.start("a", edit("[one]", "[1]")));
        assert!(answers[1].ok, "{answers:?}");
        // Another ccpar is installed, and then removed.
        world.sh(
            "rm .claude/ccpar && mkdir bin && cp \"$(command -v ccpar)\" bin && bin/ccpar install",
        );
        world.sh("rm bin/ccpar");
        let answers = world.finish_one(world.start("a", edit("[two]", "[2]")));
        assert!(answers[1].ok, "{answers:?}");
        let text = world.text(&index);
        assert!(text.contains("[1]") && text.contains("[2]"), "{text}");
    });
}
