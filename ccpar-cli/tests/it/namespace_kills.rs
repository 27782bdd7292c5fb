//! Killed at each call that changes something, a namespace verb that is called
//! again comes to what one call would have come to.

use crate::faults::strace_works;
use crate::support::{CCPAR, Home, Ran, run};

const CALLS: [&str; 6] = ["mkdir", "rename", "write", "unlink", "unlinkat", "rmdir"];

const INDEX: &str = "# Memory\n\n- [build](build.md): make\n";

fn verb(home: &Home, verb: &str) -> Ran {
    let mut command = home.command(CCPAR);
    command.env("CCPAR_DURABILITY", "process");
    run(command.args(["namespace", verb, "feat/v", "--of", "memory"]), b"")
}

/// A memory of four notes, in a folder and in one within.
fn memory() -> Home {
    let home = Home::new();
    home.sh("mkdir -p memory/sub").quiet();
    home.write("memory/MEMORY.md", INDEX);
    home.write("memory/build.md", "make\n");
    home.write("memory/emit.md", "once\n");
    home.write("memory/sub/deep.md", "deep\n");
    home
}

/// Both sides have learned something since the fork.
fn forked() -> Home {
    let home = memory();
    verb(&home, "start").ended(0, "forked 4 files");
    home.write("memory/feat-v/MEMORY.md", format!("{INDEX}- [voice](voice.md): 20 ms\n"));
    home.write("memory/feat-v/voice.md", "voice\n");
    home.sh("rm memory/feat-v/emit.md memory/sub/deep.md").quiet();
    home.write("memory/MEMORY.md", format!("{INDEX}- [news](news.md): new\n"));
    home.write("memory/news.md", "news\n");
    home
}

/// All files below the memory, each with its text.
fn files(home: &Home) -> Vec<(String, String)> {
    let found = home.sh("cd memory && find . -type f | LC_ALL=C sort").quiet();
    let text = |name: &str| home.text(&format!("memory/{name}"));
    found.lines().map(|name| (name.to_owned(), text(name))).collect()
}

/// Kills the verb at each call in turn, and calls `then` on what that left.
fn killed_at_each(name: &str, least: usize, set_up: fn() -> Home, then: impl Fn(&Home, &str)) {
    let mut hits = 0;
    for call in CALLS {
        for nth in 1..200 {
            let home = set_up();
            let mut command = home.command("strace");
            command.args(["-f", "-o", "trace", "-e", &format!("trace={call}")]);
            command.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
            command.args([CCPAR, "namespace", name, "feat/v", "--of", "memory"]);
            run(command.env("CCPAR_DURABILITY", "process"), b"");
            if !home.text("trace").contains("killed by SIGKILL") {
                break;
            }
            hits += 1;
            then(&home, &format!("{name} killed at {call} number {nth}"));
        }
    }
    assert!(hits >= least, "{name} was killed {hits} times");
}

#[test]
fn start() {
    if !strace_works() {
        return;
    }
    let whole = memory();
    verb(&whole, "start").ended(0, "forked 4 files");
    let expected = files(&whole);
    killed_at_each("start", 15, memory, |home, context| {
        let ran = verb(home, "promote");
        assert!(ran.code == 0 || ran.stderr.contains("has no namespace"), "{context}: {ran:?}");
        assert_eq!(verb(home, "start").code, 0, "{context}");
        let mark = "./feat-v/.ccpar-namespace";
        let found = files(home).into_iter().filter(|(name, _)| name != mark);
        let expected = expected.iter().filter(|(name, _)| name != mark).cloned();
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{context}");
        verb(home, "promote").ended(0, "has all of it");
    });
}

#[test]
fn promote_and_update() {
    if !strace_works() {
        return;
    }
    for (name, least) in [("promote", 25), ("update", 25)] {
        let (before, whole) = (forked(), forked());
        verb(&whole, name).ended(0, "passed on to");
        let mark = |(name, _): &(String, String)| name != "./feat-v/.ccpar-namespace";
        let sorted = |home: &Home| files(home).into_iter().filter(mark).collect::<Vec<_>>();
        let (before, after) = (sorted(&before), sorted(&whole));
        assert_ne!(before, after);
        killed_at_each(name, least, forked, |home, context| {
            // What a reader finds is the old text or the new.
            for (name, text) in sorted(home).iter().filter(|(name, _)| !name.contains(".ccpar-")) {
                let known = before.iter().chain(&after).any(|(n, t)| (n, t) == (name, text));
                assert!(known, "{context}: `{name}` holds {text:?}");
            }
            assert_eq!(verb(home, name).code, 0, "{context}");
            assert_eq!(sorted(home), after, "{context}");
            verb(home, name).ended(0, "has all of it");
            home.ccpar(&["doctor"]).ended(0, "all is in order");
        });
    }
}

#[test]
fn discard() {
    if !strace_works() {
        return;
    }
    let shared = |home: &Home| {
        files(home).into_iter().filter(|(name, _)| !name.contains("feat-v")).collect::<Vec<_>>()
    };
    let expected = shared(&forked());
    killed_at_each("discard", 12, forked, |home, context| {
        // What is missing is not taken for removed.
        if verb(home, "promote").code == 0 {
            assert_eq!(home.text("memory/build.md"), "make\n", "{context}");
            assert_eq!(home.text("memory/voice.md"), "voice\n", "{context}");
        } else {
            assert_eq!(shared(home), expected, "{context}");
        }
        let ran = verb(home, "discard");
        assert!(ran.code == 0 || ran.stderr.contains("has no namespace"), "{context}: {ran:?}");
        assert!(!home.path("memory/feat-v").exists(), "{context}");
        if !home.path("memory/voice.md").exists() {
            let voice = home.ccpar(&["show", "memory/feat-v/voice.md@1"]).quiet();
            assert_eq!(voice, "voice\n", "{context}");
        }
        verb(home, "start").ended(0, "forked");
    });
}

/// A note that both sides have changed in the same line, one that a folder stands in
/// the place of, one that was removed here and changed there, and the other way round.
fn in_conflict() -> Home {
    let home = forked();
    home.write("memory/feat-v/build.md", "ninja\n");
    home.write("memory/build.md", "bazel\n");
    home.write("memory/emit.md", "twice\n");
    home.write("memory/feat-v/sub/deep.md", "deeper\n");
    home.write("memory/feat-v/part", "no folder\n");
    home.sh("mkdir memory/part").quiet();
    home.write("memory/part/x.md", "x\n");
    home
}

#[test]
fn promote_and_update_with_conflicts() {
    if !strace_works() {
        return;
    }
    for (name, least) in [("promote", 30), ("update", 30)] {
        let (before, whole) = (in_conflict(), in_conflict());
        let told = verb(&whole, name).ended(1, "could not be merged");
        assert!(told.stderr.contains("something of another kind"), "{told:?}");
        let mark = |(name, _): &(String, String)| name != "./feat-v/.ccpar-namespace";
        let sorted = |home: &Home| files(home).into_iter().filter(mark).collect::<Vec<_>>();
        let (before, after) = (sorted(&before), sorted(&whole));
        assert_eq!(after.iter().filter(|(name, _)| name.contains(".conflict-")).count(), 2);
        killed_at_each(name, least, in_conflict, |home, context| {
            for (name, text) in sorted(home).iter().filter(|(name, _)| !name.contains(".ccpar-")) {
                let known = before.iter().chain(&after).any(|(n, t)| (n, t) == (name, text));
                assert!(known, "{context}: `{name}` holds {text:?}");
            }
            // Each conflict is told, now or as one of before.
            let again = verb(home, name);
            assert_eq!(sorted(home), after, "{context}");
            for copy in after.iter().filter(|(name, _)| name.contains(".conflict-")) {
                let copy = copy.0.rsplit('/').next().unwrap();
                assert!(again.stderr.contains(copy), "{context}: {again:?}");
            }
            assert!(again.code < 2, "{context}: {again:?}");
            // The other way round nothing goes that is not settled.
            let other = if name == "promote" { "update" } else { "promote" };
            verb(home, other).ended(1, "waits for a conflict");
        });
    }
}

/// One more promote than its record has room for.
fn full() -> Home {
    let home = memory();
    let large = "A line that is neither long nor short.\n".repeat(2000);
    home.write("memory/large.md", &large);
    verb(&home, "start").ended(0, "forked 5 files");
    for n in 0..2 {
        home.write("memory/feat-v/large.md", format!("{n}\n{large}"));
        if n == 0 {
            verb(&home, "promote").ended(0, "passed on to");
        }
    }
    home
}

#[test]
fn promote_that_writes_its_record_anew() {
    if !strace_works() {
        return;
    }
    let texts = |home: &Home| home.sh("ls -s .claude/ccpar/namespaces/*/texts-*").code == 0;
    let whole = full();
    verb(&whole, "promote").ended(0, "passed on to");
    assert!(texts(&whole), "it was not written anew");
    killed_at_each("promote", 15, full, |home, context| {
        assert_eq!(verb(home, "promote").code, 0, "{context}");
        let [own, shared] = ["memory/feat-v/large.md", "memory/large.md"].map(|n| home.text(n));
        assert!(own == shared && own.starts_with("1\n"), "{context}");
        verb(home, "promote").ended(0, "has all of it");
        home.write("memory/feat-v/build.md", "make all\n");
        home.write("memory/news.md", "news\n");
        verb(home, "promote").ended(0, "1 file");
        verb(home, "update").ended(0, "1 file");
        verb(home, "discard").ended(0, "is discarded");
        home.sh("ls .claude/ccpar/namespaces/*").ended(2, "");
    });
}
