//! What became of a base on one side, passed on to the other: all files of a folder.

use std::collections::BTreeSet;
use std::path::Path;

use super::Namespace;
use super::folder::{Listing, blocked};
use super::pass::{Action, Change, Compared, Pass, Passed, text_of, version};
use super::record::{Intent, Into, Record};
use crate::atomic::Durability;
use crate::error::Result;
use crate::harness::Harness;
use crate::layout;

impl Namespace {
    /// Passes on to the shared folder what was added, changed and removed here.
    ///
    /// A removal is passed on where the shared folder left the file alone. What is
    /// changed on both sides is merged; what does not merge is kept on both, and
    /// told. Again, or after a crash, it goes on with what is left to do.
    ///
    /// # Errors
    /// Of a single file: they are told with the rest, which is done.
    pub fn promote(&self, harness: &Harness) -> Result<Passed> {
        self.pass_all(harness, Into::Shared)
    }

    /// What [`promote`](Self::promote) would do now. Nothing is written.
    pub fn plan_promote(&self, harness: &Harness) -> Result<Passed> {
        self.plan_all(harness, Into::Shared)
    }

    /// Passes on to the namespace what the shared folder has learned since the fork.
    /// What does not merge stays here as it is, with the shared folder's text in a
    /// conflict copy; a promote of that file waits until the copy is gone. So does an
    /// update of one that a promote could not merge: it would take this side's away.
    ///
    /// # Errors
    /// As for [`promote`](Self::promote).
    pub fn update(&self, harness: &Harness) -> Result<Passed> {
        self.pass_all(harness, Into::Namespace)
    }

    /// What [`update`](Self::update) would do now. Nothing is written.
    pub fn plan_update(&self, harness: &Harness) -> Result<Passed> {
        self.plan_all(harness, Into::Namespace)
    }

    /// The files that changed since the fork, on either side.
    pub fn compare(&self, harness: &Harness) -> Result<Vec<Compared>> {
        let record = self.load(harness)?;
        let ours = Listing::of(self.folder())?;
        let theirs = Listing::of(self.shared())?;
        let mut names: BTreeSet<&String> = record.paths().collect();
        names.extend(ours.files.iter().chain(&theirs.files));
        names.retain(|name| !ours.leaves_out(name) && !theirs.leaves_out(name));
        let mut compared = Vec::new();
        for path in names {
            let base = record.base(path);
            let ours = text_of(&self.folder().join(path))?;
            let theirs = text_of(&self.shared().join(path))?;
            let is_base = |text: &Option<Vec<u8>>| version(text.as_deref()) == base;
            if !is_base(&ours) || !is_base(&theirs) {
                let base = if base.is_absent() { None } else { Some(record.text(path)?) };
                compared.push(Compared { path: path.clone(), base, ours, theirs });
            }
        }
        Ok(compared)
    }

    fn plan_all(&self, harness: &Harness, into: Into) -> Result<Passed> {
        let record = self.load(harness)?;
        let (todo, mut passed) = self.todo(harness, &record, into)?;
        let mut removed = BTreeSet::new();
        let mut progress = harness.progress(todo.len());
        for Todo { path, from } in &todo {
            progress.begin_next();
            let looked = base_of(&record, path).and_then(|base| {
                let pass = Pass { path, base: base.as_deref(), from: from.as_deref() };
                pass.look(harness, self.side(into), &removed)
            });
            if let Ok(Some(Change { action: Action::Remove, .. })) = &looked {
                removed.insert(path.clone());
            }
            passed.take(looked);
        }
        self.name_open(harness, into, &mut passed)?;
        Ok(passed)
    }

    fn pass_all(&self, harness: &Harness, into: Into) -> Result<Passed> {
        let _lock = self.lock(harness)?;
        let mut record = self.load(harness)?;
        self.recover(harness, &mut record)?;
        let (todo, mut passed) = self.todo(harness, &record, into)?;
        let to = self.side(into);
        let mut progress = harness.progress(todo.len());
        for Todo { path, from } in &todo {
            progress.begin_next();
            passed.take(pass_one(harness, &mut record, to, into, path, from.as_deref()));
        }
        if harness.durability() == Durability::Disk && !todo.is_empty() {
            record.sync()?;
        }
        // What there is holds, if there is no room for that now.
        let _ = record.compact(harness.durability());
        self.name_open(harness, into, &mut passed)?;
        Ok(passed)
    }

    /// Names the conflict copies of before: a crash may have come before they were
    /// told.
    fn name_open(&self, harness: &Harness, into: Into, passed: &mut Passed) -> Result<()> {
        let who = layout::component(harness.author().name());
        let copies = Listing::of(self.side(into))?.copies.into_values().flatten();
        let told =
            |copy: &Path| passed.changes.iter().any(|change| change.copy.as_deref() == Some(copy));
        let open = copies.filter(|copy| copy.who == who && !told(&copy.path));
        passed.open = open.map(|copy| copy.path).collect();
        Ok(())
    }

    /// What changed on one side since it was last passed on. What was removed comes
    /// first: a file may stand where a folder stood.
    fn todo(&self, harness: &Harness, record: &Record, into: Into) -> Result<(Vec<Todo>, Passed)> {
        let from = self.side(into.other());
        let listing = self.listing(record, from)?;
        let mut names: BTreeSet<&String> = record.paths().collect();
        names.extend(&listing.files);
        let (mut todo, mut passed) = (Vec::new(), Passed::default());
        let who = layout::component(harness.author().name());
        let unsettled = |path: &str| {
            let mut copies = listing.copies.get(path)?.iter();
            copies.find(|copy| into == Into::Shared || copy.who == who)
        };
        for path in names {
            let text = if listing.files.contains(path) {
                text_of(&from.join(path))
            } else if listing.leaves_out(path) {
                continue;
            } else {
                Ok(None)
            };
            match text {
                Err(problem) => passed.problems.push(problem),
                Ok(text) if version(text.as_deref()) == record.base(path) => {}
                Ok(from) => match unsettled(path) {
                    Some(copy) => {
                        let pass = Pass { path, base: None, from: None };
                        let change = pass.change(Action::Wait, record.base(path), (0, 0));
                        passed.changes.push(Change { copy: Some(copy.path.clone()), ..change });
                    }
                    None => todo.push(Todo { path: path.clone(), from }),
                },
            }
        }
        let (written, mut todo): (Vec<_>, Vec<_>) =
            todo.into_iter().partition(|todo| todo.from.is_some());
        todo.extend(written);
        passed.left_out = listing.left_out;
        Ok((todo, passed))
    }

    /// Whether what a crash interrupted had arrived. If so, it is not passed on
    /// again: somebody may have taken it out since.
    fn recover(&self, harness: &Harness, record: &mut Record) -> Result<()> {
        let Some(Intent { path, version, after, into }) = record.intent.clone() else {
            return Ok(());
        };
        let to = self.side(into);
        let file = harness.file(to.join(&path));
        if blocked(to, &path).is_some() || !file.has_taken_in(version, after)? {
            return Ok(());
        }
        let text = if version.is_absent() { None } else { file.history()?.get(version)? };
        if text.is_some() || version.is_absent() {
            record.set_base(harness.durability(), &path, text.as_deref())?;
        }
        Ok(())
    }

    fn side(&self, into: Into) -> &Path {
        match into {
            Into::Shared => self.shared(),
            Into::Namespace => self.folder(),
        }
    }
}

/// A file that changed on one side, and its text there.
struct Todo {
    path: String,
    from: Option<Vec<u8>>,
}

fn pass_one(
    harness: &Harness,
    record: &mut Record,
    to: &Path,
    into: Into,
    path: &str,
    from: Option<&[u8]>,
) -> Result<Option<Change>> {
    let base = base_of(record, path)?;
    let pass = Pass { path, base: base.as_deref(), from };
    let newest = harness.file(to.join(path)).history().and_then(|history| history.newest());
    let after = newest.ok().flatten().map_or(0, |newest| newest.n);
    record.intend(Intent { path: path.to_owned(), version: version(from), after, into })?;
    let change = pass.carry_out(harness, to)?;
    // Where it could not come in, this side has not given it up: there is nothing
    // that a promote might pass on as a removal.
    let is_blocked = change.as_ref().is_some_and(|change| change.action == Action::Blocked);
    if into == Into::Shared || !is_blocked {
        record.set_base(harness.durability(), path, from)?;
    }
    Ok(change)
}

fn base_of(record: &Record, path: &str) -> Result<Option<Vec<u8>>> {
    if record.base(path).is_absent() { Ok(None) } else { record.text(path).map(Some) }
}
