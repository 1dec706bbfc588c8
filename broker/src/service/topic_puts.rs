//! How many messages every topic got: the item TOPIC_PUT_NUMS of the broker's statistics (broker.md 12.3).
//!
//! Counted from the ends of the consume queues, so that a send pays nothing for it. Sampled every ten seconds by the broker's
//! housekeeping; a topic that got nothing since the start has no series. Lock: one mutex, held for one pass over the topics.
use ferromq_protocol::body::{BrokerStatsData, BrokerStatsItem};
use ferromq_store::Store;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Windows of the statistics, milliseconds between two samples and samples kept: a minute, an hour, a day.
const WINDOWS: [(i64, usize); 3] = [(10_000, 7), (600_000, 7), (3_600_000, 25)];

/// Samples of all topics.
#[derive(Debug)]
pub struct TopicPuts {
    started_ms: i64,
    topics: Mutex<HashMap<Arc<str>, Series>>,
}

/// Samples of one topic.
#[derive(Debug, Default)]
struct Series {
    /// Messages before the start.
    before: i64,
    /// Messages at the last look.
    total: i64,
    /// For each window (time, messages), oldest first.
    windows: [VecDeque<(i64, i64)>; 3],
}

impl TopicPuts {
    /// What is in the store now counts as before.
    pub fn new(store: &Store, now_ms: i64) -> Self {
        let series = |topic: Arc<str>| {
            let before = total(store, &topic);
            (topic, Series { before, total: before, ..Series::default() })
        };
        Self { started_ms: now_ms, topics: Mutex::new(store.topics().into_iter().map(series).collect()) }
    }

    /// Looks at every topic; called every ten seconds.
    pub fn sample(&self, store: &Store, now_ms: i64) {
        let mut topics = self.topics.lock();
        let names: HashSet<Arc<str>> = store.topics().into_iter().collect();
        topics.retain(|topic, _| names.contains(topic));
        for topic in names {
            let now = total(store, &topic);
            topics.entry(topic).or_default().add(self.started_ms, now_ms, now);
        }
    }

    /// Messages of a topic since the start.
    pub fn since_start(&self, store: &Store, topic: &str) -> i64 {
        let before = self.topics.lock().get(topic).map_or(0, |series| series.before);
        (total(store, topic) - before).max(0)
    }

    /// Messages since the start of all topics that `counts`.
    pub fn all_since_start(&self, store: &Store, counts: impl Fn(&str) -> bool) -> i64 {
        let topics = store.topics();
        topics.iter().filter(|topic| counts(topic)).map(|topic| self.since_start(store, topic)).sum()
    }

    /// The statistics of a topic; `None` when it got nothing since the start.
    pub fn stats(&self, store: &Store, topic: &str, now_ms: i64) -> Option<BrokerStatsData> {
        let now = total(store, topic);
        let topics = self.topics.lock();
        let nothing = Series::default();
        let series = topics.get(topic).unwrap_or(&nothing);
        if now <= series.before {
            return None;
        }
        let [stats_minute, stats_hour, stats_day] = [0, 1, 2].map(|at| {
            let first = series.windows[at].front().copied().unwrap_or((self.started_ms, series.before));
            let sum = now - first.1;
            BrokerStatsItem { avgpt: 0.0, sum, tps: sum as f64 * 1000.0 / (now_ms - first.0).max(1) as f64 }
        });
        Some(BrokerStatsData { stats_minute, stats_hour, stats_day })
    }
}

impl Series {
    fn add(&mut self, started_ms: i64, now_ms: i64, total: i64) {
        if total == self.total && self.windows[0].is_empty() {
            return; // nothing came yet
        }
        for (window, (every, most)) in self.windows.iter_mut().zip(WINDOWS) {
            if window.is_empty() {
                window.push_back((started_ms, self.before));
            }
            // Housekeeping may come a little early.
            if window.back().is_some_and(|(at, _)| now_ms - at >= every - every / 10) {
                window.push_back((now_ms, total));
            }
            while window.len() > most {
                window.pop_front();
            }
        }
        self.total = total;
    }
}

fn total(store: &Store, topic: &str) -> i64 {
    store.queue_ids(topic).into_iter().map(|queue| store.max_offset(topic, queue)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window forgets what is older than its samples; the day still has it.
    #[test]
    fn windows_slide() {
        let mut series = Series::default();
        for n in 0..100 {
            series.add(0, n * 10_000, n * 5);
        }
        let [minute, hour, day] = &series.windows;
        assert_eq!((minute.len(), minute.front(), minute.back()), (7, Some(&(930_000, 465)), Some(&(990_000, 495))));
        assert_eq!((hour.len(), day.len()), (2, 1));
    }
}
