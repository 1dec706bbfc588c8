//! Log records on their way to the loggers of TypeScript.
//!
//! The ring of records is one per process, environments (the main thread, workers) are many: each gives a wake-up, and the
//! first that is still there is called. It drains for all.
//!
//! Threads and locks: `WAKES` is held to add, and to call; calls do not block.
use crate::wake::Wake;
use ferromq_bridge::log::{drain, install, set_level, Record};
use napi::bindgen_prelude::Function;
use napi::Result;
use napi_derive::napi;
use parking_lot::Mutex;
use std::time::UNIX_EPOCH;
use tracing::Level;

static WAKES: Mutex<Vec<Wake>> = Mutex::new(Vec::new());

/// One record.
#[napi(object, object_from_js = false)]
pub struct NativeRecord {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Which part of the library says it.
    pub target: String,
    /// The text.
    pub message: String,
    /// Milliseconds since 1970.
    pub time: f64,
}

/// Records since the last time.
#[napi(object, object_from_js = false)]
pub struct DrainedLog {
    /// In their order.
    pub records: Vec<NativeRecord>,
    /// How many were thrown away meanwhile.
    pub dropped: f64,
}

/// From now on `wake` is called when there are records.
#[napi]
pub fn gather_log(wake: Function<'_, (), ()>) -> Result<()> {
    let mut wakes = WAKES.lock();
    wakes.push(Wake::new(wake)?);
    if wakes.len() == 1 {
        drop(wakes);
        install(Some(Box::new(|| WAKES.lock().retain_first())));
    }
    Ok(())
}

trait Callable {
    fn retain_first(&mut self);
}

impl Callable for Vec<Wake> {
    /// Calls the first that is there and forgets those before it.
    fn retain_first(&mut self) {
        while let Some(first) = self.first() {
            if first.call() {
                return;
            }
            self.remove(0);
        }
    }
}

/// The least bad level that is gathered; anything unknown gathers nothing.
#[napi]
pub fn set_log_level(level: String) {
    set_level(level.parse::<Level>().ok());
}

/// What was gathered.
#[napi]
pub fn drain_log() -> DrainedLog {
    let (records, dropped) = drain();
    DrainedLog { records: records.into_iter().map(NativeRecord::from).collect(), dropped: dropped as f64 }
}

impl From<Record> for NativeRecord {
    fn from(record: Record) -> Self {
        let time = record.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64;
        let level = record.level.as_str().to_lowercase();
        Self { level, target: record.target.to_owned(), message: record.message, time }
    }
}
