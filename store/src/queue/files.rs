//! Files of a consume queue: full length from the start, sparse, mapped when first needed and closed at once: a map needs
//! no descriptor.
use crate::disk::File;
use crate::options::UNIT_BYTES;
use crate::platform::{Map, MapWriter};
use crate::types::Unit;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file.
#[derive(Debug)]
pub(crate) struct QueueFile {
    /// Position of its first byte in the stream of units.
    pub base: u64,
    pub path: PathBuf,
    map: Mutex<Option<Arc<Map>>>,
}

impl QueueFile {
    /// A complete file, to be mapped when needed.
    pub fn complete(base: u64, path: PathBuf) -> Self {
        Self { base, path, map: Mutex::new(None) }
    }

    /// A file that is mapped already.
    pub fn mapped(base: u64, path: PathBuf, map: Arc<Map>) -> Self {
        Self { base, path, map: Mutex::new(Some(map)) }
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
            return Ok(());
        }
        File::open_to_read(&self.path)?.read_at(out, at as u64)
    }

    /// Its map. May wait for the disk the first time.
    pub fn map(&self, file_bytes: usize) -> io::Result<Arc<Map>> {
        let mut map = self.map.lock();
        if let Some(map) = map.as_ref() {
            return Ok(map.clone());
        }
        // A reader creates nothing: a file that is gone is an error, and so is one of another length.
        let file = File::open(&self.path)?;
        if file.len()? != file_bytes as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let made = map_random(&file, file_bytes, file_bytes)?.map().clone();
        *map = Some(made.clone());
        Ok(made)
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
