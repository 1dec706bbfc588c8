//! The `config/*.json` files (store.md 6): topics and groups on every change, consumer offsets, the delay progress and
//! filter data periodically, all of them at shutdown.
//!
//! One thread, `broker-persist`, writes; administration writes the file it changed itself before it answers. [`Files`]
//! serialises the writers, so that an older content never replaces a newer one, and lets one write serve all that wait for it:
//! these files are written whole, and thousands of topics may be created at once.
use super::changes::File;
use super::clock::now_ms;
use super::{attributes, topics, Service};
use crate::config::BrokerConfig;
use ferromq_protocol::body::TopicConfigTable;
use ferromq_store::config_file::{self, ConfigFileError};
use parking_lot::{Mutex, MutexGuard};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

impl File {
    fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics.json",
            Self::Groups => "subscriptionGroup.json",
            Self::RequestModes => "messageRequestMode.json",
        }
    }
}

const CONSUMER_OFFSETS: &str = "consumerOffset.json";
const DELAY_OFFSETS: &str = "delayOffset.json";
const CONSUMER_FILTERS: &str = "consumerFilter.json";

/// After writing files that change the thread rests for so many times as long as it took, but not longer than this, so that a
/// stream of changes takes a fifth of it at most. A single change is written at once.
const REST_TIMES: u32 = 4;
const REST_MAX: Duration = Duration::from_secs(1);

/// Time between two looks at the filter data (broker.md 2.4).
const FILTERS_PERIOD: Duration = Duration::from_secs(10);

/// Who may write a file of the `config` directory, and which writes of the files that change need not be done any more.
#[derive(Debug, Default)]
pub struct Files {
    /// For each [`File`] the number of the last write that began. Stored under `written`, before the content is taken.
    begun: [AtomicU64; File::COUNT],
    /// For each [`File`] the number of the last write that succeeded. Held while a file is written.
    written: Mutex<[u64; File::COUNT]>,
}

impl Files {
    fn lock(&self) -> MutexGuard<'_, [u64; File::COUNT]> {
        self.written.lock()
    }

    /// Writes a file, unless that was done meanwhile by somebody who began after this call, and so with all changes before it.
    fn write<E>(&self, file: File, write: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let at = file as usize;
        let before = self.begun[at].load(Ordering::SeqCst);
        let mut written = self.lock();
        if written[at] > before {
            return Ok(());
        }
        // Only one at a time is here.
        let number = self.begun[at].fetch_add(1, Ordering::SeqCst) + 1;
        write()?;
        written[at] = number;
        Ok(())
    }
}

fn path(service: &Service, name: &str) -> PathBuf {
    service.config().config_dir().join(name)
}

/// Topics of type BatchCQ, for opening the store, which comes before everything else; changes nothing. [`load`] says what cannot be
/// read.
pub fn batch_topics(config: &BrokerConfig) -> Vec<String> {
    let name = File::Topics.name();
    let read = |name: &str| {
        let bytes = std::fs::read(config.config_dir().join(name)).ok()?;
        TopicConfigTable::decode(&bytes).ok()
    };
    let table = read(name).or_else(|| read(&format!("{name}.bak"))).unwrap_or_default();
    let batch = table.topic_config_table.into_iter().filter(|(_, topic)| attributes::is_batch(&topic.attributes));
    batch.map(|(topic, _)| topic).collect()
}

/// Reads all files into the managers. A file that cannot be read falls back to its `.bak`; an unreadable one stops the start.
pub fn load(service: &Service) -> Result<(), ConfigFileError> {
    config_file::load_with(&path(service, File::Topics.name()), |json| service.topics.load(json))?;
    config_file::load_with(&path(service, File::Groups.name()), |json| service.groups.load(json))?;
    config_file::load_with(&path(service, File::RequestModes.name()), |json| service.request_modes.load(json))?;
    config_file::load_with(&path(service, CONSUMER_OFFSETS), |json| service.offsets.load(json))?;
    config_file::load_with(&path(service, DELAY_OFFSETS), |json| service.delay.load(json))?;
    config_file::load_with(&path(service, CONSUMER_FILTERS), |json| service.filters.load(json, now_ms()))?;
    Ok(())
}

/// Writes one file; when this returns, all that was changed before is on the disk.
pub fn save(service: &Service, file: File) -> Result<(), ConfigFileError> {
    service.files.write(file, || {
        // What changes from here on is reported anew.
        service.changes.written(file);
        let content = match file {
            File::Topics => {
                let (configs, version) = service.topics.all();
                topics::table_of(&configs, version).encode_pretty()
            }
            File::Groups => service.groups.all().encode_pretty(),
            File::RequestModes => service.request_modes.table().encode_pretty(),
        };
        config_file::save(&path(service, file.name()), &content)
    })
}

/// Writes the consumer offsets if they changed.
pub fn save_offsets(service: &Service) -> Result<(), ConfigFileError> {
    if !service.offsets.take_dirty() {
        return Ok(());
    }
    let _one_writer = service.files.lock();
    config_file::save(&path(service, CONSUMER_OFFSETS), &service.offsets.to_file())
}

/// Writes the progress of the delay service if it changed. The delivered messages are forced to disk before: progress that
/// outlives them in a power failure would lose them.
pub fn save_delay(service: &Service) -> Result<(), ConfigFileError> {
    if !service.delay.take_dirty() {
        return Ok(());
    }
    let _one_writer = service.files.lock();
    let table = service.delay.table();
    if let Err(error) = service.store.flush() {
        tracing::error!(%error, "delivered messages could not be flushed; their progress is not written");
        return Ok(());
    }
    config_file::save(&path(service, DELAY_OFFSETS), &table.encode_pretty())
}

/// Drops filter data of consumers that are long gone, and writes the rest if it changed.
pub fn save_filters(service: &Service) -> Result<(), ConfigFileError> {
    service.filters.clean(now_ms(), service.config().filter_data_clean_time_span);
    if !service.filters.take_dirty() {
        return Ok(());
    }
    let _one_writer = service.files.lock();
    config_file::save(&path(service, CONSUMER_FILTERS), &service.filters.to_file())
}

/// The thread: writes until [`Changes::stop`](super::changes::Changes::stop), and then everything once more.
pub fn run(service: &Service) {
    let config = service.config();
    let offsets_period = Duration::from_millis(u64::from(config.flush_consumer_offset_interval.unsigned_abs()));
    let delay_period = Duration::from_millis(config.flush_delay_offset_interval.unsigned_abs());
    let mut offsets_due = Instant::now() + offsets_period;
    let mut delay_due = Instant::now() + delay_period;
    let mut filters_due = Instant::now() + FILTERS_PERIOD;
    while let Some(files) = service.changes.wait_for_files(offsets_due.min(delay_due).min(filters_due)) {
        let began = Instant::now();
        if !files.is_empty() {
            files.into_iter().for_each(|file| complain(save(service, file)));
            service.changes.rest((began.elapsed() * REST_TIMES).min(REST_MAX));
        }
        let now = Instant::now();
        if now >= offsets_due {
            complain(save_offsets(service));
            offsets_due = now + offsets_period;
        }
        if now >= delay_due {
            complain(save_delay(service));
            delay_due = now + delay_period;
        }
        if now >= filters_due {
            complain(save_filters(service));
            filters_due = now + FILTERS_PERIOD;
        }
    }
}

/// Writes everything (shutdown).
pub fn save_all(service: &Service) {
    complain(save(service, File::Topics));
    complain(save(service, File::Groups));
    complain(save_offsets(service));
    complain(save_delay(service));
    complain(save_filters(service));
}

/// What cannot be written now is in memory still, and written with the next change.
fn complain(result: Result<(), ConfigFileError>) {
    if let Err(error) = result {
        tracing::error!(%error, "configuration not saved");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    // A write that began after a change serves everybody who waits with it; one that began before does not, nor one that failed.
    #[test]
    fn one_write_serves_all_that_wait() {
        let (files, count) = (Files::default(), AtomicU64::new(0));
        let write = || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<(), Infallible>(())
        };
        files.write(File::Topics, write).unwrap();
        files.write(File::Topics, write).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2, "nobody waited");
        assert_eq!(files.write(File::Groups, || Err("no room")), Err("no room"));
        files.write(File::Groups, write).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 3, "a write that failed serves nobody");

        let (value, content) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mine = value.fetch_add(1, Ordering::SeqCst) + 1;
                        let write = || {
                            content.store(value.load(Ordering::SeqCst), Ordering::SeqCst);
                            write()
                        };
                        files.write(File::Topics, write).unwrap();
                        assert!(content.load(Ordering::SeqCst) >= mine, "a change is not in the file");
                    }
                });
            }
        });
    }
}
