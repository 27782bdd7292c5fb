//! Which files a shell command names.
//!
//! A command is not run to find that out, nor understood: whatever stands between
//! blanks, quotes and the shell's own signs may be a path. So a script that makes a
//! path up from parts names no file, and is caught after the fact, if at all.

use std::env;
use std::path::{Path, PathBuf};

use super::guard::expanded;

/// How many words of a command are looked at.
const MOST: usize = 2000;

/// The paths that a command names, in `cwd` or in a folder that it names too and
/// that `holds` guarded files.
pub(super) fn files(command: &str, cwd: &Path, holds: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let words = words(command);
    let mut folders: Vec<PathBuf> = words
        .iter()
        .map(|word| cwd.join(word))
        .filter(|path| path.is_dir() && holds(path))
        .collect();
    folders.push(cwd.to_owned());
    let mut files = Vec::new();
    for word in words {
        if Path::new(&word).is_absolute() {
            files.push(PathBuf::from(word));
        } else {
            // Of these only what is there, or its folder.
            let paths = folders.iter().map(|folder| folder.join(&word));
            files.extend(paths.filter(|path| path.is_file() || is_new(path)));
        }
    }
    files.sort_unstable();
    files.dedup();
    files
}

/// What writes files, or may run what does.
const WRITERS: [&str; 24] = [
    "tee", "mv", "cp", "rm", "ln", "dd", "touch", "truncate", "install", "rsync", "patch", "git",
    "ed", "ex", "vim", "python", "perl", "node", "ruby", "sh", "bash", "zsh", "script", "ccpar",
];

/// Whether a command looks as if it wrote something.
pub(super) fn writes(command: &str) -> bool {
    let into_a_file = |part: &str| {
        let part = part.trim_start_matches('|').trim_start();
        let is_another = part.strip_prefix('&').is_some_and(|to| to.starts_with(NUMBER));
        !part.is_empty() && !is_another && !part.starts_with("/dev/null")
    };
    let ends = |c: char| c.is_whitespace() || "'\"`;|&<>(){}".contains(c);
    let words = || command.split(ends).filter(|word| !word.is_empty());
    let in_place = || words().any(|word| word.starts_with("-i") || word == "--in-place");
    let writes = |word: &str| {
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        let name = name.strip_suffix(".exe").unwrap_or(name);
        let name = name.trim_end_matches(|c| NUMBER.contains(&c) || c == '.');
        WRITERS.contains(&name) || (name == "sed" && in_place())
    };
    command.split('>').skip(1).any(into_a_file) || words().any(writes)
}

const NUMBER: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// Whether a path looks like that of a file that is yet to be.
fn is_new(path: &Path) -> bool {
    path.extension().is_some() && !path.exists() && path.parent().is_some_and(Path::is_dir)
}

fn words(command: &str) -> Vec<String> {
    let mut command = command.to_owned();
    for name in ["HOME", "CLAUDE_CONFIG_DIR", "PWD"] {
        if let Ok(value) = env::var(name) {
            command = command.replace(&format!("${{{name}}}"), &value);
            command = replaced(&command, &format!("${name}"), &value);
        }
    }
    let ends = |c: char| c.is_whitespace() || "'\"`;|&<>(){}[]=,:*?!#".contains(c);
    let words = command.split(ends).filter(|word| !word.is_empty() && !word.starts_with('-'));
    let mut words: Vec<String> = words.map(expanded).take(MOST).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// A text with a variable's value in its place, where its name ends there.
fn replaced(text: &str, variable: &str, value: &str) -> String {
    let mut parts = text.split(variable);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        whole.push_str(if goes_on { variable } else { value });
        whole.push_str(part);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_write_is_told_from_what_only_reads() {
        for command in [
            "cat a",
            "grep -i x a 2>&1",
            "ls >/dev/null",
            "sed s/a/b/ a",
            "cargo test | tail",
            "wc -l a 2> /dev/null",
        ] {
            assert!(!writes(command), "{command}");
        }
        for command in [
            "echo x >a",
            "echo x>>a",
            "date &> a",
            "date >| a",
            "x | tee a",
            "sed -i.bak s/a/b/ a",
            "/usr/bin/python3.12 - <<E",
            "bash -c 'mv a b'",
            "(cp a b)",
            "ccpar append a",
        ] {
            assert!(writes(command), "{command}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the home of a user")]
    fn the_files_that_a_command_names_are_found_in_quotes_scripts_and_folders() {
        let home = tempfile::tempdir().unwrap();
        let memory = home.path().join("memory");
        std::fs::create_dir(&memory).unwrap();
        let index = memory.join("MEMORY.md");
        std::fs::File::create(&index).unwrap();
        let (folder, file) = (memory.display(), index.display());
        for command in [
            format!("cat {file}"),
            format!("python3 -c \"t = open('{file}').read(); open('{file}', 'w').write(t)\""),
            format!("F={file}; echo x >> \"$F\""),
            format!("sed -i s/a/b/ {file}&& true"),
            format!("cd {folder} && echo x >>MEMORY.md"),
            format!("bash -c 'cat<{file}>{folder}/b.md'"),
        ] {
            let files = files(&command, home.path(), |path| path == memory);
            assert!(files.contains(&index), "{command}: {files:?}");
        }
        let all = files(&format!("ls {folder} other"), home.path(), |_| true);
        assert!(!all.contains(&index), "a folder names none of its files: {all:?}");
        assert_eq!(replaced("$HOME/a $HOMEWARD", "$HOME", "/h"), "/h/a $HOMEWARD");
    }
}
