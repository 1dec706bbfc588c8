//! The cache of one queue: which messages were pulled and are not settled yet, and what may be committed (client.md 3.8).
//!
//! Pure accounting: no clock, no lock, no task. The owner guards it and tells it the time where that matters.
//!
//! Invariants
//! * Whatever the order in which messages are settled, the offset to commit is the lowest one still here; with an empty
//!   cache it is the one that pulling has reached. (Java commits the one after the last message then, so that a group
//!   seems to lag behind messages that its filter skips.)
//! * An offset counts once, however often it is put.
use std::collections::BTreeMap;

/// A cached message.
#[derive(Debug, Clone)]
struct Entry<M> {
    bytes: usize,
    message: M,
    /// When a listener got it, in the owner's milliseconds.
    started: Option<u64>,
}

/// Limits of a cache. A queue at a limit is not pulled from until messages are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheLimits {
    /// Most messages; one batch more can come in.
    pub count: usize,
    /// Most bytes of bodies.
    pub bytes: usize,
    /// Largest distance between first and last offset: bounds what is delivered again after a crash.
    pub span: Option<i64>,
}

/// Which limit holds pulling back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Count,
    Bytes,
    Span,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Put {
    /// Messages that were not here.
    pub added: usize,
    /// The caller must start the runner of an orderly queue: there is work and none was running.
    pub dispatch: bool,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct ProcessQueue<M> {
    waiting: BTreeMap<i64, Entry<M>>,
    /// Given to the listener of an orderly consumer and not settled.
    taken: BTreeMap<i64, Entry<M>>,
    bytes: usize,
    /// One after the highest offset ever put, or what pulling has reached beyond that; `None` before the first put.
    next_offset: Option<i64>,
    consuming: bool,
}

impl<M> Default for ProcessQueue<M> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), taken: BTreeMap::new(), bytes: 0, next_offset: None, consuming: false }
    }
}

impl<M: Clone> ProcessQueue<M> {
    /// Adds messages: offset, bytes of the body, message.
    pub(crate) fn put(&mut self, messages: impl IntoIterator<Item = (i64, usize, M)>) -> Put {
        let mut added = 0;
        for (offset, bytes, message) in messages {
            if self.waiting.contains_key(&offset) || self.taken.contains_key(&offset) {
                continue;
            }
            self.waiting.insert(offset, Entry { bytes, message, started: None });
            self.bytes += bytes;
            self.next_offset = Some(self.next_offset.map_or(offset + 1, |next| next.max(offset + 1)));
            added += 1;
        }
        let dispatch = !self.consuming && !self.waiting.is_empty();
        self.consuming |= dispatch;
        Put { added, dispatch }
    }

    /// Settles messages of a concurrent consumer. Returns the offset to commit; `None` when the cache was empty.
    pub(crate) fn remove(&mut self, offsets: impl IntoIterator<Item = i64>) -> Option<i64> {
        if self.waiting.is_empty() {
            return None;
        }
        for offset in offsets {
            if let Some(entry) = self.waiting.remove(&offset) {
                self.bytes -= entry.bytes;
            }
        }
        self.commit_offset()
    }

    /// Moves the `count` lowest messages to the listener of an orderly consumer. With none left the runner has to end.
    pub(crate) fn take(&mut self, count: usize) -> Vec<M> {
        let mut taken = Vec::with_capacity(count.min(self.waiting.len()));
        while taken.len() < count {
            let Some((offset, entry)) = self.waiting.pop_first() else { break };
            taken.push(entry.message.clone());
            self.taken.insert(offset, entry);
        }
        if taken.is_empty() {
            self.consuming = false;
        }
        taken
    }

    /// Settles the `count` lowest messages taken. Returns the offset to commit; `None` when nothing was taken.
    pub(crate) fn commit(&mut self, count: usize) -> Option<i64> {
        if self.taken.is_empty() {
            return None;
        }
        for _ in 0..count {
            let Some((_, entry)) = self.taken.pop_first() else { break };
            self.bytes -= entry.bytes;
        }
        self.commit_offset()
    }

    /// Puts back everything taken; `change` sees each message.
    pub(crate) fn rollback(&mut self, mut change: impl FnMut(i64, &mut M)) {
        for (offset, mut entry) in std::mem::take(&mut self.taken) {
            change(offset, &mut entry.message);
            self.waiting.insert(offset, entry);
        }
    }

    /// The runner ended without having found the cache empty.
    pub(crate) fn runner_ended(&mut self) {
        self.consuming = false;
    }

    /// Everything before `next` was pulled; what is not here was not for this consumer. True when the cache is empty, so that
    /// `next` may be committed.
    pub(crate) fn reached(&mut self, next: i64) -> bool {
        self.next_offset = Some(self.next_offset.map_or(next, |known| known.max(next)));
        self.is_empty()
    }

    /// The lowest offset still here, or what pulling has reached; `None` before the first put.
    pub(crate) fn commit_offset(&self) -> Option<i64> {
        let first = |entries: &BTreeMap<i64, Entry<M>>| entries.first_key_value().map(|(offset, _)| *offset);
        match (first(&self.waiting), first(&self.taken)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (Some(offset), None) | (None, Some(offset)) => Some(offset),
            (None, None) => self.next_offset,
        }
    }

    /// The limit that is exceeded, if one is.
    pub(crate) fn full(&self, limits: &CacheLimits) -> Option<Full> {
        if self.len() > limits.count {
            Some(Full::Count)
        } else if self.bytes > limits.bytes {
            Some(Full::Bytes)
        } else if limits.span.is_some_and(|span| self.span() > span) {
            Some(Full::Span)
        } else {
            None
        }
    }

    /// Last offset minus first offset among the messages that wait.
    pub(crate) fn span(&self) -> i64 {
        match (self.waiting.first_key_value(), self.waiting.last_key_value()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0,
        }
    }

    /// Messages here, taken ones included.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.taken.len()
    }

    /// True when nothing is here.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.taken.is_empty()
    }

    /// Bytes of the bodies here.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True while the message waits here.
    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.waiting.contains_key(&offset)
    }

    /// Lowest and highest offset here.
    pub(crate) fn bounds(&self) -> Option<(i64, i64)> {
        let offsets = || self.waiting.keys().chain(self.taken.keys()).copied();
        Some((offsets().min()?, offsets().max()?))
    }

    /// A listener gets these messages at `now`.
    pub(crate) fn started(&mut self, offsets: impl IntoIterator<Item = i64>, now: u64) {
        for offset in offsets {
            if let Some(entry) = self.waiting.get_mut(&offset) {
                entry.started = Some(now);
            }
        }
    }

    /// The first message, if a listener has had it since before `limit`.
    pub(crate) fn overdue_head(&self, limit: u64) -> Option<(i64, M)> {
        let (offset, entry) = self.waiting.first_key_value()?;
        entry.started.filter(|started| *started < limit).map(|_| (*offset, entry.message.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn put(queue: &mut ProcessQueue<i64>, offsets: impl IntoIterator<Item = i64>) -> Put {
        queue.put(offsets.into_iter().map(|offset| (offset, 10, offset)))
    }

    /// The lowest offset in the cache is what is committed (client.md 9.3).
    #[test]
    fn lowest_offset_is_committed() {
        let mut queue = ProcessQueue::default();
        put(&mut queue, [10, 11, 12]);
        assert_eq!(queue.remove([11]), Some(10));
        assert_eq!(queue.remove([10]), Some(12));
        assert_eq!(queue.remove([12]), Some(13));
        assert_eq!(queue.remove([12]), None);
        assert_eq!((queue.bytes(), queue.len()), (0, 0));
    }

    /// Doubled offsets change nothing, and one runner at a time is asked for (client.md 9.3).
    #[test]
    fn doubles_count_once() {
        let mut queue = ProcessQueue::default();
        assert_eq!(put(&mut queue, [10, 11]), Put { added: 2, dispatch: true });
        assert_eq!(put(&mut queue, [10, 11]), Put { added: 0, dispatch: false });
        assert_eq!((queue.len(), queue.bytes()), (2, 20));
    }

    /// Take, commit and rollback of an orderly consumer (client.md 9.3).
    #[test]
    fn orderly() {
        let mut queue = ProcessQueue::default();
        put(&mut queue, [5, 6, 7]);
        assert_eq!(queue.take(2), [5, 6]);
        assert_eq!((queue.commit(usize::MAX), queue.len(), queue.bytes()), (Some(7), 1, 10));
        put(&mut queue, [8, 9]);
        assert_eq!(queue.take(3), [7, 8, 9]);
        queue.rollback(|offset, message| *message += offset);
        assert_eq!(queue.take(1), [14]);
        assert_eq!(queue.commit_offset(), Some(7));
        assert_eq!(queue.commit(usize::MAX), Some(8));
        assert_eq!(queue.take(9).len(), 2);
        queue.commit(usize::MAX);
        assert!(queue.consuming);
        assert!(queue.take(1).is_empty());
        assert!(!queue.consuming);
        assert_eq!((queue.commit(usize::MAX), queue.commit_offset()), (None, Some(10)));
        assert!(put(&mut queue, [10]).dispatch);
    }

    /// What the filter skipped is committed together with the last message before it, and never before that.
    #[test]
    fn skipped_offsets() {
        let mut queue = ProcessQueue::default();
        assert!(queue.reached(3));
        put(&mut queue, [5]);
        assert!(!queue.reached(9));
        assert_eq!(queue.commit_offset(), Some(5));
        assert_eq!(queue.remove([5]), Some(9));
        put(&mut queue, [9]);
        queue.reached(12);
        assert_eq!((queue.take(1), queue.commit(usize::MAX)), (vec![9], Some(12)));
    }

    /// Pulling stops above each limit, and at it still goes on.
    #[test]
    fn limits() {
        let limits = CacheLimits { count: 3, bytes: 100, span: Some(50) };
        let mut queue = ProcessQueue::default();
        put(&mut queue, [0, 1, 2]);
        assert_eq!(queue.full(&limits), None);
        put(&mut queue, [3]);
        assert_eq!(queue.full(&limits), Some(Full::Count));
        queue.remove([1, 2]);
        put(&mut queue, [51]);
        assert_eq!(queue.full(&limits), Some(Full::Span));
        assert_eq!(queue.full(&CacheLimits { span: None, ..limits }), None);
        queue.remove([0, 3, 51]);
        queue.put([(60, 101, 60)]);
        assert_eq!(queue.full(&limits), Some(Full::Bytes));
    }

    /// Only a head that a listener has had for too long is overdue.
    #[test]
    fn overdue() {
        let mut queue = ProcessQueue::default();
        put(&mut queue, [1, 2]);
        queue.started([2], 0);
        assert_eq!(queue.overdue_head(100), None);
        queue.started([1], 50);
        assert_eq!(queue.overdue_head(50), None);
        assert_eq!(queue.overdue_head(51), Some((1, 1)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(i64, i64),
        Remove(Vec<i64>),
        Take(usize),
        Commit,
        Rollback,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..40i64, 1..6i64).prop_map(|(from, count)| Step::Put(from, count)),
            prop::collection::vec(0..45i64, 0..4).prop_map(Step::Remove),
            (0..5usize).prop_map(Step::Take),
            Just(Step::Commit),
            Just(Step::Rollback),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        /// Whatever happens, count, bytes, span and the offset to commit are those of plain sets.
        #[test]
        fn agrees_with_sets(steps in steps()) {
            let (mut waiting, mut taken) = (BTreeSet::new(), BTreeSet::new());
            let mut highest = None;
            let mut queue = ProcessQueue::default();
            for step in steps {
                match step {
                    Step::Put(from, count) => {
                        let new: Vec<i64> = (from..from + count).filter(|o| !waiting.contains(o) && !taken.contains(o)).collect();
                        prop_assert_eq!(put(&mut queue, from..from + count).added, new.len());
                        highest = highest.max(new.iter().copied().max());
                        waiting.extend(new);
                    }
                    Step::Remove(offsets) => {
                        let was_empty = waiting.is_empty();
                        let result = queue.remove(offsets.iter().copied());
                        offsets.iter().for_each(|offset| { waiting.remove(offset); });
                        let lowest = waiting.iter().chain(&taken).min().copied();
                        let expected = lowest.or(highest.map(|h| h + 1)).filter(|_| !was_empty);
                        prop_assert_eq!(result, expected);
                    }
                    Step::Take(count) => {
                        let expected: Vec<i64> = waiting.iter().copied().take(count).collect();
                        prop_assert_eq!(&queue.take(count), &expected);
                        for offset in expected { waiting.remove(&offset); taken.insert(offset); }
                    }
                    Step::Commit => {
                        let expected = waiting.first().copied().or(highest.map(|h| h + 1)).filter(|_| !taken.is_empty());
                        prop_assert_eq!(queue.commit(usize::MAX), expected);
                        taken.clear();
                    }
                    Step::Rollback => {
                        queue.rollback(|_, _| ());
                        waiting.append(&mut taken);
                    }
                }
                prop_assert_eq!(queue.len(), waiting.len() + taken.len());
                prop_assert_eq!(queue.bytes(), 10 * queue.len());
                let span = waiting.last().copied().unwrap_or(0) - waiting.first().copied().unwrap_or(0);
                prop_assert_eq!(queue.span(), span);
            }
        }
    }
}
