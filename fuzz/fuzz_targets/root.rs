//! Whatever stands in a file of ccpar's own, it is read without a panic, and what is
//! shared is as whole as before.
#![no_main]

use std::fs;

use camino::Utf8PathBuf;
use ccpar_core::namespace::Namespace;
use ccpar_core::registry::{Beat, Release, Terms};
use ccpar_core::{Author, Durability, Harness, Wait, layout};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|garbage: (u8, u16, &[u8])| {
    let (which, place_in, garbage) = garbage;
    let home = tempfile::tempdir().expect("a temporary folder");
    let place = Utf8PathBuf::from_path_buf(home.path().canonicalize().expect("it is there"));
    let place = place.expect("UTF-8");
    let (root, path) = (place.join("root"), place.join("notes.md"));
    let author = Author { session: Some("s".to_owned()), ..Author::default() };
    let harness = Harness::open(&root).expect("a root of our own").with_author(author);
    let harness = harness.with_durability(Durability::Process).with_wait(Wait::Never);
    let target = path.as_std_path();
    let file = harness.file(target);
    let write = |text: &str| file.update(|_| Ok::<_, ccpar_core::Error>(text.as_bytes().to_vec()));
    let _ = write("a\nb\n").expect("a commit");
    harness.registry().beat(&Beat::default()).expect("a heartbeat");
    harness.registry().claim(&[target.to_owned()], &Terms::default()).expect("a claim");
    harness.survey().expect("a look");

    let own = [
        root.join("registry.0.json"),
        root.join("registry.1.json"),
        root.join("registry.json"),
        root.join("registry.tokens"),
        root.join("looked.jsonl"),
        layout::session_file(&root, "s"),
        layout::seen_file(&root, "s", target),
        layout::lock_file(&root, target),
        layout::history_dir(&root, target).join("log.jsonl"),
        root.join("namespaces/b-00000000000000000000000000000000/log.jsonl"),
    ];
    let hit = &own[usize::from(which) % own.len()];
    fs::create_dir_all(hit.parent().expect("it has one")).expect("a folder");
    // In the midst of what is there, or instead of it.
    let mut text = fs::read(hit).unwrap_or_default();
    let (is_part, from) = (which > 127, usize::from(place_in).min(text.len()));
    let replaced =
        if is_part { from..(from + garbage.len()).min(text.len()) } else { 0..text.len() };
    text.splice(replaced, garbage.iter().copied());
    fs::write(hit, text).expect("a file");

    let _ = harness.registry().sessions();
    let _ = harness.registry().claims(None);
    let _ = harness.survey();
    let _ = harness.last_survey();
    let _ = harness.seen();
    let _ = Namespace::all(&root);
    let _ = file.losses();
    let _ = file.look();
    assert_eq!(fs::read(target).expect("it is there"), b"a\nb\n");
    let wrote = write("a\nb\nc\n").is_ok();
    let text = fs::read(target).expect("it is there");
    assert_eq!(text, if wrote { &b"a\nb\nc\n"[..] } else { b"a\nb\n" });
    let _ = harness.registry().release(Release::All);
    let _ = harness.examine(true, "now");
    assert_eq!(fs::read(target).expect("it is there"), text, "to mend a root is to mend it alone");
});
