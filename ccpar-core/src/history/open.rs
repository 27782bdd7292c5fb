//! Which losses are open: each record says it, so that nobody has to read the whole
//! log to learn that there are none.

use serde::{Deserialize, Serialize};

use super::log::{How, Parsed, Record};

/// How many are told one by one.
const MOST: usize = 64;

/// The losses that no record closes, by number: all of them, and perhaps some that
/// are closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLosses {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sure: Vec<u64>,
    /// Those that may have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    maybe: Vec<u64>,
    /// There are too many to tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    many: bool,
}

impl OpenLosses {
    /// Those of a log, which is read for it.
    pub(super) fn of(parsed: &Parsed) -> OpenLosses {
        let mut open = OpenLosses::default();
        for record in parsed.effective() {
            open.add(record);
        }
        open.in_short()
    }

    /// Those that are open once a record stands after `head`, which says which were
    /// open before. `None` if that does not tell.
    pub(super) fn after(head: Option<&Record>, record: &Record) -> Option<OpenLosses> {
        let mut open = match head {
            Some(head) => head.open.clone()?,
            None => OpenLosses::default(),
        };
        if open.many {
            // Of whoever closes some the rest may be few enough.
            return record.closes.is_empty().then_some(open);
        }
        match head.filter(|_| record.how == How::Aborted) {
            Some(head) => open.take_back(head),
            None => open.add(record),
        }
        Some(open.in_short())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.maybe.is_empty() && !self.has_sure()
    }

    /// Whether there may be some that nobody can have meant.
    pub fn has_sure(&self) -> bool {
        self.many || !self.sure.is_empty()
    }

    fn add(&mut self, record: &Record) {
        let is_open = |n: &u64| !record.closes.contains(n);
        self.sure.retain(is_open);
        self.maybe.retain(is_open);
        if record.lost.is_some() {
            if record.maybe { &mut self.maybe } else { &mut self.sure }.push(record.n);
        }
    }

    /// What a record closed that never took effect was open before, as far as is known.
    fn take_back(&mut self, record: &Record) {
        self.sure.retain(|n| *n != record.n);
        self.maybe.retain(|n| *n != record.n);
        self.sure.extend(&record.closes);
    }

    fn in_short(self) -> OpenLosses {
        if self.sure.len() + self.maybe.len() <= MOST {
            return self;
        }
        OpenLosses { many: true, ..OpenLosses::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Version;

    fn record(n: u64, lost: bool, maybe: bool, closes: &[u64]) -> Record {
        let lost = lost.then_some(1);
        Record { n, lost, maybe, closes: closes.to_vec(), ..Record::outside(Version::ABSENT, n) }
    }

    /// The records, each saying what is open, as whoever appends them does.
    fn told(records: Vec<Record>) -> Parsed {
        let mut parsed = Parsed::default();
        for mut record in records {
            let open = OpenLosses::after(parsed.records.last(), &record);
            record.open = open.or_else(|| {
                parsed.records.push(record.clone());
                let open = OpenLosses::of(&parsed);
                parsed.records.pop();
                Some(open)
            });
            parsed.records.push(record);
        }
        parsed
    }

    fn last(parsed: &Parsed) -> &OpenLosses {
        parsed.records.last().unwrap().open.as_ref().unwrap()
    }

    #[test]
    fn each_record_says_what_a_reader_of_the_whole_log_finds() {
        let none = || record(0, false, false, &[]);
        let records = [
            none(),
            record(0, true, false, &[]),
            record(0, true, true, &[]),
            none(),
            record(0, true, false, &[2]),
            record(0, false, false, &[3, 5]),
            record(0, true, true, &[]),
        ];
        let numbered = (1..).zip(records).map(|(n, record)| Record { n, ..record });
        let records: Vec<Record> = numbered.collect();
        for end in 1..=records.len() {
            let parsed = told(records[..end].to_vec());
            assert_eq!(*last(&parsed), OpenLosses::of(&parsed), "{end}");
        }
        let all = told(records);
        assert!(!last(&all).is_empty() && !last(&all).has_sure());
        assert!(all.records[0].open.as_ref().unwrap().is_empty());
        assert!(all.records[1].open.as_ref().unwrap().has_sure());
    }

    #[test]
    fn what_never_took_effect_closed_nothing() {
        let aborted = |n| Record { how: How::Aborted, ..record(n, false, false, &[]) };
        let closed =
            told(vec![record(1, true, false, &[]), record(2, true, true, &[1]), aborted(3)]);
        assert!(closed.records[1].open.as_ref().unwrap().maybe == [2]);
        assert_eq!(*last(&closed), OpenLosses::of(&closed));
        assert!(last(&closed).has_sure());
    }

    #[test]
    fn too_many_are_counted_anew_when_some_are_closed() {
        let most = MOST as u64;
        let mut records: Vec<Record> =
            (1..=most + 1).map(|n| record(n, true, false, &[])).collect();
        assert!(last(&told(records.clone())).many);
        records.push(record(most + 2, false, false, &[]));
        assert!(last(&told(records.clone())).many);
        let all: Vec<u64> = (1..=most + 1).collect();
        records.push(record(most + 3, false, false, &all));
        assert!(last(&told(records)).is_empty());
    }
}
