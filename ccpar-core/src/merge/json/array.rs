//! Which elements of an array stay, and in which order.
//!
//! Elements are numbered by what they are known by, so that an order is a list
//! of numbers. `None` says that both sides cannot be kept.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::super::diff::{Edit, anchored_diff, dense};
use super::tree::{Meanings, Value};

type Places = HashMap<u32, usize, RandomState>;

/// By what the elements of an array are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// By their value, of which a text may have several.
    Set,
    /// By the key of an object's member; their order says nothing.
    Key,
    /// By their value, which no text has twice.
    Value,
    /// By a field that all have, and no two of one text share.
    Field,
    /// By nothing but their place.
    Place,
}

/// The fields that can tell the elements of an array apart, in the order in
/// which they are tried.
const NAMES: [&str; 9] =
    ["id", "name", "matcher", "command", "source", "path", "key", "url", "file"];

/// The keys of arrays that are sets by meaning.
const SETS: [&str; 7] =
    ["allow", "deny", "ask", "additionalDirectories", "keywords", "tags", "categories"];

/// Whether the array at this path is a set by meaning: it stands under
/// `permissions`, or its key is the name of one.
pub(super) fn is_set<'a>(mut path: impl DoubleEndedIterator<Item = &'a str>) -> bool {
    path.next_back().is_some_and(|key| SETS.contains(&key) || key.ends_with("McpjsonServers"))
        || path.any(|key| key == "permissions")
}

/// By what the elements of three arrays are known, and their numbers.
pub(super) fn known(
    arrays: [&[&Value]; 3],
    is_set: bool,
    meanings: &mut Meanings,
) -> (Known, [Vec<u32>; 3]) {
    let values = arrays.map(|array| array.iter().map(|value| value.id).collect::<Vec<_>>());
    let all = || arrays.into_iter().flatten();
    let are_scalars = all().all(|value| !value.is_object() && !value.is_array());
    let are_distinct = |ids: &[Vec<u32>; 3]| ids.iter().all(|ids| places(ids).len() == ids.len());
    if are_scalars && is_set {
        return (Known::Set, values.map(|ids| by_ordinal(&ids, meanings)));
    }
    if are_scalars && are_distinct(&values) {
        return (Known::Value, values);
    }
    if all().all(|value| value.is_object()) {
        let no_matcher = meanings.of_string("");
        for name in NAMES {
            let id = |value: &&Value| field(&|name| value.member(name), name, no_matcher);
            let ids = arrays.map(|array| array.iter().map(id).collect::<Option<Vec<_>>>());
            if let [Some(base), Some(ours), Some(theirs)] = ids {
                let ids = [base, ours, theirs];
                if are_distinct(&ids) {
                    return (Known::Field, ids);
                }
            }
        }
    }
    (Known::Place, values)
}

/// What an object with these members is known by under a name, if that is a scalar.
fn field<'v>(
    member: &dyn Fn(&str) -> Option<&'v Value>,
    name: &str,
    no_matcher: u32,
) -> Option<u32> {
    match member(name) {
        Some(field) => (!field.is_object() && !field.is_array()).then_some(field.id),
        // A hook without a matcher matches everything, as the empty one does.
        None if name == "matcher" && member("hooks").is_some() => Some(no_matcher),
        None => None,
    }
}

/// Tells equal elements of one set apart by how many stand before.
fn by_ordinal(ids: &[u32], meanings: &mut Meanings) -> Vec<u32> {
    let mut seen: HashMap<u32, usize, RandomState> = HashMap::default();
    let mut number = |id: &u32| {
        let count = seen.entry(*id).or_default();
        *count += 1;
        meanings.of_repeat(*id, *count)
    };
    ids.iter().map(&mut number).collect()
}

fn places(ids: &[u32]) -> Places {
    ids.iter().enumerate().map(|(place, id)| (*id, place)).collect()
}

/// The three lists of one array's elements: base, ours, theirs.
pub(super) type Lists<'l> = [&'l [u32]; 3];

/// Where an element of the merged array comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Ours(usize),
    Theirs(usize),
}

impl Source {
    fn of(self, ours: &[u32], theirs: &[u32]) -> u32 {
        match self {
            Source::Ours(place) => ours[place],
            Source::Theirs(place) => theirs[place],
        }
    }
}

/// Merges numbers that no list has twice; `keeps` names those that stand although
/// one side lacks them, because the other changed them.
pub(super) fn by_number(
    known: Known,
    lists: Lists<'_>,
    keeps: &dyn Fn(u32) -> bool,
    ours_first: bool,
) -> Option<Vec<u32>> {
    let merge = |lists: Lists<'_>, first| {
        (known != Known::Value || !contradict(lists)).then(|| in_order(known, lists, keeps, first))
    };
    let is_sure = known != Known::Value || is_sure(lists, &mut |lists, first| merge(lists, first));
    if is_sure { merge(lists, ours_first) } else { None }
}

/// Merges arrays whose elements are known by nothing but their place.
pub(super) fn by_place(
    arrays: [&[&Value]; 3],
    lists: Lists<'_>,
    ours_first: bool,
    meanings: &mut Meanings,
) -> Option<Vec<Source>> {
    let are_placed = has_only_places(arrays[0], meanings);
    let values = arrays.concat();
    let place = places(&values.iter().map(|value| value.id).collect::<Vec<_>>());
    // What stands twice in one side may stand once in the result, which is then
    // known by more than its place when the merge is tried again.
    let mut kind = |lists: Lists<'_>| {
        if are_placed {
            return Known::Place;
        }
        let again = lists.map(|ids| ids.iter().map(|id| values[place[id]]).collect::<Vec<_>>());
        known([&again[0], &again[1], &again[2]], false, meanings).0
    };
    let mut merge = |lists: Lists<'_>, first| match kind(lists) {
        Known::Place => in_place(lists, first).map(|order| numbers(&order, lists)),
        Known::Value => by_number(Known::Value, lists, &|_| false, first),
        Known::Set | Known::Key | Known::Field => None,
    };
    if !is_sure(lists, &mut merge) {
        return None;
    }
    let order = in_place(lists, ours_first)?;
    let is_theirs = numbers(&order, lists) == lists[2];
    Some(if is_theirs { (0..order.len()).map(Source::Theirs).collect() } else { order })
}

fn numbers(order: &[Source], [_, ours, theirs]: Lists<'_>) -> Vec<u32> {
    order.iter().map(|source| source.of(ours, theirs)).collect()
}

/// Whether the elements of a base are known by nothing but their place whatever
/// the sides hold.
fn has_only_places(base: &[&Value], meanings: &mut Meanings) -> bool {
    known([base; 3], false, meanings).0 == Known::Place
}

/// Whether elements may be merged in pairs, those at the same place with each other,
/// into `merged`, whose members are given by place: no value stands at two places, as it
/// would if elements had been put in, taken out or moved, and a merge that is tried
/// again finds the same.
pub(super) fn are_sure_pairs<'v>(
    arrays: [&[&'v Value]; 3],
    [base, ours, theirs]: Lists<'_>,
    merged: &[u32],
    member: &dyn Fn(usize, &str) -> Option<&'v Value>,
    meanings: &mut Meanings,
) -> bool {
    let mut places: Places = HashMap::default();
    let lists = [base, ours, theirs, merged].into_iter();
    let mut all = lists.flat_map(|ids| ids.iter().copied().enumerate());
    all.all(|(place, id)| *places.entry(id).or_insert(place) == place)
        && !may_be_named(arrays, merged.len(), member, meanings)
        && [[base, ours, merged], [base, merged, theirs]].into_iter().all(|lists| {
            let mut merge = |lists: Lists<'_>, first| {
                in_place(lists, first).map(|order| numbers(&order, lists))
            };
            !is_sure(lists, &mut merge) || merge(lists, false).is_none_or(|again| again == merged)
        })
}

/// Whether a field may tell the elements of base, of a side and of what was merged
/// apart, so that a merge that is tried again goes by that.
fn may_be_named<'v>(
    arrays: [&[&'v Value]; 3],
    count: usize,
    member: &dyn Fn(usize, &str) -> Option<&'v Value>,
    meanings: &mut Meanings,
) -> bool {
    let no_matcher = meanings.of_string("");
    let tells = |name: &str, member: &dyn Fn(usize, &str) -> Option<&'v Value>| {
        let id = |at| field(&|name| member(at, name), name, no_matcher);
        let ids: Option<Vec<u32>> = (0..count).map(id).collect();
        ids.is_some_and(|ids| places(&ids).len() == ids.len())
    };
    let side = |n: usize, name: &str| tells(name, &|at, name| arrays[n][at].member(name));
    NAMES
        .into_iter()
        .any(|name| side(0, name) && (side(1, name) || side(2, name)) && tells(name, member))
}

/// Where values repeat or were moved it can be a guess what a side meant; a merge
/// that comes out otherwise when it is tried again on its own result is one,
/// whichever side is called ours.
fn is_sure(
    [base, ours, theirs]: Lists<'_>,
    merge: &mut dyn FnMut(Lists<'_>, bool) -> Option<Vec<u32>>,
) -> bool {
    [(ours, theirs), (theirs, ours)].into_iter().all(|(ours, theirs)| {
        [false, true].into_iter().all(|first| {
            merge([base, ours, theirs], first).is_some_and(|merged| {
                let again = [[base, ours, &merged], [base, &merged, theirs]];
                again.into_iter().all(|lists| merge(lists, first).as_ref() == Some(&merged))
            })
        })
    })
}

/// A set with deletion, in the order of the side that moved any, theirs if both
/// did; what the other side added stands after what precedes it there.
fn in_order(
    known: Known,
    [base, ours, theirs]: Lists<'_>,
    keeps: &dyn Fn(u32) -> bool,
    ours_first: bool,
) -> Vec<u32> {
    let [in_base, in_ours, in_theirs] = [base, ours, theirs].map(places);
    let stays = |id: &u32| {
        let (b, o, t) =
            (in_base.contains_key(id), in_ours.contains_key(id), in_theirs.contains_key(id));
        o && t || !b || keeps(*id)
    };
    let common = |ids: &[u32]| -> Vec<u32> {
        let in_all = |id: &u32| {
            in_base.contains_key(id) && in_ours.contains_key(id) && in_theirs.contains_key(id)
        };
        ids.iter().copied().filter(in_all).collect()
    };
    let [old, by_ours, by_theirs] = [base, ours, theirs].map(common);
    let has_order = known != Known::Key;
    let ours_leads = has_order && by_theirs == old && by_ours != old;
    let (frame, in_frame, other, in_other, other_first) = if ours_leads {
        (ours, &in_ours, theirs, &in_theirs, !ours_first)
    } else {
        (theirs, &in_theirs, ours, &in_ours, ours_first)
    };

    // What the other side alone has, by the element of the frame it follows.
    let mut after: HashMap<Option<u32>, Vec<u32>, RandomState> = HashMap::default();
    let mut before = None;
    for id in other.iter().filter(|id| stays(id)) {
        if in_frame.contains_key(id) {
            before = Some(*id);
        } else {
            after.entry(before).or_default().push(*id);
        }
    }
    let mut out = Vec::with_capacity(frame.len() + other.len());
    let mut waiting = after.remove(&None).unwrap_or_default();
    for id in frame.iter().filter(|id| stays(id)) {
        if other_first || in_other.contains_key(id) {
            out.append(&mut waiting);
        }
        out.push(*id);
        if let Some(mut more) = after.remove(&Some(*id)) {
            waiting.append(&mut more);
        }
    }
    out.append(&mut waiting);
    out
}

/// Whether both sides put something else in place of the same element, and
/// neither holds what the other put there.
fn contradict([base, ours, theirs]: Lists<'_>) -> bool {
    let [in_base, in_ours, in_theirs] = [base, ours, theirs].map(places);
    let added = |edit: &Edit, side: &[u32]| -> HashSet<u32> {
        side[edit.side.clone()].iter().copied().filter(|id| !in_base.contains_key(id)).collect()
    };
    let is_gone = |id: &u32| !in_ours.contains_key(id) && !in_theirs.contains_key(id);
    overlaps(&diff(base, ours), &diff(base, theirs)).any(|(one, two)| {
        let shared = one.base.start.max(two.base.start)..one.base.end.min(two.base.end);
        let (by_ours, by_theirs) = (added(one, ours), added(two, theirs));
        base[shared].iter().any(is_gone)
            && !by_ours.is_subset(&by_theirs)
            && !by_theirs.is_subset(&by_ours)
    })
}

/// What a side changed.
fn diff(base: &[u32], side: &[u32]) -> Vec<Edit> {
    let [base, side] = dense(base, side);
    anchored_diff(&base, &side).edits
}

/// The pairs of edits that touch the same elements of base.
fn overlaps<'e>(
    ours: &'e [Edit],
    theirs: &'e [Edit],
) -> impl Iterator<Item = (&'e Edit, &'e Edit)> {
    ours.iter().flat_map(move |one| {
        let near = theirs.partition_point(|two| two.base.end <= one.base.start);
        let near = theirs[near..].iter().take_while(|two| two.base.start < one.base.end);
        near.filter(|two| !two.base.is_empty() && !one.base.is_empty()).map(move |two| (one, two))
    })
}

/// Edits that share no element of base are both taken, and of what both add at
/// one place the list that begins or ends with the other is taken once.
fn in_place([base, ours, theirs]: Lists<'_>, ours_first: bool) -> Option<Vec<Source>> {
    let (by_ours, by_theirs) = (diff(base, ours), diff(base, theirs));
    let (mut o, mut t) = (by_ours.iter().peekable(), by_theirs.iter().peekable());
    let mut out = Vec::with_capacity(ours.len().max(theirs.len()));
    // Up to where base and theirs were copied.
    let (mut at, mut at_theirs) = (0, 0);
    let mut copy = |out: &mut Vec<Source>, to: usize, edit: usize, in_theirs: usize| {
        out.extend((at_theirs..at_theirs + to.saturating_sub(at)).map(Source::Theirs));
        at_theirs += to.saturating_sub(at) + in_theirs;
        at = to + edit;
    };
    let of_ours = |edit: &Edit| edit.side.clone().map(Source::Ours);
    let of_theirs = |edit: &Edit| edit.side.clone().map(Source::Theirs);
    let holds = |outer: &[u32], inner: &[u32]| outer.starts_with(inner) || outer.ends_with(inner);
    loop {
        match (o.peek(), t.peek()) {
            (Some(one), Some(two)) if one.base == two.base => {
                copy(&mut out, one.base.start, one.base.len(), two.side.len());
                let (by_ours, by_theirs) = (&ours[one.side.clone()], &theirs[two.side.clone()]);
                if by_ours != by_theirs && !one.base.is_empty() {
                    return None;
                }
                let is_in_theirs = holds(by_theirs, by_ours);
                let is_in_ours = !is_in_theirs && holds(by_ours, by_theirs);
                let (ours, theirs) = (of_ours(one), of_theirs(two));
                if is_in_theirs {
                    out.extend(theirs);
                } else if is_in_ours {
                    out.extend(ours);
                } else if ours_first {
                    out.extend(ours.chain(theirs));
                } else {
                    out.extend(theirs.chain(ours));
                }
                o.next();
                t.next();
            }
            (Some(one), Some(two)) if overlap(one, two) => return None,
            (Some(one), two) if two.is_none_or(|two| is_before(one, two)) => {
                copy(&mut out, one.base.start, one.base.len(), one.base.len());
                out.extend(of_ours(one));
                o.next();
            }
            (_, Some(two)) => {
                copy(&mut out, two.base.start, two.base.len(), two.side.len());
                out.extend(of_theirs(two));
                t.next();
            }
            (_, None) => break,
        }
    }
    copy(&mut out, base.len(), 0, 0);
    Some(out)
}

/// Whether two edits share an element of base, or one inserts within the other.
fn overlap(one: &Edit, two: &Edit) -> bool {
    one.base.end > two.base.start && two.base.end > one.base.start
}

fn is_before(one: &Edit, two: &Edit) -> bool {
    (one.base.start, one.base.end) < (two.base.start, two.base.end)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{clean, conflicts};

    #[test]
    fn of_a_value_that_one_side_doubles_and_the_other_replaces_nobody_knows_which_was_meant() {
        // The result would have it once: tried again, it would seem to be moved by one
        // side and deleted by the other.
        for (base, ours, theirs) in [
            ("[1, null, true]", "[1, null, true, 1]", "[1.5, null, true]"),
            ("[1, null, true]", "[1, null, true, 1]", "[null, true]"),
        ] {
            assert_eq!(conflicts(base, ours, theirs), [""], "{base} {ours} {theirs}");
            assert_eq!(conflicts(base, theirs, ours), [""], "{base} {theirs} {ours}");
        }
        assert_eq!(
            clean("[1, null, true]", "[1, null, true, 1]", "[1, null, true, 2]"),
            "[1, null, true, 2, 1]"
        );
    }

    #[test]
    fn pairs_merge_unless_a_field_of_the_result_would_tell_them_apart() {
        assert_eq!(
            clean(
                r#"[{"type": "command", "command": "a"}]"#,
                r#"[{"type": "prompt", "prompt": "p"}]"#,
                r#"[{"type": "command", "command": "a", "timeout": 5}]"#,
            ),
            r#"[{"type": "prompt", "timeout": 5, "prompt": "p"}]"#
        );
        let entries = |one: &str, two: &str, hooks: &str| {
            format!(
                r#"[{{"matcher": "{one}", "hooks": [1]}}, {{"matcher": "{two}", "hooks": [{hooks}]}}]"#
            )
        };
        assert_eq!(
            clean(&entries("A", "B", "2"), &entries("A", "A", "2"), &entries("A", "B", "2, 3")),
            entries("A", "A", "2, 3")
        );
        // Tried again, the second would be known by its id, which stands elsewhere.
        let ids = |one: u8, two: u8, a: u8| {
            format!(r#"[{{"id": {one}, "a": 1}}, {{"id": {two}, "a": {a}}}]"#)
        };
        assert_eq!(conflicts(&ids(1, 2, 2), &ids(1, 1, 2), &ids(3, 2, 2)), [""]);
    }
}
