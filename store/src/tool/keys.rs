//! The index against the log, for a verification: entries and the keys of the records, side by side.
use super::index::{Entries, Entry, IndexFile};
use super::verify::Told;
use crate::error::OpenError;
use crate::index::{entries_from, IndexEntry, IndexedRecord, KnownProperties};
use ferromq_protocol::record::RecordView;

/// Index entries and the keys of the records, side by side.
pub(super) struct IndexCheck<'a> {
    entries: Entries<'a>,
    next: Option<(Entry, &'a IndexFile)>,
    started: bool,
    /// Log offsets of the first and of the last record that the index knows.
    covers: Option<(i64, i64)>,
    expected: Vec<IndexEntry>,
    /// Entries of the record at hand.
    found: Vec<(Entry, &'a IndexFile)>,
    /// Records behind the end of the index that have keys: how many, the first.
    behind: Option<(u64, i64)>,
    last_file: Option<&'a IndexFile>,
}

impl<'a> IndexCheck<'a> {
    /// Before the first record.
    pub fn new(files: &'a [IndexFile]) -> IndexCheck<'a> {
        let mut used = files.iter().filter(|file| file.end() > 1);
        let ends = used.next().map(|first| (first, used.next_back().unwrap_or(first)));
        let covers = ends.map(|(first, last)| (first.header.begin_physical, last.header.end_physical));
        IndexCheck {
            entries: Entries::new(files),
            next: None,
            started: false,
            covers,
            expected: Vec::new(),
            found: Vec::new(),
            behind: None,
            last_file: files.last(),
        }
    }

    fn advance(&mut self, told: &mut Told<'_>) -> Result<(), OpenError> {
        self.next = self.entries.next()?;
        told.seen.index_entries += u64::from(self.next.is_some());
        self.entries.findings.drain(..).for_each(|finding| told.tell(finding));
        Ok(())
    }

    /// The entries before `at` belong to no record, those at `at` to this one.
    pub fn record(&mut self, view: &RecordView<'_>, at: i64, told: &mut Told<'_>) -> Result<(), OpenError> {
        let Some((first, last)) = self.covers else { return Ok(()) };
        if !self.started {
            self.started = true;
            self.advance(told)?;
            // What the log has given up may still be in the index.
            while self.next.is_some_and(|(entry, _)| entry.physical < at) {
                self.advance(told)?;
            }
        }
        self.stray(at, told)?;
        self.found.clear();
        while let Some(next) = self.next.filter(|(entry, _)| entry.physical == at) {
            self.found.push(next);
            self.advance(told)?;
        }
        self.expected.clear();
        let (topic, properties, sys_flag) = (view.topic(), view.properties(), view.sys_flag());
        let record = IndexedRecord { topic, properties, sys_flag, physical: at, store_timestamp: 0 };
        let known = KnownProperties::of(properties);
        entries_from(&record, &known, &mut self.expected);
        // 4.9.7 does not index the tag, which is the last one.
        let required = self.expected.len() - usize::from(known.tags.is_some() && !self.expected.is_empty());
        let foreign = self.found.iter().find(|(entry, _)| self.expected.iter().all(|wanted| wanted.hash != entry.hash));
        if let Some((entry, file)) = foreign {
            let text = format!("entry {} has the hash of none of the keys of the record at offset {at}", entry.number);
            told.tell(file.damage(file.byte_of(entry.number), text));
        }
        if at < first || required == 0 {
            return Ok(());
        }
        if at > last {
            let behind = self.behind.get_or_insert((0, at));
            behind.0 += 1;
        } else if at < last && self.expected[..required].iter().any(|wanted| !self.has(wanted)) {
            let text = format!(
                "a key of the record at offset {at} (topic {topic}, queue offset {}) has no entry",
                view.queue_offset()
            );
            let near = self.found.first().copied().or(self.next);
            let place = near.map(|(entry, file)| (file, file.byte_of(entry.number)));
            if let Some((file, byte)) = place.or(self.last_file.map(|file| (file, 0))) {
                told.tell(file.damage(byte, text));
            }
        }
        Ok(())
    }

    fn has(&self, wanted: &IndexEntry) -> bool {
        self.found.iter().any(|(entry, _)| entry.hash == wanted.hash)
    }

    /// Entries before `at`, where no record begins.
    fn stray(&mut self, at: i64, told: &mut Told<'_>) -> Result<(), OpenError> {
        while let Some((entry, file)) = self.next.filter(|(entry, _)| entry.physical < at) {
            let text =
                format!("entry {} names offset {}, where no record with keys begins", entry.number, entry.physical);
            told.tell(file.damage(file.byte_of(entry.number), text));
            self.advance(told)?;
        }
        Ok(())
    }

    /// After the last record.
    pub fn finish(mut self, unclean: bool, told: &mut Told<'_>) -> Result<(), OpenError> {
        if self.started {
            self.stray(i64::MAX, told)?;
        }
        if let (Some((count, first)), Some(file)) = (self.behind, self.last_file) {
            let text = format!("{count} records with keys from offset {first} on are behind the end of the index");
            told.tell(file.damage(32, text).note_if(unclean));
        }
        Ok(())
    }
}
