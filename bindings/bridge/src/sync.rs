//! The lock and the condition variable of [`crate::EventQueue`] and [`crate::Ready`]: parking_lot's, or with `cfg(loom)`, in the package
//! `models`, those of the model checker, behind one interface.
use std::time::{Duration, Instant};

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use parking_lot as imp;

pub(crate) type Guard<'a, T> = imp::MutexGuard<'a, T>;

/// A lock that is not poisoned.
#[derive(Debug)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    #[cfg(not(loom))]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock()
    }

    #[cfg(loom)]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A condition variable.
#[derive(Debug)]
pub(crate) struct Condvar(imp::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(imp::Condvar::new())
    }

    /// Waits for a notification, for at most `limit`; a model has no time and waits until it is notified.
    #[cfg(not(loom))]
    fn wait_for<'a, T>(&self, mut guard: Guard<'a, T>, limit: Duration) -> Guard<'a, T> {
        let _ = self.0.wait_for(&mut guard, limit);
        guard
    }

    #[cfg(loom)]
    fn wait_for<'a, T>(&self, guard: Guard<'a, T>, _limit: Duration) -> Guard<'a, T> {
        self.0.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits, for at most `limit`, until `done` says so of what is guarded; it is asked first, and after every notification.
    pub(crate) fn wait_until<'a, T>(
        &self,
        mut guard: Guard<'a, T>,
        limit: Duration,
        mut done: impl FnMut(&mut T) -> bool,
    ) -> Guard<'a, T> {
        let deadline = Instant::now().checked_add(limit);
        while !done(&mut guard) {
            let left = deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            guard = self.wait_for(guard, left);
        }
        guard
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
