//! Takers that wait for messages: a flag that says "there may be some", handed from one taker to the next.
//!
//! The source (a consumer's line) calls [`Ready::set`] when it stops being empty; a taker that found messages and left some
//! sets it again. One taker wakes per set, so fast listeners need one thread and slow ones get all.
//!
//! Invariant: a set is never lost. It wakes a taker that waits, or stays until one asks. Checked with loom below.
use crate::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub struct Ready {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    set: bool,
    closed: bool,
}

impl Default for Ready {
    fn default() -> Self {
        Self { state: Mutex::new(State::default()), changed: Condvar::new() }
    }
}

impl Ready {
    /// There is, or may be, something to take.
    pub fn set(&self) {
        self.state.lock().set = true;
        self.changed.notify_one();
    }

    /// Nothing will come any more: all takers go on.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// True once closed.
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Calls `take` (which tells what it found and whether it left more) until it finds something; between, waits to be
    /// set. `None` when the time is over, or the end has come and nothing is left.
    pub fn take<T>(&self, limit: Duration, mut take: impl FnMut() -> (Option<T>, bool)) -> Option<T> {
        let deadline = Instant::now().checked_add(limit);
        loop {
            let (found, more) = take();
            if more {
                self.set();
            }
            if found.is_some() {
                return found;
            }
            let left = deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()));
            let mut state = self.changed.wait_until(self.state.lock(), left, |state| state.set || state.closed);
            if !std::mem::take(&mut state.set) {
                return None;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What was set before is seen without waiting; a closed one does not wait.
    #[test]
    fn set_before_and_closed() {
        let ready = Ready::default();
        ready.set();
        let mut tries = 0;
        let found = ready.take(Duration::from_secs(60), || {
            tries += 1;
            ((tries == 2).then_some(tries), false)
        });
        assert_eq!(found, Some(2));
        ready.close();
        assert_eq!(ready.take(Duration::from_secs(60), || (None::<()>, false)), None);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    /// Two items, two takers that take one each, a source that sets only when it stops being empty: both end.
    #[test]
    fn both_takers_get_one() {
        loom::model(|| {
            let ready = Arc::new(Ready::default());
            let items = Arc::new(loom::sync::Mutex::new(0));
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let (ready, items) = (ready.clone(), items.clone());
                    loom::thread::spawn(move || {
                        let found = ready.take(Duration::from_secs(1), || {
                            let mut items = items.lock().expect("the items");
                            let found = (*items > 0).then_some(());
                            *items -= i32::from(found.is_some());
                            (found, *items > 0)
                        });
                        assert!(found.is_some());
                    })
                })
                .collect();
            *items.lock().expect("the items") = 2;
            ready.set();
            takers.into_iter().for_each(|taker| taker.join().expect("a taker"));
        });
    }
}
