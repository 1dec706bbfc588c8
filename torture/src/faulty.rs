//! A disk that refuses: full, broken, read-only, short of breath. What it does can be changed while the store runs.
use crate::pressure::Fill;
use crate::random::Random;
use ferromq_store::faults::{Effect, Faults, Verdict};
use parking_lot::Mutex;
use std::io;
use std::path::Path;

/// "No space left on device", "input/output error" and "read-only file system", as Linux numbers them.
const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EROFS: i32 = 30;

/// What is wrong with the disk: each effect of a kind fails once in so many times; 0 never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Illness {
    /// Nothing can grow.
    pub no_space: usize,
    /// Reads fail.
    pub read: usize,
    /// Reads and writes do a part only.
    pub short: usize,
    /// What is forced to the disk is not.
    pub sync: usize,
    /// Writes of small files fail, and their renames.
    pub write: usize,
    /// Nothing can be changed.
    pub read_only: bool,
}

/// The disk.
pub struct FaultyDisk {
    /// How full it says it is.
    pub fill: Fill,
    illness: Mutex<Illness>,
    random: Mutex<Random>,
}

impl FaultyDisk {
    /// A disk that is well.
    pub fn new(random: Random) -> FaultyDisk {
        FaultyDisk { fill: Fill::default(), illness: Mutex::default(), random: Mutex::new(random) }
    }

    /// From now on it has this illness.
    pub fn fall_ill(&self, illness: Illness) {
        *self.illness.lock() = illness;
    }
}

impl Faults for FaultyDisk {
    fn before(&self, _path: &Path, effect: Effect<'_>) -> Verdict {
        let (ill, mut random) = (*self.illness.lock(), self.random.lock());
        let mut hit = |n: usize| n > 0 && random.one_in(n);
        let fail = |errno| Verdict::Fail(io::Error::from_raw_os_error(errno));
        match effect {
            Effect::Read { len, .. } if hit(ill.short) => Verdict::Short(1 + len / 2),
            Effect::Open | Effect::List | Effect::Read { .. } => match hit(ill.read) {
                true => fail(EIO),
                false => Verdict::Go,
            },
            _ if ill.read_only => fail(EROFS),
            Effect::Create | Effect::CreateDir | Effect::Resize(_) | Effect::Reserve { .. } if hit(ill.no_space) => {
                // Mostly it is full; a disk that breaks while it gives room says so.
                fail(if random.one_in(4) { EIO } else { ENOSPC })
            }
            Effect::Sync { .. } | Effect::SyncDir | Effect::WriteOut { .. } if hit(ill.sync) => fail(EIO),
            Effect::Write { len, .. } if hit(ill.short) => Verdict::Short(1 + len / 2),
            Effect::Write { .. } | Effect::Rename(_) | Effect::Remove | Effect::Zero { .. } if hit(ill.write) => {
                fail(EIO)
            }
            Effect::Sync { .. } | Effect::SyncDir => Verdict::Skip,
            _ => Verdict::Go,
        }
    }

    fn used_percent(&self, dir: &Path) -> Option<u8> {
        Some(self.fill.of(dir))
    }
}
