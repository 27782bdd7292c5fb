//! Any index, beside any notes, is held against them without a panic: only lines that
//! are named go, all others stay in their order, and what is mended stays so.
#![no_main]

use std::fs;
use std::path::Path;

use ccpar_core::{Durability, Harness, index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&[u8], &[u8], &[u8])| {
    let (text, one, other) = texts;
    let home = tempfile::tempdir().expect("a temporary folder");
    let place = home.path().canonicalize().expect("it is there");
    let folder = place.join("memory");
    fs::create_dir(&folder).expect("a fresh folder");
    let path = folder.join("MEMORY.md");
    for (name, text) in [("MEMORY.md", text), ("a.md", one), ("b.md", other)] {
        fs::write(folder.join(name), text).expect("a fresh file");
    }
    let root = camino::Utf8PathBuf::from_path_buf(place.join("root")).expect("UTF-8");
    let harness = Harness::open(root).expect("a root of our own");
    let harness = harness.with_durability(Durability::Process);
    let check = |fix| index::check(&harness, &folder, fix).expect("it can be read");
    let read = |path: &Path| fs::read(path).expect("it is there");

    let found = check(false).expect("it has an index");
    assert_eq!(read(&path), text, "a look changes nothing");
    assert_eq!(check(true).as_ref(), Some(&found), "what is mended is what was named");
    let mended = read(&path);
    let goes = |line: usize| {
        let is_it = |flaw: &&index::Flaw| flaw.line == line as u64 + 1 && flaw.fix.is_some();
        found.flaws.iter().any(|flaw| is_it(&flaw))
    };
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    let stays = lines.filter(|(n, _)| !goes(*n)).map(|(_, line)| line);
    let mut rest = mended.split(|byte| *byte == b'\n');
    for line in stays.filter(|line| !line.is_empty()) {
        let is_same = |other: &[u8]| other.trim_ascii_end() == line.trim_ascii_end();
        assert!(rest.any(is_same), "{:?} is gone", String::from_utf8_lossy(line));
    }
    let again = check(true).expect("it still has an index");
    let fixes: Vec<_> = again.flaws.iter().filter(|flaw| flaw.fix.is_some()).collect();
    assert!(fixes.is_empty(), "{fixes:?}");
    assert_eq!(read(&path), mended);
});
