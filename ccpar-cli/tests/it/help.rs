//! What the helps say works as it stands there, and shells and man(1) get the same.

use crate::support::{Home, Ran, run, there_is};

/// The verbs that a help lists, each with the words that call it.
fn listed(home: &Home, words: &[&str]) -> Vec<Vec<String>> {
    let help = home.ccpar(&[words, &["--help"]].concat()).quiet();
    let verbs = help.split("\nOptions:").next().unwrap().lines();
    let verbs = verbs.filter_map(|line| line.strip_prefix("  "));
    let verbs = verbs.filter_map(|line| line.split_once(' ')).filter(|(verb, _)| !verb.is_empty());
    verbs
        .map(|(verb, _)| words.iter().copied().chain([verb]).map(str::to_owned).collect())
        .collect()
}

/// All verbs, those of `namespace` included.
fn verbs(home: &Home) -> Vec<Vec<String>> {
    let mut verbs = listed(home, &[]);
    verbs.extend(listed(home, &["namespace"]));
    assert!(verbs.len() > 30, "{verbs:?}");
    verbs
}

fn help(home: &Home, verb: &[String]) -> String {
    let words: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
    home.ccpar(&words).quiet()
}

/// The commands that a help gives as examples.
fn examples(help: &str) -> Vec<String> {
    let Some((_, text)) = help.split_once("\nExample: ") else { return Vec::new() };
    text.lines().map(str::trim).take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn bash(home: &Home, script: &str) -> Ran {
    run(home.command("bash").env("CCPAR_DURABILITY", "process").args(["-euc", script]), b"")
}

/// What the examples speak of.
const WORLD: &str = r#"
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q . && git checkout -q -b feat/voice
mkdir -p bin notes .claude/memory .claude/skills/one .claude/projects/-home-ada-app-wt/memory plugins
for n in 1 2 3 4 5 6 7 8; do
    for m in $(seq $n); do echo "line $m of teh notes"; done |
        ccpar locked-write notes.md --session 0f3c2d --merge
done
cp notes.md mine.md; cp notes.md old.md; { cat notes.md; echo theirs; } > yours.md
printf -- '- [voice](voice.md): how it sounds\n' | tee notes/MEMORY.md .claude/memory/MEMORY.md > .claude/projects/-home-ada-app-wt/memory/MEMORY.md
printf -- '---\nname: voice\n---\nsoft\n' | tee notes/voice.md .claude/memory/voice.md > .claude/projects/-home-ada-app-wt/memory/voice.md
printf -- '---\nname: one\ndescription: what it does\n---\n' > .claude/skills/one/SKILL.md
printf '# Skills\n\n- [one](one/SKILL.md): what it does\n' > .claude/skills/INDEX.md
git -C .claude init -q && cp notes.md .claude/notes.md && git -C .claude add notes.md && git -C .claude commit -qm first && echo more >> .claude/notes.md
printf '#!/bin/sh\necho "- learnt" >> "$CCPAR_NAMESPACE/MEMORY.md"\n' > learn.sh
printf '#!/bin/sh\ntest "$1" = --version && echo 2.1.330 || test $# = 0 || test "$1" = --settings\n' > bin/claude
chmod +x learn.sh bin/claude
export PATH="$HOME/bin:$PATH"
"#;

/// What a verb's examples need besides.
fn before(verb: &[String]) -> &'static str {
    let words: Vec<&str> = verb.iter().map(String::as_str).collect();
    match words[..] {
        ["release"] => "token=$(ccpar claim notes.md --pid $$)\n",
        ["lost"] => "printf 'line 1 of teh notes\\n' > notes.md\nccpar status > out || :\n",
        ["restore"] => {
            "ccpar locked-read ~/.claude/memory/voice.md > out\nprintf 'line 1\\n' > notes.md
            ccpar status > out || :\nrm notes.md\n"
        }
        ["namespace", "path" | "diff" | "update" | "discard" | "promote"] | ["namespace"] => {
            "ccpar locked-read notes/voice.md > out\nccpar namespace start > out\n"
        }
        _ => "",
    }
}

#[test]
fn who_mistypes_a_verb_is_shown_how_it_is_used() {
    let home = Home::new();
    for (words, example) in [
        (&["locked-write"][..], "| ccpar locked-write notes.md --session"),
        (&["merge", "a", "b"], "ccpar merge old.md mine.md yours.md -o merged.md"),
        (&["log", "--sinc", "1h"], "ccpar log notes.md"),
        (&["namespace", "promote", "--dry"], "ccpar namespace promote --dry-run"),
        (&["namespace", "pass"], "ccpar namespace run -- claude"),
    ] {
        let ran = home.ccpar(words);
        assert_eq!(ran.code, 2, "{ran:?}");
        let hint = ran.stderr.lines().last().unwrap_or_default();
        assert!(hint.starts_with("hint: for example: ") && hint.contains(example), "{ran:?}");
    }
    let unknown = home.ccpar(&["lokced-write"]);
    assert!(!unknown.stderr.contains("for example"), "{unknown:?}");
}

#[test]
fn each_verb_has_an_example_that_works() {
    if ["bash", "git", "timeout"].iter().any(|program| !there_is(program)) {
        return;
    }
    let mut wrong = Vec::new();
    for verb in verbs(&Home::new()) {
        let home = Home::new();
        let examples = examples(&help(&home, &verb));
        if examples.is_empty() {
            wrong.push(format!("{verb:?} has no example"));
        }
        let mut script = format!("{WORLD}{}set -x\n", before(&verb));
        for example in examples {
            // What runs until it is stopped is stopped.
            let endless = example.strip_suffix('&').or_else(|| {
                let watches = example.starts_with("ccpar watch") || example.contains(" --watch");
                watches.then_some(&*example)
            });
            script += &endless.map_or_else(
                || example.clone(),
                |line| format!("timeout 1 {line} || test $? = 124"),
            );
            script.push('\n');
        }
        let ran = bash(&home, &script);
        if ran.code != 0 || ran.stderr.contains("error:") {
            wrong.push(format!("{verb:?} ended with {}:\n{}", ran.code, ran.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_help_is_in_groups_and_fits_a_terminal() {
    let home = Home::new();
    let help = home.ccpar(&["--help"]).quiet();
    let groups = ["Write:", "See:", "History:", "Sessions:", "Memory:", "Claude Code:", "Care:"];
    let places: Vec<_> = groups.iter().map(|group| help.find(&format!("\n{group}\n"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
}

#[test]
fn each_shell_completes_each_verb_and_option() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = home.ccpar(&["completions", shell]).quiet();
        for verb in verbs(&home) {
            assert!(script.contains(verb.last().unwrap()), "{shell}: {verb:?}");
        }
        for option in ["require-base", "print-settings", "dismiss"] {
            assert!(script.contains(option), "{shell}: {option}");
        }
    }
    home.ccpar(&["completions", "tcsh"]).ended(2, "[possible values: bash, zsh, fish, powershell]");
}

#[test]
fn bash_completes_what_is_typed() {
    if !there_is("bash") {
        return;
    }
    let home = Home::new();
    let completed = |words: &str| {
        let script = format!(
            "source <(ccpar completions bash)
            COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
            $(complete -p ccpar | sed 's/.*-F \\([^ ]*\\).*/\\1/') ccpar \
            \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"
            echo \"${{COMPREPLY[@]}}\""
        );
        run(home.command("bash").args(["-c", &script]), b"").quiet()
    };
    assert_eq!(completed("ccpar lo"), "locked-write locked-read locked-edit lock log lost\n");
    assert_eq!(completed("ccpar namespace pro"), "promote\n");
    assert_eq!(completed("ccpar status --w"), "--watch\n");
    assert_eq!(completed("ccpar merge --as m"), "markdown\n");
}

#[test]
fn help_is_a_verb_too() {
    let home = Home::new();
    for verb in [&[][..], &["lost"], &["namespace", "diff"]] {
        let [as_verb, as_option] = [[&["help"], verb].concat(), [verb, &["--help"]].concat()];
        assert_eq!(home.ccpar(&as_verb).quiet(), home.ccpar(&as_option).quiet());
    }
    home.ccpar(&["help", "lsot"]).ended(2, "'lost'");
}

#[test]
fn fish_completes_what_is_typed() {
    if !there_is("fish") {
        return;
    }
    let home = Home::new();
    let completed = |words: &str| {
        let script = format!("ccpar completions fish | source; complete -C '{words}'");
        let shown = run(home.command("fish").args(["--no-config", "-c", &script]), b"").quiet();
        // Each with what it does.
        let names = shown.lines().map(|line| line.split('\t').next().unwrap_or(line).to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(completed("ccpar lo"), "lock locked-edit locked-read locked-write log lost");
    assert_eq!(completed("ccpar namespace pro"), "promote");
    assert_eq!(completed("ccpar status --w"), "--watch");
    assert_eq!(completed("ccpar merge --as m"), "markdown");
}

#[test]
fn zsh_completes_what_is_typed() {
    if !there_is("zsh") || !there_is("timeout") {
        return;
    }
    let home = Home::new();
    home.write("_ccpar", home.ccpar(&["completions", "zsh"]).quiet());
    // It completes on a terminal alone, so it gets one, on which it says when it is
    // ready and what stands there after the tab.
    let completed = |words: &str| {
        let script = format!(
            "zmodload zsh/zpty && zpty shell zsh -f -i || exit
            zpty -w shell 'PS1=; fpath=($PWD $fpath); autoload -U compinit'
            zpty -w shell 'compinit -u -D; show() {{ print -r -- \"<$BUFFER>\"; }}; zle -N show'
            zpty -w shell 'bindkey \"^X\" show; print rea''dy'
            zpty -r shell out '*ready*'
            zpty -w -n shell '{words}'$'\\t\\x18'
            zpty -r shell out '*<*>*'
            print -r -- ${{${{out##*<}}%%>*}}"
        );
        run(home.command("timeout").args(["60", "zsh", "-f", "-c", &script]), b"").quiet()
    };
    assert_eq!(completed("ccpar namespace pro"), "ccpar namespace promote \n");
    assert_eq!(completed("ccpar status --w"), "ccpar status --watch \n");
    assert_eq!(completed("ccpar merge --as m"), "ccpar merge --as markdown \n");
}

#[test]
fn each_verb_has_a_page_of_the_manual() {
    let home = Home::new();
    home.ccpar(&["man", "--dir", "pages/man1"]).ended(0, "pages to `pages/man1`");
    let can_render = there_is("man");
    for verb in verbs(&home) {
        let page = format!("pages/man1/ccpar-{}.1", verb.join("-"));
        let words: Vec<&str> = ["man"].into_iter().chain(verb.iter().map(String::as_str)).collect();
        let text = home.ccpar(&words).quiet();
        assert_eq!(home.text(&page), text, "{verb:?}");
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
            assert!(text.contains(&format!(".SH {section}\n")), "{verb:?} has no {section}");
        }
        if can_render {
            let line = format!("MANWIDTH=90 LC_ALL=C.UTF-8 man --warnings=w -P cat -l {page}");
            let shown = home.sh(&line).quiet();
            for example in examples(&help(&home, &verb)) {
                assert!(shown.contains(&example), "{verb:?}: {example}\n{shown}");
            }
        }
    }
    let text = home.ccpar(&["man"]).quiet();
    assert!(text.contains("ccpar\\-locked\\-write(1)"), "{text}");
    home.ccpar(&["man", "lots"]).ended(2, "`ccpar` has no verb `lots`");
}
