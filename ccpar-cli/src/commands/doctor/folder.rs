//! A folder of notes: its index, and namespaces that nobody comes back to.

use std::path::Path;

use ccpar_core::{Harness, index};
use serde::Serialize;

use crate::commands::namespace;
use crate::exit::{Exit, Failure};
use crate::output;

#[derive(Serialize)]
struct Json<'a> {
    path: &'a str,
    line: u64,
    problem: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
    fixed: bool,
}

pub(super) fn run(
    harness: &Harness,
    folder: &Path,
    fix: bool,
    json: bool,
) -> Result<Exit, Failure> {
    if !folder.is_dir() {
        return Err(Failure::new(format!("`{}` is no folder", output::path(folder))));
    }
    let checked = index::check(harness, folder, fix)?;
    let (mut open, mut fixable) = (0, 0);
    if let Some(checked) = &checked {
        let path = checked.path.to_string_lossy();
        for flaw in &checked.flaws {
            let fixed = fix && flaw.fix.is_some();
            open += usize::from(!fixed);
            fixable += usize::from(!fix && flaw.fix.is_some());
            let fix = flaw.fix.as_deref();
            say(&Json { path: &path, line: flaw.line, problem: &flaw.problem, fix, fixed }, json)?;
        }
    }
    let (namespaces, trouble) = namespace::entries(harness, Some(folder))?;
    for entry in namespaces {
        let path = entry.folder.to_string_lossy();
        for problem in &entry.problems {
            open += 1;
            let fix = entry.remedy.as_deref();
            say(&Json { path: &path, line: 0, problem, fix, fixed: false }, json)?;
        }
    }
    if open == 0 {
        let what = if checked.is_some() { "index and files agree" } else { "there is no index" };
        output::say(format!("`{}`: {what}", output::path(folder)));
    } else {
        output::say(format!("{} to look at", output::count(open, "thing")));
    }
    if fixable > 0 {
        let word = output::file_word(folder);
        output::hint(format!("mend {fixable} of them with: ccpar doctor {word} --fix"));
    }
    Ok(match (trouble, open) {
        (true, _) => Exit::Trouble,
        (false, 0) => Exit::Done,
        (false, _) => Exit::No,
    })
}

fn say(found: &Json<'_>, json: bool) -> Result<(), Failure> {
    if json {
        output::json(found)?;
        return Ok(());
    }
    let line = match found.line {
        0 => String::new(),
        line => format!(", line {line}"),
    };
    let path = output::short_path(Path::new(found.path));
    let mut row = format!("`{path}`{line}: {}\n", output::line(found.problem.as_bytes()));
    if let Some(fix) = found.fix {
        let can = if found.fixed { "" } else { "can be mended: " };
        row.push_str("    ");
        row.push_str(can);
        row.push_str(&output::line(fix.as_bytes()));
        row.push('\n');
    }
    output::data(row.as_bytes())?;
    Ok(())
}
