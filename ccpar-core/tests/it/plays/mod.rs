//! Plays by chance of sessions whose tools write by themselves and tell afterwards:
//! they read, replace and tell in any order, late or never, and others look in
//! between. What is known of each word that was written is held against what is
//! there at the end.

mod stage;
mod text;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use stage::{Act, Stage, Tool};
use text::{Change, Kind};

/// How many plays of each kind. `CCPAR_PLAYS` asks for another number.
const PLAYS: u32 = 400;

/// Where the plays come from. `CCPAR_PLAYS_SEED` asks for others.
const SEED: u64 = 7;

const SESSIONS: usize = 3;

/// How often nobody writes between a session's look and its tool's reading.
const LOOKS: f64 = 0.9;

fn asked<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0..4_usize;
    prop_oneof![
        3 => place().prop_map(Change::Add),
        3 => place().prop_map(Change::Reword),
        2 => place().prop_map(Change::Amend),
        1 => place().prop_map(Change::Drop),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..SESSIONS;
    let tool = prop::sample::select(vec![Tool::Edit, Tool::Edit, Tool::Write, Tool::Command]);
    prop_oneof![
        2 => who().prop_map(Act::Read),
        6 => (who(), tool, change(), prop::bool::weighted(LOOKS))
            .prop_map(|(who, tool, change, looks)| Act::Take(who, tool, change, looks)),
        6 => who().prop_map(Act::Put),
        3 => who().prop_map(Act::Tell),
        1 => who().prop_map(Act::Again),
        2 => who().prop_map(Act::Look),
        1 => Just(Act::Wait),
    ]
}

/// Plays, and says of each play that lost something what it was.
fn plays(kind: Kind, all_tell: bool) {
    let config = Config {
        cases: asked("CCPAR_PLAYS", PLAYS),
        rng_seed: RngSeed::Fixed(asked("CCPAR_PLAYS_SEED", SEED)),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let plays = (prop::bool::weighted(0.85), vec(act(), 8..40));
    let done = TestRunner::new(config).run(&plays, |(is_there, acts)| {
        let mut stage = Stage::new(kind, is_there);
        for act in &acts {
            stage.play(act, all_tell);
            stage.check().map_err(TestCaseError::fail)?;
        }
        stage.end(all_tell).map_err(TestCaseError::fail)
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

#[test]
fn whatever_the_order_in_which_all_tell_no_line_of_notes_is_lost() {
    plays(Kind::Notes, true);
}

#[test]
fn whatever_the_order_in_which_all_tell_no_entry_of_settings_is_lost() {
    plays(Kind::Settings, true);
}

#[test]
fn where_some_never_tell_nothing_is_lost_that_others_told() {
    plays(Kind::Notes, false);
}
