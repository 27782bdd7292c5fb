//! What a text without a known base was probably made from.

use crate::error::Result;
use crate::history::{History, Record, Version};
use crate::merge::{self, Merge};

/// How many of the newest versions are compared, and how much of their content:
/// this runs under the lock, in the path of a plain write.
const VERSIONS: usize = 32;
const BYTES: usize = 8 << 20;

/// After how many versions in a row that are no nearer the search ends. A stale
/// text is the farther from a version the longer its base is behind it, so the
/// distances fall on the way back to the base; a few may not, where somebody
/// took a change back.
const FARTHER: usize = 4;

/// Lines that a text replaced whose author had probably not seen them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swallowed {
    /// What the text was probably made from.
    pub base: Version,
    /// What it replaced: the version that holds the lines.
    pub replaced: Version,
    /// The lines.
    pub lines: Vec<Vec<u8>>,
}

/// Looks for a recent version that `text` is nearer to than to `head_text`:
/// then it was made from that one, and the lines that merging would bring back
/// are swallowed.
///
/// The distance is the number of lines that one has and the other lacks. In a
/// tie the newer version wins, and a version of which the text keeps less than
/// half is no candidate: nothing is called swallowed without a reason.
pub(super) fn look(
    history: &History,
    head: Option<&Record>,
    head_text: &[u8],
    text: &[u8],
) -> Result<Option<Swallowed>> {
    let Some(head) = head else { return Ok(None) };
    // Whoever kept every line had seen every line.
    if head.version.is_absent() || merge::swallowed(head_text, text).is_empty() {
        return Ok(None);
    }
    let (added, removed) = merge::distance(head_text, text);
    let mut nearest = (added + removed, None);
    let mut read = 0;
    let mut looked_at = vec![head.version, Version::ABSENT];
    let mut farther = 0;
    for record in history.recent(VERSIONS)? {
        if farther == FARTHER || read > BYTES {
            break;
        }
        if looked_at.contains(&record.version) {
            continue;
        }
        looked_at.push(record.version);
        // A content that is gone or damaged is no candidate.
        let Ok(Some(old)) = history.get(record.version) else {
            continue;
        };
        read += old.len();
        let (added, removed) = merge::distance(&old, text);
        let kept = merge::line_count(&old) - removed;
        farther += 1;
        if added + removed < nearest.0 && kept > 0 && kept >= removed {
            farther = 0;
            nearest = (added + removed, Some((record.version, old)));
        }
    }
    let Some((base, old)) = nearest.1 else {
        return Ok(None);
    };
    let merged = Merge::new(&old, text, head_text).keep_theirs();
    let lines = merge::swallowed(&merged, text);
    Ok((!lines.is_empty()).then_some(Swallowed { base, replaced: head.version, lines }))
}
