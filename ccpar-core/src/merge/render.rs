//! A merge as a text.

use std::borrow::Cow;

use super::{Merge, Region, Resolution, json, lines};

/// Names and size of conflict markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers<'a> {
    /// How many characters a marker has: git's `%L`, 7 by default.
    pub size: usize,
    /// Whether base is shown too, as in git's style `diff3`.
    pub diff3: bool,
    /// The names of base, ours and theirs.
    pub labels: [&'a str; 3],
}

impl Default for Markers<'_> {
    fn default() -> Self {
        Markers { size: 7, diff3: false, labels: ["base", "ours", "theirs"] }
    }
}

impl<'a> Merge<'a> {
    /// The merged text, with theirs in the regions that could not be merged.
    pub fn keep_theirs(&self) -> Vec<u8> {
        if let Some([.., theirs]) = &self.json {
            return theirs.clone();
        }
        self.render(|out, region| out.extend(self.theirs.range(&region.theirs)))
    }

    /// The merged text, with both sides between markers in the regions that
    /// could not be merged. A text with conflicts ends in a newline.
    pub fn with_markers(&self, markers: Markers<'_>) -> Vec<u8> {
        if let Some(renditions) = &self.json {
            return json::lines::with_markers(renditions, markers);
        }
        let mark = |c: char, label: &str| {
            let mut line = c.to_string().repeat(markers.size);
            if !label.is_empty() {
                line.push(' ');
                line.extend(label.chars().map(|c| if c.is_control() { ' ' } else { c }));
            }
            Cow::Owned(line.into_bytes())
        };
        let [base, ours, theirs] = markers.labels;
        let mut text = self.render(|out, region| {
            out.push(mark('<', ours));
            out.extend(self.ours.range(&region.ours));
            if markers.diff3 {
                out.push(mark('|', base));
                out.extend(self.base.range(&region.base));
            }
            out.push(mark('=', ""));
            out.extend(self.theirs.range(&region.theirs));
            out.push(mark('>', theirs));
        });
        if !self.is_clean() && !text.ends_with(b"\n") {
            text.extend(lines::ending(&self.base, &self.ours, &self.theirs).bytes());
        }
        text
    }

    fn render<'s>(&'s self, conflict: impl Fn(&mut Vec<Cow<'s, [u8]>>, &Region<'a>)) -> Vec<u8> {
        let mut out = Vec::new();
        for region in &self.regions {
            match &region.resolution {
                Resolution::Unchanged | Resolution::Theirs | Resolution::Same => {
                    out.extend(self.theirs.range(&region.theirs));
                }
                Resolution::Ours => out.extend(self.ours.range(&region.ours)),
                Resolution::Merged(_, lines) => out.extend(lines.iter().cloned()),
                Resolution::Conflict => conflict(&mut out, region),
            }
        }
        lines::join(&out, [&self.base, &self.ours, &self.theirs])
    }
}
