//! The merged text: theirs, with as little put in and taken out as can be.

use super::layout::{Space, Style};
use super::tree::Value;
use super::walk::{Node, Part};

type Three<'t> = [Option<&'t Value>; 3];

/// The three texts, and as which side conflicts come out.
struct Renderer<'t> {
    texts: [&'t str; 3],
    style: Style,
    side: usize,
}

/// The merged text with conflicts as in base, in ours and in theirs.
pub(super) fn renditions(texts: [&[u8]; 3], roots: Three<'_>, root: &Node<'_>) -> [Vec<u8>; 3] {
    // All three were read as JSON, or base is white space.
    let strs = texts.map(|text| std::str::from_utf8(text).unwrap_or_default());
    let mut style = Style::plain();
    for side in [0, 1, 2] {
        if let Some(root) = roots[side] {
            style = Style::of(strs[side], root, style);
        }
    }
    let mut renderer = Renderer { texts: strs, style, side: 0 };
    [0, 1, 2].map(|side| {
        renderer.side = side;
        if matches!(root, Node::Conflict) {
            return texts[side].to_vec();
        }
        let theirs = strs[2];
        let span = roots[2].map_or(0..0, |root| root.span.clone());
        let mut out = theirs[..span.start].to_owned();
        renderer.value(&mut out, roots, root, Some(""));
        out.push_str(&theirs[span.end..]);
        out.into_bytes()
    })
}

impl Renderer<'_> {
    fn value(&self, out: &mut String, three: Three<'_>, node: &Node<'_>, indent: Option<&str>) {
        let shown = match node {
            Node::Theirs => 2,
            Node::Ours => 1,
            Node::Conflict => self.side,
            Node::Items(parts) => {
                if let [_, ours, Some(theirs)] = three {
                    self.items(out, ours, theirs, parts, indent);
                }
                return;
            }
        };
        match three[shown] {
            Some(theirs) if shown == 2 => out.push_str(&self.texts[2][theirs.span.clone()]),
            Some(value) => self.style.put(out, self.texts[shown], value, indent),
            None => {}
        }
    }

    /// The side that a part is shown from, if it stands in this rendition.
    fn shown(&self, part: &Part<'_>) -> bool {
        !matches!(part.node, Node::Conflict) || part.sides[self.side].is_some()
    }

    fn items(
        &self,
        out: &mut String,
        ours: Option<&Value>,
        theirs: &Value,
        parts: &[Part<'_>],
        indent: Option<&str>,
    ) {
        let shown: Vec<&Part<'_>> = parts.iter().filter(|part| self.shown(part)).collect();
        let text = self.texts[2];
        let count = theirs.items().len();
        if shown.is_empty() && count == 0 {
            out.push_str(&text[theirs.span.clone()]);
            return;
        }
        let (open, close) = if theirs.is_object() { ("{", "}") } else { ("[", "]") };
        if shown.is_empty() {
            out.push_str(open);
            out.push_str(close);
            return;
        }
        let frame = self.frame(ours, theirs, indent);
        let space = Space { text, value: theirs };
        out.push_str(open);
        for (n, part) in shown.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            out.push_str(match part.place {
                _ if n == 0 => &frame.first,
                Some(place @ 1..) => space.lead(place),
                _ => &frame.between,
            });
            self.part(out, part, frame.indent.as_deref());
            if n + 1 < shown.len() {
                out.push_str(match part.place {
                    Some(place) if place + 1 < count => space.trail(place),
                    _ => &frame.before_comma,
                });
            }
        }
        out.push_str(&frame.last);
        out.push_str(close);
    }

    fn part(&self, out: &mut String, part: &Part<'_>, indent: Option<&str>) {
        let values = part.sides.map(|item| item.map(|item| &item.value));
        match (part.sides[2], &part.node) {
            (Some(item), Node::Theirs) => out.push_str(&self.texts[2][item.span()]),
            (Some(item), node) => {
                out.push_str(&self.texts[2][item.span().start..item.value.span.start]);
                self.value(out, values, node, indent);
            }
            (None, node) => {
                let side = if matches!(node, Node::Conflict) { self.side } else { 1 };
                if let Some(item) = part.sides[side] {
                    self.style.put_item(out, self.texts[side], item, indent);
                }
            }
        }
    }

    /// The white space that theirs has, or would have, around items.
    fn frame(&self, ours: Option<&Value>, theirs: &Value, indent: Option<&str>) -> Frame {
        let Style { newline, unit, .. } = &self.style;
        let space = Space { text: self.texts[2], value: theirs };
        let count = theirs.items().len();
        if count == 0 {
            let is_tall = ours.is_some_and(|value| Space { text: self.texts[1], value }.is_tall());
            return match (indent, unit) {
                (Some(indent), Some(unit)) if is_tall => {
                    let inner = format!("{indent}{unit}");
                    let first = format!("{newline}{inner}");
                    let last = format!("{newline}{indent}");
                    let (between, before_comma) = (first.clone(), String::new());
                    Frame { first, between, before_comma, last, indent: Some(inner) }
                }
                _ => Frame {
                    first: String::new(),
                    between: self.style.gap().to_owned(),
                    before_comma: String::new(),
                    last: String::new(),
                    indent: None,
                },
            };
        }
        let is_tall = space.is_tall();
        let between = if is_tall {
            format!("{newline}{}", space.indent())
        } else if count > 1 {
            space.lead(1).to_owned()
        } else {
            self.style.gap().to_owned()
        };
        Frame {
            first: space.lead(0).to_owned(),
            between,
            // A comma that leads its line comes after the line's end.
            before_comma: match count {
                2.. if space.trail(0).contains('\n') => space.trail(0).to_owned(),
                _ => String::new(),
            },
            last: space.trail(count - 1).to_owned(),
            // What stands within one line stays there.
            indent: is_tall.then(|| space.indent().to_owned()),
        }
    }
}

struct Frame {
    first: String,
    between: String,
    before_comma: String,
    last: String,
    /// The indentation of items on lines of their own.
    indent: Option<String>,
}
