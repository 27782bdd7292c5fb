use super::super::{Merge, Rule, Rules};
use super::*;

fn merge(base: &str, ours: &str, theirs: &str) -> (String, bool) {
    let merge = Merge::with_rules(Rules::Json, base.as_bytes(), ours.as_bytes(), theirs.as_bytes());
    assert_eq!(merge.refusal(), None);
    (String::from_utf8(merge.keep_theirs()).unwrap(), merge.is_clean())
}

/// Merges, and merges again on the result.
#[track_caller]
pub(super) fn clean(base: &str, ours: &str, theirs: &str) -> String {
    let (text, is_clean) = merge(base, ours, theirs);
    assert!(is_clean, "a conflict, with theirs: {text}");
    assert!(parses(text.as_bytes()), "does not parse: {text}");
    for ours_first in [false, true] {
        let merge = |ours: &str, theirs: &str| {
            let texts = [base, ours, theirs].map(str::as_bytes);
            let merge = super::merge(texts[0], texts[1], texts[2], ours_first).unwrap();
            let [.., text] = merge.renditions;
            String::from_utf8(text).unwrap()
        };
        let text = merge(ours, theirs);
        assert_eq!(merge(ours, &text), text, "retried as theirs");
        assert_eq!(merge(&text, theirs), text, "retried as ours");
    }
    text
}

#[track_caller]
pub(super) fn conflicts(base: &str, ours: &str, theirs: &str) -> Vec<String> {
    for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
        let (text, is_clean) = merge(base, ours, theirs);
        assert!(!is_clean, "no conflict: {text}");
        assert!(parses(text.as_bytes()), "does not parse: {text}");
    }
    let merge = super::merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes(), false).unwrap();
    let is_conflict = |change: &Change| change.resolution == Resolution::Conflict;
    merge.changes.into_iter().filter(is_conflict).map(|change| change.pointer).collect()
}

fn refusal(base: &str, ours: &str, theirs: &str) -> String {
    let texts = [base, ours, theirs].map(str::as_bytes);
    let merge = Merge::with_rules(Rules::Json, texts[0], texts[1], texts[2]);
    merge.refusal().expect("the texts differ, and one is no JSON").to_string()
}

#[test]
fn neighbouring_keys_do_not_meet() {
    assert_eq!(
        clean(
            "{\n  \"a\": 1,\n  \"b\": 1\n}\n",
            "{\n  \"a\": 2,\n  \"b\": 1\n}\n",
            "{\n  \"a\": 1,\n  \"b\": 2\n}\n",
        ),
        "{\n  \"a\": 2,\n  \"b\": 2\n}\n"
    );
}

#[test]
fn what_ours_adds_stands_after_what_precedes_it_there() {
    assert_eq!(
        clean(r#"{"a": 1, "b": 1}"#, r#"{"a": 1, "o": {"x": []}, "b": 1}"#, r#"{"a": 1, "b": 2}"#),
        r#"{"a": 1, "o": {"x": []}, "b": 2}"#
    );
    assert_eq!(clean(r#"{"a": 1}"#, r#"{"o": 1, "a": 1}"#, r#"{"a": 2}"#), r#"{"o": 1, "a": 2}"#);
}

#[test]
fn where_both_add_theirs_comes_first_unless_asked_otherwise() {
    let [base, ours, theirs] = [r#"{"a": 1}"#, r#"{"a": 1, "o": 1}"#, r#"{"a": 1, "t": 1}"#];
    assert_eq!(clean(base, ours, theirs), r#"{"a": 1, "t": 1, "o": 1}"#);
    let texts = [base, ours, theirs].map(str::as_bytes);
    let merge = super::merge(texts[0], texts[1], texts[2], true).unwrap();
    assert_eq!(merge.renditions[2], br#"{"a": 1, "o": 1, "t": 1}"#);
}

#[test]
fn a_deletion_takes_its_comma_and_its_line() {
    let base = "{\n  \"a\": 1,\n  \"b\": 1,\n  \"c\": 1\n}\n";
    let theirs = "{\n  \"a\": 1,\n  \"b\": 1,\n  \"c\": 2\n}\n";
    let without = |key: &str| {
        base.lines().filter(|line| !line.contains(key)).collect::<Vec<_>>().join("\n") + "\n"
    };
    assert_eq!(clean(base, &without("\"a\""), theirs), "{\n  \"b\": 1,\n  \"c\": 2\n}\n");
    assert_eq!(clean(base, &without("\"b\""), theirs), "{\n  \"a\": 1,\n  \"c\": 2\n}\n");
    let ours = "{\n  \"a\": 1,\n  \"b\": 1\n}\n";
    let theirs = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 1\n}\n";
    assert_eq!(clean(base, ours, theirs), "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
}

#[test]
fn the_last_key_goes_while_the_other_side_adds_after_it() {
    assert_eq!(
        clean(
            "{\n  \"a\": 1,\n  \"b\": 1\n}\n",
            "{\n  \"a\": 1\n}\n",
            "{\n  \"a\": 1,\n  \"b\": 1,\n  \"t\": 1\n}\n",
        ),
        "{\n  \"a\": 1,\n  \"t\": 1\n}\n"
    );
    assert_eq!(
        clean(
            "{\n  \"a\": 1,\n  \"b\": 1\n}\n",
            "{\n  \"a\": 1,\n  \"b\": 1,\n  \"o\": 1\n}\n",
            "{\n  \"a\": 1\n}\n",
        ),
        "{\n  \"a\": 1,\n  \"o\": 1\n}\n"
    );
    assert_eq!(clean("{\n  \"a\": 1\n}\n", "{\n}\n", "{ \"a\": 1 }\n"), "{}\n");
}

#[test]
fn a_deletion_against_a_change_and_two_changes_are_conflicts() {
    assert_eq!(conflicts(r#"{"a": 1}"#, r#"{"a": 2}"#, r"{}"), ["/a"]);
    assert_eq!(conflicts(r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 3}"#), ["/a"]);
    assert_eq!(conflicts(r#"{"a": {"b/c": 1}}"#, r#"{"a": {"b/c": 2}}"#, r#"{"a": []}"#), ["/a"]);
    assert_eq!(
        conflicts(r#"{"a": {"b/~": 1}}"#, r#"{"a": {"b/~": 2}}"#, r#"{"a": {"b/~": 3}}"#),
        ["/a/b~1~0"]
    );
    assert_eq!(conflicts(r#"{"a": {"b": 1}}"#, r"{}", r#"{"a": {"b": 2}}"#), ["/a"]);
    assert_eq!(conflicts("1", "2", "3"), [""]);
}

#[test]
fn a_conflict_comes_out_as_each_side_had_it() {
    let texts = [
        "{\n  \"a\": 1,\n  \"b\": 1,\n  \"c\": 1\n}\n",
        "{\n  \"a\": 2,\n  \"b\": 2,\n  \"c\": 1\n}\n",
        "{\n  \"a\": 1,\n  \"b\": 3,\n  \"c\": 3\n}\n",
    ]
    .map(str::as_bytes);
    let merge = super::merge(texts[0], texts[1], texts[2], false).unwrap();
    for (rendition, value) in merge.renditions.iter().zip(1..) {
        let expected = format!("{{\n  \"a\": 2,\n  \"b\": {value},\n  \"c\": 3\n}}\n");
        assert_eq!(String::from_utf8_lossy(rendition), expected);
    }
    let merge = Merge::with_rules(Rules::Json, texts[0], texts[1], texts[2]);
    let marked = merge.with_markers(super::super::Markers { diff3: true, ..Default::default() });
    assert_eq!(
        String::from_utf8(marked).unwrap(),
        "{\n  \"a\": 2,\n<<<<<<< ours\n  \"b\": 2,\n||||||| base\n  \"b\": 1,\n=======\n  \
         \"b\": 3,\n>>>>>>> theirs\n  \"c\": 3\n}\n"
    );
}

#[test]
fn two_files_made_at_once_merge() {
    let [ours, theirs] = [r#"{"a": {"x": 1}, "o": 1}"#, r#"{"a": {"y": 1}}"#];
    assert_eq!(clean("", ours, theirs), r#"{"a": {"y": 1, "x": 1}, "o": 1}"#);
    assert_eq!(clean(" \n", "[1]", "[2]"), "[2, 1]");
    assert_eq!(conflicts("", "1", "[2]"), [""]);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let base = r#"{"a": 1.0, "b": 1e5, "c": 12345678901234567890, "d": 1}"#;
    let theirs = base.replace("\"d\": 1", "\"d\": 2");
    let ours = base.replace('{', r#"{"o": 1E400, "#);
    assert_eq!(clean(base, &ours, &theirs), ours.replace("\"d\": 1", "\"d\": 2"));
    assert_eq!(conflicts("[{\"a\": 1}]", "[{\"a\": 1.0}]", "[{\"a\": 1e0}]"), ["/0/a"]);
}

#[test]
fn strings_are_compared_by_what_they_mean() {
    let [base, ours, theirs] =
        [r#"{"\u00e9": "a/b"}"#, r#"{"é": "a\/b", "o": 1}"#, r#"{"\u00e9": "a/b" , "t": 1}"#];
    assert_eq!(clean(base, ours, theirs), r#"{"\u00e9": "a/b" , "t": 1, "o": 1}"#);
}

#[test]
fn a_new_layout_is_no_change_of_values() {
    let base = "{\n  \"a\": 1,\n  \"b\": [1, 2]\n}\n";
    assert_eq!(
        clean(base, "{\"a\": 1, \"b\": [1, 2]}", "{\n  \"a\": 1,\n  \"b\": [1, 2, 3]\n}\n"),
        "{\n  \"a\": 1,\n  \"b\": [1, 2, 3]\n}\n"
    );
    assert_eq!(
        clean(base, "{\n  \"a\": 1,\n  \"b\": [1]\n}\n", "{\"b\":[1,2],\"a\":1}"),
        "{\"b\":[1],\"a\":1}"
    );
}

#[test]
fn what_ours_adds_is_laid_out_like_theirs() {
    let ours = "{\n  \"a\": 1,\n  \"o\": {\n    \"x\": [\n      1\n    ]\n  }\n}\n";
    assert_eq!(
        clean("{\n  \"a\": 1\n}\n", ours, "{\n\t\"a\": 2\n}\n"),
        "{\n\t\"a\": 2,\n\t\"o\": {\n\t\t\"x\": [\n\t\t\t1\n\t\t]\n\t}\n}\n"
    );
    assert_eq!(clean("{\n  \"a\": 1\n}\n", ours, "{\"a\":2}"), r#"{"a":2,"o":{"x":[1]}}"#);
    assert_eq!(
        clean("{\n  \"a\": 1\n}\n", ours, "{\r\n    \"a\": 2\r\n}"),
        "{\r\n    \"a\": 2,\r\n    \"o\": {\r\n        \"x\": [\r\n            1\r\n        ]\r\n    }\r\n}"
    );
    assert_eq!(
        clean(
            "{\n  \"e\": {},\n  \"f\": 1\n}\n",
            "{\n  \"e\": {\n    \"a\": 1\n  },\n  \"f\": 1\n}\n",
            "{\n    \"e\": {},\n    \"f\": 2\n}"
        ),
        "{\n    \"e\": {\n        \"a\": 1\n    },\n    \"f\": 2\n}"
    );
}

#[test]
fn commas_that_lead_their_line_do_so_in_what_is_added() {
    assert_eq!(
        clean(
            "{ \"a\": 1\n, \"b\": 1\n}",
            "{ \"a\": 1\n, \"b\": 1\n, \"o\": 1\n}",
            "{ \"a\": 1\n, \"b\": 2\n}"
        ),
        "{ \"a\": 1\n, \"b\": 2\n, \"o\": 1\n}"
    );
}

#[test]
fn as_text_either_order_must_parse() {
    let base = "[\n1,\n1,\n1,\n1,\n1,\n1,\n1\n]";
    let twice = "[\n[\n{ \"a\":[\n[\n],\n1,\n1\n], \"a\":1 },\n1\n],\n1,\n1,\n1,\n1,\n1,\n1\n]";
    let other = "[\n[\n[1.50,[\n1\n],1],\n1,\n1,\n1\n],\n1\n]";
    for (ours, theirs) in [(twice, other), (other, twice)] {
        let [base, ours, theirs] = [base, ours, theirs].map(str::as_bytes);
        let merge = Merge::with_rules(Rules::Json, base, ours, theirs);
        assert!(merge.refusal().is_some() && !merge.is_clean());
        assert_eq!(merge.keep_theirs(), theirs);
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    let json = "{\n  \"a\": 1\n}\n";
    let no = |what: &str| format!("ours is no JSON that can be merged: {what}");
    let comment = "{\n  // why\n  \"a\": 1\n}\n";
    assert_eq!(refusal(json, comment, "{}"), no("line 2, column 3: a comment"));
    let comma = "{\n  \"a\": 1,\n}\n";
    assert_eq!(refusal(json, comma, "{}"), no("line 3, column 1: a comma after the last value"));
    let twice = "{\n  \"é\": 1, \"é\": 2\n}\n";
    assert_eq!(
        refusal(json, twice, "{}"),
        no("line 2, column 11: the key `é` stands twice in one object")
    );
    let deep = format!("\n{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(
        refusal(json, &deep, "{}"),
        no("line 2, column 129: nested more than 128 levels deep")
    );
    assert_eq!(
        refusal(json, "[\"\\ud800\"]", "{}"),
        no("line 1, column 2: unexpected end of hex escape")
    );
    assert_eq!(refusal(json, "{} x", "[]"), no("line 1, column 4: trailing characters"));
    assert!(refusal("{", json, "{}").starts_with("base is no JSON"));
    assert!(refusal(json, "{}", "").starts_with("theirs is no JSON"));
    let bytes = Merge::with_rules(Rules::Json, b"{}", b"[1]", b"\"\xff\"");
    assert_eq!(
        bytes.refusal().unwrap().to_string(),
        "theirs is no JSON that can be merged: line 1, column 2: not UTF-8"
    );
}

#[test]
fn a_byte_order_mark_stays() {
    assert_eq!(
        clean("\u{feff}{\"a\": 1}", "\u{feff}{\"a\": 1, \"o\": 1}", "\u{feff}{\"a\": 2}"),
        "\u{feff}{\"a\": 2, \"o\": 1}"
    );
}

#[test]
fn permissions_merge_as_sets_with_deletion() {
    let settings = |allow: &str| format!(r#"{{"permissions": {{"allow": [{allow}]}}}}"#);
    assert_eq!(
        clean(
            &settings(r#""a", "b", "c""#),
            &settings(r#""a", "o", "c""#),
            &settings(r#""a", "t", "b", "c", "u""#),
        ),
        settings(r#""a", "t", "o", "c", "u""#)
    );
}

#[test]
fn values_that_differ_merge_as_a_set_unless_both_replace_one() {
    assert_eq!(
        clean(
            r#"{"files": ["a", "b"]}"#,
            r#"{"files": ["b", "o"]}"#,
            r#"{"files": ["t", "a", "b"]}"#
        ),
        r#"{"files": ["t", "b", "o"]}"#
    );
    assert_eq!(
        conflicts(
            r#"{"args": ["-p", "80"]}"#,
            r#"{"args": ["-p", "81"]}"#,
            r#"{"args": ["-p", "82"]}"#
        ),
        ["/args"]
    );
}

#[test]
fn values_that_repeat_merge_by_place() {
    assert_eq!(clean("[1, 1, 2]", "[0, 1, 1, 2]", "[1, 1, 2, 3]"), "[0, 1, 1, 2, 3]");
    assert_eq!(conflicts("[0, 0]", "[0, 1]", "[0, 2]"), [""]);
    assert_eq!(clean("[0, 0]", "[0, 0, 1]", "[0, 0, 1]"), "[0, 0, 1]");
    assert_eq!(clean("[[1, 2], [4]]", "[[1, 3], [4]]", "[[0, 1, 2], [4]]"), "[[0, 1, 3], [4]]");
}

#[test]
fn objects_are_known_by_a_field_and_follow_who_moved_them() {
    assert_eq!(
        clean(
            r#"[{"name": "a", "v": 1}, {"name": "b", "v": 1}]"#,
            r#"[{"name": "a", "v": 1}, {"name": "o"}, {"name": "b", "v": 2}]"#,
            r#"[{"name": "b", "v": 1}, {"name": "a", "v": 1, "t": 1}]"#,
        ),
        r#"[{"name": "b", "v": 2}, {"name": "a", "v": 1, "t": 1}, {"name": "o"}]"#
    );
    assert_eq!(
        clean(
            r#"[{"name": "a"}, {"name": "b"}, {"name": "c"}]"#,
            r#"[{"name": "c"}, {"name": "a"}, {"name": "b"}]"#,
            r#"[{"name": "a"}, {"name": "t"}, {"name": "b", "v": 1}, {"name": "c"}]"#,
        ),
        r#"[{"name": "c"}, {"name": "a"}, {"name": "t"}, {"name": "b", "v": 1}]"#
    );
    assert_eq!(
        conflicts(
            r#"[{"id": 1}, {"id": 2}]"#,
            r#"[{"id": 1}]"#,
            r#"[{"id": 1}, {"id": 2, "x": 1}]"#
        ),
        ["/1"]
    );
}

#[test]
fn hooks_merge_by_matcher_and_command() {
    let settings = |groups: &str| format!("{{\"hooks\": {{\"PreToolUse\": [{groups}]}}}}");
    let group = |matcher: &str, commands: &[&str]| {
        let hook = |command: &&str| format!(r#"{{"type": "command", "command": "{command}"}}"#);
        let hooks: Vec<String> = commands.iter().map(hook).collect();
        format!(r#"{{{matcher}"hooks": [{}]}}"#, hooks.join(", "))
    };
    let bash = r#""matcher": "Bash", "#;
    assert_eq!(
        clean(
            &settings(&group(bash, &["a"])),
            &settings(&[group(bash, &["a", "o"]), group("", &["all"])].join(", ")),
            &settings(&group(bash, &["t", "a"])),
        ),
        settings(&[group(bash, &["t", "a", "o"]), group("", &["all"])].join(", "))
    );
}

#[test]
fn hooks_whose_matcher_repeats_merge_by_place() {
    let settings = |groups: [&str; 2]| {
        let group = |hooks: &&str| format!(r#"{{"matcher": "Bash", "hooks": [{hooks}]}}"#);
        format!("[{}]", groups.iter().map(group).collect::<Vec<_>>().join(", "))
    };
    let [a, b, o] = [r#"{"command": "a"}"#, r#"{"command": "b"}"#, r#"{"command": "o"}"#];
    let both = [a, o].join(", ");
    assert_eq!(
        clean(&settings([a, b]), &settings([&both, b]), &settings([a, o])),
        settings([&both, o])
    );
}

#[test]
fn a_set_keeps_its_order_and_a_value_that_both_add_is_taken_once() {
    let json = |tags: &str| format!(r#"{{"tags": [{tags}]}}"#);
    assert_eq!(
        clean(&json(r#""a", "b""#), &json(r#""x", "a", "b""#), &json(r#""a", "b", "x""#)),
        json(r#""a", "b", "x""#)
    );
    assert_eq!(
        clean(&json(r#""a", "b""#), &json(r#""b""#), &json(r#""a", "c", "b""#)),
        json(r#""c", "b""#)
    );
}

#[test]
fn where_lines_merge_to_the_same_value_what_a_side_changed_of_the_layout_stays() {
    assert_eq!(
        clean(
            "{\n  \"a\": 1,\n  \"b\": [],\n  \"c\": 1\n}\n",
            "{\n  \"a\":  2,\n  \"b\": [],\n  \"c\": 1\n}\n",
            "{\n  \"a\": 1,\n  \"b\": [],\n  \"c\": 2\n}\n",
        ),
        "{\n  \"a\":  2,\n  \"b\": [],\n  \"c\": 2\n}\n"
    );
}

#[test]
fn of_versions_that_both_raised_the_higher_is_taken() {
    let version = |version: &str| format!(r#"{{"version": "{version}"}}"#);
    assert_eq!(clean(&version("1.0.0"), &version("1.1.0"), &version("1.0.1")), version("1.1.0"));
    assert_eq!(conflicts(&version("1.0.0"), &version("0.9.0"), &version("1.0.1")), ["/version"]);
}

#[test]
fn each_change_says_where_it_stands_and_what_became_of_it() {
    let base = b"{\n  \"a\": 1,\n  \"version\": \"1.0.0\"\n}\n";
    let ours = b"{\n  \"a\": 2,\n  \"version\": \"1.0.1\",\n  \"o\": {\n    \"x\": 1\n  }\n}\n";
    let theirs = b"{\n  \"version\": \"1.1.0\",\n  \"a\": 1\n}\n";
    let merge = super::merge(base, ours, theirs, false).unwrap();
    let change = |pointer: &str, lines, resolution| Change {
        pointer: pointer.to_owned(),
        lines,
        resolution,
    };
    assert_eq!(
        merge.changes,
        [
            change("/version", [2..3, 2..3, 1..2], Resolution::Merged(Rule::Version, Vec::new())),
            change("/o", [3..3, 3..6, 2..2], Resolution::Ours),
            change("/a", [1..2, 1..2, 2..3], Resolution::Ours),
        ]
    );
}
