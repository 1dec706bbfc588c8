//! What the interop tests share: skipping with a reason, reading the lines of `Peer`, checking them.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each program uses its part")]
use ferromq_interop::{missing_tools, Apache, HeaderCodec, Java, JavaError, PeerOptions, Process, Release};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// True when the machine lacks a JDK or Maven; says so in a line that `cargo xtask test` counts.
pub fn skipped(test: &str) -> bool {
    let Some(reason) = missing_tools() else { return false };
    say_skipped(test, &reason);
    true
}

/// Says that a test is skipped.
pub fn say_skipped(test: &str, reason: &str) {
    // Not `println!`, which a test that passes keeps to itself.
    let _ = std::io::stdout().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes());
}

/// A test that runs always (`Gate`), or only with `cargo xtask test --full` (`Full`): what repeats others with another release or codec.
/// Tests of the second kind are ignored ones, so that nobody counts them who did not run them.
#[allow(unused_macros)] // as above
macro_rules! when {
    (Gate $test:item) => {
        $test
    };
    (Full $test:item) => {
        #[ignore = "with --full"]
        $test
    };
}

/// Tests of one scenario, an async function: name, arguments, when.
#[allow(unused_macros)] // as above
macro_rules! cases {
    ($scenario:ident: $($name:ident ($($argument:expr),*) $when:ident,)*) => { $(
        when! { $when
            #[doc = concat!("The scenario `", stringify!($scenario), "` in this case.")]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if !crate::support::skipped(stringify!($name)) {
                    $scenario($($argument),*).await;
                }
            }
        }
    )* };
}

/// Those whose arguments are a release and a codec.
#[allow(unused_macros)] // as above
macro_rules! with_clients {
    ($scenario:ident: $($name:ident $release:ident $codec:ident $when:ident,)*) => {
        cases! { $scenario: $($name (Release::$release, HeaderCodec::$codec) $when,)* }
    };
}

/// Apache's name server and a broker of this name with settings of its own, with everything they keep in `folder`.
pub fn apache(release: Release, folder: &Path, name: &str, settings: &str) -> (Apache, Apache) {
    let namesrv = Apache::name_server(release, folder).unwrap();
    let broker = Apache::broker(release, folder, &folder.join("data"), name, &namesrv.address, settings).unwrap();
    (namesrv, broker)
}

/// The same with the broker `apache-a`, for a scenario that is a task.
pub async fn apache_pair(release: Release, folder: &Path) -> (Apache, Apache) {
    let folder = folder.to_path_buf();
    tokio::task::spawn_blocking(move || apache(release, &folder, "apache-a", "")).await.unwrap()
}

/// The `ferromq` program, built.
pub fn our_binary() -> PathBuf {
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "ferromq-cli"]).status().unwrap();
    assert!(built.success(), "ferromq-cli does not build");
    // The test lies in `<target>/<profile>/deps/`.
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("ferromq")
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
    /// Milliseconds from its birth to its being stored where it was got.
    pub waited: i64,
}

/// The events of all lines that begin with `prefix`, which is `SENT`, `GOT`, or one of these behind an agent's name.
pub fn events(lines: &[String], prefix: &str) -> Vec<Event> {
    lines.iter().filter_map(|l| event(l, prefix)).collect()
}

fn event(line: &str, prefix: &str) -> Option<Event> {
    let words: Vec<&str> = line.strip_prefix(prefix)?.strip_prefix(' ')?.split(' ').collect();
    let event = |broker: &str| Event {
        key: words[0].into(),
        queue: words[1].parse().unwrap(),
        offset: words[2].parse().unwrap(),
        tag: String::new(),
        reconsumed: 0,
        broker: broker.into(),
        waited: 0,
    };
    match words.len() {
        4 => Some(event(words[3])),
        7 => Some(Event {
            tag: words[3].into(),
            reconsumed: words[4].parse().unwrap(),
            waited: words[6].parse().unwrap(),
            ..event(words[5])
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

/// Every queue's first deliveries came in the order of their offsets: what comes again does not count.
pub fn assert_first_deliveries_in_order(all: &[Event]) {
    let mut seen = BTreeSet::new();
    let first: Vec<Event> = all.iter().filter(|e| seen.insert((e.queue, e.offset))).cloned().collect();
    assert_in_order(&first);
}

/// How often each key came.
pub fn times(events: &[Event]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    events.iter().for_each(|e| *times.entry(e.key.clone()).or_default() += 1);
    times
}

/// Official clients that do what they are told (see Agent.java). Waits block the thread: the servers have others.
pub struct Clients(pub Process);

impl Clients {
    pub fn java(release: Release, codec: HeaderCodec, namesrv: &str) -> Clients {
        Clients(Java::agent(PeerOptions::new(release, codec), namesrv).unwrap())
    }

    /// Begins something; what is told to other names goes on beside it.
    pub fn begin(&mut self, line: &str) {
        self.0.tell(line).unwrap();
    }

    /// Does something, and returns when all that this name was told is done.
    pub fn run(&mut self, line: &str) {
        let done = format!("{} DONE", line.split(' ').nth(1).unwrap());
        // Lines that nobody has read yet may be of what was told before.
        self.0.drain();
        let before = self.0.with(&done).len();
        self.begin(line);
        self.0.wait_count(&done, before + 1).unwrap();
    }

    /// What mqadmin prints.
    pub fn admin(&mut self, command: &str) -> Vec<String> {
        let from = self.0.seen.len();
        self.run(&format!("admin tool {command}"));
        self.0.seen[from..].iter().filter_map(|line| line.strip_prefix("tool SAYS ")).map(str::to_owned).collect()
    }

    pub fn events(&self, prefix: &str) -> Vec<Event> {
        events(&self.0.seen, prefix)
    }

    /// Waits until these keys have come, each at least so often.
    pub fn wait_for(&mut self, prefix: &str, wanted: &BTreeSet<String>, often: usize) -> Vec<Event> {
        let complete = |came: &[Event]| {
            let times = times(came);
            wanted.iter().all(|key| times.get(key).is_some_and(|n| *n >= often))
        };
        if !complete(&self.events(prefix)) {
            let what = format!("{} messages, {often} times, as {prefix}", wanted.len());
            let waited: Result<String, JavaError> = self.0.wait_until(&what, |_, seen| complete(&events(seen, prefix)));
            waited.unwrap();
        }
        self.events(prefix)
    }

    /// Ends the process; nothing may have gone wrong.
    pub fn finish(self) -> Vec<String> {
        self.0.finish().unwrap()
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
            waited: m.store_timestamp() - m.born_timestamp(),
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
