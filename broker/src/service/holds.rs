//! Held pulls (long polling, broker.md 4.7). Transport-free: a hold is a place in a queue, a condition and a callback.
//!
//! A hold ends exactly once: a message arrived that its filter lets pass, its time is over, or it was let go at the end of
//! the process. Its callback then runs the pull again, without holding it a second time.
//!
//! Invariants
//! * No wake-up is lost: arrivals are reported after they are visible, and [`Holds::hold`] looks at the end of the queue
//!   after the hold is in place.
//! * Number and bytes of holds are bounded; a pull above a bound is refused, so that its client comes back after a pause.
//! * No timer per hold: one sweep runs while there are holds and visits only shards in which something is due. It ends a
//!   hold at most [`SWEEP_PERIOD`] late.
//! * Callbacks never run under a lock, nor on the thread that reports arrivals when there is a tokio runtime: they run as
//!   a task of it, usually right after the current one on the same thread.
//!
//! Locks: one mutex per shard, held for the holds of one queue. Clients' closed connections are noticed by the sweep, and by the
//! next one when it is told of them ([`Holds::client_gone`]).
use ferromq_store::Arrival;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{fence, AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often due holds are looked for.
pub const SWEEP_PERIOD: Duration = Duration::from_millis(200);
/// Every so many sweeps all holds are visited, to let go those whose client is gone.
const SWEEPS_PER_FULL: u32 = 25;
/// Callbacks that run in one task, so that many wake-ups at once do not keep a thread from its other work.
const CALLBACKS_PER_TASK: usize = 32;
/// Number of shards; a power of two.
const SHARDS: usize = 64;

/// Why a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A message arrived that may match.
    Arrived,
    /// Its time is over.
    Expired,
    /// It was not held: too many are.
    Refused,
}

/// Bounds of what is held. Without them clients could fill the memory by asking.
#[derive(Debug, Clone, Copy)]
pub struct HoldLimits {
    /// Number of held pulls (`heldPullsMax`).
    pub count: usize,
    /// Bytes that they keep, roughly (`heldPullsBytesMax`).
    pub bytes: usize,
}

/// Which messages a hold waits for, by the tag code of the consume queue.
pub type Matches = Box<dyn Fn(i64) -> bool + Send + Sync>;

/// A pull that waits.
pub struct Hold {
    /// The message it waits for has this queue offset or a higher one.
    pub pull_from: i64,
    /// When it ends without a message.
    pub until: Instant,
    /// Whether a message with this tag code is one it waits for.
    pub matches: Matches,
    /// False once nobody waits for the answer any more.
    pub is_wanted: Box<dyn Fn() -> bool + Send + Sync>,
    /// Bytes that it keeps in memory, roughly.
    pub bytes: usize,
    /// Called once, when it ends.
    pub done: Box<dyn FnOnce(Wake) + Send>,
}

type Queues = BTreeMap<i32, Vec<Hold>>;

#[derive(Default)]
struct Shard {
    topics: HashMap<Box<str>, Queues>,
    /// No hold of the shard ends before this.
    earliest: Option<Instant>,
}

/// Pulls that wait for a message.
pub struct Holds {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    count: AtomicUsize,
    bytes: AtomicUsize,
    sweeping: AtomicBool,
    /// A client is gone that may have held pulls: the next sweep visits all of them.
    gone: AtomicBool,
    closed: AtomicBool,
    runtime: Option<Handle>,
}

impl Default for Holds {
    fn default() -> Self {
        Self::new()
    }
}

impl Holds {
    /// Nothing held. Made inside a tokio runtime, callbacks and the sweep run there; otherwise callbacks run at once on the
    /// thread that causes them and [`sweep`](Self::sweep) is the owner's business.
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            sweeping: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            runtime: Handle::try_current().ok(),
        }
    }

    /// Number of held pulls.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, topic: &str, queue_id: i32) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(topic).wrapping_add(queue_id as u64);
        &self.shards[hash as usize % SHARDS]
    }

    /// Holds a pull unless a limit is reached. `max_offset` tells the end of the queue; it is asked after the hold is
    /// in place, so that a message that arrives meanwhile ends it.
    pub fn hold(
        self: &Arc<Self>,
        topic: &str,
        queue_id: i32,
        hold: Hold,
        limits: HoldLimits,
        max_offset: impl FnOnce() -> i64,
    ) {
        let bytes = self.bytes.fetch_add(hold.bytes, Ordering::Relaxed) + hold.bytes;
        let count = self.count.fetch_add(1, Ordering::SeqCst);
        if count >= limits.count || bytes > limits.bytes || self.closed.load(Ordering::SeqCst) {
            self.forget(&hold);
            return self.run(vec![(hold, Wake::Refused)]);
        }
        let pull_from = hold.pull_from;
        {
            let mut shard = self.shard(topic, queue_id).lock();
            shard.earliest = Some(shard.earliest.map_or(hold.until, |at| at.min(hold.until)));
            if !shard.topics.contains_key(topic) {
                shard.topics.insert(topic.into(), Queues::new());
            }
            if let Some(queues) = shard.topics.get_mut(topic) {
                queues.entry(queue_id).or_default().push(hold);
            }
        }
        // Pairs with the fence in `arrived`: either that call sees the count, or this one sees the message.
        fence(Ordering::SeqCst);
        let newest = max_offset();
        if newest > pull_from {
            self.wake_queue(topic, queue_id, |hold| newest > hold.pull_from);
        }
        self.start_sweeping();
    }

    /// New messages are visible, in runs for one queue each; wakes who waits for them. Does not block.
    pub fn arrived<'a, Run: Iterator<Item = Arrival<'a>> + Clone>(&self, runs: impl Iterator<Item = Run>) {
        fence(Ordering::SeqCst);
        if self.is_empty() {
            return;
        }
        for run in runs {
            let Some(first) = run.clone().next() else { continue };
            self.wake_queue(first.topic, first.queue_id, |hold| {
                run.clone().any(|a| a.queue_offset >= hold.pull_from && (hold.matches)(a.tags_code))
            });
        }
    }

    /// Ends the holds of a queue for which `wakes` is true.
    fn wake_queue(&self, topic: &str, queue_id: i32, wakes: impl Fn(&Hold) -> bool) {
        let mut woken = Vec::new();
        {
            let mut shard = self.shard(topic, queue_id).lock();
            let Some(queues) = shard.topics.get_mut(topic) else { return };
            let Some(holds) = queues.get_mut(&queue_id) else { return };
            take(holds, |hold| wakes(hold).then_some(Wake::Arrived), &mut woken);
            if holds.is_empty() {
                queues.remove(&queue_id);
                if queues.is_empty() {
                    shard.topics.remove(topic);
                }
            }
        }
        woken.iter().for_each(|(hold, _)| self.forget(hold));
        self.run(woken);
    }

    /// Ends the holds whose time is over at `now`; a full sweep also lets go those that nobody waits for any more.
    pub fn sweep(&self, now: Instant, full: bool) {
        let mut ended = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            if !full && shard.earliest.is_none_or(|at| at > now) {
                continue;
            }
            let mut earliest: Option<Instant> = None;
            shard.topics.retain(|_, queues| {
                queues.retain(|_, holds| {
                    let ends = |hold: &Hold| {
                        if hold.until <= now || full && !(hold.is_wanted)() {
                            return Some(Wake::Expired);
                        }
                        earliest = Some(earliest.map_or(hold.until, |at| at.min(hold.until)));
                        None
                    };
                    take(holds, ends, &mut ended);
                    !holds.is_empty()
                });
                !queues.is_empty()
            });
            shard.earliest = earliest;
        }
        ended.iter().for_each(|(hold, _)| self.forget(hold));
        self.run(ended);
    }

    /// A client's connection is closed: what it held is let go by the next sweep.
    pub fn client_gone(&self) {
        if !self.is_empty() {
            self.gone.store(true, Ordering::Relaxed);
        }
    }

    /// Lets everything go without running the callbacks, and holds nothing from now on. For the end of the broker.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for shard in &self.shards {
            let topics = std::mem::take(&mut shard.lock().topics);
            topics.values().flat_map(Queues::values).flatten().for_each(|hold| self.forget(hold));
        }
    }

    fn forget(&self, hold: &Hold) {
        self.bytes.fetch_sub(hold.bytes, Ordering::Relaxed);
        self.count.fetch_sub(1, Ordering::SeqCst);
    }

    fn run(&self, mut ended: Vec<(Hold, Wake)>) {
        while !ended.is_empty() {
            let rest = ended.split_off(ended.len().min(CALLBACKS_PER_TASK));
            let batch = std::mem::replace(&mut ended, rest);
            let call = move || batch.into_iter().for_each(|(hold, wake)| (hold.done)(wake));
            match &self.runtime {
                Some(runtime) => drop(runtime.spawn(async move { call() })),
                None => call(),
            }
        }
    }

    /// Starts the sweep unless it runs. It ends by itself when nothing is held any more.
    fn start_sweeping(self: &Arc<Self>) {
        let Some(runtime) = &self.runtime else { return };
        if self.sweeping.load(Ordering::Relaxed) || self.sweeping.swap(true, Ordering::SeqCst) {
            return;
        }
        let weak = Arc::downgrade(self);
        drop(runtime.spawn(async move {
            for round in 1u32.. {
                tokio::time::sleep(SWEEP_PERIOD).await;
                let Some(holds) = weak.upgrade() else { return };
                let full = holds.gone.swap(false, Ordering::Relaxed) || round % SWEEPS_PER_FULL == 0;
                holds.sweep(Instant::now(), full);
                if holds.is_empty() {
                    holds.sweeping.store(false, Ordering::SeqCst);
                    // A hold that came between the check and the store saw the flag up and relies on this sweep. Pairs
                    // with the fence in `hold`.
                    fence(Ordering::SeqCst);
                    if holds.is_empty() || holds.sweeping.swap(true, Ordering::SeqCst) {
                        return;
                    }
                }
            }
        }));
    }
}

/// Moves the holds for which `ends` gives a reason to `ended`. Each is asked once.
fn take(holds: &mut Vec<Hold>, mut ends: impl FnMut(&Hold) -> Option<Wake>, ended: &mut Vec<(Hold, Wake)>) {
    let mut at = 0;
    while at < holds.len() {
        match ends(&holds[at]) {
            Some(wake) => ended.push((holds.swap_remove(at), wake)),
            None => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{channel, Sender};

    const ROOM: HoldLimits = HoldLimits { count: 10, bytes: 1 << 20 };
    const TWO: HoldLimits = HoldLimits { count: 2, ..ROOM };

    fn hold(pull_from: i64, until: Instant, tag: Option<i64>, done: &Sender<(i64, Wake)>) -> Hold {
        let done = done.clone();
        Hold {
            pull_from,
            until,
            matches: Box::new(move |code| tag.is_none_or(|tag| tag == code)),
            is_wanted: Box::new(|| true),
            bytes: 100,
            done: Box::new(move |wake| done.send((pull_from, wake)).unwrap_or_default()),
        }
    }

    fn arrival(topic: &str, queue_id: i32, queue_offset: i64, tags_code: i64) -> Arrival<'_> {
        Arrival { topic, queue_id, queue_offset, tags_code, store_timestamp: 0 }
    }

    // A message wakes the holds of its queue that wait for its offset and tag, and no others.
    #[test]
    fn arrivals_wake_who_waits_for_them() {
        let (holds, (done, ended)) = (Arc::new(Holds::new()), channel());
        let until = Instant::now() + Duration::from_secs(60);
        holds.hold("t", 0, hold(5, until, None, &done), ROOM, || 5);
        holds.hold("t", 0, hold(6, until, None, &done), ROOM, || 5);
        holds.hold("t", 0, hold(4, until, Some(7), &done), ROOM, || 4);
        holds.hold("t", 1, hold(0, until, None, &done), ROOM, || 0);
        holds.arrived([arrival("u", 0, 9, 7), arrival("t", 0, 5, 1)].map(std::iter::once).into_iter());
        assert_eq!(ended.try_iter().collect::<Vec<_>>(), [(5, Wake::Arrived)]);
        holds.arrived(std::iter::once([arrival("t", 0, 6, 7), arrival("t", 0, 7, 1)].into_iter()));
        let mut woken: Vec<_> = ended.try_iter().collect();
        woken.sort_by_key(|w| w.0);
        assert_eq!(woken, [(4, Wake::Arrived), (6, Wake::Arrived)]);
        assert_eq!(holds.len(), 1);
    }

    // A message that arrived just before the hold was in place ends it at once.
    #[test]
    fn no_wake_up_is_lost() {
        let (holds, (done, ended)) = (Arc::new(Holds::new()), channel());
        holds.hold("t", 0, hold(5, Instant::now() + Duration::from_secs(60), Some(1), &done), ROOM, || 6);
        assert_eq!(ended.try_recv(), Ok((5, Wake::Arrived)));
        assert!(holds.is_empty());
    }

    // Time and the bounds on their number and their bytes end holds; those whose client is gone are let go by a full sweep.
    #[test]
    fn holds_end_by_time_by_number_and_by_a_closed_client() {
        let (holds, (done, ended)) = (Arc::new(Holds::new()), channel());
        let now = Instant::now();
        holds.hold("t", 0, hold(1, now + Duration::from_secs(1), None, &done), TWO, || 0);
        let gone = Hold { is_wanted: Box::new(|| false), ..hold(2, now + Duration::from_secs(90), None, &done) };
        holds.hold("t", 0, gone, TWO, || 0);
        holds.hold("t", 0, hold(3, now + Duration::from_secs(90), None, &done), TWO, || 0);
        assert_eq!(ended.try_recv(), Ok((3, Wake::Refused)));
        let bytes = HoldLimits { bytes: 299, ..ROOM };
        holds.hold("t", 0, hold(4, now + Duration::from_secs(90), None, &done), bytes, || 0);
        assert_eq!(ended.try_recv(), Ok((4, Wake::Refused)));
        holds.sweep(now, false);
        assert!(ended.try_recv().is_err());
        holds.sweep(now + Duration::from_secs(1), false);
        assert_eq!(ended.try_recv(), Ok((1, Wake::Expired)));
        holds.sweep(now, true);
        assert_eq!(ended.try_recv(), Ok((2, Wake::Expired)));
        assert!(holds.is_empty() && holds.bytes.load(Ordering::Relaxed) == 0);
    }

    // Consumers that always wait for the next message get every one, however holding and arriving interleave: each hold is
    // made just as its message may arrive, and none has a time-out to save it.
    #[test]
    fn racing_arrivals_wake_every_hold() {
        use std::sync::atomic::AtomicI64;
        const MESSAGES: i64 = 20_000;
        let (holds, end) = (Arc::new(Holds::new()), Arc::new(AtomicI64::new(0)));
        let consumers = (0..3).map(|_| {
            let (holds, end) = (Arc::clone(&holds), Arc::clone(&end));
            std::thread::spawn(move || {
                let until = Instant::now() + Duration::from_secs(3600);
                let (done, ended) = channel();
                let mut next = 0;
                while next < MESSAGES {
                    holds.hold("t", 0, hold(next, until, None, &done), ROOM, || end.load(Ordering::SeqCst));
                    let (from, wake) = ended.recv_timeout(Duration::from_secs(60)).expect("a wake-up was lost");
                    assert_eq!((from, wake), (next, Wake::Arrived));
                    next = end.load(Ordering::SeqCst);
                }
            })
        });
        let consumers: Vec<_> = consumers.collect();
        for offset in 0..MESSAGES {
            end.store(offset + 1, Ordering::Release);
            holds.arrived(std::iter::once(std::iter::once(arrival("t", 0, offset, 0))));
        }
        consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
        assert!(holds.is_empty());
    }

    // In a runtime the sweep starts with the first hold, ends it in time, and goes away afterwards.
    #[tokio::test]
    async fn the_sweep_runs_only_while_something_is_held() {
        let (holds, (done, ended)) = (Arc::new(Holds::new()), channel());
        holds.hold("t", 0, hold(1, Instant::now(), None, &done), ROOM, || 0);
        let deadline = Instant::now() + Duration::from_secs(10);
        while holds.sweeping.load(Ordering::SeqCst) {
            assert!(Instant::now() < deadline, "the hold was not ended");
            tokio::task::yield_now().await;
        }
        assert_eq!(ended.try_recv(), Ok((1, Wake::Expired)));
        holds.close();
        holds.hold("t", 0, hold(2, Instant::now() + Duration::from_secs(9), None, &done), ROOM, || 0);
        assert!(holds.is_empty());
    }
}
