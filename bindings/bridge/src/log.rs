//! Log records on their way into the language: a bounded ring, filled by `tracing`, drained by the binding.
//!
//! Whoever drains an event queue looks here too ([`pending`]); the first record in an empty ring calls the hook that the
//! binding has set. A full ring throws the oldest away and counts them: logging never blocks and never grows.
//!
//! Threads and locks: one lock, held to push and to take.
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Level, Metadata, Subscriber};

/// Records kept until they are drained.
const RING_MAX: usize = 1024;

/// One log record.
#[derive(Debug, Clone)]
pub struct Record {
    /// How bad it is.
    pub level: Level,
    /// Which part of the library says it, like `ferromq::consumer::push`.
    pub target: &'static str,
    /// The text, fields included.
    pub message: String,
    /// When.
    pub time: SystemTime,
}

/// Called, on any thread, when the ring stops being empty. It must not block and not log.
pub type Hook = Box<dyn Fn() + Send + Sync>;

struct Ring {
    records: VecDeque<Record>,
    dropped: u64,
    hook: Option<Hook>,
}

static RING: Mutex<Ring> = Mutex::new(Ring { records: VecDeque::new(), dropped: 0, hook: None });
static PENDING: AtomicBool = AtomicBool::new(false);
/// 0 is off, 1 error, up to 5 trace.
static LEVEL: AtomicUsize = AtomicUsize::new(2);

/// Starts gathering, unless the program has a `tracing` subscriber already, and sets the hook.
pub fn install(hook: Option<Hook>) {
    RING.lock().hook = hook;
    // An error means that somebody else gathers what we log.
    let _ = tracing::subscriber::set_global_default(Gatherer);
}

/// The least bad level that is gathered; `None` gathers nothing. At first: warnings.
pub fn set_level(level: Option<Level>) {
    let number = level.map_or(0, number);
    LEVEL.store(number, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// True when there is something to drain. Costs nothing.
pub fn pending() -> bool {
    PENDING.load(Ordering::Relaxed)
}

/// Everything gathered since the last time, and how many records were thrown away meanwhile.
pub fn drain() -> (Vec<Record>, u64) {
    let mut ring = RING.lock();
    PENDING.store(false, Ordering::Relaxed);
    (ring.records.drain(..).collect(), std::mem::take(&mut ring.dropped))
}

fn number(level: Level) -> usize {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        _ => 5,
    }
}

fn push(record: Record) {
    let mut ring = RING.lock();
    if ring.records.len() >= RING_MAX {
        ring.records.pop_front();
        ring.dropped += 1;
    }
    let first = ring.records.is_empty();
    ring.records.push_back(record);
    PENDING.store(true, Ordering::Relaxed);
    if first {
        if let Some(hook) = &ring.hook {
            hook();
        }
    }
}

struct Gatherer;

impl Subscriber for Gatherer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ferromq") && number(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    /// Spans are not gathered; the library has none.
    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let Text { message, fields } = text;
        let metadata = event.metadata();
        let message = message + &fields;
        push(Record { level: *metadata.level(), target: metadata.target(), message, time: SystemTime::now() });
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The message, and behind it the fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of our library come out with their fields, the hook is called once, a full ring counts what it lost, and the
    /// level filters.
    #[test]
    fn ring() {
        static CALLED: AtomicUsize = AtomicUsize::new(0);
        let hook = || {
            CALLED.fetch_add(1, Ordering::Relaxed);
        };
        install(Some(Box::new(hook)));
        tracing::warn!(target: "ferromq::test", topic = "T", count = 3, "something");
        tracing::warn!(target: "other", "not ours");
        tracing::info!(target: "ferromq::test", "not bad enough");
        assert!(pending());
        let (records, dropped) = drain();
        let texts: Vec<&str> = records.iter().map(|record| record.message.as_str()).collect();
        assert_eq!((texts, dropped, CALLED.load(Ordering::Relaxed)), (vec!["something topic=T count=3"], 0, 1));
        for _ in 0..RING_MAX + 5 {
            tracing::error!(target: "ferromq::test", "again");
        }
        let (records, dropped) = drain();
        assert_eq!((records.len(), dropped, pending()), (RING_MAX, 5, false));
        set_level(None);
        tracing::error!(target: "ferromq::test", "off");
        assert!(!pending());
    }
}
