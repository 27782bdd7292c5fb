//! Any bytes are read as a log without a panic, and each line is accounted for.
#![no_main]

use ccpar_core::history::Parsed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let parsed = Parsed::new(text);
    let lines = text.iter().filter(|byte| **byte == b'\n').count();
    assert!(parsed.records.len() + parsed.broken.len() <= lines);
    assert!(parsed.effective().count() <= parsed.records.len());
});
