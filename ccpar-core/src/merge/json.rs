//! Texts that must parse.

use serde::de::IgnoredAny;

/// Whether the text is one JSON value.
pub(super) fn parses(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}
