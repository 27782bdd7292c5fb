//! The mistakes that one makes with namespaces, and the checkouts that are not like
//! others.

use serde_json::Value;

use crate::namespaces::Project;
use crate::support::{Home, Ran, run};

/// A command that prints what it is given, under the name of the client.
fn claude(project: &Project, words: &[&str]) -> Ran {
    project.home.sh("mkdir -p bin").quiet();
    project.home.write("bin/claude", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
    project.home.sh("chmod +x bin/claude").quiet();
    let claude = project.home.path("bin/claude");
    let run_it = ["run", "--promote", "never", "--", claude.to_str().unwrap()];
    project.namespace(&[&run_it, words].concat())
}

#[test]
fn no_settings_that_an_agent_is_given_turn_it_away_from_its_namespace() {
    let Some(project) = Project::new() else { return };
    let words = [
        "--settings",
        "{\"a\": 1}",
        "-p",
        "--settings={\"b\": 2, \"autoMemoryDirectory\": \"/x\"}",
    ];
    let ran = claude(&project, &words).ended(0, "");
    let printed: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!((printed[0], printed[2], printed.len()), ("--settings", "-p", 3), "{printed:?}");
    let given: Value = serde_json::from_str(printed[1]).unwrap();
    let folder = project.namespace(&["path"]).quiet();
    // As for the client, the last counts.
    assert_eq!((&given["b"], given.get("a")), (&2.into(), None));
    assert_eq!(given["autoMemoryDirectory"], folder.trim());
    claude(&project, &["--settings=[]"]).ended(2, "`--settings` cannot be added to: ");
    claude(&project, &["--settings", "none.json"])
        .ended(2, "cannot be added to: `none.json`: No such");
    // Another command does not know of settings.
    project
        .namespace(&["run", "--promote", "never", "--", "true"])
        .ended(0, "`true` is not `claude`: its notes belong in $CCPAR_NAMESPACE");
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_claude_local_md_is_not_followed_unasked() {
    let Some(project) = Project::new() else { return };
    project.home.write("wt/CLAUDE.md", "# Ours\n");
    project.home.sh("cd wt && git add CLAUDE.md && ln -s CLAUDE.md CLAUDE.local.md").quiet();
    project.namespace(&["start", "--claude-md"]).ended(2, "CLAUDE.local.md` is a link");
    assert_eq!(project.home.text("wt/CLAUDE.md"), "# Ours\n");
    project.namespace(&["start", "--claude-md=CLAUDE.local.md"]).ended(0, "tells the agents");
    assert!(project.home.text("wt/CLAUDE.md").contains("ccpar namespace"));
}

#[test]
fn a_discard_leaves_the_block_of_another_branch_of_its_worktree() {
    let Some(project) = Project::new() else { return };
    project.namespace(&["start", "--claude-md"]).ended(0, "");
    project.home.sh("cd wt && git switch -q -c next").quiet();
    project.namespace(&["start", "--claude-md"]).ended(0, "");
    project.namespace(&["discard", "feat/voice"]).ended(0, "is discarded");
    assert!(project.home.text("wt/CLAUDE.local.md").contains("/next`. Read"));
    project.namespace(&["discard"]).ended(0, "is discarded");
    assert!(!project.home.path("wt/CLAUDE.local.md").exists());
}

#[test]
fn a_commit_that_is_checked_out_is_no_name_for_a_namespace() {
    let Some(project) = Project::new() else { return };
    project.home.sh("cd wt && git checkout -q --detach").quiet();
    for verb in ["start", "promote", "path"] {
        let ran = project.namespace(&[verb]).ended(2, "none is checked out in `");
        assert!(ran.stderr.contains("hint: name any that is this work's own"), "{ran:?}");
    }
    project.namespace(&["start", "mine"]).ended(0, "forked 2 files");
    project.namespace(&["promote", "mine"]).ended(0, "has all of it");
    let list = project.namespace(&["list"]).quiet();
    assert!(list.contains("mine") && !list.contains("gone"), "{list}");
}

/// A repository made by these lines in a home, with a worktree `wt`.
fn repository(lines: &str) -> Option<Home> {
    let project = Project::new()?;
    let git = "git -c user.name=a -c user.email=a@b -c protocol.file.allow=always";
    let made =
        project.home.sh(&format!("rm -rf wt; {}", lines.replace("git ", &format!("{git} "))));
    if made.code != 0 {
        crate::support::skip(&format!("this git cannot do that: {}", made.stderr));
        return None;
    }
    Some(project.home)
}

fn in_worktree(home: &Home, words: &[&str]) -> Ran {
    let mut command = home.command(crate::support::CCPAR);
    run(command.current_dir(home.path("wt")).arg("namespace").args(words), b"")
}

#[test]
fn a_submodule_has_a_memory_of_its_own() {
    let Some(home) = repository(
        "git -C app submodule --quiet add \"$PWD/app\" part && git -C app commit -qm part && mv app wt0 && \
         ln -s wt0/part wt",
    ) else {
        return;
    };
    let path = in_worktree(&home, &["path", "x"]).quiet();
    assert!(path.trim().ends_with("-wt0-part/memory/x"), "{path}");
}

#[test]
fn the_branches_of_a_bare_repository_are_known() {
    let Some(home) = repository(
        "git clone -q --bare app bare.git && git -C bare.git worktree add -q ../wt main",
    ) else {
        return;
    };
    let started = in_worktree(&home, &["start"]).ended(0, "for `main`").stdout;
    assert!(started.trim().ends_with("-bare-git/memory/main"), "{started}");
    let list = in_worktree(&home, &["list"]).quiet();
    assert!(list.contains("main") && !list.contains("gone"), "{list}");
    home.sh("git -C bare.git worktree remove --force ../wt").quiet();
    let list = home.ccpar(&["namespace", "list"]).quiet();
    assert!(list.contains("its worktree is gone") && !list.contains("its branch"), "{list}");
}

#[test]
fn where_git_keeps_its_refs_in_tables_no_two_worktrees_get_one_namespace() {
    let Some(home) = repository(
        "git init -q --ref-format=reftable -b main tables && git -C tables commit -q --allow-empty -m x && \
         git -C tables worktree add -q ../wt -b feat",
    ) else {
        return;
    };
    in_worktree(&home, &["start"]).ended(2, "none is checked out in `");
    in_worktree(&home, &["start", "feat"]).ended(0, "for `feat`");
    let list = in_worktree(&home, &["list"]).quiet();
    assert!(!list.contains("gone"), "{list}");
}

#[test]
fn an_empty_namespace_is_promoted_only_on_purpose() {
    let Some(project) = Project::new() else { return };
    project.namespace(&["start"]).ended(0, "");
    project.home.sh(&format!("rm {}/*.md", project.own(""))).quiet();
    project.namespace(&["promote"]).ended(2, "or promote it `--even-if-empty`");
    let ran = project.namespace(&["promote", "--even-if-empty"]).ended(0, "2 files");
    assert_eq!(ran.stdout.matches("removed").count(), 2);
    project.namespace(&["update", "--even-if-empty"]).ended(0, "has all of it");
}

#[test]
fn what_waits_or_stays_is_not_said_to_be_passed_on() {
    let Some(project) = Project::new() else { return };
    project.namespace(&["start"]).ended(0, "");
    project.home.write(&project.own("build.md"), "ninja\n");
    project.home.write(&project.shared("build.md"), "bazel\n");
    project.namespace(&["promote"]).ended(1, "passed on to");
    let again = project
        .namespace(&["promote"])
        .ended(0, "note: a conflict of before is still to settle: `");
    assert!(again.stderr.contains("build.md.conflict-feat-voice"), "{again:?}");
    let ran = project
        .namespace(&["update"])
        .ended(1, "waits for a conflict to be settled: do that, and remove `");
    assert!(ran.stderr.contains("build.md.conflict-feat-voice"), "{ran:?}");
    assert!(!ran.stderr.contains("passed on") && !ran.stderr.contains("has all"), "{ran:?}");
}

#[test]
fn why_a_file_was_not_passed_on_is_said_whole() {
    let Some(project) = Project::new() else { return };
    project.namespace(&["start"]).ended(0, "");
    project.append(&project.own("build.md"), "x");
    let claim = ["claim", "--session", "other", "--pid", &std::process::id().to_string()];
    project.home.ccpar(&[&claim[..], &[&project.shared("build.md")]].concat()).ended(0, "");
    project.namespace(&["promote", "--wait", "0"]).ended(1, "is claimed by session other");
    let own = project.own("build.md");
    project.home.sh(&format!("chmod 0 {own}")).quiet();
    if project
        .home
        .bound(&["namespace", "promote", "feat/voice", "--of", &project.memory()], "")
        .is_none_or(|ran| ran.ended(2, "cannot read `").stderr.contains("ermission denied"))
    {
        return;
    }
    panic!("the reason is not told");
}

#[test]
fn whoever_names_a_branch_that_has_none_is_shown_the_way() {
    let home = Home::new();
    home.sh("mkdir 'my notes'").quiet();
    let of = ["--of", "my notes"];
    let ran = home
        .ccpar(&[&["namespace", "promote", "a b"], &of[..]].concat())
        .ended(2, "`a b` has no namespace of `my notes`");
    assert!(ran.stderr.contains("ccpar namespace list"), "{ran:?}");
    assert!(ran.stderr.contains("ccpar namespace start 'a b' --of 'my notes'"), "{ran:?}");
    let escape = home.ccpar(&["namespace", "promote", "a\u{1b}[31m", "--of", "my notes"]);
    assert!(!escape.stderr.lines().next().unwrap().contains('\u{1b}'), "{escape:?}");
}

#[test]
fn a_start_that_was_cut_off_can_be_discarded_and_leaves_nothing() {
    if !crate::faults::strace_works() {
        return;
    }
    let home = Home::new();
    home.sh("mkdir notes && echo a > notes/a.md").quiet();
    let words = "-f -o trace -e trace=rename -e inject=rename:signal=KILL:when=1";
    let mut command = home.command("strace");
    command.args(words.split(' ')).arg(crate::support::CCPAR);
    run(command.args(["namespace", "start", "v", "--of", "notes"]), b"");
    assert!(home.path("notes/.v.ccpar-start").exists());
    let list = home.ccpar(&["namespace", "list"]).quiet();
    assert!(list.contains("whose start was cut off") && !list.contains("no record"), "{list}");
    assert!(list.contains("ccpar namespace discard v --of"), "{list}");
    home.ccpar(&["namespace", "discard", "v", "--of", "notes"]).ended(0, "is discarded");
    assert_eq!(
        home.sh("ls -A notes .claude/ccpar/namespaces").quiet(),
        ".claude/ccpar/namespaces:\n\nnotes:\na.md\n"
    );
    home.ccpar(&["namespace", "start", "v", "--of", "notes/a.md"]).ended(2, "is no folder");
}

#[test]
fn no_line_of_its_record_is_written_before_the_text_that_it_names_is_on_the_disk() {
    if !crate::faults::strace_works() {
        return;
    }
    let home = Home::new();
    home.sh("mkdir notes && echo a > notes/a.md && echo b > notes/b.md").quiet();
    home.ccpar(&["namespace", "start", "v", "--of", "notes"]).ended(0, "");
    home.sh("for name in a b c; do echo more >> notes/v/$name.md; done").quiet();
    let mut command = home.command("strace");
    command.args(["-f", "-y", "-o", "trace", "-e", "trace=write,fsync,fdatasync"]);
    run(command.args([crate::support::CCPAR, "namespace", "promote", "v", "--of", "notes"]), b"")
        .ended(0, "3 files");
    let (mut unsynced, mut lines, mut texts) = (false, 0, 0);
    for line in home.text("trace").lines().filter(|line| line.contains("/namespaces/")) {
        let is_write = line.contains("write(");
        if line.contains("/texts>") {
            unsynced = is_write;
            texts += usize::from(is_write);
        } else if is_write {
            assert!(!unsynced, "{line}");
            lines += 1;
        }
    }
    assert!(lines >= 6 && texts == 3, "{lines} lines, {texts} texts");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_note_is_named_left_out_and_left_alone() {
    let home = Home::new();
    home.sh("mkdir mem other && echo a > mem/a.md && ln -s ../other mem/folder").quiet();
    home.sh("ln -s nowhere mem/gone.md && mkfifo mem/pipe && touch mem/$(printf '\\377').md")
        .quiet();
    let namespace = |verb: &str| {
        let of = ["namespace", verb, "--of", "mem", "b"];
        home.ccpar(&of)
    };
    let left_out = [
        ("folder", "a link to a folder"),
        ("gone.md", "a link to nothing"),
        ("pipe", "neither a file nor a folder"),
    ];
    let started = namespace("start").ended(0, "forked 1 file");
    for (name, why) in left_out {
        let note = format!("`{name}` is left out: it is {why}");
        assert!(started.stderr.contains(&note), "{note} in {started:?}");
    }
    assert!(started.stderr.contains("has a name that is not UTF-8"), "{started:?}");
    // What came into the namespace by other means.
    home.sh("cd mem/b && ln -s ../a.md link.md && mkfifo pipe").quiet();
    namespace("discard").ended(0, "left where it is, as it is no note: `");
    assert_eq!(home.sh("ls mem/b").stdout, "pipe\n");
    assert_eq!(home.text("mem/a.md"), "a\n");
}
