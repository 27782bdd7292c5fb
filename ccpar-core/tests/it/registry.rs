//! The registry, seen from the library: whose process stands for a session, and a
//! table that cannot be read.

#![cfg(unix)]

use std::fs;
use std::process::{Child, Command};

use ccpar_core::registry::{Beat, Release, Runner, Terms, process_exists};

use crate::support::{World, outside};

fn asleep() -> Child {
    Command::new("sleep").arg("60").spawn().unwrap()
}

fn end(mut child: Child) -> u32 {
    child.kill().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn a_process_is_there_until_it_was_waited_for() {
    let child = asleep();
    assert!(process_exists(std::process::id()) && process_exists(child.id()));
    let gone = end(child);
    assert!(!process_exists(gone) && !process_exists(0) && !process_exists(u32::MAX));
}

#[test]
fn a_session_keeps_its_process_while_that_lives_and_then_takes_who_beats_for_it() {
    let world = World::new();
    let beat = |runner| {
        let harness = world.session(Some("s")).with_runner(runner);
        harness.registry().beat(&Beat::default()).unwrap().process.pid
    };
    let child = asleep();
    assert_eq!(beat(Runner::Pid(child.id())), child.id());
    assert_eq!(beat(Runner::This), child.id(), "whoever calls for it");
    end(child);
    assert_eq!(beat(Runner::This), std::process::id());
}

#[test]
fn a_table_that_cannot_be_read_nor_put_aside_is_left_and_nothing_is_granted() {
    let world = World::new();
    let session = world.session(Some("s"));
    let target = [world.write("notes.md", "")];
    let claim = || session.registry().claim(&target, &Terms::default());
    let token = claim().unwrap().token;
    session.registry().release(Release::All).unwrap();
    let paths = ["registry.0.json", "registry.1.json"].map(|name| world.root().join(name));
    for path in &paths {
        outside(path.as_std_path(), "garbage");
    }
    let aside = world.root().join("registry.0.json.unreadable");
    fs::create_dir_all(aside.join("full")).unwrap();
    let problem = claim().unwrap_err().to_string();
    assert!(problem.contains("put aside"), "{problem}");
    assert_eq!(fs::read(&paths[0]).unwrap(), b"garbage");
    fs::remove_dir_all(&aside).unwrap();
    assert!(claim().unwrap().token > token, "tokens grow all the same");
    assert_eq!(fs::read(&aside).unwrap(), b"garbage");
}
