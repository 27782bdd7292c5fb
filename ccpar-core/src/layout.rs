//! Where everything lies, as pure functions of names: no file is touched here
//! and no environment read.
//!
//! ```text
//! <root>/
//!   locks/<file name>-<key>.lock         never removed
//!   history/<file name>-<key>/log.jsonl  one line per version
//!   history/<file name>-<key>/<hash>     one whole content
//!   seen/<holder>/<key>                  what that holder has seen of the target
//!   registry.0.json, registry.1.json     the claims, written in turn
//!   registry.lock                        under which sessions and claims change
//!   registry.tokens                      the last token that is reserved
//!   claims/<file name>-<key>.lock        where those wait who want a claim
//!   claims/<file name>-<key>.bell        a fifo while the first of them listens
//!   sessions/<id>.json                   a session's heartbeat
//!   looked.jsonl, line.json              what the last look found; what a prompt was told
//!   branches/<branch>                    its time says when it was told of news
//!   namespaces/<branch>-<key>/           what a branch's namespace was forked from
//! ```
//!
//! A target's **key** is the first half of the SHA-256 of its canonical path.
//! The file name before it is for people; the key alone decides.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use hmac_sha256::Hash;

/// Longest part of a foreign name that goes into a name of ours, in bytes: with
/// key and suffix it stays well below the 255 bytes of common file systems.
const NAME_MAX: usize = 100;

/// The folder where ccpar keeps its state: `$CCPAR_ROOT`, else
/// `~/.claude/ccpar`.
///
/// `CLAUDE_CONFIG_DIR` plays no part: profiles share files by links, so they
/// must share locks. `env` looks a variable up, so that the caller decides
/// which environment counts.
///
/// # Errors
/// The sentence to show, if neither variable is set or the path is not UTF-8.
///
/// # Examples
/// ```
/// let root = ccpar_core::layout::root(|name| (name == "HOME").then(|| "/home/ada".into()));
/// assert_eq!(root.as_deref(), Ok("/home/ada/.claude/ccpar".into()));
/// ```
pub fn root(env: impl Fn(&str) -> Option<OsString>) -> Result<Utf8PathBuf, String> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let utf8 = |name: &str, value: OsString| {
        Utf8PathBuf::from_path_buf(value.into()).map_err(|_| {
            format!("${name} is not valid UTF-8: set CCPAR_ROOT to a folder whose path is")
        })
    };
    if let Some(root) = set("CCPAR_ROOT") {
        return utf8("CCPAR_ROOT", root);
    }
    // Windows has no HOME outside of shells that bring their own.
    for name in ["HOME", "USERPROFILE"] {
        if let Some(home) = set(name) {
            return utf8(name, home).map(|home| home.join(".claude").join("ccpar"));
        }
    }
    Err("neither CCPAR_ROOT nor HOME is set: set CCPAR_ROOT to the folder that holds ccpar's state"
        .to_owned())
}

/// The key of the target with this canonical path: 32 hex digits.
pub fn key(canonical: &Path) -> String {
    hex(&Hash::hash(canonical.as_os_str().as_encoded_bytes())[..16])
}

/// `<root>/locks/<file name>-<key>.lock`
pub fn lock_file(root: &Utf8Path, canonical: &Path) -> Utf8PathBuf {
    root.join("locks").join(format!("{}.lock", slug(canonical)))
}

/// `<root>/history/<file name>-<key>`
pub fn history_dir(root: &Utf8Path, canonical: &Path) -> Utf8PathBuf {
    root.join("history").join(slug(canonical))
}

/// `<root>/seen/<holder>/<key>`
pub fn seen_file(root: &Utf8Path, holder: &str, canonical: &Path) -> Utf8PathBuf {
    seen_dir(root, holder).join(key(canonical))
}

/// `<root>/seen/<holder>`
pub fn seen_dir(root: &Utf8Path, holder: &str) -> Utf8PathBuf {
    root.join("seen").join(record_name(holder))
}

/// `<root>/claims/<file name>-<key>.lock`
pub fn queue_file(root: &Utf8Path, canonical: &Path) -> Utf8PathBuf {
    queue_file_of(root, canonical, &key(canonical))
}

/// The same, where the key is known and the path need not be exact.
pub(crate) fn queue_file_of(root: &Utf8Path, path: &Path, key: &str) -> Utf8PathBuf {
    root.join("claims").join(format!("{}-{key}.lock", safe(&file_name(path))))
}

/// `<root>/sessions/<id>.json`
pub fn session_file(root: &Utf8Path, session: &str) -> Utf8PathBuf {
    root.join("sessions").join(format!("{}.json", record_name(session)))
}

/// The folder where Claude Code lists its own sessions: `sessions` in
/// `$CLAUDE_CONFIG_DIR`, else in `~/.claude`.
pub fn client_sessions(env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("CLAUDE_CONFIG_DIR").or_else(|| {
        let home = ["HOME", "USERPROFILE"].into_iter().find_map(set)?;
        Some(home.join(".claude"))
    })?;
    Some(config.join("sessions"))
}

/// The temp file that replaces the target from under its lock.
///
/// The name is a function of the target and the root, so the next holder of
/// the same lock meets what a dead one left and needs no search to sweep it.
/// Another root (another lock) has another name and is left alone.
pub fn temp_name(root: &Utf8Path, canonical: &Path) -> String {
    let path = canonical.as_os_str().as_encoded_bytes();
    let by = Hash::hash(&[root.as_str().as_bytes(), &[0], path].concat());
    format!(".{}.ccpar-{}", safe(&file_name(canonical)), hex(&by[..8]))
}

/// The name of the conflict copy of a file: the mark stands last, so that no
/// agent takes the copy for a note, a skill or a setting.
pub fn conflict_name(canonical: &Path, who: &str, hash: &str) -> OsString {
    let tail = format!(".conflict-{}-{}", component(who), &hash[..8]);
    let name = canonical.file_name().unwrap_or_default();
    if name.len() + tail.len() <= 255 {
        let mut name = name.to_owned();
        name.push(tail);
        name
    } else {
        format!("{}{tail}", safe(&file_name(canonical))).into()
    }
}

/// A foreign name (session, branch) as one path component: unique, and never
/// `..`, hidden, or a path.
pub fn component(name: &str) -> String {
    component_unless(name, false)
}

/// The same for the name of a record, which must be another's not even where a
/// file system folds case, or a name is made like one that was cleaned.
fn record_name(name: &str) -> String {
    let is_hash = |tail: &str| tail.len() == 8 && tail.bytes().all(|c| c.is_ascii_hexdigit());
    let looks_cleaned = name.rsplit_once('-').is_some_and(|(_, tail)| is_hash(tail));
    component_unless(name, looks_cleaned || name.bytes().any(|c| c.is_ascii_uppercase()))
}

fn component_unless(name: &str, unclean: bool) -> String {
    let clean = safe(name);
    let clean = clean.trim_start_matches('.');
    if clean == name && !clean.is_empty() && !unclean {
        return clean.to_owned();
    }
    // What was lost in cleaning is kept by the hash.
    let hash = hex(&Hash::hash(name.as_bytes())[..4]);
    if clean.is_empty() { hash } else { format!("{clean}-{hash}") }
}

/// `<root>/namespaces/<branch>-<key>`: of a branch's namespace of a shared folder.
pub fn namespace_dir(root: &Utf8Path, shared: &Path, branch: &str) -> Utf8PathBuf {
    let shared = shared.as_os_str().as_encoded_bytes();
    let by = Hash::hash(&[shared, &[0], branch.as_bytes()].concat());
    root.join("namespaces").join(format!("{}-{}", safe(branch), hex(&by[..8])))
}

/// What the folder of a branch's namespace may be called: the name as people
/// expect it, and one that no other branch has.
pub fn namespace_names(branch: &str) -> [String; 2] {
    let clean = safe(branch);
    let clean = clean.trim_start_matches('.');
    let hash = hex(&Hash::hash(branch.as_bytes())[..4]);
    let unique = if clean.is_empty() { hash } else { format!("{clean}-{hash}") };
    [if clean.is_empty() { unique.clone() } else { clean.to_owned() }, unique]
}

fn slug(canonical: &Path) -> String {
    format!("{}-{}", safe(&file_name(canonical)), key(canonical))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Letters, digits, `.`, `_` and `-`; anything else becomes `-`.
fn safe(name: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }
    };
    name.chars().take(NAME_MAX).map(kept).collect()
}

/// Lower-case hex digits of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_prefers_ccpar_root_and_ignores_empty_values() {
        let with = |pairs: &'static [(&str, &str)]| {
            root(move |name| {
                pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(with(&[("CCPAR_ROOT", "/r"), ("HOME", "/h")]), Ok("/r".into()));
        assert_eq!(
            with(&[("CCPAR_ROOT", ""), ("HOME", "/h")]),
            Ok(Utf8Path::new("/h").join(".claude").join("ccpar"))
        );
        assert!(with(&[]).is_err_and(|why| why.contains("CCPAR_ROOT")));
    }

    #[test]
    fn branches_that_differ_only_in_their_slashes_do_not_meet() {
        assert_ne!(component("feat/voice-buffer"), component("feat-voice/buffer"));
        assert_ne!(component("feat/voice"), component("feat-voice"));
        assert_eq!(component("feat-voice"), "feat-voice");
    }

    #[test]
    fn no_two_sessions_have_one_record_even_where_case_is_folded() {
        let names = ["a/b", &component("a/b"), "Me", "me", "ME", "", "../me", &hex(&[1; 4])];
        let records = names.map(|name| session_file(Utf8Path::new("r"), name));
        let folded: std::collections::BTreeSet<_> =
            records.iter().map(|path| path.as_str().to_lowercase()).collect();
        assert_eq!(folded.len(), names.len(), "{records:?}");
        let id = "0198a7c2-6f2e-7000-8000-1234567890ab";
        assert_eq!(session_file(Utf8Path::new("r"), id), format!("r/sessions/{id}.json"));
    }

    #[test]
    fn namespaces_of_two_branches_never_have_one_name_nor_one_record() {
        let [slash, dash] = ["feat/voice-buffer", "feat-voice/buffer"].map(namespace_names);
        assert_eq!(slash[0], "feat-voice-buffer");
        assert_eq!(slash[0], dash[0]);
        assert_ne!(slash[1], dash[1]);
        assert_ne!(namespace_names("Feat")[1], namespace_names("feat")[1]);
        let dir = |shared: &str, branch| namespace_dir("/r".into(), Path::new(shared), branch);
        assert_ne!(dir("/m", "a/b"), dir("/m", "a-b"));
        assert_ne!(dir("/m", "a"), dir("/n", "a"));
        for name in ["..", "", "/", "a\nb"] {
            for made in namespace_names(name) {
                assert!(!made.starts_with('.') && !made.is_empty(), "{made}");
                assert!(!made.contains(['/', '\n']), "{made}");
            }
        }
    }

    #[test]
    fn no_name_leaves_its_folder() {
        for name in ["..", ".", "../x", "/etc", "a/../b", "", ".hidden", "a\nb", "\u{1b}[2J"] {
            let made = component(name);
            assert!(!made.contains(['/', '\n', '\u{1b}']), "{made}");
            assert!(!made.starts_with('.') && !made.is_empty(), "{made}");
        }
    }

    #[test]
    fn long_names_fit_the_file_system() {
        let long = Path::new("/x").join("n".repeat(255));
        let root = Utf8Path::new("/r");
        assert!(temp_name(root, &long).len() <= 255);
        assert!(lock_file(root, &long).file_name().is_some_and(|name| name.len() <= 255));
        assert!(conflict_name(&long, &"b".repeat(300), "0123456789").len() <= 255);
    }

    #[test]
    fn two_roots_have_two_temp_names() {
        let target = Path::new("/t/MEMORY.md");
        assert_ne!(temp_name(Utf8Path::new("/a"), target), temp_name(Utf8Path::new("/b"), target));
    }
}
