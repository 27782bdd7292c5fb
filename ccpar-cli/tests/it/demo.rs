//! `ccpar demo`: the naive ways really run, and really lose.

use serde_json::Value;

use crate::support::{Home, there_is};

#[test]
fn the_day_that_went_wrong_goes_right() {
    let home = Home::new();
    let ran = home.ccpar(&["demo", "--rounds", "6", "--sessions", "4", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let outcomes: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for outcome in outcomes.iter().filter(|outcome| outcome["way"] == "ccpar") {
        assert_eq!((&outcome["lost"], &outcome["torn"]), (&0.into(), &0.into()), "{outcome}");
    }
    let all_day = outcomes.iter().find(|o| o["way"] == "ccpar" && o["scene"] == "all day");
    assert_eq!(all_day.unwrap()["kept"], 24);
    for way in ["bare", "flock"] {
        if there_is(if way == "bare" { "bash" } else { "flock" }) {
            let first = outcomes.iter().find(|o| o["way"] == way && o["scene"] == "3:42");
            assert_eq!(first.unwrap()["lost"], 1, "{way}");
        }
    }
    let text = home.ccpar(&["demo", "--rounds", "2"]).stdout;
    assert!(text.contains("3:42  two sessions register a skill"), "{text}");
    assert!(home.names().is_empty());
}
