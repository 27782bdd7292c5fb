//! What a prune removes, and what it must not.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use ccpar_core::{CommitOptions, Harness, Limits, Version};

use crate::support::{World, commit, look, outside};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn content_file(world: &World, version: Version) -> PathBuf {
    let folder = std::fs::read_dir(world.root().join("history")).unwrap().next().unwrap();
    folder.unwrap().path().join(version.to_string())
}

/// Makes a content as old as that.
fn age(world: &World, version: Version, age: Duration) {
    let file = File::options().write(true).open(content_file(world, version)).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn with_days(harness: Harness, days: u32) -> Harness {
    harness.with_limits(Limits { age: DAY * days, bytes: 1 << 30 })
}

#[test]
fn what_is_old_goes_at_a_commit_and_what_somebody_needs_stays() {
    let world = World::new();
    let nobody = with_days(world.session(None), 90);
    let file = nobody.file(world.path("notes.md"));
    let text = |n: u32| format!("a\nb\nc\nversion {n}\n");
    let versions: Vec<Version> = (1..=10).map(|n| commit(&file, &text(n)).version).collect();
    // A session has seen the second; the fourth was swallowed and is lost; the
    // last is young.
    let reader = world.session(Some("reader"));
    let _ = file.restore(versions[1]).unwrap();
    reader.file(file.path()).read().unwrap();
    let _ = file.restore(versions[3]).unwrap();
    let _ = file.append(b"lost line of words\n").unwrap();
    let with_line = Version::of(format!("{}lost line of words\n", text(4)).as_bytes());
    outside(file.path(), format!("{}another\n", text(4)));
    look(&file);
    assert_eq!(file.losses().unwrap().len(), 1);
    let writer = with_days(world.session(Some("w")), 90);
    let file = writer.file(file.path());
    file.read().unwrap();
    let rest: Vec<Version> = (20..80)
        .map(|n| commit(&file, &format!("{}another\nmore {n}\n", text(4))).version)
        .collect();
    for version in versions.iter().chain(&rest[..40]).chain([&with_line]) {
        age(&world, *version, 100 * DAY);
    }
    // By and by the commit comes that prunes.
    for n in 0..64 {
        let _ = commit(&file, &format!("{}another\nlast {n}\n", text(4)));
    }
    for gone in [0, 2, 4, 9] {
        let error = file.version(versions[gone]).unwrap_err().to_string();
        assert!(error.contains("are pruned"), "{error}");
    }
    for stays in [versions[1], versions[3], with_line] {
        file.version(stays).unwrap();
    }
    assert!(file.version(rest[5]).is_err());
    assert_eq!(file.restore_lost().unwrap().0, 1);
    assert!(world.text("notes.md").contains("lost line of words\n"));
    assert!(file.history().unwrap().pruned_until() > 0);
    // The log tells still what there was.
    assert_eq!(
        file.history().unwrap().records().unwrap().effective().next().unwrap().version,
        versions[0]
    );
}

#[test]
fn what_is_too_much_goes_and_what_is_in_use_stays_whatever_its_size() {
    let world = World::new();
    let limits = Limits { age: 90 * DAY, bytes: 100_000 };
    let session = world.session(Some("s")).with_limits(limits);
    let file = session.file(world.path("notes.md"));
    file.read().unwrap();
    let versions: Vec<Version> = (0..20_u8)
        .map(|n| commit(&file, &String::from_utf8(vec![b'a' + n; 10_000]).unwrap()).version)
        .collect();
    // All is young: nothing goes.
    assert_eq!(file.prune().unwrap().contents, 0);
    for (n, version) in versions.iter().enumerate() {
        age(&world, *version, DAY + Duration::from_secs(60 * (20 - n as u64)));
    }
    let pruned = file.prune().unwrap();
    assert_eq!((pruned.contents, pruned.bytes), (10, 100_000));
    assert!(file.version(versions[9]).is_err());
    file.version(versions[10]).unwrap();
    assert_eq!(file.prune().unwrap().contents, 0);
    let all = world.session(None).with_limits(Limits { age: Duration::ZERO, bytes: 0 });
    let _ = all.file(file.path()).prune().unwrap();
    // The head, and what it replaced.
    file.version(versions[19]).unwrap();
    file.version(versions[18]).unwrap();
    assert!(file.version(versions[17]).is_err());
}

#[test]
fn what_a_reader_keeps_while_a_prune_runs_is_kept() {
    let world = World::new();
    let path = world.path("notes.md");
    let session = world.session(None).with_limits(Limits { age: Duration::ZERO, bytes: 0 });
    let file = session.file(&path);
    // Large, so that keeping it takes its time.
    let text = "old\n".repeat(100_000);
    let old = commit(&file, &text).version;
    for text in ["newer\n", "newest\n"] {
        let _ = commit(&file, text);
    }
    let history = file.history().unwrap();
    let (barrier, text) = (Barrier::new(2), text.as_bytes());
    for round in 0..300 {
        history.put(text).unwrap();
        age(&world, old, 10 * DAY);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                // Before, while and after it is kept.
                std::thread::sleep(Duration::from_micros(round * 10));
                let _ = file.prune().unwrap();
            });
            barrier.wait();
            assert_eq!(history.put(text).unwrap(), old);
        });
        let kept = history.get(old).unwrap();
        assert_eq!(kept.as_deref(), Some(text), "round {round}");
    }
}

#[test]
fn a_prune_that_died_is_finished_by_the_next() {
    let world = World::new();
    let session = world.session(None).with_limits(Limits { age: Duration::ZERO, bytes: 0 });
    let file = session.file(world.path("notes.md"));
    let versions = ["1\n", "2\n", "3\n", "4\n"].map(|text| commit(&file, text).version);
    let aside =
        |version| PathBuf::from(format!("{}.pruned", content_file(&world, version).display()));
    #[expect(clippy::disallowed_methods, reason = "as a prune that died left it")]
    for version in &versions[..2] {
        std::fs::rename(content_file(&world, *version), aside(*version)).unwrap();
    }
    // It can be read; what was touched comes back, the rest goes.
    assert_eq!(file.version(versions[0]).unwrap(), b"1\n");
    let old = File::options().write(true).open(aside(versions[0])).unwrap();
    old.set_modified(SystemTime::now() - DAY).unwrap();
    assert_eq!(file.prune().unwrap().contents, 1);
    assert!(file.version(versions[0]).is_err());
    assert!(content_file(&world, versions[1]).exists() && !aside(versions[1]).exists());
}

#[test]
fn without_a_history_a_text_is_merged_and_put_in_place_and_nothing_is_kept() {
    let world = World::new();
    let path = world.write("notes.md", "a\n");
    let session = world.session(Some("s"));
    session.file(&path).read().unwrap();
    outside(&path, "a\nsibling\n");
    let without = world.session(Some("s")).without_history();
    let commit = commit(&without.file(&path), "mine\na\n");
    assert_eq!(world.text("notes.md"), "mine\na\nsibling\n");
    let history = session.file(&path).history().unwrap();
    assert!(history.get(commit.version).unwrap().is_none());
    assert!(history.records().unwrap().records.is_empty());
    // The next look takes it for what it is.
    assert!(matches!(look(&session.file(&path)), ccpar_core::Settled::Outside(_)));
}

#[test]
fn a_log_that_has_grown_long_is_cut_and_goes_on_where_it_was() {
    let world = World::new();
    let session = with_days(world.session(None), 90);
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "a\n");
    let log = content_file(&world, Version::ABSENT).with_file_name("log.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    let (header, line) = text.split_once('\n').unwrap();
    let mut long = format!("{header}\n");
    for n in 1..=20_000 {
        long.push_str(
            &line.replace("\"n\":1,", &format!("\"n\":{n},\"more\":\"{}\",", "x".repeat(200))),
        );
    }
    outside(&log, &long);
    assert_eq!(file.prune().unwrap().lines, 10_000);
    let _ = commit(&file, "a\nb\n");
    let parsed = file.history().unwrap().records().unwrap();
    assert_eq!((parsed.broken.len(), parsed.records.len()), (0, 10_001));
    assert_eq!(parsed.records.last().unwrap().n, 20_001);
    // Fields that are not known come through.
    assert!(std::fs::read_to_string(&log).unwrap().contains("\"more\":\"xxx"));
}

#[test]
fn what_only_outsiders_write_is_pruned_too() {
    let world = World::new();
    let session = with_days(world.session(None), 1);
    let file = session.file(world.path("notes.md"));
    outside(file.path(), "0\n");
    let first = Version::of(b"0\n");
    look(&file);
    for n in 1..=70 {
        // By twos, so that no single one need be the one that prunes.
        if n % 2 == 0 {
            let _ = commit(&file, &format!("{n}\n"));
        } else {
            outside(file.path(), format!("{n}\n"));
            look(&file);
        }
        if n == 10 {
            age(&world, first, 2 * DAY);
        }
    }
    assert!(file.version(first).is_err());
}

#[test]
fn what_a_session_saw_too_long_ago_is_no_base_and_what_is_gone_names_the_remedy() {
    let world = World::new();
    let [writer, reader] = [Some("w"), Some("r")].map(|session| world.session(session));
    let (w, r) = (writer.file(world.path("n.md")), reader.file(world.path("n.md")));
    let _ = commit(&w, "a\nb\nc\n");
    let seen = r.read().unwrap().version();
    let _ = commit(&w, "a\nb\nc\nd\n");
    let content = content_file(&world, seen);
    std::fs::remove_file(&content).unwrap();
    let error = r.commit(b"mine\n", &CommitOptions::default()).unwrap_err().to_string();
    assert!(error.contains("read the file again"), "{error}");
    let notes = world.root().join("seen");
    for folder in std::fs::read_dir(notes).unwrap() {
        for note in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let file = File::options().write(true).open(note.unwrap().path()).unwrap();
            file.set_modified(SystemTime::now() - 31 * DAY).unwrap();
        }
    }
    let _ = r.commit(b"a\nb\nc\nd\nmine\n", &CommitOptions::default()).unwrap();
}

#[test]
fn a_log_that_was_cut_does_not_tell_what_stood_in_the_gap() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    for text in ["1\n", "2\n", "3\n", "4\n"] {
        let _ = commit(&file, text);
    }
    let log = content_file(&world, Version::ABSENT).with_file_name("log.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    let dated: Vec<String> = text
        .lines()
        .map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(n) = line["n"].as_u64() {
                line["time"] = (n * 1000).into();
            }
            line.to_string() + "\n"
        })
        .collect();
    outside(&log, dated.concat());
    let at = |time| file.version_at(time).unwrap();
    let version = |text: &str| Some(Version::of(text.as_bytes()));
    assert_eq!([500, 1500, 4500].map(at), [Some(Version::ABSENT), version("1\n"), version("4\n")]);
    // The second is cut off, then the first too.
    outside(&log, [&dated[..2], &dated[3..]].concat().concat());
    assert_eq!([1500, 2500, 3500].map(at), [None, None, version("3\n")]);
    outside(&log, [&dated[..1], &dated[3..]].concat().concat());
    assert_eq!([1500, 3500].map(at), [None, version("3\n")]);
}
