//! The walk through three trees: what stands in the merged one.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::super::{Resolution, Rule};
use super::array::{self, Known, Source};
use super::tree::{Item, Meanings, Value};
use super::{Change, scalar};

/// What a merged value is, in terms of the three it came from.
#[derive(Debug)]
pub(super) enum Node<'t> {
    /// Theirs, as it is written there.
    Theirs,
    /// Ours, put into theirs' style.
    Ours,
    /// Theirs' array or object, with these items.
    Items(Vec<Part<'t>>),
    /// Each side's, in its rendition.
    Conflict,
}

/// An item of a merged array or object.
#[derive(Debug)]
pub(super) struct Part<'t> {
    /// The item in base, ours and theirs.
    pub(super) sides: [Option<&'t Item>; 3],
    /// Its place in theirs.
    pub(super) place: Option<usize>,
    pub(super) node: Node<'t>,
}

impl<'t> Part<'t> {
    /// The value that stands for it: theirs, where it is merged of both or a conflict.
    fn shown(&self) -> Option<&'t Value> {
        let [_, ours, theirs] = self.sides;
        let item = if matches!(self.node, Node::Ours) { ours } else { theirs.or(ours) };
        item.map(|item| &item.value)
    }

    /// The member of this name, if it is an object that has it.
    fn member(&self, name: &str) -> Option<&'t Value> {
        let Node::Items(parts) = &self.node else { return self.shown()?.member(name) };
        let is_it = |item: &&Item| item.key.as_ref().is_some_and(|key| key.name == name);
        parts.iter().find(|part| part.sides.iter().flatten().any(is_it))?.shown()
    }
}

/// A step on the way to a value.
#[derive(Debug, Clone, Copy)]
enum Step<'t> {
    Key(&'t str),
    Element(usize),
}

/// The values of an item, of which some may be absent.
type Three<'t> = [Option<&'t Value>; 3];

/// Where an item stands in base, ours and theirs.
type Spans = [Option<Range<usize>>; 3];

pub(super) struct Walk<'t, 'm> {
    texts: [&'t [u8]; 3],
    /// Where the lines of each text end.
    newlines: [Vec<usize>; 3],
    ours_first: bool,
    meanings: &'m mut Meanings,
    path: Vec<Step<'t>>,
    /// Up to where each text was seen: what a side lacks would stand there.
    seen: [usize; 3],
    changes: Vec<Change>,
}

impl<'t, 'm> Walk<'t, 'm> {
    pub(super) fn new(
        texts: [&'t [u8]; 3],
        ours_first: bool,
        meanings: &'m mut Meanings,
    ) -> Walk<'t, 'm> {
        let newlines = texts.map(|text| memchr::memchr_iter(b'\n', text).collect());
        let (path, changes) = (Vec::new(), Vec::new());
        Walk { texts, newlines, ours_first, meanings, path, seen: [0; 3], changes }
    }

    pub(super) fn merge(mut self, roots: Three<'t>) -> (Node<'t>, Vec<Change>) {
        let spans = roots.map(|root| root.map(|root| root.span.clone()));
        let node = self.value(roots, &spans).unwrap_or(Node::Theirs);
        (node, self.changes)
    }

    /// What becomes of a value; `None` if it is gone.
    fn value(&mut self, three: Three<'t>, spans: &Spans) -> Option<Node<'t>> {
        let [base, ours, theirs] = three;
        let same = |one: Option<&Value>, two: Option<&Value>| {
            one.map(|value| value.id) == two.map(|value| value.id)
        };
        // A side that lacks what is taken from it has deleted it.
        let from_theirs = theirs.map(|_| Node::Theirs);
        let from_ours = ours.map(|_| Node::Ours);
        let (node, resolution) = if same(ours, theirs) {
            let resolution =
                if same(base, ours) { Resolution::Unchanged } else { Resolution::Same };
            (from_theirs, resolution)
        } else if let Some(node) = self.items(three, spans) {
            return Some(node);
        } else if same(base, ours) {
            (from_theirs, Resolution::Theirs)
        } else if same(base, theirs) {
            (from_ours, Resolution::Ours)
        } else {
            match self.later(three) {
                Some((Ordering::Greater, rule)) => {
                    (from_ours, Resolution::Merged(rule, Vec::new()))
                }
                Some((_, rule)) => (from_theirs, Resolution::Merged(rule, Vec::new())),
                None => (Some(Node::Conflict), Resolution::Conflict),
            }
        };
        self.note(spans, resolution);
        node
    }

    /// The items of two objects or two arrays, unless they cannot be merged.
    fn items(&mut self, [base, ours, theirs]: Three<'t>, spans: &Spans) -> Option<Node<'t>> {
        let (ours, theirs) = (ours?, theirs?);
        let (changes, seen) = (self.changes.len(), self.seen);
        let parts = if ours.is_object() && theirs.is_object() {
            Some(self.members([base.filter(|base| base.is_object()), Some(ours), Some(theirs)]))
        } else if ours.is_array() && theirs.is_array() {
            self.elements([base.filter(|base| base.is_array()), Some(ours), Some(theirs)], spans)
        } else {
            None
        };
        if parts.is_none() {
            self.changes.truncate(changes);
            self.seen = seen;
        }
        parts.map(Node::Items)
    }

    /// The later of two scalars, and by which rule.
    fn later(&self, [base, ours, theirs]: Three<'t>) -> Option<(Ordering, Rule)> {
        let name = self.path.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Element(_) => None,
        });
        let text = |side: usize, value: &Value| {
            value
                .items()
                .is_empty()
                .then(|| std::str::from_utf8(&self.texts[side][value.span.clone()]).ok())?
        };
        let old = base.map(|base| text(0, base).unwrap_or_default());
        let order = scalar::later(name?, old, text(1, ours?)?, text(2, theirs?)?)?;
        Some((order, if scalar::is_stamp(name?) { Rule::Stamp } else { Rule::Version }))
    }

    fn members(&mut self, three: Three<'t>) -> Vec<Part<'t>> {
        let items = three.map(|value| value.map_or(&[][..], Value::items));
        let ids = items.map(|items| {
            let keys = items.iter().filter_map(|item| item.key.as_ref());
            keys.map(|key| key.id).collect::<Vec<_>>()
        });
        self.parts(items, &ids, Known::Key).unwrap_or_default()
    }

    fn elements(&mut self, three: Three<'t>, spans: &Spans) -> Option<Vec<Part<'t>>> {
        let items = three.map(|value| value.map_or(&[][..], Value::items));
        let values = items.map(|items| items.iter().map(|item| &item.value).collect::<Vec<_>>());
        let keys = self.path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(*key),
            Step::Element(_) => None,
        });
        let is_set = array::is_set(keys);
        let values = [&values[0][..], &values[1], &values[2]];
        let (known, ids) = array::known(values, is_set, self.meanings);
        let parts = match known {
            Known::Place => self.places(items, values, &ids, spans),
            _ => self.parts(items, &ids, known),
        };
        if parts.is_some() {
            return parts;
        }
        let are_alike = |is: fn(&Value) -> bool| values.iter().copied().flatten().all(|v| is(v));
        let count = items[2].len();
        let are_pairs = known == Known::Place
            && (are_alike(Value::is_object) || are_alike(Value::is_array))
            && items.iter().all(|items| items.len() == count);
        let pairs = are_pairs.then(|| self.pairs(items))?;
        let merged: Vec<u32> = pairs.iter().map(|part| self.meaning(part)).collect();
        let lists = [&ids[0][..], &ids[1], &ids[2]];
        let member = |at: usize, name: &str| pairs[at].member(name);
        let is_sure = array::are_sure_pairs(values, lists, &merged, &member, self.meanings);
        is_sure.then_some(pairs)
    }

    /// Elements merged with those at the same place.
    fn pairs(&mut self, items: [&'t [Item]; 3]) -> Vec<Part<'t>> {
        let sides = |n: usize| items.map(|items| items.get(n));
        (0..items[2].len()).filter_map(|n| self.part(sides(n), Some(n), n)).collect()
    }

    /// What a part means, with theirs where it is a conflict.
    fn meaning(&mut self, part: &Part<'_>) -> u32 {
        let shown = part.shown();
        let (Some(shown), Node::Items(parts)) = (shown, &part.node) else {
            return shown.map_or(u32::MAX, |value| value.id);
        };
        let ids = parts.iter().map(|part| {
            let key = part.sides.iter().flatten().find_map(|item| item.key.as_ref());
            (key.map(|key| key.id), self.meaning(part))
        });
        let ids = ids.collect();
        self.meanings.of_parts(ids, shown.is_object())
    }

    /// The items known by a number that stand, in order.
    fn parts(
        &mut self,
        items: [&'t [Item]; 3],
        ids: &[Vec<u32>; 3],
        known: Known,
    ) -> Option<Vec<Part<'t>>> {
        let places = [0, 1, 2].map(|side: usize| {
            let places = ids[side].iter().enumerate().map(|(place, id)| (*id, place));
            places.collect::<HashMap<u32, usize, RandomState>>()
        });
        let value = |side: usize, id: u32| Some(items[side][*places[side].get(&id)?].value.id);
        // What one side deleted and the other changed is a conflict, which stands.
        let keeps = |id: u32| match (value(1, id), value(2, id)) {
            (Some(one), None) | (None, Some(one)) => value(0, id) != Some(one),
            _ => false,
        };
        let lists = [&ids[0][..], &ids[1], &ids[2]];
        let order = array::by_number(known, lists, &keeps, self.ours_first)?;
        let stands: HashSet<u32, RandomState> = order.iter().copied().collect();
        let gone = ids[0].iter().copied().filter(|id| !stands.contains(id));
        let mut parts = Vec::with_capacity(order.len());
        for id in order.iter().copied().chain(gone) {
            let [base, ours, theirs] = [0, 1, 2].map(|side: usize| places[side].get(&id).copied());
            let sides = [(0, base), (1, ours), (2, theirs)]
                .map(|(side, place): (usize, _)| place.map(|place| &items[side][place]));
            parts.extend(self.part(sides, theirs, theirs.or(ours).or(base)?));
        }
        Some(parts)
    }

    /// The elements known by nothing but their place that stand, in order.
    fn places(
        &mut self,
        items: [&'t [Item]; 3],
        values: [&[&Value]; 3],
        ids: &[Vec<u32>; 3],
        spans: &Spans,
    ) -> Option<Vec<Part<'t>>> {
        let lists = [&ids[0][..], &ids[1], &ids[2]];
        let order = array::by_place(values, lists, self.ours_first, self.meanings)?;
        self.note(
            spans,
            match [ids[1] == ids[0], ids[2] == ids[0], ids[1] == ids[2]] {
                [true, ..] => Resolution::Theirs,
                [_, true, _] => Resolution::Ours,
                [.., true] => Resolution::Same,
                _ => Resolution::Merged(Rule::Elements, Vec::new()),
            },
        );
        let part = |source: Source| match source {
            Source::Ours(place) => {
                Part { sides: [None, Some(&items[1][place]), None], place: None, node: Node::Ours }
            }
            Source::Theirs(place) => Part {
                sides: [None, None, Some(&items[2][place])],
                place: Some(place),
                node: Node::Theirs,
            },
        };
        Some(order.into_iter().map(part).collect())
    }

    fn part(
        &mut self,
        sides: [Option<&'t Item>; 3],
        place: Option<usize>,
        index: usize,
    ) -> Option<Part<'t>> {
        let any = sides.into_iter().rev().flatten().next()?;
        self.path.push(match &any.key {
            Some(key) => Step::Key(&key.name),
            None => Step::Element(index),
        });
        let values = sides.map(|item| item.map(|item| &item.value));
        let spans = sides.map(|item| item.map(Item::span));
        for (seen, span) in self.seen.iter_mut().zip(&spans) {
            *seen = span.as_ref().map_or(*seen, |span| span.start);
        }
        let node = self.value(values, &spans);
        for (seen, span) in self.seen.iter_mut().zip(&spans) {
            *seen = span.as_ref().map_or(*seen, |span| span.end);
        }
        self.path.pop();
        node.map(|node| Part { sides, place, node })
    }

    fn note(&mut self, spans: &Spans, resolution: Resolution<'static>) {
        if resolution == Resolution::Unchanged {
            return;
        }
        let lines = [0, 1, 2].map(|side| {
            let line = |at: usize| self.newlines[side].partition_point(|newline| *newline < at);
            match &spans[side] {
                Some(span) => line(span.start)..line(span.end) + 1,
                None if self.texts[side].is_empty() => 0..0,
                None => line(self.seen[side]) + 1..line(self.seen[side]) + 1,
            }
        });
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer += &key.replace('~', "~0").replace('/', "~1"),
                Step::Element(index) => pointer += &index.to_string(),
            }
        }
        self.changes.push(Change { pointer, lines, resolution });
    }
}
