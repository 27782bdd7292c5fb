//! Two values of one field that need no judge.

use std::cmp::Ordering;

/// Which of two texts of a scalar is the later one, if both are of a kind that
/// only goes up: a version, or a time of a field that every write stamps anew.
///
/// Both must be later than base, if there is one.
pub(super) fn later(name: &str, base: Option<&str>, ours: &str, theirs: &str) -> Option<Ordering> {
    let compare = if is_stamp(name) { compare_times } else { compare_versions };
    let both_rose = base.is_none_or(|base| {
        [ours, theirs].iter().all(|side| compare(name, base, side) == Some(Ordering::Less))
    });
    compare(name, ours, theirs).filter(|order| both_rose && order.is_ne())
}

pub(super) fn is_stamp(name: &str) -> bool {
    ["modified", "updated", "updatedAt", "updated_at", "lastUpdated", "last_updated"]
        .contains(&name)
}

/// Numbers by size; times in one format, with the date first, by their text.
fn compare_times(_: &str, one: &str, two: &str) -> Option<Ordering> {
    let is_number = |text: &str| text.len() < 19 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(one) && is_number(two) {
        return one.parse::<u64>().ok().zip(two.parse().ok()).map(|(one, two)| one.cmp(&two));
    }
    let shape = |text: &str| -> Vec<u8> {
        text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect()
    };
    let is_time = shape(one).starts_with(b"\"0000-00-00") && shape(one) == shape(two);
    is_time.then(|| one.cmp(two))
}

fn compare_versions(name: &str, one: &str, two: &str) -> Option<Ordering> {
    version(name, one).zip(version(name, two)).map(|(one, two)| one.cmp(&two))
}

/// The numbers of a version, as in `"1.2.3"` or `"^1.2"`. Fewer than three
/// numbers are a version only after an operator, or in a field of that name.
fn version(name: &str, text: &str) -> Option<[u64; 3]> {
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    let bare = text.trim_start_matches(['^', '~', 'v', '=']);
    let bare = if bare.len() == text.len() { text.trim_start_matches(">=") } else { bare };
    let mut numbers = [0; 3];
    let mut count = 0;
    for part in bare.split('.') {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = part.parse().ok().filter(|_| is_number)?;
        *numbers.get_mut(count)? = number;
        count += 1;
    }
    (count == 3 || bare.len() < text.len() || name == "version").then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_versions_that_rose_the_higher_is_the_later() {
        let later = |base, ours, theirs| later("a", Some(base), ours, theirs);
        assert_eq!(later("\"1.2.3\"", "\"1.2.10\"", "\"1.2.9\""), Some(Ordering::Greater));
        assert_eq!(later("\"^1.2.3\"", "\"^1.3.0\"", "\"~1.4\""), Some(Ordering::Less));
        assert_eq!(later("\"1.2.3\"", "\"1.2.2\"", "\"1.2.9\""), None, "one fell");
        assert_eq!(later("\"^1.2.3\"", "\"^1.3.0\"", "\"~1.3\""), None, "the same in two words");
        assert_eq!(later("\"1.2.3\"", "\"1.3.0-rc1\"", "\"1.4.0\""), None);
        assert_eq!(later("\"1.2\"", "\"1.3\"", "\"1.4\""), None, "may be any number");
        assert_eq!(later("\"10.0.0.1\"", "\"10.0.0.2\"", "\"10.0.0.3\""), None);
        assert_eq!(later("1.2", "1.3", "1.4"), None, "a number is no version");
    }

    #[test]
    fn of_two_stamps_the_later_is_the_later() {
        let later = |base, ours, theirs| later("updated", base, ours, theirs);
        assert_eq!(later(Some("1"), "3", "20"), Some(Ordering::Less));
        let [old, new] = ["\"2026-01-02T03:04\"", "\"2026-02-02T03:04\""];
        assert_eq!(later(None, new, old), Some(Ordering::Greater));
        assert_eq!(later(None, new, "\"yesterday\""), None);
    }
}
