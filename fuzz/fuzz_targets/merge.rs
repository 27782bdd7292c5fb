//! Any three texts merge without a panic, and the laws hold.
#![no_main]

use ccpar_core::merge::{Markers, Merge, Rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&[u8], &[u8], &[u8])| {
    let (base, ours, theirs) = texts;
    for rules in [Rules::Lines, Rules::Markdown, Rules::Json] {
        let merge = |base, ours, theirs| Merge::with_rules(rules, base, ours, theirs);
        let merged = merge(base, ours, theirs);
        let _ = merged.with_markers(Markers { diff3: true, ..Markers::default() });
        let _ = merged.keep_theirs();
        // What nobody or both did is done, and what one did is taken.
        for (ours, theirs, expected) in
            [(ours, ours, ours), (base, theirs, theirs), (ours, base, ours)]
        {
            let merged = merge(base, ours, theirs);
            assert!(merged.is_clean());
            assert_eq!(merged.keep_theirs(), expected);
        }
        assert_eq!(merged.is_clean(), merge(base, theirs, ours).is_clean());
        // Trying again changes nothing, unless a text mixes the ends of its lines: the
        // merge may be the first that does not.
        let text = merged.keep_theirs();
        let mixes = [base, ours, theirs].into_iter().any(mixes_line_ends);
        if merged.is_clean() && rules != Rules::Json && !mixes {
            for (ours, theirs) in [(ours, &text[..]), (&text, theirs)] {
                let again = merge(base, ours, theirs);
                assert!(again.is_clean());
                assert_eq!(again.keep_theirs(), text);
            }
        }
    }
});

fn mixes_line_ends(text: &[u8]) -> bool {
    let count = |byte| text.iter().filter(|other| **other == byte).count();
    let both = text.windows(2).filter(|two| two == b"\r\n").count();
    let (returns, newlines) = (count(b'\r'), count(b'\n'));
    returns > 0 && (returns != both || newlines != both)
}
