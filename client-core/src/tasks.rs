//! Tasks that belong to an object, and the signal that tells them to end.
//!
//! Whoever spawns through [`Tasks`] can be sure that nothing of it outlives [`Tasks::stop_and_join`] by more than the
//! deadline given: what has not ended by then is aborted. Dropping [`Tasks`] aborts everything at once.
use parking_lot::Mutex;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{timeout_at, Instant};

/// The tasks of one object.
#[derive(Debug)]
pub(crate) struct Tasks {
    set: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { set: Mutex::default(), stop: watch::channel(false).0 }
    }
}

impl Tasks {
    /// Runs `task` on the current runtime. After [`Self::stop`] nothing is started any more.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut set = self.set.lock();
        while set.try_join_next().is_some() {}
        if !self.is_stopped() {
            set.spawn(task);
        }
    }

    /// A future that is ready once the tasks are told to end. It borrows nothing.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the owner is gone, which is a stop too.
            let _ = stop.wait_for(|stopped| *stopped).await;
        }
    }

    /// True once the tasks were told to end.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Tells the tasks to end. Safe to repeat.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Tells the tasks to end and lets go of them: they end when they like.
    pub(crate) fn detach(&self) {
        self.stop();
        std::mem::take(&mut *self.set.lock()).detach_all();
    }

    /// Tells the tasks to end, waits for them for at most `limit`, and aborts the rest.
    pub(crate) async fn stop_and_join(&self, limit: Duration) {
        self.stop();
        let mut set = std::mem::take(&mut *self.set.lock());
        let deadline = Instant::now() + limit;
        while let Ok(Some(_)) = timeout_at(deadline, set.join_next()).await {}
        set.abort_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::Arc;

    /// A task that listens ends by itself, one that does not is aborted at the deadline, and none starts afterwards.
    #[tokio::test]
    async fn tasks_end() {
        let limit = Duration::from_millis(50);
        let tasks = Tasks::default();
        let ended = Arc::new(AtomicBool::new(false));
        let (stopped, flag) = (tasks.stopped(), ended.clone());
        tasks.spawn(async move {
            stopped.await;
            flag.store(true, Ordering::Release);
        });
        tasks.spawn(std::future::pending());
        let before = Instant::now();
        tasks.stop_and_join(limit).await;
        assert!(ended.load(Ordering::Acquire));
        assert!(before.elapsed() >= limit);
        tasks.spawn(async { panic!("started after the stop") });
        assert!(tasks.set.lock().is_empty());
    }
}
