//! Each system call of each verb that writes fails once, or is the last one.
//!
//! What a verb does is seen when nothing fails: what stands there before, after it,
//! and after it was called twice. With a fault, each file is old or new and whole;
//! what the exit code says is so; and the next call comes to what one call, or two,
//! would have come to, and leaves no litter.

mod verbs;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rig::{CCPAR, Random, Run, World, skip};
use verbs::{VERBS, Verb};

/// Calls that change something, or have to do with a lock.
const CHANGES: [&str; 20] = [
    "openat",
    "write",
    "pwrite64",
    "rename",
    "renameat2",
    "fsync",
    "fdatasync",
    "unlink",
    "unlinkat",
    "mkdir",
    "rmdir",
    "fchmod",
    "fchown",
    "ftruncate",
    "flock",
    "linkat",
    "link",
    "fallocate",
    "utimensat",
    "fcntl",
];

/// Calls that look.
const LOOKS: [&str; 7] =
    ["statx", "read", "pread64", "getdents64", "readlink", "lseek", "flistxattr"];

const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EACCES", "EINTR"];

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// `None` if it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    stderr: String,
}

/// What can be seen from outside: the text of each file but ccpar's own, and who is
/// at work and has claimed what.
type Seen = BTreeMap<String, String>;

/// A home of which there is a copy, so that it can be what it was again and again.
pub(crate) struct Home {
    world: World,
}

impl Home {
    pub(crate) fn new() -> Home {
        let home = Home { world: World::new() };
        std::fs::DirBuilder::new().create(home.world.path("home")).expect("it can be made");
        home
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        let home = self.folder();
        command.current_dir(&home).env("HOME", &home).env("TMPDIR", &home);
        command.env("CCPAR_ROOT", home.join("root")).env("CCPAR_WAIT", "5");
        command
    }

    pub(crate) fn ccpar(&self, words: &[&str], input: &str) -> Ran {
        let mut command = self.command(CCPAR);
        run(command.args(pids(words)), input)
    }

    /// Writes as something that is not ccpar.
    #[expect(clippy::disallowed_methods, reason = "this is the outside writer")]
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        let folder = path.parent().expect("it is in the home");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.world.path("home")
    }

    fn sh(&self, line: &str) {
        let status = self.world.command("sh").args(["-c", line]).stdin(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "{line}");
    }

    fn keep_copy(&self) {
        self.sh("cp -a home copy");
    }

    fn back_to_copy(&self) {
        self.sh("rm -rf home && cp -a copy home");
    }

    fn seen(&self, registry: bool) -> Seen {
        let mut seen = Seen::new();
        let home = self.folder();
        read_all(&home, &home, &mut seen);
        if registry {
            for (name, words) in [("<claims>", "--claims"), ("<sessions>", "--json")] {
                let said = self.ccpar(&["sessions", "--json", words], "").stdout;
                seen.insert(name.to_owned(), registered(&said));
            }
        }
        seen
    }
}

/// The words of a list of sessions or claims that do not change with time.
fn registered(said: &str) -> String {
    let of = |line: &str| -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let words = ["session", "id", "expect", "files", "branch"];
        Some(words.iter().map(|word| value[*word].to_string()).collect::<Vec<_>>().join(" "))
    };
    said.lines().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
}

fn read_all(home: &Path, folder: &Path, seen: &mut Seen) {
    for entry in std::fs::read_dir(folder).expect("a folder that is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path != home.join("root") {
                read_all(home, &path, seen);
            }
            continue;
        }
        let name = path.strip_prefix(home).expect("it is in there").to_string_lossy().into_owned();
        let text = std::fs::read(&path).expect("a file that is there");
        seen.insert(name, String::from_utf8_lossy(&text).into_owned());
    }
}

fn run(command: &mut Command, input: &str) -> Ran {
    use std::io::Write as _;
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it can be started");
    // It may end before it reads.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it can be waited for");
    // strace kills itself with what killed what it traced.
    let killed = output.status.signal().is_some();
    Ran {
        code: if killed { None } else { output.status.code() },
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a verb comes to when nothing fails.
struct Whole {
    before: Seen,
    once: Seen,
    twice: Seen,
    codes: [Option<i32>; 2],
}

/// One fault: this call, the nth time.
#[derive(Debug, Clone, Copy)]
struct Fault {
    call: &'static str,
    nth: usize,
    /// What it fails with; `None` to be killed there.
    error: Option<&'static str>,
}

pub(crate) fn run_faults(limits: &Run) -> Result<String, String> {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !works.is_ok_and(|status| status.success()) {
        skip("there is no strace, or it may not trace: no call is made to fail");
        return Ok("nothing was done".to_owned());
    }
    let mut random = Random::new(limits.seed);
    let (mut done, mut all, mut problems) = (0, 0, Vec::new());
    let mut kinds = BTreeMap::new();
    for (n, verb) in VERBS.iter().enumerate() {
        if !verb.name.contains(&limits.only) {
            continue;
        }
        let home = Home::new();
        (verb.set_up)(&home);
        home.keep_copy();
        let whole = whole(&home, verb)?;
        let mut faults = faults(&home, verb)?;
        all += faults.len();
        if limits.short {
            faults = sample(&faults, &mut random, n == 0);
        }
        let known = problems.len();
        for fault in faults {
            if n > 0 && limits.is_over() {
                break;
            }
            home.back_to_copy();
            done += 1;
            let kind = fault.error.unwrap_or("killed");
            *kinds.entry(kind).or_insert(0) += 1;
            if let Err(problem) = one(&home, verb, &whole, fault) {
                problems.push(format!("`{}` with {fault:?}: {problem}", verb.name));
            }
        }
        if !limits.short {
            println!("  `{}`: {} violations", verb.name, problems.len() - known);
            problems[known..].iter().for_each(|problem| println!("    {problem}"));
        }
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let figures = format!("{done} of {all} faults in {} verbs ({})", VERBS.len(), kinds.join(", "));
    if problems.is_empty() {
        return Ok(format!("{figures}: 0 violations"));
    }
    Err(format!("--seed {}, {figures}:\n{}", limits.seed, problems.join("\n")))
}

/// Of the first verb each call that changes something, killed and failing; of the
/// others a few.
fn sample(faults: &[Fault], random: &mut Random, first: bool) -> Vec<Fault> {
    let mut left = Vec::new();
    if first {
        let failing = faults.iter().filter(|fault| CHANGES.contains(&fault.call));
        let mut at: BTreeMap<_, Vec<Fault>> = BTreeMap::new();
        for fault in failing {
            at.entry((fault.call, fault.nth, fault.error.is_none())).or_default().push(*fault);
        }
        left.extend(at.into_values().map(|errors| errors[random.below(errors.len())]));
    } else {
        left.extend((0..4).map(|_| faults[random.below(faults.len())]));
    }
    left
}

fn whole(home: &Home, verb: &Verb) -> Result<Whole, String> {
    let before = home.seen(verb.registry);
    let first = home.ccpar(verb.words, &verb.input(home));
    if first.code != Some(verb.code) {
        return Err(format!("`{}` does not do what it should: {first:?}", verb.name));
    }
    let once = home.seen(verb.registry);
    let second = home.ccpar(verb.words, &verb.input(home));
    let twice = home.seen(verb.registry);
    home.back_to_copy();
    Ok(Whole { before, once, twice, codes: [first.code, second.code] })
}

fn traced(home: &Home, verb: &Verb, more: &[&str]) -> Ran {
    let more = [&["-y"], more].concat();
    traced_with(home, &more, verb.words, &verb.input(home)).0
}

/// What ccpar did, as strace tells it.
pub(crate) fn traced_with(
    home: &Home,
    more: &[&str],
    words: &[&str],
    input: &str,
) -> (Ran, String) {
    let mut command = home.command("strace");
    command.args(["-o", "../trace"]).args(more).arg(CCPAR).args(pids(words));
    let ran = run(&mut command, input);
    (ran, std::fs::read_to_string(home.world.path("trace")).unwrap_or_default())
}

fn pids(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.replace("PID", &std::process::id().to_string())).collect()
}

/// All faults that a verb can meet in its own files, and those that it asks about
/// processes.
fn faults(home: &Home, verb: &Verb) -> Result<Vec<Fault>, String> {
    let calls: Vec<&str> = CHANGES.into_iter().chain(LOOKS).collect();
    let more = ["-y", "-e", &format!("trace={}", calls.join(","))];
    let (_, trace) = traced_with(home, &more, verb.words, &verb.input(home));
    let own = home.folder().to_string_lossy().into_owned();
    let mut nth: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for line in trace.lines() {
        let name = line.split('(').next().unwrap_or_default();
        let Some(call) = calls.iter().find(|call| **call == name) else { continue };
        let nth = nth.entry(call).or_default();
        *nth += 1;
        let duplicates = *call != "fcntl" || line.contains("F_DUPFD");
        if !(line.contains(&own) || line.contains("/proc/")) || !duplicates {
            continue;
        }
        let fault = |error| Fault { call, nth: *nth, error };
        if LOOKS.contains(call) {
            faults.push(fault(Some("EIO")));
        } else {
            faults.extend(ERRORS.map(|error| fault(Some(error))));
            faults.push(fault(None));
        }
    }
    let syncs = faults.iter().filter(|fault| fault.call == "fsync" && fault.error.is_none());
    if syncs.count() < verb.syncs {
        return Err(format!("`{}` syncs less than {} times", verb.name, verb.syncs));
    }
    home.back_to_copy();
    Ok(faults)
}

fn one(home: &Home, verb: &Verb, whole: &Whole, fault: Fault) -> Result<(), String> {
    let Fault { call, nth, error } = fault;
    let kind = error.map_or("signal=KILL".to_owned(), |error| format!("error={error}"));
    let inject = format!("inject={call}:{kind}:when={nth}");
    let ran = traced(home, verb, &["-e", &format!("trace={call}"), "-e", &inject]);
    let seen = home.seen(verb.registry);
    let is_mark = |name: &str| name.ends_with(".ccpar-namespace");
    let is_temp = |name: &str| {
        let own = |part: &str| part.starts_with('.') && part[1..].contains(".ccpar-");
        name.split('/').any(own)
    };
    let same = |one: &Seen, two: &Seen| {
        let of = |seen: &Seen| -> Vec<(String, String)> {
            let files = seen.iter().filter(|(name, _)| !is_temp(name) && !is_mark(name));
            files.map(|(name, text)| (name.clone(), text.clone())).collect()
        };
        of(one) == of(two)
    };
    // Each is old or new, and whole.
    let names: BTreeSet<&String> = seen.keys().chain(whole.before.keys()).collect();
    for name in names.into_iter().filter(|name| !is_temp(name) && !is_mark(name)) {
        let (now, old, new) = (seen.get(name), whole.before.get(name), whole.once.get(name));
        if now != old && now != new {
            return Err(format!("{name} is neither old nor new: {now:?}, {ran:?}"));
        }
    }
    // What it says is so.
    if error.is_some() {
        let done = ran.code == Some(verb.code) && !ran.stderr.contains("nothing was written");
        let Some(code) = ran.code else { return Err(format!("it crashed: {ran:?}")) };
        if done && !verb.fails_open && !same(&seen, &whole.once) {
            return Err(format!("it said that it is done: {ran:?}, {seen:?}"));
        }
        if verb.fails_open && code != 0 {
            return Err(format!("it does not fail open: {ran:?}"));
        }
        if !done && !(1..=2).contains(&code) {
            return Err(format!("it ended with {code}: {ran:?}"));
        }
        if !done && ran.stderr.is_empty() {
            return Err(format!("it says nothing: {ran:?}"));
        }
        let doubtful = verb.whole && ran.stderr.contains("not known to be durable");
        if !done && verb.whole && !doubtful && !same(&seen, &whole.before) {
            return Err(format!("it said that it failed: {ran:?}, {seen:?}"));
        }
        if doubtful && !same(&seen, &whole.once) {
            return Err(format!("it said that it is written: {ran:?}, {seen:?}"));
        }
    }
    // The next call works, and leaves nothing behind.
    let again = home.ccpar(verb.words, &verb.input(home));
    let now = home.seen(verb.registry);
    if !whole.codes.contains(&again.code) {
        return Err(format!("the next call: {again:?} after {ran:?}"));
    }
    let expected: &[&Seen] =
        if verb.whole && same(&seen, &whole.before) && !same(&seen, &whole.once) {
            &[&whole.once]
        } else {
            &[&whole.once, &whole.twice]
        };
    if !expected.iter().any(|expected| same(&now, expected)) {
        return Err(format!("the next call came to {now:?} after {ran:?}"));
    }
    if let Some(litter) = now.keys().find(|name| is_temp(name)) {
        return Err(format!("{litter} is left behind after {ran:?}"));
    }
    let doctor = home.ccpar(&["doctor"], "");
    if doctor.code != Some(0) {
        return Err(format!("not all is in order: {doctor:?} after {ran:?}"));
    }
    Ok(())
}
