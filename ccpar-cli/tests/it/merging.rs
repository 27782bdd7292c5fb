//! `ccpar merge`, alone and under git.

use crate::support::{Home, there_is};

#[test]
fn it_prints_the_merge_and_says_whether_it_is_clean() {
    let home = Home::new();
    home.write("b", "1\n2\n3\n");
    home.write("o", "1\n2\n3\nours\n");
    home.write("t", "theirs\n1\n2\n3\n");
    assert_eq!(home.ccpar(&["merge", "b", "o", "t"]).quiet(), "theirs\n1\n2\n3\nours\n");
    home.ccpar(&["merge", "b", "o", "t", "-o", "out"]).quiet();
    assert_eq!(home.text("out"), "theirs\n1\n2\n3\nours\n");
    home.write("t", "1\nTWO\n3\n");
    home.write("o", "1\nzwei\n3\n");
    let ran = home.ccpar(&["merge", "b", "o", "t", "--style", "diff3"]).ended(1, "");
    assert_eq!(
        ran.stdout,
        "1\n<<<<<<< ours\nzwei\n||||||| base\n2\n=======\nTWO\n>>>>>>> theirs\n3\n"
    );
    home.ccpar(&["merge", "b", "o", "missing"]).ended(2, "`missing`");
}

#[test]
fn it_says_how_each_change_was_resolved_and_why() {
    let home = Home::new();
    home.write("b.md", "- [a](a): 1\n- [b](b): 1\n\nend\n");
    home.write("o.md", "- [a](a): 2\n- [b](b): 1\n\nend\nours\n");
    home.write("t.md", "- [a](a): 1\n- [b](b): 2\n\nend\ntheirs\n");
    let explained = home.ccpar(&["merge", "b.md", "o.md", "t.md", "--explain"]).quiet();
    assert_eq!(
        explained,
        "line 1 of theirs: ours is taken
    base | - [a](a): 1
    ours | - [a](a): 2
  theirs | - [a](a): 1
line 2 of theirs: theirs is taken
    base | - [b](b): 1
    ours | - [b](b): 1
  theirs | - [b](b): 2
line 5 of theirs: both added here: both are kept whole
    ours | ours
  theirs | theirs
"
    );
    let words = ["merge", "b.md", "o.md", "t.md", "--as", "lines", "--explain"];
    let ran = home.ccpar(&words).ended(1, "");
    assert!(ran.stdout.contains("both cannot be kept"), "{ran:?}");
}

#[test]
fn changes_are_told_to_programs_and_sides_are_named_as_asked() {
    let home = Home::new();
    home.write("b.md", "# h\n\n1. a\n2. b\n");
    home.write("o.md", "# h\n\n1. a\n2. b\n3. ours\n");
    home.write("t.md", "# H\n\n1. a\n2. b\n3. theirs\n");
    let merge = ["merge", "b.md", "o.md", "t.md"];
    let told = home.ccpar(&[&merge[..], &["--json"]].concat()).quiet();
    let told: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        (&told[0]["resolution"], &told[1]["resolution"]),
        (&"theirs".into(), &"numbered".into())
    );
    assert_eq!(told[1]["ours"], serde_json::json!({ "first": 5, "lines": ["3. ours"] }));

    home.write("o.md", "# ours\n");
    home.write("t.md", "# theirs\n");
    let labels = ["--labels", "old", "mine", "yours", "--style", "diff3", "--marker-size", "3"];
    let ran = home.ccpar(&[&merge[..], &labels].concat()).ended(1, "");
    for marker in ["<<< mine\n", "||| old\n", ">>> yours\n"] {
        assert!(ran.stdout.contains(marker), "{ran:?}");
    }
}

#[test]
fn it_says_when_a_cheaper_way_was_taken() {
    let home = Home::new();
    let text = |by: &str| (0..400).map(|n| format!("{by} {n} {by}\n")).collect::<Vec<_>>().concat();
    home.write("b.md", text("before"));
    home.write("o.md", text("ours"));
    home.write("t.md", text("theirs"));
    home.ccpar(&["merge", "b.md", "o.md", "t.md"]).ended(1, "not compared line by line");
}

#[test]
fn json_is_merged_by_value_and_what_is_none_as_text_with_a_note() {
    let home = Home::new();
    home.write("b.json", "{\n  \"a\": 1,\n  \"b\": 1\n}\n");
    home.write("o.json", "{\n  \"a\": 2,\n  \"b\": 1\n}\n");
    home.write("t.json", "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    let merge = ["merge", "b.json", "o.json", "t.json"];
    assert_eq!(home.ccpar(&merge).quiet(), "{\n  \"a\": 2,\n  \"b\": 2\n}\n");
    let explained = home.ccpar(&[&merge[..], &["--explain"]].concat()).quiet();
    assert!(explained.starts_with("/a, line 2 of theirs: ours is taken\n"), "{explained}");

    home.write("o.json", "{\n  \"a\": 1,\n  \"b\": 1, // why\n}\n");
    let ran = home.ccpar(&merge).ended(1, "note: o.json: ours is no JSON");
    assert!(ran.stderr.contains("line 3, column 11: a comment; merged as text"), "{ran:?}");
}

#[test]
fn git_merges_with_it() {
    if !there_is("git") {
        return;
    }
    let home = Home::new();
    let set_up = "set -e
        git init -q -b main .
        git config user.name t; git config user.email t@example.org
        git config merge.ccpar.driver \
            'ccpar merge %O %A %B -o %A --path %P --marker-size %L'
        echo '*.md merge=ccpar' > .gitattributes
        printf -- '- a\\n- z\\n' > index.md; printf 'one\\n' > prose.md
        git add .; git commit -qm base
        git checkout -qb theirs
        printf -- '- a\\n- t\\n- z\\n' > index.md; printf 'theirs\\n' > prose.md
        git commit -qam theirs
        git checkout -q main
        printf -- '- a\\n- o\\n- z\\n' > index.md; git commit -qam ours";
    let ran = home.sh(set_up);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = home.sh("git merge -q --no-edit theirs");
    assert_eq!(ran.code, 0, "git alone calls this a conflict: {ran:?}");
    assert_eq!(home.text("index.md"), "- a\n- o\n- t\n- z\n", "a sorted list stays so");
    assert_eq!(home.text("prose.md"), "theirs\n");
    let conflict = "set -e
        git checkout -qb left; printf 'left\\n' > prose.md; git commit -qam left
        git checkout -q main; printf 'right\\n' > prose.md; git commit -qam right
        git merge -q --no-edit left";
    assert_eq!(home.sh(conflict).code, 1);
    assert!(home.text("prose.md").starts_with("<<<<<<< "), "{}", home.text("prose.md"));
}
