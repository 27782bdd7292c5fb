//! Sessions that share a process, are killed, come back, or have other hooks.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::alone::{alone, aloud};
use crate::model::Step;
use crate::world::World;

const INDEX: &str = "# Memory\n\n- [one](one.md)\n- [two](two.md)\n- [three](three.md)\n";

/// A world with an index in its memory, guarded.
fn world(client: std::path::PathBuf) -> (World, std::path::PathBuf) {
    let world = World::guarded(client);
    let index = world.memory("MEMORY.md");
    world.write(&index, INDEX);
    (world, index)
}

#[test]
fn subagents_of_one_session_lose_nothing_of_each_others() {
    alone(|client| {
        let (world, index) = world(client);
        let rounds = 3;
        let agent = |name: &str| {
            let mut steps = vec![Step::read(&index)];
            for round in 0..rounds {
                let entry = format!("- [{name}]({name}.md)\n");
                let more = format!("{entry}- [{name} {round}]({name}-{round}.md)\n");
                steps.push(Step::edit(&index, &entry, &more).at(format!("round {round}")));
            }
            world.model.script(steps)
        };
        let names = ["one", "two", "three"];
        let scripts = names.map(agent);
        let launch = |script: usize| {
            let input = json!({
                "description": "learn", "prompt": format!("PLAY={script} learn"),
                "subagent_type": "general-purpose", "run_in_background": false,
            });
            ("Agent", input)
        };
        let steps = vec![Step::calls(scripts.map(launch))];
        let answers = world.finish_one(world.start("agents", steps));
        assert_eq!(answers.len(), names.len(), "{answers:?}");
        let text = world.text(&index);
        for (name, script) in names.into_iter().zip(scripts) {
            let answers = world.answers(script);
            assert_eq!(answers.len(), rounds + 1, "{name}: {answers:?}");
            assert!(answers.iter().all(|answer| answer.ok), "{name}: {answers:?}");
            for round in 0..rounds {
                assert!(text.contains(&format!("[{name} {round}]")), "{text}\n{}", world.report());
            }
        }
        assert_eq!(world.claims(), "");
        let log = world.log_of(&index);
        assert_eq!(log.matches("\"how\":\"hook\"").count(), names.len() * rounds, "{log}");
    });
}

/// A hook that has been running for a while.
fn a_hook_waits() -> bool {
    let hooks = || -> Vec<std::path::PathBuf> {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let is_hook = |folder: &std::path::PathBuf| {
            std::fs::read(folder.join("cmdline")).is_ok_and(|line| line.ends_with(b"ccpar\0hook\0"))
        };
        processes.map(|process| process.path()).filter(is_hook).collect()
    };
    let before = hooks();
    std::thread::sleep(Duration::from_millis(300));
    hooks().iter().any(|hook| before.contains(hook))
}

#[test]
fn a_session_that_was_killed_holds_nobody_up() {
    alone(|client| {
        let (world, index) = world(client);
        world.sh("mkfifo never");
        let command = format!(
            "cat {}; echo never >> {}",
            world.path("home/never").display(),
            index.display()
        );
        let mut killed = world.start("killed", vec![Step::bash(&command)]);
        world.until("there is a claim", || !world.claims().is_empty());
        let steps = vec![
            Step::read(&index),
            Step::edit(&index, "- [two]", "- [2]"),
            Step::say("over").done("edited"),
        ];
        let sibling = world.start("sibling", steps);
        world.until("a sibling waits for it", a_hook_waits);
        killed.kill();
        let begun = Instant::now();
        world.model.wait_for("edited");
        let waited = begun.elapsed();
        aloud(&format!(
            "FIGURES: an edit was done {waited:?} after the death of who held its file"
        ));
        let answers = world.finish_one(sibling);
        assert!(answers[1].ok, "{answers:?}");
        // For one that lives it waits five seconds.
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        assert!(world.text(&index).contains("- [2]"));
        assert_eq!(world.claims(), "");
    });
}

#[test]
fn hooks_of_others_run_as_before() {
    alone(|client| {
        let world = World::new(client);
        let hook = |event: &str, answer: &str| {
            let line = format!("cat >> $HOME/{event}.seen; printf '%s' '{answer}'");
            json!([{"hooks": [{"type": "command", "command": line}]}])
        };
        let context = |event: &str| {
            let specific = json!({"hookEventName": event, "additionalContext": "foreign words"});
            json!({"hookSpecificOutput": specific}).to_string()
        };
        let settings = json!({"hooks": {
            "SessionStart": hook("SessionStart", &context("SessionStart")),
            "PreToolUse": hook("PreToolUse", ""),
            "PostToolUse": hook("PostToolUse", &context("PostToolUse")),
            "Stop": hook("Stop", ""),
        }});
        world.write(&world.settings(), &settings.to_string());
        world.install();
        let index = world.memory("MEMORY.md");
        world.write(&index, INDEX);
        let session =
            world.start("a", vec![Step::read(&index), Step::edit(&index, "- [two]", "- [2]")]);
        let script = session.script();
        let answers = world.finish_one(session);
        assert!(answers.iter().all(|answer| answer.ok), "{answers:?}");
        for (event, told) in [
            ("SessionStart", "startup"),
            ("PreToolUse", "- [2]"),
            ("PostToolUse", "originalFile"),
            ("Stop", "last_assistant_message"),
        ] {
            let seen = world.text(&world.path(format!("home/{event}.seen")));
            assert!(seen.contains(told), "{event}: {seen}");
        }
        let told = world.context(script);
        assert!(told.matches("foreign words").count() >= 2, "{told}");
        assert!(world.log_of(&index).contains("\"how\":\"hook\""));
    });
}

#[test]
fn a_session_that_is_resumed_goes_on_from_what_it_had_seen() {
    alone(|client| {
        let (world, index) = world(client);
        let id = "6199f84f-1b54-40a5-8bfb-b4086b084d8d";
        let bypass = ["--permission-mode", "bypassPermissions"];
        let words = [&bypass[..], &["--session-id", id]].concat();
        let first = world.start_with("a", vec![Step::read(&index)], &words);
        let answers = world.finish_one(first);
        assert!(answers[0].ok, "{answers:?}");
        world
            .sh(&format!("ccpar locked-edit {} --session x -- sed 's/one/uno/g'", index.display()));
        let ours = format!("{INDEX}- [four](four.md)\n");
        let words = [&bypass[..], &["--resume", id]].concat();
        let second = world.start_with("a", vec![Step::write(&index, &ours)], &words);
        let script = second.script();
        world.finish_one(second);
        let told = world.context(script);
        let text = world.text(&index);
        assert!(text.contains("- [uno](uno.md)") && text.contains("- [four]"), "{text}\n{told}");
        assert!(told.contains("was changed by others"), "{told}");
    });
}

#[test]
fn verbs_of_ccpar_run_in_a_command_that_is_guarded() {
    alone(|client| {
        let (world, index) = world(client);
        let path = index.display();
        let steps = vec![
            Step::bash(&format!(
                "echo '- [x](x.md)' | ccpar locked-write {path} --append --wait 3"
            )),
            Step::bash(&format!("ccpar locked-edit {path} --wait 3 -- sed 's/two/2/g'")),
            Step::bash(&format!(
                "ccpar locked-read {path} > mine && echo '- [y](y.md)' >> mine && \
                 ccpar locked-write {path} --wait 3 < mine"
            )),
            Step::bash(&format!(
                "ccpar lock --wait 3 {path} -- sh -c 'echo \"- [z](z.md)\" >> {path}'"
            )),
            Step::bash(&format!("ccpar sessions --claims # while it names {path}")),
        ];
        let answers = world.finish_one(world.start("a", steps));
        assert!(answers.iter().all(|answer| answer.ok), "{answers:?}\n{}", world.report());
        assert!(answers[4].text.contains("MEMORY.md"), "it was guarded meanwhile: {answers:?}");
        let text = world.text(&index);
        for entry in ["[x]", "[2]", "[y]", "[z]"] {
            assert!(text.contains(entry), "{entry}: {text}");
        }
        assert_eq!(world.claims(), "");
    });
}

#[test]
fn the_plugin_is_valid_and_guards_as_the_settings_do() {
    alone(|client| {
        let world = World::new(client);
        let index = world.memory("MEMORY.md");
        world.write(&index, INDEX);
        world.sh("ccpar install --plugin plugin");
        let said = world.claude(&["plugin", "validate", "--strict", "plugin"]);
        assert!(said.contains("Validation passed"), "{said}");
        let plugin = world.path("home/plugin");
        let words =
            ["--permission-mode", "bypassPermissions", "--plugin-dir", plugin.to_str().unwrap()];
        let steps = vec![Step::read(&index), Step::edit(&index, "- [two]", "- [2]")];
        let answers = world.finish_one(world.start_with("a", steps, &words));
        assert!(answers.iter().all(|answer| answer.ok), "{answers:?}");
        assert!(world.log_of(&index).contains("\"how\":\"hook\""), "{}", world.report());
    });
}
