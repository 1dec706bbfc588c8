//! What changed and has to be written to disk or told to the name servers.
//!
//! Managers report changes here and go on; the persist thread and the registration task pick them up. Reports of one kind
//! that come faster than they are handled are handled as one.
//!
//! Locks: one short mutex, never held while anything else is locked.
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A file of the `config` directory that is written on every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// `topics.json`.
    Topics,
    /// `subscriptionGroup.json`.
    Groups,
    /// `messageRequestMode.json`.
    RequestModes,
}

impl File {
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// What the name servers have to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteChange {
    /// These topics were created or changed.
    Topics(Vec<String>),
    /// Everything (the permission of the broker changed, or a topic is gone).
    All,
}

#[derive(Default)]
struct Pending {
    files: BTreeSet<File>,
    topics: BTreeSet<String>,
    all: bool,
    stopped: bool,
}

/// Reported changes.
#[derive(Default)]
pub struct Changes {
    pending: Mutex<Pending>,
    files_changed: Condvar,
    routes_changed: Notify,
}

impl Changes {
    /// Nothing changed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The content of a file changed.
    pub fn file(&self, file: File) {
        self.pending.lock().files.insert(file);
        self.files_changed.notify_all();
    }

    /// The file is about to be written with all changes so far.
    pub fn written(&self, file: File) {
        self.pending.lock().files.remove(&file);
    }

    /// A topic was created or changed.
    pub fn topic(&self, topic: &str) {
        self.pending.lock().topics.insert(topic.to_owned());
        self.routes_changed.notify_one();
    }

    /// Everything has to be registered again.
    pub fn all_topics(&self) {
        self.pending.lock().all = true;
        self.routes_changed.notify_one();
    }

    /// Waits for changed files, until `deadline` at most; `None` after [`stop`](Self::stop).
    pub fn wait_for_files(&self, deadline: Instant) -> Option<BTreeSet<File>> {
        let mut pending = self.pending.lock();
        while pending.files.is_empty() && !pending.stopped {
            if self.files_changed.wait_until(&mut pending, deadline).timed_out() {
                break;
            }
        }
        let files = std::mem::take(&mut pending.files);
        (!pending.stopped || !files.is_empty()).then_some(files)
    }

    /// Lets changes gather for so long; ends early after [`stop`](Self::stop).
    pub fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut pending = self.pending.lock();
        while !pending.stopped && !self.files_changed.wait_until(&mut pending, until).timed_out() {}
    }

    /// Waits for something the name servers have to be told.
    pub async fn wait_for_routes(&self) -> RouteChange {
        loop {
            let notified = self.routes_changed.notified();
            if let Some(change) = self.take_routes() {
                return change;
            }
            notified.await;
        }
    }

    fn take_routes(&self) -> Option<RouteChange> {
        let mut pending = self.pending.lock();
        let topics = std::mem::take(&mut pending.topics);
        match (std::mem::take(&mut pending.all), topics.is_empty()) {
            (true, _) => Some(RouteChange::All),
            (false, false) => Some(RouteChange::Topics(topics.into_iter().collect())),
            (false, true) => None,
        }
    }

    /// Forgets what the name servers would have been told: everything is about to be registered.
    pub fn forget_routes(&self) {
        self.take_routes();
    }

    /// Ends the waiting for files; what is pending is forgotten, too.
    pub fn abandon(&self) {
        let mut pending = self.pending.lock();
        pending.files.clear();
        pending.stopped = true;
        self.files_changed.notify_all();
    }

    /// Ends the waiting for files.
    pub fn stop(&self) {
        self.pending.lock().stopped = true;
        self.files_changed.notify_all();
    }

    /// A deadline far enough away to mean "no deadline".
    pub fn no_deadline() -> Instant {
        Instant::now() + Duration::from_secs(24 * 3600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_collected_until_someone_asks() {
        let changes = Changes::new();
        changes.file(File::Groups);
        changes.file(File::Topics);
        changes.file(File::Groups);
        let files = changes.wait_for_files(Changes::no_deadline()).expect("not stopped");
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [File::Topics, File::Groups]);
        changes.topic("b");
        changes.topic("a");
        assert_eq!(changes.take_routes(), Some(RouteChange::Topics(vec!["a".into(), "b".into()])));
        changes.topic("a");
        changes.all_topics();
        assert_eq!(changes.take_routes(), Some(RouteChange::All));
        assert_eq!(changes.take_routes(), None);
        changes.stop();
        assert_eq!(changes.wait_for_files(Changes::no_deadline()), None);
    }
}
