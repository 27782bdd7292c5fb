//! The plan of the house, held against the source.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which modules each may import. What is not named here may not exist.
const MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("error", &["lock", "registry"]),
    ("sys", &[]),
    ("lock", &["error", "sys"]),
    ("atomic", &["error", "sys", "target"]),
    ("layout", &[]),
    ("merge", &[]),
    ("diff", &[]),
    ("target", &["error", "sys"]),
    ("checkout", &[]),
    ("claude_code", &["checkout"]),
    ("history", &["error", "sys", "atomic", "layout"]),
    (
        "harness",
        &["error", "sys", "atomic", "history", "lock", "registry", "shared_file", "target"],
    ),
    ("registry", &["error", "sys", "atomic", "checkout", "harness", "layout", "lock", "target"]),
    (
        "shared_file",
        &["error", "atomic", "diff", "harness", "history", "layout", "lock", "merge", "target"],
    ),
    ("survey", &["error", "atomic", "harness", "history", "lock", "shared_file", "sys"]),
    (
        "namespace",
        &[
            "error",
            "checkout",
            "atomic",
            "diff",
            "harness",
            "history",
            "layout",
            "lock",
            "merge",
            "shared_file",
            "sys",
        ],
    ),
    ("index", &["error", "harness", "namespace"]),
    (
        "lib",
        &["error", "atomic", "checkout", "harness", "history", "lock", "registry", "shared_file"],
    ),
];

/// Who may name a foreign crate.
const OWNERS: [(&str, &[&str]); 6] = [
    ("fd_lock", &["lock"]),
    ("similar", &["diff", "merge"]),
    ("rustix", &["sys"]),
    ("hmac_sha256", &["history", "layout"]),
    ("thiserror", &["error"]),
    ("serde_json", &["claude_code", "lock", "history", "merge", "namespace", "registry", "survey"]),
];

/// The source of each module without its tests and comments, by module name.
fn modules() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, String> = BTreeMap::new();
    for path in files(&src) {
        let inner = path.strip_prefix(&src).unwrap();
        let name = inner.components().next().unwrap().as_os_str().to_string_lossy();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        *modules.entry(name.trim_end_matches(".rs").to_owned()).or_default() += &code;
    }
    modules
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn modules_import_only_what_lies_below_them() {
    let modules = modules();
    let names: Vec<_> = modules.keys().map(String::as_str).collect();
    let mut planned: Vec<_> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    planned.sort_unstable();
    assert_eq!(names, planned);
    for (name, may) in MAY_IMPORT {
        let code = &modules[name];
        for other in names.iter().filter(|other| **other != name && !may.contains(other)) {
            for import in [format!("crate::{other}::"), format!("crate::{other};")] {
                assert!(!code.contains(&import), "{name} imports {other}");
            }
            let grouped =
                code.split("use crate::{").skip(1).filter_map(|use_| use_.split('}').next());
            for group in grouped {
                let words: Vec<_> = group.split([',', ' ', ':']).collect();
                assert!(!words.contains(other), "{name} imports {other}");
            }
        }
    }
}

#[test]
fn each_foreign_crate_has_its_owners() {
    for (name, code) in modules() {
        for (krate, owners) in OWNERS {
            let used = code.contains(&format!("{krate}::"));
            assert!(!used || owners.contains(&&*name), "{name} uses {krate}");
        }
    }
}

#[test]
fn what_is_to_be_pure_is() {
    let modules = modules();
    for name in ["diff", "layout", "merge"] {
        for impure in ["std::fs", "std::env", "std::time", "std::io", "std::process"] {
            assert!(!modules[name].contains(impure), "{name} uses {impure}");
        }
    }
}

#[test]
fn no_room_is_too_large() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for folder in ["ccpar-core/src", "ccpar-cli/src"] {
        for path in files(&root.join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//")).count();
            assert!(lines <= 450, "{} has {lines} lines: is it two rooms?", path.display());
        }
    }
}

/// What a user of the library builds with it: on Linux, beside itself.
const MOST_CRATES: usize = 25;

#[test]
fn the_tree_is_small_and_each_branch_of_it_has_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tree = |depth: &str| -> Vec<String> {
        let out = Command::new(env!("CARGO"))
            .args(["tree", "-p", "ccpar-core", "-e", "normal", "--prefix", "none"])
            .args(["--target", "x86_64-unknown-linux-gnu", "-f", "{lib}", "--offline", "--locked"])
            .args(["--depth", depth])
            .current_dir(root)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let names = String::from_utf8(out.stdout).unwrap();
        let mut names: Vec<_> =
            names.lines().map(|line| line.trim_end_matches(" (*)").replace('_', "-")).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| name != "ccpar-core");
        names
    };
    let all = tree("99");
    assert!(all.len() <= MOST_CRATES, "{} crates: {}", all.len(), all.join(" "));

    // The README's table of them: a row for each that ccpar-core names itself.
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, table) = readme.split_once("| crate | why ").expect("there is a table");
    let rows: Vec<_> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    let named: Vec<_> = rows.iter().filter_map(|row| row.split('`').nth(1)).collect();
    let named: Vec<_> = named.iter().map(|name| name.replace('_', "-")).collect();
    assert_eq!(named, tree("1"));
    for name in &all {
        let is_named = rows.iter().any(|row| row.replace('_', "-").contains(&format!("`{name}`")));
        assert!(is_named, "`{name}` is in no row of the README's table");
    }
}
