//! Death at random instants.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::thread;
use std::time::Duration;

use ccpar_core::{CommitOptions, Outcome};

use crate::support::World;

/// Writers that read, think and write, killed 500 times: what stands is whole,
/// what was acknowledged is there or was, and nothing has to be cleared.
#[test]
fn five_hundred_kills_lose_nothing_and_leave_nothing() {
    const WRITERS: usize = 4;
    const KILLS: usize = 125;
    let world = World::new();
    let path = world.write("notes.md", "# Notes\n\n");
    let acknowledged: BTreeSet<String> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|n| {
                let (world, path) = (&world, &path);
                scope.spawn(move || {
                    let mut acknowledged = BTreeSet::new();
                    for kill in 0..KILLS {
                        let who = format!("w{n}.{kill}");
                        let mut child = world.worker(
                            "worker",
                            &[path.as_os_str(), who.as_ref(), "append".as_ref(), "9999".as_ref()],
                        );
                        let mut stdout = BufReader::new(child.stdout.take().unwrap());
                        let mut said = String::new();
                        // Spread over start, reading and every step of a write; every
                        // other one after its first write, however busy the machine is.
                        let mut pause = 3000 + (n * 7919 + kill * 104_729) % 9000;
                        if kill % 2 == 1 {
                            pause -= 3000;
                            while !said.contains("\nack ") {
                                assert!(stdout.read_line(&mut said).unwrap() > 0, "{said}");
                            }
                        }
                        thread::sleep(Duration::from_micros(pause as u64));
                        child.kill().unwrap();
                        stdout.read_to_string(&mut said).unwrap();
                        child.wait().unwrap();
                        let lines = said.lines().filter_map(|line| line.strip_prefix("ack "));
                        acknowledged.extend(lines.map(str::to_owned));
                        let text = std::fs::read_to_string(path).unwrap();
                        assert!(text.starts_with("# Notes\n\n"), "torn: {text:?}");
                        assert!(text.ends_with('\n'), "torn: {text:?}");
                    }
                    acknowledged
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert!(acknowledged.len() >= WRITERS * KILLS / 2 - WRITERS, "{}", acknowledged.len());

    // The next writer waits for nobody and sweeps.
    let session = world.session(Some("last"));
    let file = session.file(&path);
    let text = [file.read().unwrap().content(), b"- last\n"].concat();
    let commit = file.commit(&text, &CommitOptions::default()).unwrap();
    assert_eq!(commit.outcome, Outcome::Written);
    assert_eq!(world.names(), ["notes.md"]);

    let text = world.text("notes.md");
    let kept: BTreeSet<&str> = text.lines().collect();
    for line in &acknowledged {
        assert!(kept.contains(&**line), "{line} was acknowledged and is gone");
    }
    assert_eq!(text.lines().count(), kept.len(), "no line stands twice");
    let history = file.history().unwrap();
    let parsed = history.records().unwrap();
    assert!(parsed.broken.is_empty(), "{:?}", parsed.broken);
    for record in parsed.effective() {
        assert!(history.get(record.version).unwrap().is_some(), "{record:?}");
    }
}
