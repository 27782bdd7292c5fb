//! Texts of lines that are known by their numbers, in which no half of a line and no
//! line that nobody wrote goes unseen.

use super::model::Lines;
use crate::rig::Random;

/// The line with this number, the same whenever it is asked for.
pub(crate) fn line(number: usize) -> String {
    let mut random = Random::new(number as u64);
    let words = if random.percent(6) { 400 } else { 1 + random.below(20) };
    let words: Vec<String> = (0..words).map(|_| format!("{:x}", random.next() >> 40)).collect();
    format!("- [t{number}](t{number}.md): {}\n", words.join(" "))
}

pub(crate) fn text(lines: impl IntoIterator<Item = usize>) -> Vec<u8> {
    lines.into_iter().map(line).collect::<String>().into_bytes()
}

/// Which lines a text has; says what is wrong with it if it is no text of ours.
pub(crate) fn lines(text: &[u8]) -> Result<Lines, String> {
    numbers(text).map(|numbers| numbers.into_iter().fold(Lines::default(), Lines::with))
}

/// The same, in their order.
pub(crate) fn numbers(text: &[u8]) -> Result<Vec<usize>, String> {
    let mut seen = Lines::default();
    let mut numbers = Vec::new();
    for found in text.split_inclusive(|byte| *byte == b'\n') {
        let shown = String::from_utf8_lossy(found);
        let number = shown.strip_prefix("- [t").and_then(|rest| rest.split(']').next());
        let number: usize = number
            .and_then(|number| number.parse().ok())
            .filter(|number| *number < Lines::MOST && line(*number).as_bytes() == found)
            .ok_or_else(|| format!("a torn read: {shown:?}"))?;
        if seen.has(number) {
            return Err(format!("line {number} stands there twice"));
        }
        seen = seen.with(number);
        numbers.push(number);
    }
    Ok(numbers)
}
