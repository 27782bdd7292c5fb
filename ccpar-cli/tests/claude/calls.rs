//! Single calls: what the client refuses, what ccpar refuses, what a person denies.

use std::path::Path;

use serde_json::json;

use crate::alone::alone;
use crate::model::Step;
use crate::world::World;

const NOTE: &str = "# Architecture\n\n## Storage\n\n- one file per tenant\n";

/// One session reads; before it writes its whole text, another adds a section.
fn stale(world: &World, file: &Path) -> (bool, String) {
    stale_in(world, file, "bypassPermissions")
}

/// The same in a mode of permissions.
fn stale_in(world: &World, file: &Path, mode: &str) -> (bool, String) {
    world.write(file, NOTE);
    let ours = format!("{NOTE}\n## Voice\n\n- never block\n");
    let steps = vec![
        Step::read(file),
        Step::bash("true").done("has read"),
        Step::write(file, &ours).after("has written"),
    ];
    let session = world.start_with("stale", steps, &["--permission-mode", mode]);
    world.model.wait_for("has read");
    let theirs = format!("{NOTE}\n## Emit\n\n- once\n");
    let sibling = vec![Step::read(file), Step::write(file, &theirs)];
    let wrote = world.finish(vec![world.start("sibling", sibling)]);
    assert!(wrote[0][1].ok, "{wrote:?}");
    world.model.done("has written");
    let script = session.script();
    let answers = world.finish_one(session);
    (answers[2].ok, world.context(script))
}

#[test]
fn a_stale_text_for_a_note_is_merged_and_written_for_the_model() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.memory("architecture.md");
        let (ok, context) = stale(&world, &file);
        assert!(!ok, "the client refuses it");
        let text = world.text(&file);
        assert!(text.contains("never block") && text.contains("- once"), "{text}");
        assert!(context.contains("has been written all the same"), "{context}");
        assert!(context.contains("+- once"), "it is told what came in: {context}");
    });
}

#[test]
fn in_a_config_folder_of_their_own_notes_are_guarded_as_well() {
    alone(|client| {
        let world = World::with_profile(client, Some("work"));
        world.install();
        assert!(world.text(&world.settings()).contains("ccpar"));
        assert!(!world.path("home/.claude/settings.json").exists());
        let file = world.memory("architecture.md");
        let (ok, _) = stale(&world, &file);
        assert!(!ok, "the client refuses it");
        let text = world.text(&file);
        assert!(text.contains("never block") && text.contains("- once"), "{text}");
    });
}

#[test]
fn who_only_plans_has_nothing_written_for_it() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.memory("architecture.md");
        let (ok, context) = stale_in(&world, &file, "plan");
        assert!(!ok, "the client refuses it");
        let text = world.text(&file);
        assert!(!text.contains("never block") && text.contains("- once"), "{text}");
        assert!(!context.contains("has been written all the same"), "{context}");
    });
}

#[test]
fn a_stale_text_for_another_file_is_merged_beside_and_left_to_the_model() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.path("home/.claude/skills/INDEX.md");
        let (ok, context) = stale(&world, &file);
        assert!(!ok, "the client refuses it");
        assert!(!world.text(&file).contains("never block"), "nobody was asked");
        let told = context.split('`').find(|word| word.contains("/history/INDEX.md-"));
        let merged = world.text(Path::new(told.unwrap_or_else(|| panic!("{context}"))));
        assert!(merged.contains("never block") && merged.contains("- once"), "{merged}");
    });
}

#[test]
fn a_whole_text_is_refused_where_its_author_has_not_read_what_it_replaces() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.memory("architecture.md");
        world.write(&file, NOTE);
        let (blind, ours) = ("# Mine\n", format!("{NOTE}- mine\n"));
        let steps = vec![Step::write(&file, blind), Step::read(&file), Step::write(&file, &ours)];
        let session = world.start("blind", steps);
        let answers = world.finish_one(session);
        assert!(!answers[0].ok && answers[0].text.contains("ccpar: "), "{answers:?}");
        assert!(answers[0].text.contains("Read the whole file"), "{answers:?}");
        assert!(answers[2].ok, "{answers:?}");
        assert!(world.text(&file).contains("- one file per tenant\n- mine\n"));
    });
}

#[test]
fn a_part_that_was_read_is_no_base_and_the_index_that_the_client_loads_is() {
    alone(|client| {
        let world = World::guarded(client);
        let (note, index) = (world.memory("note.md"), world.memory("MEMORY.md"));
        let lines = "- line\n".repeat(50);
        world.write(&note, &lines);
        world.write(&index, NOTE);
        let part = json!({"file_path": note, "offset": 1, "limit": 5});
        let steps = vec![
            Step::call("Read", part),
            Step::write(&note, "- line\n"),
            Step::write(&index, &format!("{NOTE}- mine\n")),
        ];
        let answers = world.finish_one(world.start("a", steps));
        assert!(answers[1].text.contains("ccpar: ") && !answers[1].ok, "{answers:?}");
        assert_eq!(world.text(&note), lines);
        assert!(answers[2].ok, "{answers:?}");
    });
}

#[test]
fn what_a_person_denies_holds_nobody_up() {
    alone(|client| {
        let world = World::guarded(client);
        let file = world.path("home/.claude/skills/INDEX.md");
        world.write(&file, NOTE);
        let edit = |new: &str| Step::edit(&file, "per tenant", new);
        // It may read and nothing else, and there is nobody to ask.
        let steps = vec![
            Step::read(&file),
            edit("denied"),
            Step::read(&file).done("denied"),
            Step::say("over").after("looked"),
        ];
        let denied = world.start_with("denied", steps, &["--allowedTools", "Read"]);
        world.model.wait_for("denied");
        assert_eq!(world.claims(), "");
        let token: u64 = world.sh("ccpar claim x.md --session x").trim().parse().unwrap();
        assert!(token > 1, "there had been a claim");
        let allowed = world.start("allowed", vec![Step::read(&file), edit("per customer")]);
        let answers = world.finish_one(allowed);
        assert!(answers[1].ok, "{answers:?}");
        world.model.done("looked");
        let answers = world.finish_one(denied);
        assert!(!answers[1].ok, "{answers:?}");
        assert!(world.text(&file).contains("per customer"));
    });
}
