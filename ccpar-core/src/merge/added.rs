//! Two blocks that both sides added at one place.
//!
//! Each block is read as a tree: headings hold what stands under them, entries
//! what is indented below them. What is the same thing in both, the same heading,
//! the same entry, the same paragraph, stands once and holds what both had in it;
//! all else is kept whole, theirs first. So two sessions that both opened a
//! section share it, and an entry never ends up below somebody else's.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::entry::{Kind, Mark, item, sort_key};
use super::numbered::Numbered;
use super::refine::stamp;
use super::side::Side;

/// Below so many nodes a tree does not grow deeper.
const DEEPEST: usize = 64;

/// A heading, an entry, a row, a field or a paragraph, with what it holds.
#[derive(Debug, Clone)]
struct Node<'a> {
    /// The blank lines before it; none before the first node of a block.
    before: Vec<&'a [u8]>,
    /// First in what holds it: the blank lines before it belong to that.
    is_first: bool,
    lines: Vec<&'a [u8]>,
    /// The numbers of its lines: of text as they stand, of all else white space
    /// aside.
    loose: Vec<u32>,
    /// The head of a table, which holds its rows.
    is_table: bool,
    mark: Mark<'a>,
    holds: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    /// How deep it stands: only a deeper node can be held by it.
    fn depth(&self) -> usize {
        match self.mark.kind {
            Kind::Heading(level) => level,
            Kind::Item(indent) => 10 + indent,
            _ => usize::MAX,
        }
    }

    /// What it is known by, with its kind.
    fn key(&self) -> Option<(u8, &'a [u8])> {
        let kind = match self.mark.kind {
            Kind::Heading(level) => u8::try_from(level).unwrap_or(u8::MAX),
            Kind::Item(_) => 10,
            Kind::Row => 11,
            Kind::Field => 12,
            Kind::Text | Kind::Blank => return None,
        };
        (!self.mark.key.is_empty()).then_some((kind, self.mark.key))
    }

    fn is_same(&self, other: &Node<'a>) -> bool {
        match (self.mark.kind, other.mark.kind) {
            // Their numbers are of another kind than those of all else.
            (Kind::Text, Kind::Text) => {
                self.is_table == other.is_table && self.loose == other.loose
            }
            (Kind::Text, _) | (_, Kind::Text) => false,
            (Kind::Item(_) | Kind::Row, Kind::Item(_) | Kind::Row) => {
                let [one, two] = [self, other].map(Node::body);
                self.loose == other.loose
                    || self.mark.is_same_thing(other.mark)
                        && Numbered::new(self.lines[0]).is_some()
                            == Numbered::new(other.lines[0]).is_some()
                        && (one == two || says_more(one, two) || says_more(two, one))
            }
            _ => self.mark.is_same_thing(other.mark) || self.loose == other.loose,
        }
    }

    /// An entry without its marker.
    fn body(&self) -> &'a [u8] {
        let text = self.lines[0].trim_ascii();
        item(text).unwrap_or(text)
    }

    fn is_entry(&self) -> bool {
        matches!(self.mark.kind, Kind::Item(_) | Kind::Row | Kind::Field)
    }

    fn write(self, out: &mut Vec<Cow<'a, [u8]>>) {
        out.extend(self.before.into_iter().chain(self.lines).map(Cow::Borrowed));
        for node in self.holds {
            node.write(out);
        }
    }
}

/// Whether the longer says what the shorter does and then something about it: what
/// follows begins with a colon or a dash.
fn says_more(longer: &[u8], shorter: &[u8]) -> bool {
    let rest = longer.strip_prefix(shorter).map(<[u8]>::trim_ascii_start);
    rest.is_some_and(|rest| {
        [&b":"[..], b"-", "\u{2013}".as_bytes(), "\u{2014}".as_bytes()]
            .iter()
            .any(|mark| rest.starts_with(mark))
    })
}

/// Puts two blocks together, theirs first; `blanks` stand between two blocks, and
/// `is_sorted` says whether the list that both stand in is. `None` if both filled
/// in the same field of the front matter, each in its own way.
pub(super) fn combine<'a>(
    (ours, ours_range): (&Side<'_, 'a>, Range<usize>),
    (theirs, theirs_range): (&Side<'_, 'a>, Range<usize>),
    blanks: &[Cow<'a, [u8]>],
    is_sorted: bool,
) -> Option<(Vec<Cow<'a, [u8]>>, bool)> {
    let blanks: Vec<&'a [u8]> = blanks
        .iter()
        .filter_map(|line| match line {
            Cow::Borrowed(line) => Some(*line),
            Cow::Owned(_) => None,
        })
        .collect();
    let (ours, theirs) = (tree(ours, ours_range), tree(theirs, theirs_range));
    // What is deeper belongs to what stands before both blocks.
    let depth = |nodes: &[Node<'_>]| match nodes[0].mark.kind {
        Kind::Item(indent) => indent,
        _ => 0,
    };
    let (ours, theirs) =
        if depth(&ours) > depth(&theirs) { (theirs, ours) } else { (ours, theirs) };
    let is_list = |nodes: &[Node<'_>]| {
        nodes.iter().all(|node| {
            matches!(node.mark.kind, Kind::Item(_) | Kind::Row)
                && node.mark.kind == nodes[0].mark.kind
        }) && nodes.iter().map(|node| sort_key(node.lines[0])).is_sorted()
    };
    let is_sorted = is_sorted && is_list(&ours) && is_list(&theirs);
    let mut out = Vec::new();
    for node in together(theirs, ours, &blanks, is_sorted)? {
        node.write(&mut out);
    }
    Some((out, is_sorted))
}

fn together<'a>(
    mut first: Vec<Node<'a>>,
    second: Vec<Node<'a>>,
    blanks: &[&'a [u8]],
    is_sorted: bool,
) -> Option<Vec<Node<'a>>> {
    if let Some(node) = first.first_mut() {
        node.is_first = true;
    }
    let mut twins = Twins::new(&first);
    // What stands under no heading of its own goes before those that open one.
    let is_heading = |node: &Node<'_>| matches!(node.mark.kind, Kind::Heading(_));
    let lead = first.iter().position(is_heading).unwrap_or(first.len());
    // What is new, by the node of the first block that it goes before.
    let mut before: Vec<Vec<Node<'a>>> = vec![Vec::new(); first.len() + 1];
    let mut new: Vec<Node<'a>> = Vec::new();
    for (n, mut node) in second.into_iter().enumerate() {
        node.is_first |= n == 0;
        let Some(at) = twins.take(&first, &node) else {
            new.push(node);
            continue;
        };
        if !is_sorted {
            for node in new.drain(..) {
                before[if is_heading(&node) { at } else { at.min(lead) }].push(node);
            }
        }
        let twin = &mut first[at];
        if twin.mark.kind == Kind::Field && twin.loose != node.loose {
            twin.lines = vec![stamp(twin.mark.key, node.lines[0], twin.lines[0])?];
        } else if (node.body().len(), twin.lines[0]) > (twin.body().len(), node.lines[0]) {
            twin.lines = std::mem::take(&mut node.lines);
        }
        let holds = std::mem::take(&mut twin.holds);
        twin.holds = together(holds, node.holds, blanks, false)?;
    }
    let last = first.len();
    if is_sorted {
        let keys: Vec<_> = first.iter().map(|node| sort_key(node.lines[0])).collect();
        for node in new {
            let key = sort_key(node.lines[0]);
            before[keys.partition_point(|other| *other <= key)].push(node);
        }
    } else {
        for node in new {
            before[if is_heading(&node) { last } else { lead }].push(node);
        }
    }
    let mut out = before.pop().unwrap_or_default();
    let mut all: Vec<Node<'a>> = Vec::with_capacity(last + out.len());
    for (node, before) in first.into_iter().zip(before) {
        all.extend(before);
        all.push(node);
    }
    all.append(&mut out);
    let mut before: Option<bool> = None;
    for node in &mut all {
        let is_entry = node.is_entry();
        if node.is_first
            && let Some(before) = before
        {
            if before && is_entry {
                node.before.clear();
            } else if node.before.is_empty() {
                node.before = blanks.to_vec();
            }
        }
        before = Some(is_entry);
    }
    Some(all)
}

/// Finds for a node of the second block the same thing in the first.
struct Twins<'a> {
    by_line: HashMap<u32, VecDeque<usize>>,
    by_key: HashMap<(u8, &'a [u8]), VecDeque<usize>>,
    is_taken: Vec<bool>,
}

impl<'a> Twins<'a> {
    fn new(nodes: &[Node<'a>]) -> Twins<'a> {
        let is_taken = vec![false; nodes.len()];
        let mut twins = Twins { by_line: HashMap::new(), by_key: HashMap::new(), is_taken };
        for (n, node) in nodes.iter().enumerate() {
            twins.by_line.entry(node.loose[0]).or_default().push_back(n);
            if let Some(key) = node.key() {
                twins.by_key.entry(key).or_default().push_back(n);
            }
        }
        twins
    }

    /// The first that is left.
    fn take(&mut self, nodes: &[Node<'a>], node: &Node<'a>) -> Option<usize> {
        let is_taken = &self.is_taken;
        let mut found = [
            self.by_line.get_mut(&node.loose[0]),
            node.key().and_then(|key| self.by_key.get_mut(&key)),
        ]
        .into_iter()
        .flatten()
        .filter_map(|places| {
            while places.front().is_some_and(|n| is_taken[*n]) {
                places.pop_front();
            }
            // Several wordings of one thing are looked through, but not too many.
            places.iter().take(16).find(|n| !is_taken[**n] && nodes[**n].is_same(node)).copied()
        });
        let twin = found.next()?;
        self.is_taken[twin] = true;
        Some(twin)
    }
}

/// Whether a line is that of dashes under the head of a table.
fn is_rule(side: &Side<'_, '_>, line: usize) -> bool {
    side.marks[line].kind == Kind::Row
        && side.lines[line].contains(&b'-')
        && side.lines[line].iter().all(|byte| b"-:| \t\r".contains(byte))
}

/// Reads a block that begins and ends with lines that are not blank.
fn tree<'a>(side: &Side<'_, 'a>, range: Range<usize>) -> Vec<Node<'a>> {
    // The nodes that are open, each held by the one before it.
    let mut open: Vec<Node<'a>> = Vec::new();
    let mut done: Vec<Node<'a>> = Vec::new();
    let close = |open: &mut Vec<Node<'a>>, done: &mut Vec<Node<'a>>| {
        if let Some(node) = open.pop() {
            open.last_mut().map_or(done, |parent| &mut parent.holds).push(node);
        }
    };
    let mut blanks = Vec::new();
    for at in range.clone() {
        let (line, mark) = (side.lines[at], side.marks[at]);
        if mark.kind == Kind::Blank {
            blanks.push(line);
            continue;
        }
        if mark.kind == Kind::Text
            && blanks.is_empty()
            && let Some(last) = open.last_mut()
            && last.mark.kind == Kind::Text
            && !last.is_table
        {
            last.lines.push(line);
            last.loose.push(side.ids[at]);
            continue;
        }
        // The line of dashes under a head.
        if is_rule(side, at)
            && blanks.is_empty()
            && let Some(head) = open.last_mut()
            && head.mark.kind == Kind::Row
            && head.lines.len() == 1
        {
            head.lines.push(line);
            head.loose.push(side.loose[at]);
            head.mark = Mark { kind: Kind::Text, key: &line[..0] };
            head.is_table = true;
            continue;
        }
        let node = Node {
            before: std::mem::take(&mut blanks),
            is_first: false,
            lines: vec![line],
            loose: vec![if mark.kind == Kind::Text { side.ids[at] } else { side.loose[at] }],
            is_table: false,
            mark,
            holds: Vec::new(),
        };
        let indent = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        // A paragraph that goes on below an entry without a blank line is its own.
        let is_below = |parent: &Node<'_>| match parent.mark.kind {
            _ if parent.is_table => node.mark.kind == Kind::Row && node.before.is_empty(),
            Kind::Item(at) if node.depth() == usize::MAX => indent > at || node.before.is_empty(),
            _ => parent.depth() < node.depth(),
        };
        while open.last().is_some_and(|parent| !is_below(parent)) || open.len() > DEEPEST {
            close(&mut open, &mut done);
        }
        open.push(node);
    }
    while !open.is_empty() {
        close(&mut open, &mut done);
    }
    done
}
