//! What the interop tests share: skipping with a reason, reading the lines of `Peer`, checking them.
#![allow(dead_code)] // each test file uses its part
use ferromq_interop::{missing_tools, Apache, Release};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// True when the machine lacks a JDK or Maven; says so in a line that `cargo xtask test` counts.
pub fn skipped(test: &str) -> bool {
    let Some(reason) = missing_tools() else { return false };
    // Not `println!`, which a test that passes keeps to itself.
    let _ = std::io::stdout().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes());
    true
}

/// Apache's name server and its broker `apache-a`, with everything they keep in `folder`.
pub async fn apache_pair(release: Release, folder: &Path) -> (Apache, Apache) {
    let path = folder.to_path_buf();
    let start = move || {
        let ns = Apache::name_server(release, &path).unwrap();
        let broker = Apache::broker(release, &path, &path.join("data"), "apache-a", &ns.address, "").unwrap();
        (ns, broker)
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

/// The words of a step of `Peer`.
pub fn step(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// One `SENT` or `GOT` line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub key: String,
    pub queue: i32,
    pub offset: i64,
    pub tag: String,
    pub reconsumed: i32,
    pub broker: String,
}

/// The events of all lines that begin with `prefix`.
pub fn events(lines: &[String], prefix: &str) -> Vec<Event> {
    lines.iter().filter_map(|l| event(l, prefix)).collect()
}

fn event(line: &str, prefix: &str) -> Option<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    match (*words.first()?, words.len()) {
        (w, 5) if w == prefix => Some(Event {
            key: words[1].into(),
            queue: words[2].parse().unwrap(),
            offset: words[3].parse().unwrap(),
            tag: String::new(),
            reconsumed: 0,
            broker: words[4].into(),
        }),
        (w, 7) if w == prefix => Some(Event {
            key: words[1].into(),
            queue: words[2].parse().unwrap(),
            offset: words[3].parse().unwrap(),
            tag: words[4].into(),
            reconsumed: words[5].parse().unwrap(),
            broker: words[6].into(),
        }),
        _ => None,
    }
}

/// Keys without repetition.
pub fn keys(events: &[Event]) -> BTreeSet<String> {
    events.iter().map(|e| e.key.clone()).collect()
}

/// Where every message is: key, queue, offset.
pub fn places(events: &[Event]) -> BTreeSet<(String, i32, i64)> {
    events.iter().map(|e| (e.key.clone(), e.queue, e.offset)).collect()
}

/// Every queue's events came in the order of their offsets, each once.
pub fn assert_in_order(events: &[Event]) {
    let mut last: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for e in events {
        if let Some(before) = last.insert((e.broker.clone(), e.queue), e.offset) {
            assert!(before < e.offset, "queue {} of {}: {before} before {}", e.queue, e.broker, e.offset);
        }
    }
}

/// Every queue's offsets are 0, 1, 2 ... without gap or double.
pub fn assert_gapless(events: &[Event]) {
    let mut queues: BTreeMap<(String, i32), BTreeSet<i64>> = BTreeMap::new();
    for e in events {
        assert!(queues.entry((e.broker.clone(), e.queue)).or_default().insert(e.offset), "twice: {e:?}");
    }
    for (queue, offsets) in queues {
        assert_eq!(offsets.last().copied(), Some(offsets.len() as i64 - 1), "gap in {queue:?}");
    }
}

/// What a consumer of ours has taken, shared with its listener.
#[derive(Clone)]
pub struct Collected(std::sync::Arc<Inner>);

struct Inner {
    fail_first: bool,
    state: std::sync::Mutex<(BTreeSet<String>, Vec<Event>, BTreeSet<String>)>,
    changed: tokio::sync::Notify,
}

impl Collected {
    /// `fail_first`: every message is refused once.
    pub fn new(fail_first: bool) -> Collected {
        Collected(std::sync::Arc::new(Inner { fail_first, state: Default::default(), changed: Default::default() }))
    }

    /// Takes a message; false when it has to come again. The body must be the one that belongs to the key.
    pub fn take(&self, m: &ferromq::MessageExt) -> bool {
        let key = m.keys().unwrap().to_string();
        assert!(m.body().starts_with(format!("body of {key}").as_bytes()), "the body of {key}");
        let mut state = self.0.state.lock().unwrap();
        if self.0.fail_first && state.0.insert(key.clone()) {
            return false;
        }
        state.1.push(Event {
            key: key.clone(),
            queue: m.queue_id(),
            offset: m.queue_offset(),
            tag: m.tag().unwrap_or_default().to_string(),
            reconsumed: m.reconsume_times(),
            broker: m.broker_name().to_string(),
        });
        state.2.insert(key);
        self.0.changed.notify_waiters();
        true
    }

    /// Distinct keys so far.
    pub fn count(&self) -> usize {
        self.0.state.lock().unwrap().2.len()
    }

    /// Everything taken, in order.
    pub fn events(&self) -> Vec<Event> {
        self.0.state.lock().unwrap().1.clone()
    }

    /// Waits until `count` distinct keys are there.
    pub async fn wait_for(&self, count: usize) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(90);
        while self.count() < count {
            let changed = self.0.changed.notified();
            if self.count() >= count {
                break;
            }
            let waited = tokio::time::timeout_at(deadline, changed).await;
            assert!(waited.is_ok(), "{} of {count} messages came", self.count());
        }
    }
}

/// Repeats an operation until it succeeds: a server that has just started may not be registered yet.
pub async fn until_ok<T, E: std::fmt::Display, F: std::future::Future<Output = Result<T, E>>>(
    operation: impl Fn() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match operation().await {
            Ok(value) => return value,
            Err(e) => assert!(tokio::time::Instant::now() < deadline, "{e}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
