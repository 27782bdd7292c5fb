//! All known targets, looked at: the cheap way and the thorough one say the same.

use std::time::Duration;

use ccpar_core::history::Damage;
use ccpar_core::survey::State;
use ccpar_core::{Author, Harness};

use crate::support::{World, commit, commit_on, outside};

fn state<'s>(states: &'s [State], name: &str) -> &'s State {
    states.iter().find(|state| state.target.ends_with(name)).unwrap()
}

/// Looks at all. A lock may be held a moment longer than its holder lives, by a
/// process that another test is starting.
fn survey(harness: &Harness) -> Vec<State> {
    loop {
        let states = harness.survey().unwrap();
        if states.iter().all(|state| !state.busy) {
            return states;
        }
    }
}

#[test]
fn what_changes_after_a_look_is_seen_by_the_next() {
    let world = World::new();
    let session = world.session(Some("s"));
    for name in ["same.md", "written.md", "grown.md", "gone.md", "conflict.md", "by-ccpar.md"] {
        let _ = commit(&session.file(world.path(name)), "k: 1\nb\nc\n");
    }
    let _ = commit_on(&session.file(world.path("conflict.md")), "k: 0\n", "k: 2\n");
    // Only what has not changed for a while is told by its stamp.
    std::thread::sleep(Duration::from_millis(2200));
    for _ in 0..2 {
        let states = survey(&session);
        assert_eq!(states.len(), 6);
        assert!(states.iter().all(|state| state.outside.is_none() && state.problem.is_none()));
        let open = states.iter().filter(|state| !state.found.is_empty()).count();
        assert_eq!((open, state(&states, "conflict.md").found.conflicts.len()), (1, 1));
    }
    let looked = std::fs::read_to_string(world.root().join("looked.jsonl")).unwrap();
    assert_eq!(looked.lines().count(), 6, "{looked}");

    // As long as it was; another length; away; settled; and by ccpar itself.
    outside(&world.path("written.md"), "k: 2\nb\nc\n");
    outside(&world.path("grown.md"), "");
    std::fs::remove_file(world.path("gone.md")).unwrap();
    std::fs::remove_file(&state(&survey(&session), "conflict.md").found.conflicts[0]).unwrap();
    let file = session.file(world.path("by-ccpar.md"));
    let _ = file.append(b"more\n").unwrap();
    outside(file.path(), "k: 1\nb\nc\nstale\n");
    let first = survey(&session);
    for again in [false, true] {
        let states = if again { survey(&session) } else { Vec::new() };
        let states = if again { &states } else { &first };
        assert_eq!(state(states, "grown.md").found.damage, Some(Damage::Emptied));
        assert!(state(states, "gone.md").found.gone.is_some());
        assert!(state(states, "conflict.md").found.is_empty());
        assert_eq!(state(states, "by-ccpar.md").found.lost_lines, 1);
        assert!(state(states, "same.md").found.is_empty());
    }
    let history = session.file(world.path("written.md")).history().unwrap();
    assert_eq!(history.records().unwrap().effective().count(), 2);
}

#[test]
fn one_history_that_is_damaged_stops_none_of_the_others() {
    let world = World::new();
    let session = world.session(None);
    for name in ["a.md", "b.md"] {
        let _ = commit(&session.file(world.path(name)), "x\n");
    }
    let folders = std::fs::read_dir(world.root().join("history")).unwrap();
    let first = folders.map(|folder| folder.unwrap().path()).min().unwrap();
    outside(&first.join("log.jsonl"), "junk\n");
    outside(&world.path("b.md"), "y\n");
    let states = survey(&session);
    assert_eq!(states.iter().filter(|state| state.problem.is_some()).count(), 1);
    assert!(state(&states, "b.md").outside.is_some());
    let (targets, problems) = session.targets(None).unwrap();
    assert_eq!((targets.len(), problems.len()), (1, 1));
}

#[test]
fn who_forgets_what_it_has_seen_forgets_that_of_its_commands_and_of_nobody_else() {
    let world = World::new();
    let [one, other] = ["one", "other"].map(|name| world.session(Some(name)));
    let with_agent = |agent: &str| {
        let author = Author { agent: Some(agent.to_owned()), ..one.author().clone() };
        world.session(None).with_author(author)
    };
    let [commands, agent] = [Author::COMMAND, "helper"].map(with_agent);
    let path = world.write("n.md", "a\n");
    for harness in [&one, &other, &commands, &agent] {
        harness.forget_seen().unwrap();
        harness.file(&path).settle().unwrap();
        harness.file(&path).read().unwrap();
    }
    one.forget_seen().unwrap();
    let seen = [&one, &commands, &other, &agent].map(|harness| harness.seen().unwrap().len());
    assert_eq!(seen, [0, 0, 1, 1]);
    assert_eq!(commands.file(&path).seen().unwrap(), None);
}
