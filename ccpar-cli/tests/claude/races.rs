//! Sessions that write one file at the same time.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use crate::alone::alone;
use crate::model::Step;
use crate::world::{World, aloud};

fn rounds() -> usize {
    std::env::var("CCPAR_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// What became of a race.
#[derive(Debug)]
struct Race {
    calls: usize,
    acknowledged: usize,
    lost: usize,
    seconds: f64,
}

const SESSIONS: usize = 4;

fn edits(world: &World) -> Race {
    let begun = Instant::now();
    let index = world.memory("MEMORY.md");
    let anchors: String = (0..SESSIONS).map(|n| format!("- [area {n}](area-{n}.md)\n")).collect();
    world.write(&index, &format!("# Memory\n\n{anchors}"));
    let script = |n: usize| {
        let mut steps = vec![Step::call("Read", json!({"file_path": index}))];
        for round in 0..rounds() {
            let anchor = format!("- [area {n}](area-{n}.md)\n");
            steps.push(Step::call("Edit", json!({
                "file_path": index,
                "old_string": anchor,
                "new_string": format!("{anchor}- [s{n} r{round}](s{n}-{round}.md)\n"),
            })).at(format!("round {round}")));
        }
        steps
    };
    let sessions = (0..SESSIONS).map(|n| world.start(&format!("b{n}"), script(n))).collect();
    let answers = world.finish(sessions);
    let text = world.text(&index);
    let mut race = Race { calls: 0, acknowledged: 0, lost: 0, seconds: 0.0 };
    for (n, answers) in answers.iter().enumerate() {
        race.calls += rounds();
        for (round, answer) in answers.iter().skip(1).enumerate() {
            race.acknowledged += usize::from(answer.ok);
            race.lost += usize::from(answer.ok && !text.contains(&format!("[s{n} r{round}]")));
        }
    }
    race.seconds = begun.elapsed().as_secs_f64();
    race
}

#[test]
fn edits_of_one_index() {
    alone(|client: PathBuf| {
        let bare = World::new(client.clone());
        let bare_race = edits(&bare);
        aloud(&format!("FIGURES: edits, bare: {bare_race:?}"));
        let guarded = World::guarded(client);
        let race = edits(&guarded);
        aloud(&format!("FIGURES: edits, guarded: {race:?}"));
        assert_eq!(race.lost, 0, "{}", guarded.report());
        assert!(race.acknowledged >= bare_race.acknowledged, "{}", guarded.report());
    });
}
