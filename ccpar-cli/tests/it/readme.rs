//! Each block of shell and Python in the README works as it stands there, in its order.

use crate::support::{Home, skip, there_is};

#[test]
fn the_blocks_of_shell_and_python_work_as_they_stand() {
    if !there_is("bash") || !there_is("git") || !there_is("flock") {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let home = Home::new();
    home.sh("git init -q .").quiet();
    let mut run = 0;
    for block in readme.split("```").skip(1).step_by(2) {
        let (language, block) = block.split_once('\n').unwrap();
        let mut command = match language {
            // What builds ccpar ran before this test could.
            "sh" if !block.contains("cargo ") => home.command("bash"),
            "python" if there_is("python3") => home.command("python3"),
            _ => continue,
        };
        command.args([if language == "sh" { "-euc" } else { "-c" }, block]);
        let ran = crate::support::run(&mut command, b"");
        assert_eq!(ran.code, 0, "{block}\n{ran:?}");
        run += 1;
    }
    assert!(run >= 6, "only {run} blocks were found");
    assert_eq!(home.text("notes.md"), "# Notes\n");
    assert_eq!(home.text("index.md"), "- [voice](voice.md)\n");
    home.ccpar(&["sessions", "--claims"]).ended(0, "nothing is claimed");
}

#[test]
fn the_examples_do_what_they_say() {
    // Cargo builds the examples of `ccpar-core` beside the programs it tests.
    let target = std::path::Path::new(crate::support::CCPAR).parent().unwrap();
    let home = Home::new();
    let example = |name: &str, words: &[&str]| {
        let path = target.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        if !path.exists() {
            skip(&format!("{name} is not built: run `cargo test` for the workspace"));
            return None;
        }
        Some(crate::support::run(home.command(path).args(words), b"").quiet())
    };
    for entry in ["- one", "- two"] {
        let Some(said) = example("shared_index", &["INDEX.md", entry]) else { return };
        assert_eq!(said, "added\n");
    }
    assert_eq!(home.text("INDEX.md"), "- one\n- two\n");
    assert_eq!(example("undo", &["INDEX.md"]).as_deref(), Some("back at number 1, by somebody\n"));
    assert_eq!(home.text("INDEX.md"), "- one\n");
    // Whoever it was that wrote last.
    home.write("INDEX.md", "nothing of it\n");
    example("undo", &["INDEX.md"]);
    assert_eq!(home.text("INDEX.md"), "- one\n");

    // Each of many counts once, and each index entry stays.
    std::thread::scope(|scope| {
        for n in 0..8 {
            let example = &example;
            scope.spawn(move || {
                example("counter", &["COUNT"]);
                example("shared_index", &["SHARED.md", &format!("- [{n}]({n}.md)")]);
            });
        }
    });
    assert_eq!(home.text("COUNT"), "8\n");
    assert_eq!(home.text("SHARED.md").lines().count(), 8, "{}", home.text("SHARED.md"));
}

/// What a picture says, without the words that have numbers in them.
#[cfg(unix)]
fn words_of(picture: &str) -> Vec<String> {
    let lines = picture.lines().filter(|line| line.starts_with("<text"));
    let said = lines.map(|line| {
        let pieces = line.split('<').filter_map(|piece| piece.split_once('>'));
        pieces.map(|(_, text)| text).collect::<String>()
    });
    // What was written today depends on how long ago midnight was.
    said.filter(|line| !line.starts_with("today"))
        .map(|line| {
            let words = line.split_whitespace();
            words
                .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[cfg(unix)]
#[test]
fn the_pictures_show_what_is_printed() {
    if !there_is("bash") || !there_is("git") || !there_is("python3") || !there_is("stty") {
        return;
    }
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs");
    let home = Home::new();
    let drawn = home
        .command("python3")
        .arg(docs.join("picture"))
        .arg(crate::support::CCPAR)
        .arg(".")
        .output();
    let drawn = drawn.unwrap();
    assert!(drawn.status.success(), "{}", String::from_utf8_lossy(&drawn.stderr));
    for (picture, least) in [("demo.svg", 8), ("status.svg", 12)] {
        let shown = words_of(&std::fs::read_to_string(docs.join(picture)).unwrap());
        assert!(shown.len() >= least, "{picture} shows next to nothing: {shown:?}");
        assert_eq!(words_of(&home.text(picture)), shown, "run `docs/picture CCPAR docs` again");
    }
}
