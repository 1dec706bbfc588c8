//! Files of a consume queue: full length from the start, sparse, mapped when first needed and closed at once: a map needs
//! no descriptor. Which maps stay, [`OpenFiles`](crate::open_files::OpenFiles) says.
use super::Queue;
use crate::disk::File;
use crate::log::segment::file_name;
use crate::open_files::{Closable, Used};
use crate::options::UNIT_BYTES;
use crate::platform::{Map, MapWriter};
use crate::types::Unit;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// One file.
#[derive(Debug)]
pub(crate) struct QueueFile {
    /// Position of its first byte in the stream of units.
    pub base: u64,
    /// The folder of the queue.
    dir: Arc<Path>,
    /// Whose file it is.
    queue: Weak<Queue>,
    map: Mutex<Option<Arc<Map>>>,
    pub used: Used,
}

impl QueueFile {
    /// A file, to be mapped when needed unless `map` is given.
    pub fn new(base: u64, dir: Arc<Path>, queue: Weak<Queue>, map: Option<Arc<Map>>) -> Self {
        Self { base, dir, queue, map: Mutex::new(map), used: Used::default() }
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.dir.join(file_name(self.base))
    }

    /// The unit at `at` bytes, without mapping the file for it. May wait for the disk.
    pub fn unit(&self, at: usize) -> io::Result<Unit> {
        let mut bytes = [0; UNIT_BYTES];
        self.read(at, &mut bytes)?;
        Ok(super::decode_unit(&bytes))
    }

    /// Fills `out` from `at`, without mapping the file for it. May wait for the disk.
    pub fn read(&self, at: usize, out: &mut [u8]) -> io::Result<()> {
        if let Some(map) = self.map.lock().as_ref() {
            let bytes = map.get(at, at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            out.copy_from_slice(bytes);
            if !map.has_lost() {
                return Ok(());
            }
        }
        File::open_to_read(&self.path())?.read_at(out, at as u64)
    }

    /// Its map, if the file is open. A map that has lost pages does not count: whoever needs the file next gets another one.
    pub fn open_map(&self) -> Option<Arc<Map>> {
        self.used.set();
        self.map.lock().as_ref().filter(|map| !map.has_lost()).cloned()
    }

    /// Its map, and whether it was made just now: then the file is to be registered as open. May wait for the disk when it was
    /// closed.
    pub fn map(&self, file_bytes: usize) -> io::Result<(Arc<Map>, bool)> {
        self.used.set();
        let mut map = self.map.lock();
        if let Some(map) = map.as_ref().filter(|map| !map.has_lost()) {
            return Ok((map.clone(), false));
        }
        // A reader creates nothing: a file that is gone is an error, and so is one of another length.
        let file = File::open(&self.path())?;
        if file.len()? != file_bytes as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let made = map_random(&file, file_bytes, file_bytes)?.map().clone();
        *map = Some(made.clone());
        Ok((made, true))
    }
}

impl Closable for QueueFile {
    fn take_used(&self) -> bool {
        self.used.take()
    }

    fn close(&self) -> bool {
        // The queue's right to write to the file goes first. A queue that is busy is no candidate.
        if self.queue.upgrade().is_some_and(|queue| !queue.stop_writing_to(self.base)) {
            return false;
        }
        *self.map.lock() = None;
        true
    }
}

/// Maps a file, which is created or gets its full length when necessary; the first `readable` bytes can be read.
pub(crate) fn open_map(path: &Path, file_bytes: usize, readable: usize) -> io::Result<MapWriter> {
    let file = File::open_or_create(path)?;
    if file.len()? != file_bytes as u64 {
        file.resize(file_bytes as u64)?;
    }
    map_random(&file, file_bytes, readable)
}

fn map_random(file: &File, file_bytes: usize, readable: usize) -> io::Result<MapWriter> {
    let map = Map::open(file, file_bytes, readable)?;
    map.map().advise_random();
    Ok(map)
}

/// Reserves the space of `from..to`.
pub(crate) fn reserve_range(path: &Path, from: usize, to: usize) -> io::Result<()> {
    File::open(path)?.reserve(from as u64, (to - from) as u64)
}
