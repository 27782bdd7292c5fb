//! Memory of one's own, as a user of Claude Code's worktrees has it.

use serde_json::Value;

use crate::support::{Home, Ran, run, there_is};

/// A repository with a worktree on `feat/voice`, and a memory of two notes.
pub(crate) struct Project {
    pub(crate) home: Home,
}

impl Project {
    pub(crate) fn new() -> Option<Project> {
        if !there_is("git") {
            return None;
        }
        let home = Home::new();
        home.sh("git init -q -b main app && cd app &&
             git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x &&
             git worktree add -q ../wt -b feat/voice")
            .quiet();
        let project = Project { home };
        let memory = project.memory();
        project.home.sh(&format!(
            "mkdir -p {memory} && cd {memory} &&
             printf '# Memory\n\n- [build](build.md): make\n' > MEMORY.md && echo make > build.md"
        ));
        Some(project)
    }

    /// The memory of the main checkout, from the home.
    pub(crate) fn memory(&self) -> String {
        let app = self.home.path("app").canonicalize().unwrap();
        let name: String = app
            .to_str()
            .unwrap()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        format!(".claude/projects/{name}/memory")
    }

    pub(crate) fn own(&self, name: &str) -> String {
        format!("{}/feat-voice/{name}", self.memory())
    }

    pub(crate) fn shared(&self, name: &str) -> String {
        format!("{}/{name}", self.memory())
    }

    /// `ccpar namespace` with these words, in the worktree.
    pub(crate) fn namespace(&self, words: &[&str]) -> Ran {
        self.namespace_in("wt", words)
    }

    pub(crate) fn namespace_in(&self, folder: &str, words: &[&str]) -> Ran {
        let mut command = self.home.command(crate::support::CCPAR);
        command.current_dir(self.home.path(folder)).arg("namespace").args(words);
        run(&mut command, b"")
    }

    pub(crate) fn append(&self, name: &str, line: &str) {
        let text = std::fs::read_to_string(self.home.path(name)).unwrap_or_default();
        self.home.write(name, format!("{text}{line}\n"));
    }
}

#[test]
fn a_worktree_forks_the_memory_of_its_main_checkout_and_promotes() {
    let Some(project) = Project::new() else { return };
    let path = project.namespace(&["path"]).quiet();
    let memory = project.home.path(project.memory()).canonicalize().unwrap();
    assert_eq!(path.trim(), memory.join("feat-voice").to_str().unwrap());
    assert_eq!(project.namespace_in("app", &["path", "feat/voice"]).quiet(), path);
    project.namespace(&["diff"]).ended(2, "hint: start it with: ccpar namespace start");
    assert_eq!(project.namespace(&["start"]).ended(0, "forked 2 files").stdout, path);
    assert_eq!(project.namespace(&["start"]).ended(0, "since before").stdout, path);
    let settings = project.namespace(&["start", "--print-settings"]).ended(0, "").stdout;
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(settings["autoMemoryDirectory"], path.trim());

    project.append(&project.own("MEMORY.md"), "- [voice](voice.md): 20 ms");
    project.append(&project.own("voice.md"), "# Voice");
    project.append(&project.own("build.md"), "ninja");
    project.append(&project.shared("MEMORY.md"), "- [emit](emit.md): once");
    let diff = project.namespace(&["diff"]).quiet();
    let expected = "\
what feat/voice learned:
    MEMORY.md  changed
        +1 -0     # Memory
    build.md  changed
        +1 -0
    voice.md  new
        +1 -0     # Voice
what the shared folder learned since:
    MEMORY.md  changed
        +1 -0     # Memory
";
    assert_eq!(diff, expected);
    assert!(project.namespace(&["diff", "-p"]).quiet().contains("+ninja\n"));
    let dry = project.namespace(&["promote", "-n"]).ended(0, "would be passed on").stdout;
    assert_eq!(dry.matches("would ").count(), 3);
    let done = project.namespace(&["promote"]).ended(0, "passed on to").stdout;
    assert!(done.contains("merged         +1 -0     MEMORY.md"), "{done}");
    assert_eq!(
        project.home.text(&project.shared("MEMORY.md")),
        "# Memory\n\n- [build](build.md): make\n- [emit](emit.md): once\n\
         - [voice](voice.md): 20 ms\n"
    );
    project.namespace(&["promote"]).ended(0, "has all of it");
    let log = project.home.ccpar(&["log", &project.shared("MEMORY.md")]).quiet();
    assert!(log.contains("on feat/voice"), "{log}");
    project.namespace(&["update"]).ended(0, "1 file");
    assert_eq!(
        project.home.text(&project.own("MEMORY.md")),
        project.home.text(&project.shared("MEMORY.md"))
    );
}

#[test]
fn a_conflict_is_loud_ends_with_1_and_is_told_once() {
    let Some(project) = Project::new() else { return };
    project.namespace(&["start"]).ended(0, "");
    project.home.write(&project.own("build.md"), "ninja\n");
    project.home.write(&project.shared("build.md"), "bazel\n");
    project.namespace(&["promote", "--dry-run"]).ended(1, "1 place could not be merged");
    let ran = project.namespace(&["promote", "--json"]).ended(1, "hint: settle it with: diff ");
    let change: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&change["action"], &change["regions"]), (&"conflict".into(), &1.into()));
    let copy = change["conflict_copy"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "ninja\n");
    assert_eq!(project.home.text(&project.shared("build.md")), "bazel\n");
    project.namespace(&["promote"]).ended(0, "has all of it");
}

#[test]
fn the_environment_and_the_settings_say_where_the_memory_is() {
    let Some(project) = Project::new() else { return };
    let path = |env: &[(&str, &str)]| {
        let mut command = project.home.command(crate::support::CCPAR);
        command.current_dir(project.home.path("wt")).args(["namespace", "path"]);
        command.envs(env.iter().copied());
        run(&mut command, b"").quiet().trim().to_owned()
    };
    let home = project.home.path("").canonicalize().unwrap();
    let at = |inner: &str| home.join(inner).join("feat-voice").to_string_lossy().into_owned();
    let own = home.join("config");
    let config = own.to_str().unwrap();
    let inner = project.memory().replace(".claude", "config");
    assert_eq!(path(&[("CLAUDE_CONFIG_DIR", config)]), at(&inner));
    let name = ("CLAUDE_CODE_PROJECT_DIR_NAME", "mine");
    assert_eq!(path(&[name, ("CLAUDE_CONFIG_DIR", config)]), at("config/projects/mine/memory"));
    assert_eq!(path(&[name]), at(&project.memory()), "alone it is none, for the client too");
    project.home.write(".claude/settings.json", "{\"autoMemoryDirectory\": \"~/users\"}");
    assert_eq!(path(&[]), at("users"));
    project.home.sh("mkdir -p app/.claude wt/.claude").quiet();
    let local = format!("{{\"autoMemoryDirectory\": \"{}/local\"}}", home.display());
    project.home.write("wt/.claude/settings.local.json", &local);
    assert_eq!(path(&[]), at("users"), "the main checkout's settings count");
    project.home.write("app/.claude/settings.local.json", &local);
    assert_eq!(path(&[]), at("local"));
    project.home.write("app/.claude/settings.local.json", "{}");
    project.home.write("app/.claude/settings.json", "{\"autoMemoryDirectory\": \"/x\"}");
    project.namespace(&["path"]).ended(2, "settings.json` puts the memory in `/x`, which counts");
    project.home.write("app/.claude/settings.local.json", "{");
    project.namespace(&["path"]).ended(2, "settings.local.json`: ");
}

#[test]
fn a_long_path_is_cut_and_its_hash_tells_the_rest() {
    let Some(project) = Project::new() else { return };
    let long = format!("{}/{}", "d".repeat(120), "e".repeat(120));
    project.home.sh(&format!("mkdir -p {long} && git init -q {long}")).quiet();
    let path = project.namespace_in(&long, &["path", "x"]).quiet();
    let name = path.trim().strip_suffix("/memory/x").and_then(|path| path.rsplit('/').next());
    let (start, hash) = name.and_then(|name| name.rsplit_once('-')).unwrap();
    assert!(start.len() == 200 && start.ends_with("eee") && !hash.is_empty(), "{path}");
}

#[test]
fn the_block_in_claude_local_md_comes_with_start_and_goes_with_discard() {
    let Some(project) = Project::new() else { return };
    project.home.write("wt/CLAUDE.local.md", "# Mine\n");
    project.namespace(&["start", "--claude-md"]).ended(0, "tells the agents here");
    project.namespace(&["start", "--claude-md"]).ended(0, "");
    let text = project.home.text("wt/CLAUDE.local.md");
    assert!(text.starts_with("# Mine\n\n<!-- ccpar namespace -->\n"), "{text}");
    assert_eq!(text.matches("feat-voice`. Read").count(), 1, "{text}");
    project.append(&project.own("voice.md"), "# Voice");
    project.namespace(&["discard"]).ended(0, "1 file of them only it had");
    assert_eq!(project.home.text("wt/CLAUDE.local.md"), "# Mine\n");
    assert!(!project.home.path(project.own("")).exists());
    let log = project.home.ccpar(&["log", &project.own("voice.md")]).quiet();
    assert!(log.contains("remove"), "{log}");
    project.namespace(&["discard"]).ended(2, "has no namespace");
    // A file that git tracks is written only if it is named.
    project.home.sh("cd wt && git add -f CLAUDE.local.md").quiet();
    project.namespace(&["start", "--claude-md"]).ended(2, "is tracked by git");
    assert!(!project.home.path(project.own("")).exists(), "nothing was started");
    project.namespace(&["start", "--claude-md=CLAUDE.local.md"]).ended(0, "tells the agents");
}

#[test]
fn an_agent_runs_with_its_memory_there_and_what_it_learned_is_promoted() {
    let Some(project) = Project::new() else { return };
    // A client that prints what it is given, and learns a line.
    project.home.sh("mkdir bin").quiet();
    project.home.write(
        "bin/claude",
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\necho learned >> \"$CCPAR_NAMESPACE/voice.md\"\nexit $END\n",
    );
    project.home.sh("chmod +x bin/claude").quiet();
    let claude = project.home.path("bin/claude");
    let claude = claude.to_str().unwrap();
    let run_it = |words: &[&str], end: &str| {
        let mut command = project.home.command(crate::support::CCPAR);
        command.current_dir(project.home.path("wt")).env("END", end);
        run(command.args(["namespace", "run"]).args(words), b"")
    };
    let ran = run_it(&["--", claude, "-p", "hi"], "0").ended(0, "hint: ccpar namespace promote");
    assert!(ran.stdout.contains("would create"), "{ran:?}");
    let mut words = ran.stdout.lines();
    assert_eq!(words.next(), Some("--settings"));
    let settings: Value = serde_json::from_str(words.next().unwrap()).unwrap();
    let folder = project.namespace(&["path"]).quiet();
    assert_eq!(settings["autoMemoryDirectory"], folder.trim());
    assert_eq!(words.by_ref().take(2).collect::<Vec<_>>(), ["-p", "hi"]);
    assert!(!project.home.path(project.shared("voice.md")).exists());

    let own = ["--promote", "always", "--", claude, "--settings", "{\"model\":\"x\"}"];
    let ran = run_it(&own, "0").ended(0, "passed on to");
    let given: Value = serde_json::from_str(ran.stdout.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&given["model"], given.get("autoMemoryDirectory").is_some()), (&"x".into(), true));
    assert_eq!(ran.stdout.matches("--settings").count(), 1);
    assert_eq!(project.home.text(&project.shared("voice.md")), "learned\nlearned\n");

    run_it(&["--promote", "never", "--", claude], "7").ended(7, "would be passed on");
    assert_eq!(project.home.text(&project.shared("voice.md")), "learned\nlearned\n");
    run_it(&["--", "no-such-command"], "0").ended(2, "there is no command `no-such-command`");
}

#[cfg(unix)]
#[test]
fn a_ctrl_c_is_the_agents_and_the_promote_comes_after_it() {
    let Some(project) = Project::new() else { return };
    // The signal goes to both, as a terminal sends it.
    let agent = "trap 'echo late > $CCPAR_NAMESPACE/late.md; exit 0' INT; kill -INT $PPID; \
                 kill -INT $$; sleep 5";
    project
        .namespace(&["run", "--promote", "always", "--", "sh", "-c", agent])
        .ended(0, "passed on to");
    assert_eq!(project.home.text(&project.shared("late.md")), "late\n");
}

#[test]
fn who_runs_in_a_namespace_is_a_session_while_it_does() {
    let Some(project) = Project::new() else { return };
    // It is registered as soon as its process is known.
    let agent = format!(
        "for i in $(seq 200); do {ccpar} namespace list | grep 'in use by session' && exit 0; \
         sleep 0.02; done; exit 3",
        ccpar = crate::support::CCPAR,
    );
    let ran = project.namespace(&["run", "--promote", "never", "--", "sh", "-c", &agent]);
    assert!(ran.ended(0, "").stdout.contains("in use by session pid-"));
    assert!(!project.namespace(&["list"]).quiet().contains("in use"));
}

#[test]
fn what_nobody_comes_back_to_is_listed_and_rescued() {
    let Some(project) = Project::new() else { return };
    project.namespace(&["list"]).ended(0, "there is no namespace");
    project.namespace(&["start"]).ended(0, "");
    project.append(&project.own("voice.md"), "Voice.");
    let list = project.namespace(&["list"]).quiet();
    assert!(list.contains("feat/voice") && list.contains("1 changed, 0 there"), "{list}");
    assert!(!list.contains("gone"), "{list}");
    // An older client gave each worktree a memory.
    let older = project.memory().replace("-app/", "-wt/");
    let claudes = project.memory().replace("-app/", "-app--claude-worktrees-x/");
    for folder in [&older, &claudes] {
        project.home.sh(&format!("mkdir -p {folder}")).quiet();
    }
    project.home.write(&format!("{older}/old.md"), "Old.\n");
    project.home.write(&format!("{claudes}/lost.md"), "Lost.\n");
    project.home.sh("cd app && git worktree remove --force ../wt && git branch -D feat/voice");
    let listed = project.namespace_in("app", &["list", "--json"]).quiet();
    let entries: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 3, "{listed}");
    assert_eq!(entries[0]["worktree_exists"], false);
    assert_eq!(entries[0]["branch_exists"], false);
    assert!(entries[0]["remedy"].as_str().unwrap().contains("promote feat/voice"), "{listed}");
    let folder = |entry: &Value| entry["folder"].as_str().unwrap().to_owned();
    assert!(folder(&entries[1]).ends_with(&claudes), "{listed}");
    assert!(folder(&entries[2]).ends_with(&older), "{listed}");

    project.namespace_in("app", &["promote", "feat/voice"]).ended(0, "1 file");
    let older = project.home.path(older);
    let from = ["promote", "--from", older.to_str().unwrap()];
    project.namespace_in("app", &[&from[..], &["-n"]].concat()).ended(0, "would be passed on");
    assert!(!project.home.path(project.shared("old.md")).exists());
    project.namespace_in("app", &from).ended(0, "1 file");
    assert_eq!(project.home.text(&project.shared("old.md")), "Old.\n");
    project.namespace_in("app", &from).ended(0, "has all of it");
    // A fork that this root does not know, and one that it does.
    project.home.sh("rm -r .claude/ccpar/namespaces").quiet();
    let memory = project.memory();
    let ran = project.home.ccpar(&["doctor", &memory]).ended(1, "to look at");
    assert!(ran.stdout.contains("no record of this fork"), "{ran:?}");
}

#[test]
fn doctor_holds_an_index_against_its_files() {
    let home = Home::new();
    let note = |name: &str| format!("---\nname: {name}\ndescription: about {name}\n---\n");
    home.sh("mkdir -p memory skills/build skills/emit").quiet();
    home.write("memory/a.md", note("a"));
    home.write("memory/b.md", note("b"));
    home.write("memory/MEMORY.md", "- [b](b.md): mine\n- [gone](gone.md): about gone\n");
    home.pipe(&["locked-write", "memory/gone.md"], note("gone")).quiet();
    home.sh("rm memory/gone.md").quiet();
    let ran = home.ccpar(&["doctor", "memory"]).ended(1, "ccpar doctor memory --fix");
    assert!(ran.stdout.contains("line 2: `gone.md` does not exist"), "{ran:?}");
    assert!(ran.stdout.contains("`a.md` has no entry"), "{ran:?}");
    home.ccpar(&["doctor", "memory", "--fix"]).ended(0, "index and files agree");
    assert_eq!(home.text("memory/MEMORY.md"), "- [b](b.md): mine\n- [a](a.md): about a\n");
    home.ccpar(&["doctor", "memory"]).ended(0, "agree");
    home.ccpar(&["restore", "memory/MEMORY.md@1"]).quiet();
    // Skills are known by their folders.
    home.write("skills/build/SKILL.md", note("build"));
    home.write("skills/emit/SKILL.md", note("emit"));
    home.ccpar(&["doctor", "skills"]).ended(0, "there is no index");
    home.write("skills/INDEX.md", "# Skills\n\n- [build](build/): about build\n");
    home.ccpar(&["doctor", "skills", "--fix"]).ended(0, "agree");
    let index = home.text("skills/INDEX.md");
    assert!(
        index.ends_with("- [build](build/): about build\n- [emit](emit/SKILL.md): about emit\n")
    );
    home.ccpar(&["doctor", "nowhere"]).ended(2, "is no folder");
}
