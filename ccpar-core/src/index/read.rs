//! What an index says: its links, and the entries that files make of themselves.

use std::collections::HashMap;

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) description: String,
}

impl Entry {
    pub(super) fn from_front_matter(text: &[u8]) -> Option<Entry> {
        let text = String::from_utf8_lossy(text);
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        if lines.next()?.trim_end() != "---" {
            return None;
        }
        let mut fields: HashMap<&str, String> = HashMap::new();
        let mut last = "";
        for line in lines.take_while(|line| line.trim_end() != "---") {
            if line.starts_with([' ', '\t']) {
                // A long value goes on in indented lines.
                if let Some(value) = fields.get_mut(last) {
                    let gap = if value.is_empty() { "" } else { " " };
                    *value = format!("{value}{gap}{}", line.trim());
                }
            } else if let Some((key, value)) = line.split_once(':') {
                let value = value.trim();
                let value = if [">", ">-", "|", "|-"].contains(&value) { "" } else { value };
                last = key.trim();
                fields.insert(last, value.trim_matches(['"', '\'']).to_owned());
            }
        }
        let mut take = |name| fields.remove(name).filter(|value| !value.is_empty());
        Some(Entry { name: take("name")?, description: take("description")? })
    }

    pub(super) fn line(&self, file: &str, separator: &str) -> String {
        format!("- [{}]({}){separator}{}\n", self.name, encoded(file), self.description)
    }

    /// Whether a line says this and nothing more.
    pub(super) fn is_said_by(&self, line: &str, target: &str) -> bool {
        SEPARATORS.iter().any(|separator| {
            let own = self.line(target, separator);
            own[1..].trim() == line.trim().trim_start_matches(['-', '*', '+']).trim()
        })
    }
}

pub(super) const SEPARATORS: [&str; 4] = [": ", " — ", " – ", " - "];

/// The links of a text to files beside it: in which line, whether that is an entry
/// known by this link, and to what. What stands in fences and comments is text.
pub(super) fn links(text: &str) -> Vec<(usize, bool, String)> {
    let mut found = Vec::new();
    let (mut fence, mut comment) = (false, false);
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if bare.starts_with("```") || bare.starts_with("~~~") {
            fence = !fence;
        }
        comment |= !fence && bare.starts_with("<!--");
        if !fence && !comment {
            let is_list = ["- ", "* ", "+ "].iter().any(|mark| bare.starts_with(mark));
            let mut is_first = is_list;
            let mut rest = line;
            while let Some((_, after)) = rest.split_once("](") {
                let Some((inner, after)) = enclosed(after) else { break };
                rest = after;
                if let Some(target) = local(inner) {
                    found.push((at, is_first, target));
                    is_first = false;
                }
            }
        }
        comment &= !line.contains("-->");
    }
    found
}

/// What stands before the parenthesis that closes a link, and behind it.
fn enclosed(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '<' if at == 0 => quoted = true,
            '>' => quoted = false,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => return Some((&text[..at], &text[at + 1..])),
            ')' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

/// A path as a link has it: without what would end the link, or be decoded.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            ' ' | '(' | ')' | '<' | '>' | '#' | '%' => {
                encoded.extend(format!("%{:02X}", u32::from(c)).chars());
            }
            c => encoded.push(c),
        }
    }
    encoded
}

/// The path that a link has so; a `%` that encodes nothing stands for itself.
fn decoded(target: &str) -> String {
    let bytes = target.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).unwrap_or_else(|_| target.to_owned())
}

/// The file that a link leads to, if it is one beside the index.
fn local(inner: &str) -> Option<String> {
    let target = match inner.strip_prefix('<') {
        Some(rest) => rest.split('>').next()?,
        None => inner.split_whitespace().next()?,
    };
    let target = target.split('#').next()?;
    let elsewhere = target.contains(':') || target.starts_with(['/', '~']);
    (!target.is_empty() && !elsewhere).then(|| decoded(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_makes_an_entry() {
        let entry =
            |text: &str| Entry::from_front_matter(text.as_bytes()).map(|e| e.line("a b.md", ": "));
        let line = Some("- [x](a%20b.md): says so\n".to_owned());
        assert_eq!(entry("---\nname: x\ndescription: says so\n---\n\nText.\n"), line);
        assert_eq!(entry("---\nname: \"x\"\ndescription: >-\n  says\n  so\n---\n\nText.\n"), line);
        for none in ["", "text", "---\nname: x\n---\n", "---\n", "# a\n---\nname: x\n"] {
            assert_eq!(entry(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_is_no_link_to_a_file_beside_it_is_none_of_its_matter() {
        let text = "```\n- [x](x.md)\n```\n<!-- [y](y.md) -->\n<!--\n- [z](z.md)\n-->\n\
                    - [web](https://a.b/c.md)\n- [up](/etc/x.md)\n- [here](#part)\n\
                    See [s](s.md#part) and [t](<t u.md> \"title\").\n- [e](e.md) and [f](f.md)\n";
        let found: Vec<(bool, String)> =
            links(text).into_iter().map(|(_, is_entry, target)| (is_entry, target)).collect();
        let expected = [(false, "s.md"), (false, "t u.md"), (true, "e.md"), (false, "f.md")];
        assert_eq!(found, expected.map(|(is_entry, target)| (is_entry, target.to_owned())));
    }

    #[test]
    fn a_file_of_any_name_is_found_by_the_entry_that_it_makes() {
        let entry = Entry { name: "x".to_owned(), description: "says".to_owned() };
        for file in
            ["a b (1).md", "100%.md", "caf\u{e9}.md", "%41.md", "a#b.md", "<a>.md", "sub/((.md"]
        {
            let line = entry.line(file, ": ");
            assert_eq!(links(&line), [(0, true, file.to_owned())], "{line}");
        }
        for (link, file) in [
            ("caf%C3%A9.md", "caf\u{e9}.md"),
            ("a(b(c)).md", "a(b(c)).md"),
            ("<a) b.md>", "a) b.md"),
            ("50%25.md", "50%.md"),
            ("50%.md", "50%.md"),
            ("%FF.md", "%FF.md"),
        ] {
            assert_eq!(links(&format!("[x]({link})")), [(0, false, file.to_owned())], "{link}");
        }
    }
}
