//! How many files are mapped at a time: the least recently used ones are closed, and opened again by who needs them.
//!
//! Consume queue files, sealed log segments and index files share one number ([`crate::StoreOptions::mapped_files_max`]). The
//! system gives a process 65,530 maps at most, and each one that was touched has page tables; a store with more queues than that
//! works, and only pays for opening files again.
//!
//! "Least recently used" is told by second chance: files stand in a ring; one that was used since it was looked at last goes
//! behind, another one is closed. What is not counted: the maps of closed files that readers hold slices of. They stay mapped
//! until the last slice is dropped, and are bounded by the readers.
//!
//! Threads: any that opens files. Lock: `ring`, taken while the queue that is written may be locked; under it other queues are
//! only tried.
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A file that can be opened again.
pub(crate) trait Closable: Send + Sync {
    /// Whether it was used since this was asked last.
    fn take_used(&self) -> bool;

    /// Unmaps and closes it. False when it has to stay as it is for the moment.
    fn close(&self) -> bool;
}

/// Whether a file was used lately.
#[derive(Debug, Default)]
pub(crate) struct Used(AtomicBool);

impl Used {
    /// It is used now. Cheap: written only when it was not.
    #[inline]
    pub fn set(&self) {
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// The open files of a store.
pub(crate) struct OpenFiles {
    max: usize,
    /// From the one that was looked at longest ago.
    ring: Mutex<VecDeque<Weak<dyn Closable>>>,
}

impl std::fmt::Debug for OpenFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFiles").field("max", &self.max).finish_non_exhaustive()
    }
}

impl OpenFiles {
    /// At most `max` files, but for those that cannot be closed: the end of the log and the segment behind it.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: max.max(1), ring: Mutex::default() })
    }

    /// `file` was opened; others are closed until there are few enough. To be called once per opening, without the locks of
    /// the file.
    pub fn opened(&self, file: Weak<dyn Closable>) {
        let mut ring = self.ring.lock();
        ring.push_back(file);
        // Twice round: at first all may have been used.
        let mut looks = 2 * ring.len();
        while ring.len() > self.max && looks > 0 {
            looks -= 1;
            let Some(oldest) = ring.pop_front() else { return };
            let Some(file) = oldest.upgrade() else { continue };
            if file.take_used() || !file.close() {
                ring.push_back(oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct File {
        used: Used,
        open: AtomicBool,
        fixed: bool,
    }

    impl Closable for File {
        fn take_used(&self) -> bool {
            self.used.take()
        }
        fn close(&self) -> bool {
            if !self.fixed {
                self.open.store(false, Ordering::Relaxed);
            }
            !self.fixed
        }
    }

    /// Files that nobody used are closed first, those that must stay are not, and dropped ones are forgotten.
    #[test]
    fn unused_files_are_closed_first() {
        let files = OpenFiles::new(3);
        let open = |fixed| {
            let file = Arc::new(File { used: Used::default(), open: AtomicBool::new(true), fixed });
            file.used.set();
            let weak = Arc::downgrade(&file);
            files.opened(weak);
            file
        };
        let is_open = |file: &Arc<File>| file.open.load(Ordering::Relaxed);
        let (fixed, dropped, a) = (open(true), open(false), open(false));
        drop(dropped);
        let b = open(false);
        assert_eq!([is_open(&fixed), is_open(&a), is_open(&b)], [true; 3], "the dropped one made room");
        a.used.take();
        let c = open(false);
        assert_eq!([&fixed, &a, &b, &c].map(is_open), [true, false, true, true]);
        let d = open(false);
        assert_eq!([&fixed, &b, &c, &d].map(is_open).iter().filter(|open| **open).count(), 3);
        assert!(is_open(&fixed) && is_open(&d));
    }
}
