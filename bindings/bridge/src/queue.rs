//! The completion queue: pushed to by the runtime, drained in bulk by the language, one wake-up per empty-to-non-empty edge.
//!
//! Invariants
//! * After a push to a queue that was empty at the last drain there is exactly one wake-up until the next drain.
//! * A drain that leaves something behind wakes again, so a language may take as much per turn of its loop as it likes.
//! * After [`EventQueue::close`] pushes are thrown away and nothing is woken any more; what was pushed before can be drained.
//!
//! Threads and locks: one lock, held to push and to take out; wake-ups happen under no lock. Checked with loom below.
use crate::platform::Descriptor;
use crate::sync::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Duration;

/// How a language hears that its queue is not empty any more. Threads can wait with [`EventQueue::wait`] whatever the kind.
pub enum WakeUp {
    /// A descriptor becomes readable (eventfd on Linux, a pipe elsewhere): for event loops of Python and C.
    Descriptor(Descriptor),
    /// A function is called, on a thread of the runtime; it must not block. For Node's thread-safe functions.
    Callback(Box<dyn Fn() + Send + Sync>),
    /// Nothing: only threads wait.
    Condition,
}

impl WakeUp {
    /// A new descriptor. On Windows this is [`WakeUp::Condition`], and the error of the system where there is none left.
    pub fn descriptor() -> std::io::Result<Self> {
        Descriptor::new().map(|found| found.map_or(Self::Condition, Self::Descriptor))
    }

    fn wake(&self) {
        match self {
            Self::Descriptor(descriptor) => descriptor.signal(),
            Self::Callback(call) => call(),
            Self::Condition => {}
        }
    }
}

/// See the module.
pub struct EventQueue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    wake_up: WakeUp,
}

struct State<T> {
    items: VecDeque<T>,
    /// The language has seen the queue empty: the next push wakes.
    armed: bool,
    closed: bool,
    /// Threads in [`EventQueue::wait`].
    waiting: usize,
}

impl<T> EventQueue<T> {
    /// An empty queue.
    pub fn new(wake_up: WakeUp) -> Self {
        let state = State { items: VecDeque::new(), armed: true, closed: false, waiting: 0 };
        Self { state: Mutex::new(state), filled: Condvar::new(), wake_up }
    }

    /// Adds an item; thrown away when the queue is closed.
    pub fn push(&self, item: T) {
        self.extend(std::iter::once(item));
    }

    /// Adds several with one wake-up.
    pub fn extend(&self, items: impl IntoIterator<Item = T>) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.items.extend(items);
        let wake = state.armed && !state.items.is_empty();
        state.armed &= !wake;
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.filled.notify_all();
        }
        if wake {
            self.wake_up.wake();
        }
    }

    /// Moves up to `max` items to the end of `out` and returns how many. Never waits.
    pub fn drain(&self, max: usize, out: &mut Vec<T>) -> usize {
        // Quiet first: a push after this makes the descriptor readable again.
        if let WakeUp::Descriptor(descriptor) = &self.wake_up {
            descriptor.clear();
        }
        let mut state = self.state.lock();
        let count = state.items.len().min(max);
        out.extend(state.items.drain(..count));
        state.armed = state.items.is_empty();
        let again = !state.armed && !state.closed;
        drop(state);
        if again {
            self.wake_up.wake();
        }
        count
    }

    /// Waits until there is something to drain, the queue is closed, or the time is over. True when there is something.
    pub fn wait(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        state.waiting += 1;
        let mut state = self.filled.wait_until(state, limit, |state| !state.items.is_empty() || state.closed);
        state.waiting -= 1;
        !state.items.is_empty()
    }

    /// From now on nothing is added and nobody is woken. Threads that wait go on.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }

    /// True once closed.
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// The descriptor that is readable while there is something to drain; `None` with another kind of wake-up.
    pub fn descriptor(&self) -> Option<i32> {
        match &self.wake_up {
            WakeUp::Descriptor(descriptor) => Some(descriptor.number()),
            _ => None,
        }
    }

    /// Wakes the language although nothing happened here, for what is kept elsewhere ([`crate::log`]).
    pub fn nudge(&self) {
        let closed = self.state.lock().closed;
        if !closed {
            self.wake_up.wake();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;

    fn counting() -> (EventQueue<u32>, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let seen = wakes.clone();
        let count = move || {
            seen.fetch_add(1, Ordering::Relaxed);
        };
        (EventQueue::new(WakeUp::Callback(Box::new(count))), wakes)
    }

    /// Many pushes wake once; a drain that leaves something wakes again; after a full drain the next push does.
    #[test]
    fn one_wake_up_per_edge() {
        let (queue, wakes) = counting();
        (0..10).for_each(|i| queue.push(i));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        let mut out = Vec::new();
        assert_eq!((queue.drain(4, &mut out), wakes.load(Ordering::Relaxed)), (4, 2));
        assert_eq!((queue.drain(100, &mut out), wakes.load(Ordering::Relaxed)), (6, 2));
        assert_eq!(out, (0..10).collect::<Vec<_>>());
        queue.push(10);
        assert_eq!(wakes.load(Ordering::Relaxed), 3);
    }

    /// A closed queue takes and wakes nothing, but gives out what it has.
    #[test]
    fn closed() {
        let (queue, wakes) = counting();
        queue.push(1);
        assert!(!queue.is_closed());
        queue.close();
        queue.push(2);
        queue.nudge();
        assert!(queue.is_closed());
        let mut out = Vec::new();
        assert_eq!((queue.drain(9, &mut out), wakes.load(Ordering::Relaxed), out), (1, 1, vec![1]));
        assert!(!queue.wait(Duration::from_secs(60)));
    }

    /// The descriptor is readable exactly while there is something.
    #[cfg(unix)]
    #[test]
    fn descriptor() {
        let queue = EventQueue::new(WakeUp::descriptor().unwrap());
        let readable = || crate::platform::readable(queue.descriptor().unwrap());
        assert!(!readable());
        queue.push(1);
        queue.push(2);
        assert!(readable());
        let mut out = Vec::new();
        queue.drain(1, &mut out);
        assert!(readable());
        queue.drain(9, &mut out);
        assert!(!readable());
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::Arc;

    /// Whatever the order of two pushers and a drainer that drains only when it was woken: nothing stays behind unseen.
    #[test]
    fn no_wake_up_is_lost() {
        loom::model(|| {
            let wakes = Arc::new(AtomicUsize::new(0));
            let seen = wakes.clone();
            let wake = move || {
                seen.fetch_add(1, Ordering::SeqCst);
            };
            let queue = Arc::new(EventQueue::new(WakeUp::Callback(Box::new(wake))));
            let pushers: Vec<_> = (0..2)
                .map(|i| {
                    let queue = queue.clone();
                    loom::thread::spawn(move || queue.push(i))
                })
                .collect();
            let mut out = Vec::new();
            let mut used = 0;
            for _ in 0..2 {
                if wakes.load(Ordering::SeqCst) > used {
                    used += 1;
                    queue.drain(1, &mut out);
                }
            }
            pushers.into_iter().for_each(|pusher| pusher.join().expect("a pusher"));
            // Now the language runs on for as long as it is woken.
            while wakes.load(Ordering::SeqCst) > used {
                used += 1;
                queue.drain(1, &mut out);
            }
            assert_eq!(out.len(), 2);
        });
    }

    /// A thread that waits sees the push or the close, whichever order they come in.
    #[test]
    fn a_waiting_thread_goes_on() {
        loom::model(|| {
            let queue = Arc::new(EventQueue::new(WakeUp::Condition));
            let other = queue.clone();
            let pusher = loom::thread::spawn(move || other.push(1));
            assert!(queue.wait(Duration::from_secs(1)));
            pusher.join().expect("the pusher");
            let other = queue.clone();
            let closer = loom::thread::spawn(move || other.close());
            queue.drain(9, &mut Vec::new());
            assert!(!queue.wait(Duration::from_secs(1)));
            closer.join().expect("the closer");
        });
    }
}
