//! Queue locks of orderly consumers (broker.md 5.5): which client of a group may consume which queue.
//!
//! In memory only. A lock is refreshed by locking again and lapses 60 s after the last time, so that the queues of a client
//! that vanished become free.
//!
//! Lock: one mutex over the table, held for the queues of one request. Times are passed in.
use ferromq_protocol::body::MessageQueue;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Milliseconds after which a lock that was not refreshed counts as free.
const LOCK_LIVE_MS: i64 = 60_000;

struct Holder {
    client_id: String,
    /// When it locked last, milliseconds since 1970.
    at_ms: i64,
}

impl Holder {
    fn has_lapsed(&self, now_ms: i64) -> bool {
        now_ms - self.at_ms > LOCK_LIVE_MS
    }
}

/// Who holds which queue of which group.
#[derive(Default)]
pub struct QueueLocks {
    groups: Mutex<HashMap<String, HashMap<MessageQueue, Holder>>>,
}

impl QueueLocks {
    /// No locks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Locks or refreshes those of `queues` that are free, lapsed, or the client's own; gives back the ones it holds now.
    pub fn lock(&self, group: &str, client_id: &str, queues: Vec<MessageQueue>, now_ms: i64) -> Vec<MessageQueue> {
        let mut groups = self.groups.lock();
        if !groups.contains_key(group) {
            groups.insert(group.to_owned(), HashMap::new());
        }
        let Some(held) = groups.get_mut(group) else { return Vec::new() };
        let mut locked = queues;
        locked.retain(|queue| match held.get_mut(queue) {
            Some(holder) if holder.client_id == client_id => {
                holder.at_ms = now_ms;
                true
            }
            Some(holder) if !holder.has_lapsed(now_ms) => false,
            _ => {
                held.insert(queue.clone(), Holder { client_id: client_id.to_owned(), at_ms: now_ms });
                true
            }
        });
        locked
    }

    /// Frees those of `queues` that this client holds; others are ignored.
    pub fn unlock(&self, group: &str, client_id: &str, queues: &[MessageQueue]) {
        let mut groups = self.groups.lock();
        let Some(held) = groups.get_mut(group) else { return };
        for queue in queues {
            if held.get(queue).is_some_and(|holder| holder.client_id == client_id) {
                held.remove(queue);
            }
        }
        if held.is_empty() {
            groups.remove(group);
        }
    }

    /// True when the group holds any lock that has not expired: the mark of an orderly consumer (broker.md 3.2, 7).
    pub fn any_unexpired(&self, group: &str, now_ms: i64) -> bool {
        self.groups.lock().get(group).is_some_and(|held| held.values().any(|holder| !holder.has_lapsed(now_ms)))
    }

    /// Forgets lapsed locks, so that groups that are gone cost nothing. Called every now and then.
    pub fn sweep(&self, now_ms: i64) {
        self.groups.lock().retain(|_, held| {
            held.retain(|_, holder| !holder.has_lapsed(now_ms));
            !held.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue::new("t", "b", queue_id)
    }

    // A queue belongs to one client of a group until it unlocks or stays silent for more than a minute.
    #[test]
    fn one_holder_at_a_time() {
        let locks = QueueLocks::new();
        assert_eq!(locks.lock("g", "a", vec![queue(0), queue(1)], 0).len(), 2);
        assert_eq!(locks.lock("g", "b", vec![queue(1), queue(2)], 1), [queue(2)]);
        assert_eq!(locks.lock("h", "b", vec![queue(1)], 1), [queue(1)]);
        locks.unlock("g", "b", &[queue(0)]);
        assert!(locks.lock("g", "b", vec![queue(0)], 2).is_empty());
        locks.unlock("g", "a", &[queue(0)]);
        assert_eq!(locks.lock("g", "b", vec![queue(0)], 3), [queue(0)]);
        assert!(locks.lock("g", "b", vec![queue(1)], LOCK_LIVE_MS).is_empty());
        assert_eq!(locks.lock("g", "b", vec![queue(1)], LOCK_LIVE_MS + 1), [queue(1)]);
    }

    // A group counts as orderly while any of its locks is alive; swept locks leave nothing behind.
    #[test]
    fn lapsed_locks_do_not_count() {
        let locks = QueueLocks::new();
        locks.lock("g", "a", vec![queue(0)], 1000);
        assert!(locks.any_unexpired("g", 1000 + LOCK_LIVE_MS) && !locks.any_unexpired("h", 1000));
        assert!(!locks.any_unexpired("g", 1001 + LOCK_LIVE_MS));
        locks.sweep(1001 + LOCK_LIVE_MS);
        assert!(locks.groups.lock().is_empty());
    }
}
