//! A flag that wakes one task: the cheapest "look at me again" from any thread to a connection's task.
//!
//! Setting a set flag costs one atomic swap. No wake-up is lost: the task registers before it looks at the flag, the
//! others set the flag before they look for the waker.
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

#[derive(Default)]
pub(crate) struct Signal {
    /// Set by anybody, taken by the task.
    raised: AtomicBool,
    /// Written by the task when its waker changes, read by whoever raises the flag.
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    /// Raises the flag and wakes the task, unless the flag is up already.
    pub(crate) fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            if let Some(waker) = self.waker.lock().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Registers the polling task and takes the flag.
    pub(crate) fn poll_take(&self, cx: &Context<'_>) -> bool {
        let mut waker = self.waker.lock();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        self.raised.swap(false, Ordering::SeqCst)
    }
}
