//! What the log and the consume queues need from the operating system: shared maps, residency, reads, holes.
//!
//! The only `unsafe` of both stands here. What makes it sound: the bytes of a [`Map`] below its `readable` mark are never
//! written again, those above it are written only through the one [`MapWriter`] that exists per map, and only bytes
//! below the mark can be borrowed. The mark only rises. Files are ours by the store's lock file, have their full length
//! before they are mapped and are never cut while they are. Should another program cut one, or the disk fail to give a page
//! back, its bytes read as zeros and [`Map::check`] says so ([`lost_pages`]).
pub(crate) mod lost_pages;

use crate::disk;
use crate::resident::ResidentWindow;
use bytes::Bytes;
use lost_pages::Watch;
#[cfg(target_os = "linux")]
use memmap2::UncheckedAdvice;
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
#[cfg(target_arch = "x86_64")]
use std::sync::atomic::AtomicU8;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

/// Bytes of a page. Larger pages only make the estimates below generous.
pub(crate) const PAGE: usize = 4096;

/// A file mapped into memory, shared with the page cache. Kept alive by every [`Bytes`] cut from it.
#[derive(Debug)]
pub(crate) struct Map {
    /// Dropped before the map.
    watch: Watch,
    raw: MmapRaw,
    /// The file, for the faults of its disk.
    path: Box<Path>,
    /// End of the bytes that may be read. Raised (Release) by the writer after the bytes are there.
    readable: AtomicUsize,
    /// Pages known to be in memory.
    resident: ResidentWindow,
    /// Pages come into the page cache, and into our page tables, one by one.
    single: AtomicBool,
}

/// The right to write to a map; one exists per map.
#[derive(Debug)]
pub(crate) struct MapWriter {
    map: Arc<Map>,
}

impl Map {
    /// Maps `len` bytes of `file`, which must be that long. The first `readable` bytes can be read.
    pub fn open(file: &disk::File, len: usize, readable: usize) -> io::Result<MapWriter> {
        let raw = MmapOptions::new().len(len).map_raw(file.system())?;
        let (watch, path) = (Watch::over(raw.as_ptr(), len), file.path().into());
        let (readable, resident) = (AtomicUsize::new(readable.min(len)), ResidentWindow::default());
        let map = Arc::new(Map { watch, raw, path, readable, resident, single: AtomicBool::new(false) });
        Ok(MapWriter { map })
    }

    /// Length of the map.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// End of the bytes that may be read.
    pub fn readable(&self) -> usize {
        self.readable.load(Ordering::Acquire)
    }

    /// True when a page of the map was lost: bytes that were read may have been zeros, bytes that were written may be gone.
    pub fn has_lost(&self) -> bool {
        self.watch.has_lost()
    }

    /// The same as an error. To be asked when bytes were used and before what came of them is believed.
    pub fn check(&self) -> io::Result<()> {
        self.watch.check()
    }

    /// The bytes `from..to`; None when some of them are not readable yet. Pages that are lost read as zeros, see
    /// [`check`](Self::check).
    pub fn get(&self, from: usize, to: usize) -> Option<&[u8]> {
        if from > to || to > self.readable() {
            return None;
        }
        // SAFETY: from <= to <= readable <= len, and bytes below the mark are never written again (see the file's head).
        Some(unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(from), to - from) })
    }

    /// The bytes `from..to` as shared bytes that keep the map alive.
    pub fn share(self: &Arc<Self>, from: usize, to: usize) -> Option<Bytes> {
        self.get(from, to)?;
        Some(Bytes::from_owner(Shared { map: self.clone(), from, to }))
    }

    /// Forces the pages of `from..to` to the disk, with what is needed to find them again.
    pub fn sync(&self, from: usize, to: usize) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        self.check()?;
        disk::sync_map(&self.path, from, to, || {
            self.forget(from, to);
            self.raw.flush_range(from, to - from)
        })?;
        // What was written to a page that is lost is in no file.
        self.check()
    }

    /// Takes the pages of `from..to` out of our page tables, where they stand one by one; they stay in the page cache, as dirty as they
    /// are. The system has to learn of the next write to each page that it forces: it would stop the other processors once for every
    /// one of them, which takes longer than the disk does. So it stops them once. Who reads the bytes finds sixteen pages at a time.
    pub fn forget(&self, from: usize, to: usize) {
        const WORTH_IT: usize = PAGE;
        #[cfg(target_os = "linux")]
        if to - from > WORTH_IT && self.single.load(Ordering::Relaxed) {
            // SAFETY: the map is shared: its pages are those of the file, and the next access to one finds it unchanged. Pages
            // that were put in the place of lost ones are zeros, and are zeros after it.
            let forgotten = unsafe { self.raw.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
            // An error means that it takes longer.
            let _ = forgotten;
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (from, to);
    }

    /// Makes the pages of `from..to` present and writable, so that writing them does not fault. An estimate of what is
    /// worth doing, not a promise: errors are ignored.
    pub fn populate(&self, from: usize, to: usize) {
        let to = to.min(self.len());
        if from >= to {
            return;
        }
        let from = from / PAGE * PAGE;
        #[cfg(target_os = "linux")]
        {
            static UNSUPPORTED: AtomicBool = AtomicBool::new(false);
            if UNSUPPORTED.load(Ordering::Relaxed) {
                return;
            }
            let result = self.raw.advise_range(Advice::PopulateWrite, from, to - from);
            if result.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
                // Before Linux 5.14: the writer faults the pages in itself.
                UNSUPPORTED.store(true, Ordering::Relaxed);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (from, to);
    }

    /// Says that accesses will jump about: pages are brought in one by one from now on, not in large pieces that could only be forced as a
    /// whole.
    pub fn advise_random(&self) {
        if self.single.swap(true, Ordering::Relaxed) {
            return;
        }
        #[cfg(unix)]
        let _ = self.raw.advise(Advice::Random);
    }

    /// As [`is_resident`](Self::is_resident), asked of the system once for many reads: the pages were in memory a second ago at most.
    pub fn was_resident(&self, from: usize, to: usize) -> bool {
        self.resident.holds(self, from, to)
    }

    /// True when all pages of `from..to` are in memory: reading them will not wait for the disk.
    pub fn is_resident(&self, from: usize, to: usize) -> bool {
        #[cfg(target_os = "linux")]
        {
            /// Pages asked about in one call.
            const PAGES_MAX: usize = 128;
            let page = page_size();
            let mut at = from / page * page;
            let end = to.min(self.len());
            let mut states = [0u8; PAGES_MAX];
            while at < end {
                let bytes = (end - at).min(PAGES_MAX * page);
                // SAFETY: at..at+bytes lies in the map, at is a multiple of the page size, and there is one state per page.
                let result = unsafe { libc::mincore(self.raw.as_mut_ptr().add(at).cast(), bytes, states.as_mut_ptr()) };
                let pages = bytes.div_ceil(page);
                if result != 0 || states[..pages].iter().any(|state| state & 1 == 0) {
                    return false;
                }
                at += bytes;
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (from, to);
        true
    }
}

impl MapWriter {
    /// The map.
    pub fn map(&self) -> &Arc<Map> {
        &self.map
    }

    /// Where in memory it is noted that a page was lost, for [`prefetch`] only.
    pub fn watch_address(&self) -> *mut u8 {
        self.map.watch.address().cast_mut()
    }

    /// Where byte `at` lies in memory, for [`prefetch`] only.
    pub fn address(&self, at: usize) -> *mut u8 {
        self.map.raw.as_mut_ptr().wrapping_add(at)
    }

    /// Copies `bytes` to `at`, beyond the readable mark; they are not readable before [`publish`](Self::publish).
    /// False, and nothing is written, when they would not lie between the mark and the end of the map.
    #[must_use]
    #[inline]
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> bool {
        let fits = at.checked_add(bytes.len()).is_some_and(|end| end <= self.map.len());
        if !fits || at < self.map.readable.load(Ordering::Relaxed) {
            return false;
        }
        // SAFETY: at..at+len lies in the map; nobody can borrow bytes beyond the mark, and this writer is the only one.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.map.raw.as_mut_ptr().add(at), bytes.len()) };
        true
    }

    /// Makes everything below `end` readable. Never lowers the mark.
    pub fn publish(&mut self, end: usize) {
        let end = end.min(self.map.len());
        if end > self.map.readable.load(Ordering::Relaxed) {
            self.map.readable.store(end, Ordering::Release);
        }
    }
}

/// The owner behind shared bytes.
struct Shared {
    map: Arc<Map>,
    from: usize,
    to: usize,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.map.get(self.from, self.to).unwrap_or_default()
    }
}

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// Asks for the line of the cache at an address that will be written soon, without waiting for it. Only a hint: nothing is read, and any
/// address will do. Where many things far from each other are touched in turn, the processor fetches them side by side.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_ET0};
        // SAFETY: every x86-64 processor has the instruction, which changes nothing that a program can see and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// What the processor has counted, at the same rate since it was switched on; None where it has no such count, or the rate may change.
#[inline]
pub(crate) fn ticks() -> Option<u64> {
    #[cfg(target_arch = "x86_64")]
    {
        /// Whether the rate is constant: 0 when that is not known, 1 for yes, 2 for no.
        static CONSTANT: AtomicU8 = AtomicU8::new(0);
        let constant = match CONSTANT.load(Ordering::Relaxed) {
            0 => {
                let constant = if ticks_are_constant() { 1 } else { 2 };
                CONSTANT.store(constant, Ordering::Relaxed);
                constant
            }
            known => known,
        };
        // SAFETY: every processor of this architecture has the instruction, which touches no memory.
        (constant == 1).then(|| unsafe { std::arch::x86_64::_rdtsc() })
    }
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// Whether the processor says that it counts at the same rate whatever it does.
#[cfg(target_arch = "x86_64")]
fn ticks_are_constant() -> bool {
    const EXTENDED: u32 = 0x8000_0000;
    const POWER: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    let ask = std::arch::x86_64::__cpuid;
    ask(EXTENDED).eax >= POWER && ask(POWER).edx & INVARIANT != 0
}

/// As [`prefetch`], for all lines of so many bytes.
#[inline]
pub(crate) fn prefetch_bytes(address: *const u8, len: usize) {
    (0..len).step_by(LINE).chain(len.checked_sub(1)).for_each(|at| prefetch(address.wrapping_add(at)));
}

/// Fills `out` from `offset` of `file`, waiting for the disk.
pub(crate) fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, out, offset)
    }
    #[cfg(not(unix))]
    {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(out)
    }
}

/// Writes all of `bytes` at `offset` of `file`.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }
    #[cfg(not(unix))]
    {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }
}

/// Writes the dirty pages of `from..to` to the disk, and waits, if it shall, until they are there, if only in the disk's own memory. Who
/// does not wait is told of an error of the disk by the next flush of the file. Does nothing where the system knows no such call.
pub(crate) fn write_out(file: &File, from: u64, to: u64, wait: bool) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use libc::{SYNC_FILE_RANGE_WAIT_AFTER, SYNC_FILE_RANGE_WAIT_BEFORE, SYNC_FILE_RANGE_WRITE};
        use std::os::fd::AsRawFd;
        let waits = if wait { SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER } else { 0 };
        let (from, len) = (from as i64, to.saturating_sub(from) as i64);
        // SAFETY: the file is open while it is borrowed, and no memory is touched.
        if unsafe { libc::sync_file_range(file.as_raw_fd(), from, len, SYNC_FILE_RANGE_WRITE | waits) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from, to, wait);
    Ok(())
}

/// Makes `from..to` of `file` zero. The length of the file never changes, not even for a moment: a file of another length
/// would keep the store from opening after a kill.
pub(crate) fn zero_range(file: &File, from: u64, to: u64) -> io::Result<()> {
    let Some(len) = to.checked_sub(from).filter(|len| *len > 0) else { return Ok(()) };
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{fallocate, FallocateFlags};
        use rustix::io::Errno;
        loop {
            match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, from, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => break,
                Err(other) => return Err(other.into()),
            }
        }
    }
    overwrite_with_zeros(file, from, len)
}

/// The first byte of `from..to` of `file` that is not zero, holes passed over unread.
pub(crate) fn first_nonzero(file: &File, from: u64, to: u64) -> io::Result<Option<u64>> {
    const PIECE: u64 = 64 * 1024;
    let mut bytes = vec![0; PIECE as usize];
    for Range { start: mut at, end } in data_of(file, from, to)? {
        while at < end {
            let piece = &mut bytes[..(end - at).min(PIECE) as usize];
            read_at(file, piece, at)?;
            if let Some(found) = position_of_nonzero(piece) {
                return Ok(Some(at + found as u64));
            }
            at += piece.len() as u64;
        }
    }
    Ok(None)
}

/// What of `from..to` is no hole, asked before any of it is read: reserved space is a hole until it is read, and the system reads ahead of
/// who reads, whatever it is advised. Who asked between two reads would find data ahead again and again, up to the end of the file.
fn data_of(file: &File, from: u64, to: u64) -> io::Result<Vec<Range<u64>>> {
    let (mut ranges, mut at) = (Vec::new(), from);
    while let Some(data) = next_data(file, at)?.filter(|data| *data < to) {
        let start = at.max(data);
        at = next_hole(file, start, to)?;
        ranges.push(start..at);
    }
    Ok(ranges)
}

/// Where the first byte stands that is not zero.
fn position_of_nonzero(bytes: &[u8]) -> Option<usize> {
    // A line of the cache at a time, all bytes of it at once.
    let at = bytes.chunks(LINE).position(|line| line.iter().fold(0, |all, byte| all | byte) != 0)? * LINE;
    bytes[at..].iter().position(|byte| *byte != 0).map(|found| at + found)
}

/// Where the data at `from` ends, at `to` at the latest; `to` where the file system cannot tell.
fn next_hole(file: &File, from: u64, to: u64) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{seek, SeekFrom};
        use rustix::io::Errno;
        match seek(file, SeekFrom::Hole(from)) {
            Ok(hole) => return Ok(hole.clamp(from + 1, to)),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(other) => return Err(other.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from);
    Ok(to)
}

/// Where data begins at or behind `from`; `from` itself where the file system cannot tell, None when only holes follow.
fn next_data(file: &File, from: u64) -> io::Result<Option<u64>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{seek, SeekFrom};
        use rustix::io::Errno;
        match seek(file, SeekFrom::Data(from)) {
            Ok(data) => Ok(Some(data)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Some(from)),
            Err(other) => Err(other.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        Ok(Some(from))
    }
}

/// The fallback of [`zero_range`]: writes zeros over what is not zero.
fn overwrite_with_zeros(file: &File, from: u64, len: u64) -> io::Result<()> {
    const PIECE: u64 = 256 * 1024;
    let mut bytes = vec![0; PIECE as usize];
    let mut at = from;
    while at < from + len {
        let piece = &mut bytes[..(from + len - at).min(PIECE) as usize];
        read_at(file, piece, at)?;
        if piece.iter().any(|byte| *byte != 0) {
            piece.fill(0);
            write_at(file, piece, at)?;
        }
        at += piece.len() as u64;
    }
    Ok(())
}

/// Bytes of memory of the machine; a guess of 4 GiB where it cannot be asked.
pub(crate) fn memory_bytes() -> u64 {
    const GUESS: u64 = 4 << 30;
    #[cfg(target_os = "linux")]
    {
        // SAFETY: sysconf only reads its argument.
        let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
        u64::try_from(pages).map_or(GUESS, |pages| pages.saturating_mul(page_size() as u64))
    }
    #[cfg(not(target_os = "linux"))]
    GUESS
}

#[cfg(target_os = "linux")]
pub(crate) fn page_size() -> usize {
    // SAFETY: sysconf only reads its argument.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(PAGE)
}

/// Takes an exclusive lock on byte 0 of `file`, as Java's `FileChannel.tryLock(0, 1, false)` does; false when another
/// open file of this or another process (ours or Java's) holds it. The lock ends with
/// [`unlock`], or when the file is closed and no child process just being started has it.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    lock(file, false)
}

/// Takes a lock on byte 0 of `file` that others may have too, but that excludes the one of [`try_lock`]. The file may be
/// opened for reading only. Ends as that one does.
pub(crate) fn try_lock_shared(file: &File) -> io::Result<bool> {
    lock(file, true)
}

fn lock(file: &File, shared: bool) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        // A lock of the open file, not of the process: a second store in this process is refused too, and closing its
        // descriptor does not give up ours. It excludes the record locks that Java takes.
        match set_lock(file, if shared { libc::F_RDLCK } else { libc::F_WRLCK }) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EAGAIN)) => Ok(false),
            Err(error) => Err(error),
        }
    }
    #[cfg(all(unix, not(target_os = "linux")))]
    {
        use rustix::fs::{flock, FlockOperation};
        let exclusive = FlockOperation::NonBlockingLockExclusive;
        match flock(file, if shared { FlockOperation::NonBlockingLockShared } else { exclusive }) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (file, shared);
        Ok(true)
    }
}

/// Gives the lock of [`try_lock`] up at once: closing the file would not, while a child process that another thread is
/// just starting still has it.
pub(crate) fn unlock(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = set_lock(file, libc::F_UNLCK);
    #[cfg(all(unix, not(target_os = "linux")))]
    let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock);
    #[cfg(not(unix))]
    let _ = file;
}

#[cfg(target_os = "linux")]
fn set_lock(file: &File, kind: libc::c_int) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: flock is plain data of which zero is a value; the call reads it and the descriptor is open.
    let result = unsafe {
        let mut range: libc::flock = std::mem::zeroed();
        range.l_type = kind as _;
        range.l_whence = libc::SEEK_SET as _;
        range.l_len = 1;
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &range)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Makes renames, creations and deletions in `dir` last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        File::open(dir)?.sync_all()
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(len: u64) -> (tempfile::TempDir, disk::File, MapWriter) {
        let dir = tempfile::tempdir().unwrap();
        let file = disk::File::create_new(&dir.path().join("file")).unwrap();
        file.resize(len).unwrap();
        let writer = Map::open(&file, len as usize, 0).unwrap();
        (dir, file, writer)
    }

    /// Bytes can be read only after they are published, never be written again, and outlive writer and file name.
    #[test]
    fn published_bytes_are_fixed() {
        let (_dir, _file, mut writer) = map(8192);
        assert!(writer.write(0, b"hello"));
        assert!(writer.map().get(0, 5).is_none());
        writer.publish(5);
        let bytes = writer.map().share(1, 5).unwrap();
        assert!(!writer.write(4, b"x"));
        assert!(!writer.write(8190, b"xyz"));
        assert!(writer.write(5, b"!"));
        drop(writer);
        assert_eq!(&bytes[..], b"ello");
    }

    /// Pages that are taken out of the page tables and written out are what they were, and can be written again.
    #[test]
    fn forgotten_pages_keep_what_was_written() {
        let (_dir, file, mut writer) = map(16 * PAGE as u64);
        let map = writer.map().clone();
        map.advise_random();
        for (round, byte) in [(0, 1), (1, 2)] {
            let (from, bytes) = (round * 8 * PAGE + 100, [byte; 7 * PAGE]);
            assert!(writer.write(from, &bytes));
            writer.publish(from + bytes.len());
            map.forget(0, 16 * PAGE);
            assert_eq!(map.get(from, from + bytes.len()), Some(&bytes[..]));
            file.write_out(0, 16 * PAGE as u64).unwrap();
        }
        let mut read = vec![0; PAGE];
        file.read_at(&mut read, 8 * PAGE as u64 + 100).unwrap();
        assert_eq!(read, [2; PAGE]);
    }

    /// Zeroing keeps the length and what lies beside the range, whichever way it is done.
    #[test]
    fn zeroing_keeps_the_length() {
        for zero in [zero_range, |file: &File, from, to| overwrite_with_zeros(file, from, to - from)] {
            let (_dir, file, mut writer) = map(1 << 20);
            let file = file.system();
            assert!(writer.write(0, &vec![7; 1 << 20]));
            zero(file, 4001, 900_001).unwrap();
            zero(file, 5, 5).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 1 << 20);
            writer.publish(1 << 20);
            let bytes = writer.map().get(0, 1 << 20).unwrap();
            let zeros = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
            assert!(zeros.eq(4001..900_001));
        }
    }

    /// Bytes are found behind holes and behind zeros that were written, and only in the range.
    #[test]
    fn the_first_byte_that_is_not_zero() {
        let (_dir, file, _map) = map(4 << 20);
        let file = file.system();
        assert_eq!(first_nonzero(file, 0, 4 << 20).unwrap(), None);
        write_at(file, &[0; 5000], 1 << 20).unwrap();
        write_at(file, &[9], (3 << 20) + 77).unwrap();
        assert_eq!(first_nonzero(file, 5, 4 << 20).unwrap(), Some((3 << 20) + 77));
        assert_eq!(first_nonzero(file, 5, (3 << 20) + 77).unwrap(), None);
        assert_eq!(first_nonzero(file, (3 << 20) + 78, 4 << 20).unwrap(), None);
    }

    /// Reserved space whose beginning is in memory is looked at as far as it is, not as far as the system reads ahead.
    #[test]
    #[cfg(target_os = "linux")]
    fn looking_for_bytes_makes_no_data_of_reserved_space() {
        const LEN: u64 = 128 << 20;
        let dir = tempfile::tempdir().unwrap();
        let file = disk::File::create_new(&dir.path().join("file")).unwrap();
        file.resize(LEN).unwrap();
        file.reserve(0, LEN).unwrap();
        let data = || data_of(file.system(), 0, LEN).unwrap().iter().map(|range| range.end - range.start).sum::<u64>();
        if data() == LEN {
            return; // the file system cannot tell
        }
        // Read through a map: the system marks pages at which it shall read further ahead.
        let map = Map::open(&file, LEN as usize, LEN as usize).unwrap();
        assert!(map.map().get(0, 1 << 20).unwrap().iter().all(|byte| *byte == 0));
        assert_eq!(first_nonzero(file.system(), 0, LEN).unwrap(), None);
        assert!(data() <= LEN / 2, "{} bytes of {LEN} are data now", data());
    }

    /// What was written through the map is in memory, and is read from the file too.
    #[test]
    fn written_bytes_are_in_memory() {
        let (_dir, file, mut writer) = map(8192);
        assert!(writer.write(4000, &[7; 200]));
        writer.publish(4200);
        assert!(writer.map().is_resident(4000, 4200));
        let mut out = [0; 200];
        read_at(file.system(), &mut out, 4000).unwrap();
        assert_eq!(out, [7; 200]);
    }
}
