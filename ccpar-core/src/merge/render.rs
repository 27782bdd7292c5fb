//! A merge as a text.

use super::lines::Writer;
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
        self.render(|out, region| out.range(&self.theirs, &region.theirs))
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
            line
        };
        let [base, ours, theirs] = markers.labels;
        let mut text = self.render(|out, region| {
            out.line(mark('<', ours).as_bytes());
            out.range(&self.ours, &region.ours);
            if markers.diff3 {
                out.line(mark('|', base).as_bytes());
                out.range(&self.base, &region.base);
            }
            out.line(mark('=', "").as_bytes());
            out.range(&self.theirs, &region.theirs);
            out.line(mark('>', theirs).as_bytes());
        });
        if !self.is_clean() && !text.ends_with(b"\n") {
            text.extend(lines::ending(&self.base, &self.ours, &self.theirs).bytes());
        }
        text
    }

    fn render(&self, conflict: impl Fn(&mut Writer, &Region<'a>)) -> Vec<u8> {
        let mut out = Writer::new(&self.base, &self.ours, &self.theirs);
        for region in &self.regions {
            match &region.resolution {
                Resolution::Unchanged | Resolution::Theirs | Resolution::Same => {
                    out.range(&self.theirs, &region.theirs);
                }
                Resolution::Ours => out.range(&self.ours, &region.ours),
                Resolution::Merged(_, lines) => lines.iter().for_each(|line| out.line(line)),
                Resolution::Conflict => conflict(&mut out, region),
            }
        }
        out.finish()
    }
}
