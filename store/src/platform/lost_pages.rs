//! Pages of maps that the disk does not give back: a bad sector, or a file that somebody has cut. Touching one is a signal (SIGBUS) that
//! would end the process; here it becomes a mark on the map that whoever touched it looks at.
//!
//! How: maps are listed ([`Watch`]). When a thread gets the signal for an address in a listed map, the handler marks the map, puts a
//! page of zeros in the place of the lost one and lets the thread go on. So the rule for everybody who touches a map is: **use the
//! bytes, then ask [`Watch::has_lost`], then believe what came of them.** What was written to such a page is gone, so a flush asks too.
//! Signals for other addresses go to whoever handled them before, which by default ends the process.
//!
//! What it is not: a promise about bytes that the kernel reads for us, as when a socket is written: there the call fails. Not on other
//! systems than Linux, where nothing is ever marked. Each lost page splits a map of the kernel's; should it have too many
//! (`vm.max_map_count`), the process ends as it would without this.
//!
//! Threads and locks: entries are written under `FREE` and read by handlers without any lock. They are never given back to the memory
//! but used again, so that a handler can look at them at any moment.
use parking_lot::Mutex;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// A listed map; unused while `end` is 0.
struct Entry {
    start: AtomicUsize,
    end: AtomicUsize,
    /// Set by the handler, never taken back while the map lives.
    lost: AtomicBool,
    /// The entry listed before this one. Written once, before this one can be seen.
    next: *const Entry,
}

// SAFETY: all fields are atomics, but for `next`, which never changes and points to an entry that lives for ever.
unsafe impl Sync for Entry {}

/// The newest entry, from which all others are reached.
static NEWEST: AtomicPtr<Entry> = AtomicPtr::new(std::ptr::null_mut());
/// Entries without a map.
static FREE: Mutex<Vec<&'static Entry>> = Mutex::new(Vec::new());

/// Keeps a map in the list. To be dropped before the map is.
pub(crate) struct Watch(&'static Entry);

impl std::fmt::Debug for Watch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Watch {{ has_lost: {} }}", self.has_lost())
    }
}

impl Watch {
    /// Where in memory it is noted that a page was lost.
    pub fn address(&self) -> *const u8 {
        std::ptr::from_ref(self.0).cast()
    }

    /// Lists the map of `len` bytes at `start`, which must be one of a file, and stay in its place while this lives.
    pub fn over(start: *const u8, len: usize) -> Watch {
        #[cfg(target_os = "linux")]
        signal::install();
        let entry = FREE.lock().pop().unwrap_or_else(new_entry);
        entry.lost.store(false, Ordering::Relaxed);
        entry.start.store(start as usize, Ordering::Relaxed);
        // Last: an entry counts when it has an end.
        entry.end.store(start as usize + len, Ordering::Release);
        Watch(entry)
    }

    /// True when a page of the map was lost: what was read from it may be zeros, what was written to it may be gone.
    pub fn has_lost(&self) -> bool {
        self.0.lost.load(Ordering::Acquire)
    }

    /// The same as an error.
    pub fn check(&self) -> io::Result<()> {
        match self.has_lost() {
            false => Ok(()),
            true => Err(io::Error::other(
                "a page of the map is lost: the disk does not give it back, or the file was cut by another program",
            )),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.end.store(0, Ordering::Release);
        FREE.lock().push(self.0);
    }
}

fn new_entry() -> &'static Entry {
    let (start, end, lost) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let mut newest = NEWEST.load(Ordering::Acquire);
    let entry = Box::leak(Box::new(Entry { start, end, lost, next: newest }));
    loop {
        let place: *mut Entry = entry;
        match NEWEST.compare_exchange(newest, place, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return entry,
            Err(other) => {
                newest = other;
                entry.next = other;
            }
        }
    }
}

/// The entry of the map that holds `address`. Safe to call from a signal handler.
#[cfg(target_os = "linux")]
fn entry_of(address: usize) -> Option<&'static Entry> {
    let mut at: *const Entry = NEWEST.load(Ordering::Acquire);
    // SAFETY: entries are reached through pointers that were made from leaked boxes, whose fields are written before they can be seen.
    while let Some(entry) = unsafe { at.as_ref() } {
        let end = entry.end.load(Ordering::Acquire);
        let start = entry.start.load(Ordering::Acquire);
        // Looked at again: between the two another map may have taken the entry over.
        if start <= address && address < end && entry.end.load(Ordering::Acquire) == end {
            return Some(entry);
        }
        at = entry.next;
    }
    None
}

#[cfg(target_os = "linux")]
mod signal {
    use super::{entry_of, Ordering};
    use std::sync::atomic::AtomicUsize;
    use std::sync::{Once, OnceLock};

    /// Asked beforehand, for a handler may not ask.
    static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);
    /// What was done about the signal before.
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

    /// Puts the handler in its place, once.
    pub fn install() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            PAGE_BYTES.store(crate::platform::page_size(), Ordering::Relaxed);
            // SAFETY: sigaction is plain data of which zero is a value; the handler has the signature that SA_SIGINFO asks for, and
            // does only what a handler may (see there). It runs on the stack that Rust gives its threads for signals.
            unsafe {
                let mut ours: libc::sigaction = std::mem::zeroed();
                ours.sa_sigaction = on_bus_error as *const () as usize;
                ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&mut ours.sa_mask);
                let mut before: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(libc::SIGBUS, &ours, &mut before) == 0 {
                    let _ = BEFORE.set(before);
                }
            }
        });
    }

    /// Takes no lock, allocates nothing, and leaves `errno` as it was.
    extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
        // SAFETY: the kernel gives a valid siginfo; si_addr is set for signals that a fault has raised, whose code is positive.
        let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
        // SAFETY: errno is the thread's own.
        let errno = unsafe { *libc::__errno_location() };
        if code <= 0 || !replace(address) {
            // Not ours: done again, it comes to whom it came before us.
            // SAFETY: both are valid values for sigaction; a zeroed one is the default.
            unsafe {
                let default: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, BEFORE.get().unwrap_or(&default), std::ptr::null_mut());
            }
        }
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }

    /// Marks the map that holds `address` and puts zeros in the place of its page; false when no map does, or that is not possible.
    fn replace(address: usize) -> bool {
        let Some(entry) = entry_of(address) else { return false };
        // First: whoever sees the zeros sees the mark.
        entry.lost.store(true, Ordering::SeqCst);
        let bytes = PAGE_BYTES.load(Ordering::Relaxed);
        let page = address & !(bytes - 1);
        let (rights, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: the page belongs to a listed map, which its owner keeps while a thread uses its bytes, as the one does that got the
        // signal. The page had no content that could be used; unmapping the whole range later ends this page too.
        let placed = unsafe { libc::mmap(page as *mut libc::c_void, bytes, rights, kind, -1, 0) };
        placed != libc::MAP_FAILED
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::disk::File;
    use crate::platform::{Map, MapWriter};

    const LEN: usize = 64 * 1024;

    fn cut_map(keep: u64) -> (tempfile::TempDir, MapWriter) {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(&dir.path().join("file")).unwrap();
        file.resize(LEN as u64).unwrap();
        let mut writer = Map::open(&file, LEN, 0).unwrap();
        assert!(writer.write(0, &[7; LEN / 2]));
        writer.publish(LEN / 2);
        file.resize(keep).unwrap();
        (dir, writer)
    }

    /// Bytes of a page that is gone are zeros and an error, those of other pages are what they were.
    #[test]
    fn a_lost_page_is_an_error() {
        let (_dir, writer) = cut_map(8192);
        let map = writer.map();
        assert!(map.get(0, 8192).unwrap().iter().all(|byte| *byte == 7));
        assert!(map.check().is_ok());
        assert_eq!(map.get(8192, 8200).unwrap(), [0; 8]);
        assert!(map.check().unwrap_err().to_string().contains("cut"));
        assert!(map.sync(0, 8192).is_err(), "no flush of a map with a hole is one");
        assert!(map.get(0, 8192).unwrap().iter().all(|byte| *byte == 7));
    }

    /// What is written to a page that is gone is an error, and every map has its own mark, also one in the place of another.
    #[test]
    fn each_map_has_its_mark() {
        for _ in 0..10 {
            let ((_one, mut lost), (_other, whole)) = (cut_map(0), cut_map(LEN as u64));
            assert!(lost.write(LEN / 2 + 5, b"into the void"));
            assert!(lost.map().check().is_err());
            assert!(whole.map().get(0, LEN / 2).unwrap().iter().all(|byte| *byte == 7));
            assert!(whole.map().check().is_ok());
        }
    }

    /// Many threads meet lost pages of many maps at once.
    #[test]
    fn many_at_once() {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let (_dir, writer) = cut_map(4096);
                        let sum: usize = writer.map().get(0, LEN / 2).unwrap().iter().map(|b| usize::from(*b)).sum();
                        assert_eq!(sum, 7 * 4096);
                        assert!(writer.map().check().is_err());
                    }
                });
            }
        });
    }
}
