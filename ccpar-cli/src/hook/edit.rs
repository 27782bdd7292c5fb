//! What a tool's edit came to, as the client does it.

use super::payload::{Input, Response};

/// An edit that replaces one text by another.
#[derive(Debug)]
pub(super) struct Edit {
    old: String,
    new: String,
    all: bool,
}

impl Edit {
    /// What the client says it replaced, which may be nearer to the file than what
    /// it was asked for.
    pub(super) fn new(input: Input, response: &Response) -> Option<Edit> {
        let old = response.old_string.clone().or(input.old_string)?;
        let new = response.new_string.clone().or(input.new_string)?;
        let all = response.replace_all.or(input.replace_all).unwrap_or(false);
        Some(Edit { old, new, all })
    }

    /// Whether it is for a file that is not there, or has no text.
    pub(super) fn makes_a_file(&self) -> bool {
        self.old.is_empty()
    }

    /// The text that it makes of another. `None` if that does not hold what is to
    /// be replaced, or holds it more than once where one is meant.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        if self.old.is_empty() {
            return text.is_empty().then(|| self.new.clone());
        }
        // What is taken out goes with the end of its line.
        let with_end = format!("{}\n", self.old);
        let whole_line =
            self.new.is_empty() && !self.old.ends_with('\n') && text.contains(&with_end);
        let old = if whole_line { &with_end } else { &self.old };
        match text.matches(old.as_str()).count() {
            0 => None,
            1 => Some(text.replacen(old, &self.new, 1)),
            _ => self.all.then(|| text.replace(old, &self.new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str, all: bool) -> Edit {
        Edit { old: old.to_owned(), new: new.to_owned(), all }
    }

    #[test]
    fn an_edit_does_what_the_client_does() {
        let apply = |old, new, all, text| edit(old, new, all).apply(text);
        assert_eq!(apply("b", "x", false, "a\nb\n").as_deref(), Some("a\nx\n"));
        assert_eq!(apply("b", "", false, "a\nb\nc\n").as_deref(), Some("a\nc\n"));
        assert_eq!(apply("b", "", false, "a\nb").as_deref(), Some("a\n"));
        assert_eq!(apply("a", "x", true, "a\na\n").as_deref(), Some("x\nx\n"));
        assert_eq!(apply("a", "x", false, "a\na\n"), None, "which one cannot be told");
        assert_eq!(apply("z", "x", false, "a\n"), None);
        assert_eq!(apply("", "new\n", false, "").as_deref(), Some("new\n"));
    }
}
