//! Rounds over a store in this process: power cuts, disks that refuse, bits that flip, clocks that step.
use crate::model::{options, shuffle_flush, Model, FOR_EVER, TOPICS};
use crate::power::PowerDisk;
use crate::pressure::{high_water, tide, Fill};
use crate::random::Random;
use crate::writers::{append, set_clock_right, Written};
use ferromq_store::faults::{self, Mounted};
use ferromq_store::{NoListener, Store, StoreOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lives of a store in one round.
const LIVES: usize = 8;
/// Batches of each thread in which the disk fills and empties at least.
const TIDAL_BATCHES: usize = 20;
/// Effects after which the power may be cut.
const EFFECTS: usize = 4000;

/// Where a round keeps its files: in memory if there is such a place, for nothing has to outlast the machine.
pub fn scratch() -> Result<tempfile::TempDir, String> {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.map_err(|error| format!("no temporary folder: {error}"))
}

/// One store through several lives, which end by power cuts, kills and clean stops.
struct Lives {
    folder: tempfile::TempDir,
    options: StoreOptions,
    fill: Arc<Fill>,
    disk: Arc<PowerDisk>,
    mounted: Option<Mounted>,
    model: Model,
    random: Random,
    images: usize,
}

/// Power is cut at any effect, again and again, between kills and clean stops, while old segments are deleted and while the disk fills up
/// and empties: nothing that was flushed is lost, everything between beginning and end of the log is there, and the store always opens.
pub fn power(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    set_clock_right();
    let folder = scratch()?;
    let home = folder.path().join("0");
    let options = options(&home, &mut random);
    let fill = Arc::default();
    let disk = new_disk(&home, &fill, &mut random)?;
    let mounted = Some(faults::mount(&home, disk.clone()));
    let mut lives = Lives { folder, options, fill, disk, mounted, model: Model::default(), random, images: 0 };
    for life in 0..LIVES {
        lives.live().map_err(|error| format!("life {life}: {error}"))?;
    }
    // At last without a cut.
    lives.disk.cut_in(None);
    if lives.disk.is_off() {
        lives.restore()?;
        lives.disk.cut_in(None);
    }
    let store = lives.open()?.ok_or("the store does not open although the power stays on")?;
    lives.model.check(&store, &mut lives.random, || true)?;
    store.shutdown().map_err(|error| error.to_string())
}

fn new_disk(home: &Path, fill: &Arc<Fill>, random: &mut Random) -> Result<Arc<PowerDisk>, String> {
    let cut_at = (!random.one_in(3)).then(|| 1 + random.spread(EFFECTS));
    let disk = PowerDisk::new(home, fill, cut_at, random.split());
    disk.map(Arc::new).map_err(|error| format!("cannot read {}: {error}", home.display()))
}

impl Lives {
    /// Opens the store; None when the power was cut meanwhile.
    fn open(&mut self) -> Result<Option<Arc<Store>>, String> {
        shuffle_flush(&mut self.options, &mut self.random);
        match Store::open(self.options.clone(), Arc::new(NoListener)) {
            Ok(store) => Ok(Some(store)),
            Err(_) if self.disk.is_off() => Ok(None),
            Err(error) => Err(format!("the store does not open: {error}")),
        }
    }

    /// Goes on with what a cut has left.
    fn restore(&mut self) -> Result<(), String> {
        self.images += 1;
        let home: PathBuf = self.folder.path().join(self.images.to_string());
        self.disk.leave(&home).map_err(|error| format!("cannot write {}: {error}", home.display()))?;
        self.mounted = None;
        let _ = std::fs::remove_dir_all(&self.options.root);
        self.options.root = home;
        self.disk = new_disk(&self.options.root, &self.fill, &mut self.random)?;
        self.mounted = Some(faults::mount(&self.options.root, self.disk.clone()));
        Ok(())
    }

    fn live(&mut self) -> Result<(), String> {
        let Some(store) = self.open()? else { return self.restore() };
        // What recovery found counts as flushed from now on, should a cut come.
        self.model.check(&store, &mut self.random, || !self.disk.is_off())?;
        self.model.durable = self.model.durable.max(store.flushed_offset());
        self.fill.calm();
        let begin = store.min_log_offset();
        let written = self.append(&store)?;
        self.model.add(&store, written.sent);
        self.model.durable = self.model.durable.max(written.durable);
        if !self.disk.is_off() {
            self.model.check_meanwhile(&store)?;
        }
        if self.options.cleaning && self.random.one_in(2) {
            high_water(&store, &self.fill, &mut self.random, || self.disk.is_off())?;
        }
        self.check_reasons(&store, begin, written.times_full)?;
        if self.random.one_in(4) && !self.disk.is_off() {
            self.delete_topic(&store)?;
        }
        if self.random.one_in(3) && store.flush().is_ok() {
            self.model.durable = self.model.durable.max(store.max_log_offset());
        }
        let end = self.random.below(3);
        let clean = end == 0 && store.shutdown().is_ok();
        if clean {
            self.model.durable = self.model.durable.max(store.max_log_offset());
        }
        store.abandon();
        self.model.durable = self.model.durable.max(store.flushed_offset());
        drop(store);
        if self.disk.is_off() || end == 1 || self.random.one_in(2) {
            return self.restore();
        }
        Ok(())
    }

    /// Appends; in some lives while the disk fills up and empties.
    fn append(&mut self, store: &Store) -> Result<Written, String> {
        let tidal = self.options.cleaning && self.random.one_in(2);
        // A tide takes its time, and has segments to take along.
        let batches = self.random.spread(120) + if tidal { TIDAL_BATCHES } else { 0 };
        let mut random = self.random.split();
        let mut work = || append(store, batches, false, &mut random);
        let written = if tidal { tide(store, &self.fill, &mut self.random, work)? } else { work() };
        match written.refusals.iter().find(|why| why.contains("watermark")) {
            Some(why) => Err(why.clone()),
            None => Ok(written),
        }
    }

    /// What a full disk is the reason for happened on one only.
    fn check_reasons(&self, store: &Store, begin: i64, times_full: usize) -> Result<(), String> {
        let retention = &self.options.retention;
        if times_full > 0 && !self.fill.was_above(retention.warning_percent) {
            return Err("appends were refused because of a full disk, and none was".to_owned());
        }
        let forced = retention.clean_forcibly && self.fill.was_above(retention.clean_forcibly_percent);
        let now = store.min_log_offset();
        if retention.reserved_hours == FOR_EVER && now != begin && !forced {
            return Err(format!("the log began at {begin} and begins at {now}, but nothing has expired"));
        }
        Ok(())
    }

    /// The last topic is deleted. With the power off nobody knows whether it was; then the round goes on without the topic's records.
    fn delete_topic(&mut self, store: &Store) -> Result<(), String> {
        let deleted = store.remove_topic(TOPICS[TOPICS.len() - 1]);
        match deleted {
            Ok(()) => self.model.deleted = store.max_log_offset(),
            Err(_) if self.disk.is_off() => self.model.forget_last_topic(),
            Err(error) => return Err(format!("a topic cannot be deleted: {error}")),
        }
        Ok(())
    }
}
