//! A record written anew, without what no longer holds.

use std::fs;

use super::{Header, LOG, Record, gone, texts};
use crate::atomic::{self, Durability};
use crate::error::{Context as _, Result, is_missing};

/// How much of what no longer holds is left alone, whatever there is of what does.
const SPARE_BYTES: u64 = 1 << 16;
const SPARE_LINES: usize = 200;

impl Record {
    /// Drops what no longer holds, if that is most of it.
    pub(in crate::namespace) fn compact(&mut self, durability: Durability) -> Result<()> {
        let live: u64 = self.bases.values().map(|kept| kept.len).sum();
        let path = self.texts();
        let all = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if is_missing(&error) => 0,
            Err(error) => return Err(error).context("examine", &path),
        };
        if all <= 2 * live + SPARE_BYTES && self.lines <= 2 * self.bases.len() + SPARE_LINES {
            return Ok(());
        }
        let header = Header { texts: self.header.texts + 1, ..self.header.clone() };
        let mut next = Record { ready: self.ready, ..Record::new(&self.dir, header) };
        let fresh = next.texts();
        gone(fs::remove_file(&fresh)).context("remove the left-over", &fresh)?;
        let log = self.dir.join("log.new");
        gone(fs::remove_file(&log)).context("remove the left-over", &log)?;
        next.log = "log.new";
        next.append(&next.header.line())?;
        let names: Vec<String> = self.bases.keys().cloned().collect();
        next.set_bases(
            durability,
            names.into_iter().map(|name| {
                let text = self.text(&name)?;
                Ok((name, text.into()))
            }),
        )?;
        if let Some(intent) = self.intent.clone() {
            next.intend(intent)?;
        }
        if next.ready {
            next.set_ready()?;
        }
        if durability == Durability::Disk {
            next.sync()?;
        }
        next.log = LOG;
        let place = self.dir.join(LOG);
        atomic::rename_own(log.as_std_path(), place.as_std_path()).context("replace", &place)?;
        if let Some(before) = self.header.texts.checked_sub(1) {
            let before = texts(&self.dir, before);
            gone(fs::remove_file(&before)).context("remove", &before)?;
        }
        *self = next;
        Ok(())
    }
}
