//! Which files a shell command names.
//!
//! A command is not run to find that out, nor understood: whatever is a word of its
//! own, or stands between signs inside one, as in a script, may be a path. So a script
//! that makes a path up from parts names no file, and is caught after the fact, if at
//! all.

use std::env;
use std::path::{Path, PathBuf};

use super::guard::expanded;

/// How many words of a command are looked at.
const MOST: usize = 2000;

/// How many variables that a command sets are known.
const VARIABLES: usize = 8;

/// How many files a pattern stands for at most.
const ALIKE: usize = 32;

/// The paths that a command names, in `cwd` or wherever it goes with `cd`. Patterns
/// count in folders that `holds` guarded files.
pub(super) fn files(command: &str, cwd: &Path, holds: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut folder = cwd.to_owned();
    // Where it comes back to behind a parenthesis, and at the end of the program.
    let (mut outer, mut after) = (Vec::new(), None);
    let mut files = Vec::new();
    let (mut program, mut before) = (String::new(), String::new());
    let words = words(&with_values(command));
    for word in words.iter().flat_map(|word| alternatives(word)).take(MOST) {
        if is_sign(&word) {
            if !word.contains(['<', '>']) {
                program.clear();
                folder = after.take().unwrap_or(folder);
            }
            match word.as_str() {
                "(" => outer.push(folder.clone()),
                ")" => folder = outer.pop().unwrap_or(folder),
                _ => {}
            }
            before = word;
            continue;
        }
        let path = folder.join(expanded(&word));
        let is_written = before.contains('>') || WRITERS.contains(&name(&program));
        if ["cd", "pushd"].contains(&&*program) && before == program && path.is_dir() {
            folder = path;
        } else if before == "-C" && path.is_dir() {
            after.get_or_insert(std::mem::replace(&mut folder, path));
        } else if word.contains(['*', '?', '['])
            && !word.contains(char::is_whitespace)
            && !path.is_file()
        {
            files.extend(alike(&path, &holds));
            before = word;
            continue;
        } else if Path::new(&expanded(&word)).is_absolute()
            || path.is_file()
            || (is_written && is_new(&path))
        {
            files.push(path);
        }
        let inside = |c: char| c.is_whitespace() || "'\"`;|&<>(){}[]=,:*?!#".contains(c);
        for part in word.split(inside).filter(|part| *part != word && !part.is_empty()) {
            let path = folder.join(expanded(part));
            if path.is_file() || (Path::new(&expanded(part)).is_absolute() && is_new(&path)) {
                files.push(path);
            }
        }
        if program.is_empty() && !word.contains('=') {
            program.clone_from(&word);
        }
        before = word;
    }
    files.sort_unstable();
    files.dedup();
    files
}

/// The words that one with lists in braces stands for, as `{a,b}.md`.
fn alternatives(word: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut rest = vec![word.to_owned()];
    while let Some(word) = rest.pop() {
        match list(&word).filter(|_| done.len() + rest.len() < ALIKE) {
            // The first is to be the next.
            Some(words) => rest.extend(words.into_iter().rev()),
            None => done.push(word),
        }
    }
    done
}

/// A word with each entry of its first list in the list's place. A script is no list.
fn list(word: &str) -> Option<Vec<String>> {
    if word.contains(char::is_whitespace) {
        return None;
    }
    word.match_indices('{').find_map(|(open, _)| {
        let (mut depth, mut start, mut entries) = (0, open + 1, Vec::new());
        for (at, sign) in word[open..].match_indices(['{', ',', '}']) {
            let at = open + at;
            match sign {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && sign == ",") {
                entries.push(&word[start..at]);
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
        let is_list = depth == 0 && entries.len() > 1;
        let whole = |entry: &str| [&word[..open], entry, &word[start..]].concat();
        is_list.then(|| entries.iter().map(|entry| whole(entry)).collect())
    })
}

/// The files that a pattern stands for.
fn alike(pattern: &Path, holds: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let is_plain = |part: &&std::ffi::OsStr| !part.to_string_lossy().contains(['*', '?', '[']);
    let folder: PathBuf = pattern.iter().take_while(is_plain).collect();
    let paths = pattern.to_str().filter(|_| holds(&folder)).and_then(|text| glob::glob(text).ok());
    let files = paths.into_iter().flatten().flatten().filter(|path| path.is_file());
    files.take(ALIKE).collect()
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
    let writes = |word: &str| WRITERS.contains(&name(word)) || (name(word) == "sed" && in_place());
    command.split('>').skip(1).any(into_a_file) || words().any(writes)
}

/// A program's name, without its folder and version.
fn name(program: &str) -> &str {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    name.trim_end_matches(|c| NUMBER.contains(&c) || c == '.')
}

const NUMBER: [char; 10] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// Whether a path looks like that of a file that is yet to be.
fn is_new(path: &Path) -> bool {
    path.extension().is_some() && !path.exists() && path.parent().is_some_and(Path::is_dir)
}

/// A command with values in place of the variables that are known, or that it sets
/// to a plain text itself.
fn with_values(command: &str) -> String {
    let mut whole = command.to_owned();
    let set = |whole: &str, name: &str, value: &str| {
        replaced(&whole.replace(&format!("${{{name}}}"), value), &format!("${name}"), value)
    };
    for name in ["HOME", "CLAUDE_CONFIG_DIR", "PWD"] {
        if let Ok(value) = env::var(name) {
            whole = set(&whole, name, &value);
        }
    }
    // One may be set by another.
    for nth in 0..VARIABLES {
        let Some((name, value)) = words(&whole).iter().filter_map(|word| assigned(word)).nth(nth)
        else {
            break;
        };
        whole = set(&whole, &name, &value);
    }
    whole
}

/// A variable that a word sets.
fn assigned(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(NUMBER)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), expanded(value)))
}

/// A command's words without their quotes, and its signs, in their order.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None | Some('"'), '\\')
                if chars.peek().is_some_and(|next| " \t\"'$\\`*?[".contains(*next)) =>
            {
                word.extend(chars.next());
            }
            (None, c) if c.is_whitespace() || SIGNS.contains(c) => {
                words.push(std::mem::take(&mut word));
                let sign = if c == '\n' { ';' } else { c };
                words.extend(SIGNS.contains(sign).then(|| sign.to_string()));
            }
            (_, c) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// What stands between the words of a command.
const SIGNS: &str = ";|&<>()`";

fn is_sign(word: &str) -> bool {
    word.len() == 1 && SIGNS.contains(word)
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
            format!("D='{folder}'; I=$D/MEMORY; echo x >> ${{I}}.md"),
            format!("cd \"{folder}\"; sed -i s/a/b/ *.md"),
            format!("cat {folder}/MEMORY.m? | wc -l"),
            format!("sed -i s/a/b/ {folder}/{{notes,MEMORY}}.md"),
            format!("cat {folder}/{{x,M{{x,EMORY}}}}.{{txt,md}}"),
            format!("git -C {folder} checkout -- MEMORY.md"),
            format!("(cd / && ls) && (cd {folder}; sed -i s/a/b/ MEMORY.md)"),
        ] {
            let files = files(&command, home.path(), |path| path == memory);
            assert!(files.contains(&index), "{command}: {files:?}");
        }
        for (command, named) in [
            (format!("cat '{folder}/a b.md' \"{folder}/c d.md\""), &["a b.md", "c d.md"][..]),
            (format!("cat {folder}/a\\ b.md"), &["a b.md"]),
            (format!("cd {folder} && touch new.md"), &["new.md"]),
            (format!("cd {folder} && echo new.md"), &[]),
            (format!("cd {folder} && cd .. && echo x > new.md"), &["../new.md"]),
            (format!("touch {folder}/{{a,b}}.md"), &["a.md", "b.md"]),
            (format!("git -C {folder} mv a.md b.md; touch c.md"), &["~c.md", "a.md", "b.md"]),
            (format!("(cd {folder}; touch a.md); touch b.md"), &["~b.md", "a.md"]),
        ] {
            let files = files(&command, home.path(), |path| path == memory);
            let path = |name: &&str| match name.strip_prefix('~') {
                Some(name) => home.path().join(name),
                None => memory.join(name),
            };
            let named: Vec<PathBuf> = named.iter().map(path).collect();
            let found: Vec<&PathBuf> =
                files.iter().filter(|file| file.extension().is_some()).collect();
            assert_eq!(found, named.iter().collect::<Vec<_>>(), "{command}");
        }
        for (word, all) in [
            ("a{b,c}d{e,f}", &["abde", "abdf", "acde", "acdf"][..]),
            ("{a,}b", &["ab", "b"]),
            ("${x}{a,b}", &["${x}a", "${x}b"]),
            ("{a}", &["{a}"]),
            ("{a,b", &["{a,b"]),
            ("}a,b{", &["}a,b{"]),
            ("{a, b}", &["{a, b}"]),
        ] {
            assert_eq!(alternatives(word), all, "{word}");
        }
        assert!(alternatives(&"{a,b}".repeat(40)).len() <= ALIKE + 40);
        let doubling: Vec<String> = (0..40).map(|n| format!("A{}=$A{n}$A{n}", n + 1)).collect();
        assert!(with_values(&format!("A0=xx; {}", doubling.join("; "))).len() < 100_000);
        let all = files(&format!("ls {folder} other"), home.path(), |_| true);
        assert!(!all.contains(&index), "a folder names none of its files: {all:?}");
        assert_eq!(replaced("$HOME/a $HOMEWARD", "$HOME", "/h"), "/h/a $HOMEWARD");
    }
}
