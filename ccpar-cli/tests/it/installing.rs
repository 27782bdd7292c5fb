//! ccpar's hooks in the settings of Claude Code, and out of them again.

use serde_json::Value;

use crate::support::{CCPAR, Home, Ran, run};

const SETTINGS: &str = ".claude/settings.json";

/// Settings as somebody has them: hooks of another tool, keys that ccpar does not know.
const FOREIGN: &str = r#"{
    "zeta" : {"kept": [1.0, 2e3], "as": "is"},
    "hooks": {
        "PreToolUse": [
            {"matcher": "Bash", "hooks": [{"type": "command", "command": "guard.sh"}]},
            {"matcher": "Edit|Write|NotebookEdit|Bash", "hooks": [{"type": "command", "command": "lint --fix"}]}
        ],
        "Notification": [{"hooks": [{"type": "command", "command": "bell"}]}],
        "Stop": []
    },
    "model": "opus"
}"#;

/// A home with these settings.
fn home(settings: &str) -> Home {
    let home = Home::new();
    home.sh("mkdir -p .claude").quiet();
    home.write(SETTINGS, settings);
    home
}

fn settings(home: &Home) -> Value {
    serde_json::from_str(&home.text(SETTINGS)).unwrap()
}

/// The commands of the hooks of an event, with their arguments.
fn commands(settings: &Value, event: &str) -> Vec<String> {
    let groups = settings["hooks"][event].as_array().into_iter().flatten();
    let hooks = groups.flat_map(|group| group["hooks"].as_array().unwrap());
    let command = |hook: &Value| {
        let args = hook["args"].as_array().into_iter().flatten();
        let words = std::iter::once(&hook["command"]).chain(args);
        words.map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    hooks.map(command).collect()
}

fn own() -> String {
    let program = std::fs::canonicalize(CCPAR).unwrap();
    format!("{} hook", program.to_str().unwrap())
}

#[test]
fn what_others_have_in_the_settings_stays_as_it_is() {
    let home = home(FOREIGN);
    let ran = home.ccpar(&["install"]).ended(0, "installed in `");
    assert!(ran.stderr.contains("    ~/.claude/settings.json\n"), "{ran:?}");
    assert!(ran.stderr.contains("ccpar uninstall"), "{ran:?}");
    let after = settings(&home);
    assert_eq!(commands(&after, "PreToolUse"), ["guard.sh", "lint --fix", &own()]);
    assert_eq!(commands(&after, "Notification"), ["bell"]);
    assert_eq!(after["hooks"]["PreToolUse"][2]["matcher"], "Edit|Write|NotebookEdit|Bash");
    assert_eq!(after["hooks"]["SessionEnd"][0]["hooks"][0]["timeout"], 1);
    assert_eq!(after["hooks"].as_object().unwrap().len(), 12);
    // The diff takes no line away but for those that a comma or a bracket came to.
    let removed: Vec<_> = ran.stdout.lines().skip(2).filter(|line| line.starts_with('-')).collect();
    let text = home.text(SETTINGS);
    for line in FOREIGN.lines().filter(|line| !removed.contains(&&*format!("-{line}"))) {
        assert!(text.contains(&format!("{line}\n")) || text.ends_with(line), "{line}: {text}");
    }
    assert!(removed.len() <= 3, "{removed:?}");
    assert!(!text.ends_with('\n'));
    home.ccpar(&["uninstall"]).ended(0, "taken out of `");
    assert_eq!(home.text(SETTINGS), FOREIGN);
}

#[test]
fn a_second_run_writes_nothing() {
    let home = home("{\n\t\"model\": \"opus\"\n}\n");
    home.ccpar(&["install"]).ended(0, "installed in");
    let before = home.text(SETTINGS);
    assert!(before.contains("\n\t\t\"Stop\": ["), "{before}");
    let id = home.sh("ls -i .claude/settings.json").quiet();
    let ran = home.ccpar(&["install"]).ended(0, "already in `");
    assert_eq!(ran.stdout, "");
    let json = home.ccpar(&["install", "--json"]).stdout;
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["outcome"], "unchanged");
    assert_eq!(home.text(SETTINGS), before);
    assert_eq!(home.sh("ls -i .claude/settings.json").quiet(), id);
    assert_eq!(home.ccpar(&["log", SETTINGS]).quiet().lines().count(), 2);
}

#[test]
fn what_the_layout_was_it_is_again() {
    for before in [
        "{\r\n  \"model\": \"opus\",\r\n  \"env\": {\r\n    \"A\": \"b\"\r\n  }\r\n}\r\n",
        "{\"model\":\"opus\",\"env\":{\"A\":\"b\"}}",
        "{\"hooks\":{\"Stop\":[{\"hooks\":[{\"command\":\"bell\"}]}]}}",
        "{}",
        "{\n}\n\n",
        "",
        "{\n   \"hooks\": {}\n}",
        "{\"hooks\": {\"Stop\": [], \"PreToolUse\":[ ]}}\n",
        "\u{feff}{\"model\": \"opus\"}\n",
    ] {
        let home = home(before);
        home.ccpar(&["install"]).ended(0, "installed in");
        let text = home.text(SETTINGS);
        let has_crlf = |text: &str| text.replace("\r\n", "").contains('\n');
        assert!(!before.contains('\r') || !has_crlf(&text), "{text:?}");
        if before.starts_with("{\"") && !before.ends_with('\n') {
            assert!(!text.contains('\n'), "{text:?}");
        }
        home.ccpar(&["uninstall"]).ended(0, "taken out");
        assert_eq!(home.text(SETTINGS), before);
        home.ccpar(&["uninstall"]).ended(0, "not in `");
    }
}

#[test]
fn settings_that_install_made_go_with_it() {
    let home = Home::new();
    home.ccpar(&["uninstall"]).ended(0, "not in `");
    assert!(!home.path(SETTINGS).exists());
    home.ccpar(&["install"]).ended(0, "installed in");
    let text = home.text(SETTINGS);
    assert!(text.starts_with("{\n  \"hooks\": {\n    \"SessionStart\": [\n"), "{text}");
    assert!(text.ends_with("\n  }\n}\n"), "{text}");
    let dry = home.ccpar(&["uninstall", "--dry-run"]).ended(0, "would be taken out of");
    assert!(dry.stdout.contains("-    \"SessionStart\": ["), "{dry:?}");
    assert_eq!(home.text(SETTINGS), text);
    home.ccpar(&["uninstall"]).ended(0, "taken out");
    assert!(!home.path(SETTINGS).exists());
}

#[test]
fn what_came_in_since_then_stays() {
    let home = home(FOREIGN);
    home.ccpar(&["install"]).ended(0, "installed in");
    let text = home.text(SETTINGS).replace("\"opus\"", "\"sonnet\"").replace("bell", "gong");
    home.write(SETTINGS, text);
    home.ccpar(&["uninstall"]).ended(0, "taken out");
    let expected = FOREIGN.replace("\"opus\"", "\"sonnet\"").replace("bell", "gong");
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let mut now = settings(&home);
    // It had been empty, and nothing tells whose it was.
    now["hooks"]["Stop"] = Value::Array(Vec::new());
    assert_eq!(now, expected);
    assert!(home.text(SETTINGS).contains("\"zeta\" : {\"kept\": [1.0, 2e3], \"as\": \"is\"},"));
}

#[test]
fn an_older_or_moved_ccpar_is_replaced_where_it_stands() {
    let old = r#"{
  "hooks": {
    "PreToolUse": [
      {"matcher": "Write", "hooks": [{"type": "command", "command": "/old/place/ccpar", "args": ["hook"], "timeout": 3}]},
      {"matcher": "Bash", "hooks": [{"type": "command", "command": "guard.sh"}]}
    ],
    "Stop": [
      {"hooks": [{"type": "command", "command": "bell"}, {"type": "command", "command": "'/old place/ccpar' hook"}]}
    ],
    "PreCompact": [{"hooks": [{"type": "command", "command": "ccpar hook"}]}]
  }
}
"#;
    let with_old = home(old);
    with_old.ccpar(&["install"]).ended(0, "installed in");
    let after = settings(&with_old);
    assert_eq!(commands(&after, "PreToolUse"), [&own(), "guard.sh"]);
    assert_eq!(commands(&after, "Stop"), ["bell", &own()]);
    assert_eq!(after["hooks"].get("PreCompact"), None, "ccpar has no use for it");
    assert!(!with_old.text(SETTINGS).contains("old"));
    // One that has moved takes out what it wrote where it lay.
    let moved = home(old);
    moved.ccpar(&["uninstall"]).ended(0, "taken out");
    let rest = settings(&moved);
    assert_eq!(commands(&rest, "PreToolUse"), ["guard.sh"]);
    assert_eq!(commands(&rest, "Stop"), ["bell"]);
    assert_eq!(rest["hooks"].as_object().unwrap().len(), 2);
}

#[test]
fn a_dry_run_shows_and_writes_nothing() {
    let home = home(FOREIGN);
    let ran = home.ccpar(&["install", "--dry-run"]).ended(0, "would be installed in");
    assert!(ran.stdout.contains("+        \"UserPromptSubmit\" : ["), "{ran:?}");
    assert_eq!(home.text(SETTINGS), FOREIGN);
    assert!(!home.path(".claude/ccpar").exists());
}

#[test]
fn settings_that_do_not_parse_are_left_alone() {
    for (broken, said) in [
        (
            "{\n  \"model\": \"opus\",\n}\n",
            "settings.json`, line 3, column 1: trailing comma; nothing",
        ),
        ("{\"a\": 1, \"b\": 2, \"a\": 3}", "line 1, column "),
        ("[]", "line 1, column 0: invalid type: sequence"),
        ("{\"hooks\": {\"Stop\": {}}}", "line 1, column 19: invalid type: map"),
        ("{\"hooks\": 3}", "invalid type: integer"),
    ] {
        let home = home(broken);
        let ran = home.ccpar(&["install"]).ended(2, said);
        assert!(ran.stderr.contains("hint: mend it there"), "{ran:?}");
        assert_eq!(ran.stdout, "");
        assert_eq!(home.text(SETTINGS), broken);
        if !broken.contains("\"a\"") {
            home.ccpar(&["uninstall"]).ended(2, said);
        }
    }
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link_and_the_mode_stays() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    home.sh("mkdir -p .claude dotfiles && ln -s ../dotfiles/claude.json .claude/settings.json")
        .quiet();
    home.write("dotfiles/claude.json", "{}\n");
    home.sh("chmod 640 dotfiles/claude.json").quiet();
    home.ccpar(&["install"]).ended(0, "installed in");
    assert!(home.path(SETTINGS).is_symlink());
    let text = home.text("dotfiles/claude.json");
    assert!(text.contains("SessionStart"), "{text}");
    let mode = home.path("dotfiles/claude.json").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    home.ccpar(&["uninstall"]).ended(0, "taken out");
    assert_eq!(home.text("dotfiles/claude.json"), "{}\n");
    assert!(home.path(SETTINGS).is_symlink());
}

#[test]
#[cfg(unix)]
fn settings_that_may_not_be_written_are_said_with_what_to_do() {
    let home = home("{}\n");
    home.sh("chmod 400 .claude/settings.json").quiet();
    home.ccpar(&["install"]).ended(2, "is read-only: `chmod u+w`");
    assert_eq!(home.text(SETTINGS), "{}\n");
}

#[test]
fn what_comes_in_between_the_look_and_the_write_is_kept() {
    let home = home(FOREIGN);
    let rans: Vec<Ran> = std::thread::scope(|scope| {
        let home = &home;
        let add = |n| {
            move || {
                let key = format!("s/\"zeta\"/\"key{n}\": {n}, \"zeta\"/");
                home.ccpar(&["locked-edit", SETTINGS, "--", "sed", &key])
            }
        };
        let edits = (0..8).map(|n| scope.spawn(add(n)));
        let installs = (0..8).map(|_| scope.spawn(|| home.ccpar(&["install"])));
        let threads: Vec<_> =
            edits.zip(installs).flat_map(|(edit, install)| [edit, install]).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ran in rans {
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let after = settings(&home);
    assert_eq!(commands(&after, "PreToolUse"), ["guard.sh", "lint --fix", &own()]);
    for n in 0..8 {
        assert_eq!(after[format!("key{n}")], n);
    }
    // The first version, eight keys, and one that installed.
    assert_eq!(home.ccpar(&["log", SETTINGS]).quiet().lines().count(), 10);
}

#[test]
fn hooks_that_are_switched_off_are_said_aloud() {
    let home = home("{\"disableAllHooks\": true}\n");
    home.ccpar(&["install"]).ended(0, "`disableAllHooks`: nothing is guarded");
    home.ccpar(&["install"]).ended(0, "`disableAllHooks`: nothing is guarded");
}

#[test]
fn it_goes_where_the_client_looks() {
    let home = Home::new();
    let mut command = home.command(CCPAR);
    command.arg("install").env("CLAUDE_CONFIG_DIR", home.path("profile"));
    run(&mut command, b"").ended(0, "profile/settings.json`");
    assert!(home.path("profile/settings.json").exists());
    home.ccpar(&["install", "--project"]).ended(2, "no checkout here");
    home.sh("git init -q . && mkdir -p deep/er").quiet();
    let mut command = home.command(CCPAR);
    command.args(["install", "--project"]).current_dir(home.path("deep/er"));
    run(&mut command, b"").ended(0, "installed in");
    home.ccpar(&["uninstall"]).ended(0, "taken out");
    assert!(!home.path(SETTINGS).exists());
}

#[test]
fn a_plugin_is_a_folder_of_its_own() {
    let home = Home::new();
    home.ccpar(&["install", "--plugin", "plugin", "--dry-run"]).ended(0, "would be installed");
    assert!(!home.path("plugin").exists());
    home.ccpar(&["install", "--plugin", "plugin"]).ended(0, "claude --plugin-dir plugin");
    let manifest: Value =
        serde_json::from_str(&home.text("plugin/.claude-plugin/plugin.json")).unwrap();
    assert_eq!(manifest["name"], "ccpar");
    let hooks: Value = serde_json::from_str(&home.text("plugin/hooks/hooks.json")).unwrap();
    assert_eq!(commands(&hooks, "PostToolBatch"), [own()]);
    home.ccpar(&["install", "--plugin", "plugin"]).ended(0, "already in");
    // Another one is not written into.
    home.write("plugin/README.md", "mine");
    home.ccpar(&["install", "--plugin", "plugin"])
        .ended(2, "README.md` is in it; nothing was written");
    home.sh("rm plugin/README.md").quiet();
    home.write("plugin/.claude-plugin/plugin.json", "{\"name\": \"other\"}");
    home.ccpar(&["install", "--plugin", "plugin"]).ended(2, "plugin.json` is in it");
    assert_eq!(home.text("plugin/.claude-plugin/plugin.json"), "{\"name\": \"other\"}");
    home.sh("rm -r plugin/.claude-plugin").quiet();
    home.write("plugin/hooks/hooks.json", FOREIGN);
    home.ccpar(&["install", "--plugin", "plugin"]).ended(2, "hooks.json` is in it");
    assert!(!home.path(SETTINGS).exists());
}

#[test]
fn settings_in_one_line_are_shown_spread_out_and_stay_in_one() {
    let home = Home::new();
    home.sh("mkdir .claude").quiet();
    home.write(".claude/settings.json", "{\"model\":\"opus\",\"permissions\":{\"allow\":[]}}");
    let dry = home.ccpar(&["install", "-n"]).ended(0, "shown spread out");
    assert!(dry.stdout.contains("\n   \"model\": \"opus\",\n"), "{dry:?}");
    assert!(dry.stdout.lines().all(|line| line.chars().count() < 200), "{dry:?}");
    home.ccpar(&["install"]).ended(0, "installed");
    let text = home.text(".claude/settings.json");
    assert!(text.starts_with("{\"model\":\"opus\",\"permissions\":{\"allow\":[]}"), "{text}");
}
