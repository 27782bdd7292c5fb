//! How a text is laid out, and how a value is put into another text's layout.

use super::tree::{Item, Value};

/// The white space of an array or object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space<'t> {
    pub(super) text: &'t str,
    pub(super) value: &'t Value,
}

impl<'t> Space<'t> {
    /// What stands before an item: since the bracket or the comma.
    pub(super) fn lead(self, place: usize) -> &'t str {
        self.gap(place).1
    }

    /// What stands after an item: up to the comma or the bracket.
    pub(super) fn trail(self, place: usize) -> &'t str {
        self.gap(place + 1).0
    }

    /// What stands around the comma before this item, or around none at the ends.
    fn gap(self, place: usize) -> (&'t str, &'t str) {
        let items = self.value.items();
        let (open, close) = (self.value.span.start + 1, self.value.span.end - 1);
        let start = place.checked_sub(1).and_then(|n| items.get(n));
        let start = start.map_or(open, |item| item.span().end);
        let end = items.get(place).map_or(close, |item| item.span().start);
        let gap = &self.text[start..end];
        match gap.split_once(',') {
            Some(gap) => gap,
            None if place == 0 => ("", gap),
            None => (gap, ""),
        }
    }

    /// Whether items begin on lines of their own.
    pub(super) fn is_tall(self) -> bool {
        !self.value.items().is_empty() && self.lead(0).contains('\n')
    }

    /// The indentation of the items of a tall one.
    pub(super) fn indent(self) -> &'t str {
        self.lead(0).rsplit('\n').next().unwrap_or_default()
    }

    fn colon(self, item: &Item) -> Option<&'t str> {
        Some(&self.text[item.key.as_ref()?.span.end..item.value.span.start])
    }
}

/// How a text is laid out.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) newline: &'static str,
    /// What a level is indented by; `None` if nothing stands on lines of its own.
    pub(super) unit: Option<String>,
    colon: Option<String>,
    /// What stands before the items of one line, the first aside.
    pub(super) gap: Option<String>,
    /// What stands inside the braces of one line.
    pad: Option<String>,
}

impl Style {
    /// The style of a text, and of another where the first shows none.
    pub(super) fn of(text: &str, root: &Value, other: Style) -> Style {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut own = Style { newline, unit: None, colon: None, gap: None, pad: None };
        own.look(text, root, "");
        let has_items = !root.items().is_empty();
        Style {
            newline: if text.contains('\n') { own.newline } else { other.newline },
            unit: if has_items { own.unit } else { other.unit },
            colon: own.colon.or(other.colon),
            gap: own.gap.or(other.gap),
            pad: own.pad.or(other.pad),
        }
    }

    /// What is left where no text shows anything.
    pub(super) fn plain() -> Style {
        Style { newline: "\n", unit: None, colon: None, gap: None, pad: None }
    }

    fn look(&mut self, text: &str, value: &Value, indent: &str) {
        let space = Space { text, value };
        let Some(first) = value.items().first() else { return };
        let mut inner = indent;
        if space.is_tall() {
            inner = space.indent();
            if self.unit.is_none() {
                let unit = inner.strip_prefix(indent).unwrap_or("  ");
                self.unit = Some(unit.to_owned());
            }
        } else {
            if value.is_object() {
                self.pad.get_or_insert_with(|| space.lead(0).to_owned());
            }
            if value.items().len() > 1 && !space.lead(1).contains('\n') {
                self.gap.get_or_insert_with(|| space.lead(1).to_owned());
            }
        }
        if let Some(colon) = space.colon(first).filter(|colon| !colon.contains('\n')) {
            self.colon.get_or_insert_with(|| colon.to_owned());
        }
        let is_known = |style: &Style| {
            style.unit.is_some()
                && style.colon.is_some()
                && style.gap.is_some()
                && style.pad.is_some()
        };
        for item in value.items() {
            if is_known(self) {
                break;
            }
            self.look(text, &item.value, inner);
        }
    }

    fn colon(&self) -> &str {
        self.colon.as_deref().unwrap_or(": ")
    }

    pub(super) fn gap(&self) -> &str {
        let loose = if self.colon().ends_with(' ') { " " } else { "" };
        self.gap.as_deref().unwrap_or(loose)
    }

    fn pad(&self) -> &str {
        self.pad.as_deref().unwrap_or_default()
    }

    /// Puts an item of another text, with its key, into this style; `indent` is
    /// that of its line, `None` if it may take no more than the line.
    pub(super) fn put_item(&self, out: &mut String, text: &str, item: &Item, indent: Option<&str>) {
        if let Some(key) = &item.key {
            out.push_str(&text[key.span.clone()]);
            out.push_str(self.colon());
        }
        self.put(out, text, &item.value, indent);
    }

    /// Puts a value of another text into this style.
    pub(super) fn put(&self, out: &mut String, text: &str, value: &Value, indent: Option<&str>) {
        let items = value.items();
        if items.is_empty() && (value.is_array() || value.is_object()) {
            out.push_str(if value.is_array() { "[]" } else { "{}" });
            return;
        }
        if items.is_empty() {
            out.push_str(&text[value.span.clone()]);
            return;
        }
        let space = Space { text, value };
        let indent = indent.zip(self.unit.as_deref());
        let deeper = indent.map(|(indent, unit)| {
            let grows = (0..items.len()).any(|place| space.lead(place).contains('\n'));
            if grows { format!("{indent}{unit}") } else { indent.to_owned() }
        });
        // White space with a line end is renewed, other is left as it is.
        let blank = |out: &mut String, blank: &str, indent: Option<&str>, flat: &str| {
            if !blank.contains('\n') {
                out.push_str(blank);
            } else if let Some(indent) = indent {
                out.push_str(self.newline);
                out.push_str(indent);
            } else {
                out.push_str(flat);
            }
        };
        let pad = if value.is_object() { self.pad() } else { "" };
        let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
        out.push(open);
        for (place, item) in items.iter().enumerate() {
            let flat = if place == 0 {
                pad
            } else {
                out.push(',');
                self.gap()
            };
            blank(out, space.lead(place), deeper.as_deref(), flat);
            self.put_item(out, text, item, deeper.as_deref());
            let is_last = place + 1 == items.len();
            let flat = if is_last { pad } else { "" };
            let indent = indent.map(|(indent, _)| indent);
            blank(out, space.trail(place), if is_last { indent } else { deeper.as_deref() }, flat);
        }
        out.push(close);
    }
}
