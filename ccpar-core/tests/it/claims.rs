//! Many processes that claim and release a few files, and are killed at random.
//!
//! The suite runs a short form. `CCPAR_SOAK=30`, with `--release`, runs 64
//! processes for as many seconds.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use ccpar_core::registry::{Release, Runner, Terms};
use ccpar_core::{Error, Wait};

use crate::support::{World, argument, harness, outside, worker_root};

const FILES: u64 = 8;

/// Far longer than all others together hold a file, far shorter than a term: a
/// claim that outlives its holder makes somebody wait so long.
const STUCK: Duration = Duration::from_secs(20);

fn random(below: u64) -> u64 {
    RandomState::new().build_hasher().finish() % below
}

/// What a holder leaves in a witness file: its token, its pid, and whether it
/// has let go.
fn witness(path: &Path) -> Option<(u64, u32, bool)> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut words = text.split(' ');
    let mut next = || words.next().map(str::trim);
    // A holder that was killed while it wrote this left less.
    Some((next()?.parse().ok()?, next()?.parse().ok()?, next()? == "released"))
}

#[cfg(target_os = "linux")]
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[cfg(not(target_os = "linux"))]
fn lives(_: u32) -> bool {
    true
}

/// Not a test of its own: claims and releases until it is told to stop.
#[test]
fn claimant() {
    let Some(folder) = argument(0).map(PathBuf::from) else { return };
    let me = std::process::id();
    let harness = harness(&worker_root(), Some(&format!("w{me}-{}", random(u64::MAX))))
        .with_wait(Wait::For(STUCK))
        .with_runner(Runner::This);
    let (mut claims, mut last, mut longest) = (0, 0, Duration::ZERO);
    while !folder.join("stop").exists() {
        let wanted = 1 + usize::from(random(3) == 0);
        let files: Vec<_> =
            (0..wanted).map(|_| folder.join(format!("file-{}", random(FILES)))).collect();
        let begun = Instant::now();
        let claim = harness.registry().claim(&files, &Terms::default()).unwrap();
        longest = longest.max(begun.elapsed());
        assert!(claim.token > last, "token {} after {last}", claim.token);
        last = claim.token;
        for path in &files {
            if let Some((token, pid, released)) = witness(path) {
                assert!(token < last || pid == me, "token {token} stands where {last} comes");
                assert!(released || pid == me || !lives(pid), "{pid} and {me} hold one file");
            }
            outside(path, format!("{last} {me} held"));
        }
        std::thread::sleep(Duration::from_micros(random(2000)));
        for path in &files {
            assert_eq!(witness(path), Some((last, me, false)), "another held {}", path.display());
        }
        for path in &files {
            outside(path, format!("{last} {me} released"));
        }
        let released = harness.registry().release(Release::Token(last)).unwrap();
        assert_eq!(released.len(), 1, "token {last} was not held any more");
        claims += 1;
        std::thread::sleep(Duration::from_micros(random(2000)));
    }
    println!("\nclaims {claims} {}", longest.as_millis());
}

#[test]
fn processes_that_are_killed_at_random_never_hold_one_file_together() {
    let soak = std::env::var("CCPAR_SOAK").ok().map(|secs| secs.parse::<u64>().unwrap());
    let (processes, time) = match soak {
        Some(secs) => (64, Duration::from_secs(secs)),
        // Few enough to leave the other tests their share.
        None => (5, Duration::from_secs(2)),
    };
    let world = World::new();
    let folder = world.path("files");
    std::fs::create_dir_all(&folder).unwrap();
    let start = || world.worker("claims::claimant", &[folder.as_os_str()]);
    let mut workers: Vec<Child> = (0..processes).map(|_| start()).collect();
    let (begun, mut killed) = (Instant::now(), 0);
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(random(60)));
        let n = usize::try_from(random(processes)).unwrap();
        // One that has failed is left for the end.
        if workers[n].try_wait().unwrap().is_none() {
            workers[n].kill().unwrap();
            workers[n].wait().unwrap();
            workers[n] = start();
            killed += 1;
        }
    }
    outside(&folder.join("stop"), "");
    let (mut claims, mut longest) = (0, 0);
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}");
        let counts = said.lines().find_map(|line| line.strip_prefix("claims ")).unwrap();
        let (count, ms) = counts.split_once(' ').unwrap();
        claims += count.parse::<u64>().unwrap();
        longest = longest.max(ms.parse::<u64>().unwrap());
    }
    println!(
        "{processes} processes, {killed} killed; those that were left made {claims} claims, and waited {longest} ms at the most"
    );
    assert!(claims > processes && killed > 10, "{claims} claims, {killed} killed");
    let (left, problems) = world.session(None).registry().sessions().unwrap();
    assert!(problems.is_empty() && left.iter().all(ccpar_core::registry::Listed::is_gone));
    assert!(world.session(None).registry().claims(None).unwrap().is_empty());
}

/// Not a test of its own: claims the file, says so, and is never done.
#[test]
fn sitter() {
    let Some(path) = argument(0) else { return };
    let harness = harness(&worker_root(), Some("sitter"));
    let _ = harness.registry().claim(&[path.into()], &Terms::default()).unwrap();
    println!("\nheld");
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn the_claim_of_a_process_that_is_killed_is_free_at_once_and_until_then_it_binds() {
    let world = World::new();
    let path = world.write("notes.md", "one\n");
    let mut sitter = world.worker("claims::sitter", &[path.as_os_str()]);
    let said = std::io::BufReader::new(sitter.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(said);
    assert!(lines.any(|line| line.unwrap() == "held"));
    let impatient = world.session(Some("me")).with_wait(Wait::Never);
    let asked = impatient.file(&path).append(b"two\n").unwrap_err();
    assert!(matches!(&asked, Error::Claimed { claim, .. } if claim.holder.session == "sitter"));
    let ours = world.session(None).with_wait(Wait::Never);
    let asked = ours.file(&path).append(b"two\n").unwrap_err();
    assert!(matches!(asked, Error::Claimed { .. }), "{asked}");
    // What is outside of it, and the look of a reader, go on.
    let _ = impatient.file(world.path("other.md")).append(b"x\n").unwrap();
    assert_eq!(impatient.file(&path).read().unwrap().content(), b"one\n");
    sitter.kill().unwrap();
    sitter.wait().unwrap();
    let _ = impatient.file(&path).append(b"two\n").unwrap();
}

#[test]
fn a_term_of_no_time_is_no_reason_to_ask_for_ever() {
    let world = World::new();
    let terms = Terms { ttl: Duration::ZERO, ..Terms::default() };
    for wait in [Wait::Never, Wait::For(Duration::from_millis(20))] {
        let session = world.session(Some("me")).with_wait(wait);
        let asked = session.registry().claim(&[world.path("notes.md")], &terms);
        assert!(matches!(asked, Ok(_) | Err(Error::Busy { .. })), "{asked:?}");
    }
}

#[test]
fn a_claim_is_told_only_when_a_write_that_was_allowed_is_over() {
    let world = World::new();
    let path = world.write("notes.md", "one\n");
    let (writer, claimant) = (world.session(Some("writer")), world.session(Some("claimant")));
    let (told, tell) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let update = writer.file(&path).update(|text| {
            let path = path.clone();
            scope.spawn(move || {
                let claim = claimant.registry().claim(&[path], &Terms::default()).unwrap();
                told.send(claim).unwrap();
            });
            // Granted it may be, but not told.
            let early = tell.recv_timeout(Duration::from_millis(100));
            assert!(early.is_err(), "told while a write was under way");
            Ok::<_, Error>([text, b"two\n"].concat())
        });
        let _ = update.unwrap();
        tell.recv_timeout(STUCK).unwrap();
    });
    assert_eq!(world.text("notes.md"), "one\ntwo\n");
}
