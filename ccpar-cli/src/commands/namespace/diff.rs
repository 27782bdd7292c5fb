//! `ccpar namespace diff`

use std::collections::BTreeMap;
use std::path::Path;

use ccpar_core::diff::{Sign, hunks};
use ccpar_core::namespace::Compared;
use clap::Args;
use serde::Serialize;

use super::Which;
use crate::context::{self, Identity};
use crate::exit::{Exit, Failure};
use crate::output;
use crate::paint::{self, Paint};

/// Show what a branch learned, and what the shared folder learned since the fork
#[derive(Debug, Args)]
#[command(after_help = "\
By file and section. What was passed on already is no longer shown.

Example: ccpar namespace diff
         ccpar namespace diff -p feat/voice")]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// Show the lines
    #[arg(short, long)]
    patch: bool,

    /// Print one JSON object per side and file
    #[arg(long)]
    json: bool,
}

/// What changed in one file, on one side.
#[derive(Serialize)]
struct Learned<'a> {
    side: &'a str,
    path: &'a str,
    change: &'static str,
    sections: Vec<Section>,
}

#[derive(Serialize, PartialEq, Eq, Debug)]
struct Section {
    heading: String,
    added: usize,
    removed: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let harness = context::reading(&Identity::default())?;
    let namespace = arguments.which.open(&harness)?;
    let compared = namespace.compare(&harness)?;
    let branch = output::line(namespace.branch().as_bytes());
    let paint = Paint::stdout();
    let mut text = Vec::new();
    for (side, title) in [
        ("namespace", format!("what {branch} learned")),
        ("shared", "what the shared folder learned since".to_owned()),
    ] {
        let learned: Vec<(&Compared, Learned<'_>)> =
            compared.iter().filter_map(|file| Some((file, learned(file, side)?))).collect();
        if arguments.json {
            for (_, learned) in &learned {
                output::json(learned)?;
            }
            continue;
        }
        let nothing = if learned.is_empty() { ": nothing" } else { ":" };
        text.extend(format!("{title}{nothing}\n").into_bytes());
        for (file, learned) in &learned {
            let name = paint.text(paint::NAME, output::path(Path::new(learned.path)));
            text.extend(format!("    {name}  {}\n", learned.change).into_bytes());
            for Section { heading, added, removed } in &learned.sections {
                let heading = output::line(heading.as_bytes());
                let row = format!("        {:<9} {heading}", format!("+{added} -{removed}"));
                text.extend(format!("{}\n", row.trim_end()).into_bytes());
            }
            if arguments.patch {
                let new = if side == "shared" { &file.theirs } else { &file.ours };
                let names = [format!("{}@fork", learned.path), learned.path.to_owned()];
                let [old, new] = [&file.base, new].map(|text| text.as_deref().unwrap_or_default());
                text.extend(paint.diff([&names[0], &names[1]], old, new));
            }
        }
    }
    output::text(&text)?;
    Ok(Exit::Done)
}

fn learned<'a>(file: &'a Compared, side: &'a str) -> Option<Learned<'a>> {
    let new = if side == "shared" { &file.theirs } else { &file.ours };
    if *new == file.base {
        return None;
    }
    let change = match (&file.base, new) {
        (None, _) => "new",
        (_, None) => "removed",
        _ => "changed",
    };
    let [old, new] = [&file.base, new].map(|text| text.as_deref().unwrap_or_default());
    let binary = old.contains(&0) || new.contains(&0);
    let sections = if binary { Vec::new() } else { sections(old, new) };
    Some(Learned { side, path: &file.path, change, sections })
}

/// How many lines came and went below each heading, in the order of the text.
fn sections(old: &[u8], new: &[u8]) -> Vec<Section> {
    let [old_headings, new_headings] = [headings(old), headings(new)];
    let mut order: BTreeMap<(usize, String), Section> = BTreeMap::new();
    for hunk in hunks(old, new, 0) {
        let (mut from, mut to) = (hunk.old.start, hunk.new.start);
        for (sign, _) in hunk.lines {
            let heading = match sign {
                Sign::Removed => &old_headings[from],
                _ => &new_headings[to],
            };
            let first = order.keys().find(|(_, name)| name == heading).map(|(at, _)| *at);
            let key = (first.unwrap_or(order.len()), heading.clone());
            let section = order.entry(key).or_insert_with(|| Section {
                heading: heading.clone(),
                added: 0,
                removed: 0,
            });
            from += usize::from(sign != Sign::Added);
            to += usize::from(sign != Sign::Removed);
            section.added += usize::from(sign == Sign::Added);
            section.removed += usize::from(sign == Sign::Removed);
        }
    }
    order.into_values().collect()
}

/// The heading that each line stands below, itself included.
fn headings(text: &[u8]) -> Vec<String> {
    let (mut heading, mut fence) = (String::new(), false);
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let line = String::from_utf8_lossy(line);
            fence ^= line.trim_start().starts_with("```");
            let title = line.trim_start_matches('#');
            if !fence && title.len() < line.len() && title.starts_with(' ') {
                line.trim_end().clone_into(&mut heading);
            }
            heading.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_below_the_heading_that_they_stand_under() {
        let old = b"top\n# A\na\n```\n# no heading\n```\n## B\nb\n";
        let new = b"top\n# A\na\n```\n# no heading\nx\n```\n## B\nc\n## C\nnew\n";
        let found = sections(old, new);
        let found: Vec<_> =
            found.iter().map(|one| (&*one.heading, one.added, one.removed)).collect();
        assert_eq!(found, [("# A", 1, 0), ("## B", 1, 1), ("## C", 2, 0)]);
    }
}
