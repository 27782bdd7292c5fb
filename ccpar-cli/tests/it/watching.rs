//! `ccpar watch`, as a process that runs beside the writers.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::claims::Agent;
use crate::support::{CCPAR, Home, skip};

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `ccpar watch`, which ends with this.
pub(crate) struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    pub(crate) fn new(home: &Home, words: &[&str]) -> Watcher {
        let mut command = home.command(CCPAR);
        command.arg("watch").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (send, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).all(|line| send.send(line).is_ok())
        });
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("watching ") {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        // What it has to say besides is for who reads the test's own output.
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| eprintln!("    {line}"));
        });
        Watcher { child, lines }
    }

    /// The next line that it prints.
    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// The next line that holds this.
    #[track_caller]
    fn says(&self, wanted: &str) -> String {
        loop {
            let line = self.next();
            if line.contains(wanted) {
                return line;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < PATIENCE, "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn each_version_is_recorded_as_it_is_written_and_a_loss_is_said_aloud() {
    let home = Home::new();
    home.pipe(&["locked-write", "n.md"], "a\nb\nc\n").quiet();
    let watch = Watcher::new(&home, &[]);
    home.sh("echo L >> n.md").quiet();
    assert!(watch.next().ends_with("n.md@2  +1 -0"));
    home.sh("printf 'a\\nb\\nc\\nmine\\n' > n.md").quiet();
    let line = watch.says("n.md@");
    assert!(line.contains("had not seen 1 line; put back with: ccpar restore --lost "), "{line}");
    // Without --heal it changes nothing.
    assert_eq!(home.text("n.md"), "a\nb\nc\nmine\n");
    // What ccpar itself writes is no news.
    home.pipe(&["locked-write", "n.md", "--append"], "by ccpar\n").quiet();
    // But for what a stale writer swallows, whoever it is that wrote it down.
    home.pipe(&["locked-write", "n.md"], "a\nb\nc\nother\n").ended(0, "not seen are gone");
    let line = watch.says("had not seen 2 lines");
    assert!(line.contains("n.md@5"), "{line}");
    home.sh("rm n.md").quiet();
    assert!(watch.says("was removed").contains("ccpar restore "));
    // A file that becomes known meanwhile, and one whose folder comes and goes.
    home.pipe(&["locked-write", "deep/er/m.md"], "x\n").quiet();
    wait_until(|| {
        home.write("deep/er/m.md", "y\n");
        watch.lines.recv_timeout(Duration::from_millis(100)).is_ok_and(|line| line.contains("m.md"))
    });
    home.sh("rm -r deep").quiet();
    watch.says("was removed");
    home.sh("mkdir -p deep/er && echo z > deep/er/m.md").quiet();
    watch.says("m.md@");
    home.sh("echo more >> deep/er/m.md").quiet();
    watch.says("m.md@");
}

#[test]
fn with_heal_what_was_swallowed_is_merged_back_at_once_and_what_was_meant_is_not() {
    let home = Home::new();
    home.write("n.md", "a\nb\nc\n");
    home.write("s.json", "{\"a\": 1}\n");
    let watch = Watcher::new(&home, &["--heal", "n.md", "s.json"]);
    home.sh("echo L >> n.md").quiet();
    watch.says("n.md@2");
    home.sh("printf 'a\\nb\\nc\\nmine\\n' > n.md").quiet();
    watch.says("had not seen 1 line");
    watch.says("merged back");
    assert_eq!(home.text("n.md"), "a\nb\nc\nmine\nL\n");
    home.sh("printf 'a\\nb\\nc\\nmine\\n' > n.md").quiet();
    watch.says("perhaps not seen");
    assert_eq!(home.text("n.md"), "a\nb\nc\nmine\n");
    home.sh("echo '{' > s.json").quiet();
    watch.says("no longer parses as JSON; put back what it was with: ccpar restore ");
    home.ccpar(&["restore", "s.json"]).ended(0, "was in order");
    assert_eq!(home.text("s.json"), "{\"a\": 1}\n");
}

#[test]
fn who_has_claimed_one_file_keeps_no_other_from_being_healed() {
    let home = Home::new();
    let agent = Agent::start();
    for name in ["a.md", "b.md"] {
        home.write(name, "a\nb\nc\n");
    }
    home.ccpar(&["heartbeat", "--session", "s", "--pid", &agent.pid()]).quiet();
    let token = home.ccpar(&["claim", "a.md", "--session", "s"]).quiet();
    let watch = Watcher::new(&home, &["--heal", "a.md", "b.md"]);
    for name in ["a.md", "b.md"] {
        home.sh(&format!("echo L >> {name}")).quiet();
        watch.says(&format!("{name}@2"));
        home.sh(&format!("printf 'a\\nb\\nc\\nmine\\n' > {name}")).quiet();
        watch.says("had not seen 1 line");
    }
    let line = watch.says("merged back");
    assert!(line.contains("b.md"), "{line}");
    assert_eq!(home.text("b.md"), "a\nb\nc\nmine\nL\n");
    assert_eq!(home.text("a.md"), "a\nb\nc\nmine\n");
    home.ccpar(&["release", "--claim", token.trim(), "--session", "s"]).quiet();
    assert!(watch.says("merged back").contains("a.md"));
    assert_eq!(home.text("a.md"), "a\nb\nc\nmine\nL\n");
}

#[test]
fn all_plain_files_of_a_folder_are_watched_and_hidden_ones_are_not() {
    let home = Home::new();
    home.sh("mkdir -p memory/sub; echo 1 > memory/sub/a.md; echo x > memory/.hidden").quiet();
    let watch = Watcher::new(&home, &["memory", "--json"]);
    let first: serde_json::Value = serde_json::from_str(&watch.next()).unwrap();
    assert!(first["path"].as_str().unwrap().ends_with("memory/sub/a.md"), "{first}");
    home.sh("mkdir memory/new; echo 2 > memory/new/b.md; echo y > memory/.hidden").quiet();
    watch.says("memory/new/b.md");
    let log = home.ccpar(&["log"]).quiet();
    assert!(!log.contains("hidden"), "{log}");
}

#[test]
fn it_waits_without_turning() {
    if !std::path::Path::new("/proc/self/stat").exists() {
        skip("there is no /proc here");
        return;
    }
    let home = Home::new();
    home.pipe(&["locked-write", "n.md"], "a\n").quiet();
    let watch = Watcher::new(&home, &[]);
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", watch.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    home.sh("echo b >> n.md").quiet();
    watch.says("n.md@2");
    std::thread::sleep(Duration::from_millis(100));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(ticks(), before, "CPU time went by");
}
