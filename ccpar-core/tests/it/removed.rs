//! Files that something other than ccpar removed, and perhaps wrote anew.

use ccpar_core::Settled;

use crate::support::{World, commit, look, outside};

fn remove(path: &std::path::Path) {
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_stale_text_written_anew_after_a_removal_swallows_what_stood_there_before() {
    // Whether somebody looked in between or not.
    for looks in [false, true] {
        let world = World::new();
        let session = world.session(Some("t"));
        let file = session.file(world.path("notes.md"));
        let stale = "one line\ntwo line\n";
        let _ = commit(&file, stale);
        let _ = file.append(b"by t here\n").unwrap();
        remove(file.path());
        if looks {
            look(&file);
        }
        outside(file.path(), format!("{stale}mine\n"));
        let settled = look(&file);
        let Settled::Outside(record) = settled else { panic!("{settled:?}") };
        assert_eq!((record.lost, record.maybe), (Some(1), false), "{looks}");
        assert_eq!(file.losses().unwrap()[0].lines[0].text, b"by t here");
        assert_eq!(file.restore_lost().unwrap().0, 1);
        assert_eq!(world.text("notes.md"), format!("{stale}mine\nby t here\n"));
    }
}

#[test]
fn another_text_after_a_removal_is_nobodys_loss_for_sure() {
    let world = World::new();
    let session = world.session(None);
    let file = session.file(world.path("notes.md"));
    let _ = commit(&file, "a\nb\nc\nd\ne\nf\n");
    remove(file.path());
    look(&file);
    outside(file.path(), "another beginning\n");
    look(&file);
    assert!(file.losses().unwrap().iter().all(|loss| loss.record.maybe));
    assert_eq!(file.heal().unwrap().0, 0);
}

#[test]
fn what_somebody_removed_is_not_brought_back_in_pieces() {
    let world = World::new();
    let [s, t] = [world.session(Some("s")), world.session(Some("t"))];
    let (ours, theirs) = (s.file(world.path("n.md")), t.file(world.path("n.md")));
    let _ = commit(&theirs, "a\nb\n");
    let _ = ours.append(b"of s\n").unwrap();
    outside(ours.path(), "a\nb\nmine\n");
    look(&ours);
    remove(ours.path());
    look(&ours);
    assert!(theirs.would_take_back("s").unwrap().is_none());
    assert!(theirs.take_back("s").unwrap().is_none());
    let error = theirs.restore_lost().unwrap_err().to_string();
    assert!(error.contains("was removed: put it back first"), "{error}");
    assert!(world.names().is_empty(), "{:?}", world.names());
    // Removed by the session itself: that is taken back.
    let _ = theirs.restore(ccpar_core::Version::of(b"a\nb\nof s\n")).unwrap();
    let _ = ours.remove().unwrap();
    let _ = theirs.take_back("s").unwrap().unwrap();
    assert_eq!(world.text("n.md"), "a\nb\n");
}
