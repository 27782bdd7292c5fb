//! ccpar's hooks as a plugin of Claude Code: a folder of two files.

use std::path::{Path, PathBuf};

use ccpar_core::Harness;

use super::settings::{self, Settings};
use super::{How, hooks, write};
use crate::exit::{Exit, Failure};
use crate::output;

const MANIFEST: &str = ".claude-plugin/plugin.json";
const HOOKS: &str = "hooks/hooks.json";

/// Makes the plugin, or brings the one that is there up to date.
pub(super) fn make(
    harness: &Harness,
    folder: &Path,
    program: &str,
    how: &How<'_>,
) -> Result<Exit, Failure> {
    if let Some(path) = foreign(folder)? {
        return Err(Failure::new(format!(
            "`{}` is no plugin of ccpar's: `{}` is in it; nothing was written",
            output::path(folder),
            output::path(&path)
        ))
        .with_hint("name a folder that is not there yet"));
    }
    let manifest = manifest();
    let hooks = settings::text(&hooks::with(&Vec::new(), program));
    let text = |text: String| {
        move |there: &[u8]| Ok((there != text.as_bytes()).then(|| text.clone().into_bytes()))
    };
    for (name, content) in [(MANIFEST, manifest), (HOOKS, hooks)] {
        write(&harness.file(folder.join(name)), how, text(content))?;
    }
    if !how.dry_run {
        let word = output::file_word(folder);
        output::hint(format!("try it with: claude --plugin-dir {word}"));
    }
    Ok(Exit::Done)
}

fn manifest() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "{{\n  \"name\": \"ccpar\",\n  \"version\": \"{version}\",\n  \"description\": \
         \"{}\",\n  \"author\": {{\"name\": \"ccpar\"}},\n  \"license\": \"{}\"\n}}\n",
        env!("CARGO_PKG_DESCRIPTION"),
        env!("CARGO_PKG_LICENSE")
    )
}

/// What is in the folder that ccpar did not put there.
fn foreign(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    for (folder, known) in [
        (folder.to_owned(), &[".claude-plugin", "hooks"][..]),
        (folder.join(".claude-plugin"), &["plugin.json"]),
        (folder.join("hooks"), &["hooks.json"]),
    ] {
        let cannot = |error: std::io::Error| {
            Failure::new(format!("cannot look into `{}`: {error}", output::path(&folder)))
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(cannot(error)),
        };
        for entry in entries {
            let entry = entry.map_err(cannot)?;
            if known.iter().all(|known| entry.file_name() != *known) {
                return Ok(Some(entry.path()));
            }
        }
    }
    // The files of another plugin bear the same names.
    let read = |name: &str| Some((folder.join(name), std::fs::read(folder.join(name)).ok()?));
    let is_own = |(path, text): &(PathBuf, Vec<u8>)| {
        let name = |text: &[u8]| {
            Some(serde_json::from_slice::<serde_json::Value>(text).ok()?["name"] == "ccpar")
        };
        let has_no_others = |settings: Settings<'_>| hooks::without(&settings.events).is_empty();
        if path.ends_with(MANIFEST) {
            name(text).unwrap_or_default()
        } else {
            Settings::new(path, text).is_ok_and(has_no_others)
        }
    };
    let found = [MANIFEST, HOOKS].into_iter().filter_map(read).find(|file| !is_own(file));
    Ok(found.map(|(path, _)| path))
}
