//! The topics of a table, each found by the name in its configuration.
//!
//! A send looks up its topic and copies its name, and with thousands of topics nothing of them is near: so the name stands nowhere else,
//! and a place of the table is no longer than it has to be. For the same reason a topic keeps its queues' handles: one
//! look-up finds all that a send needs. The hash is seeded at random, for clients make topics.
use ferromq_protocol::body::TopicConfig;
use ferromq_store::{QueueHandle, Store};
use foldhash::quality::RandomState;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// Queues of a topic whose handles are kept; those behind are looked up.
const KEPT_MAX: usize = 64;

/// A topic: its configuration, which never changes, and its queues in the store.
#[derive(Debug)]
pub struct Topic {
    config: TopicConfig,
    queues: Box<[OnceLock<QueueHandle>]>,
}

impl Topic {
    /// A topic whose queues are looked up when they are needed.
    pub fn new(config: TopicConfig) -> Arc<Self> {
        let queues = usize::try_from(config.write_queue_nums.max(config.read_queue_nums)).unwrap_or(0);
        let queues = (0..queues.min(KEPT_MAX)).map(|_| OnceLock::new()).collect();
        Arc::new(Self { config, queues })
    }

    /// One of its queues, once something was written to it. A handle of a queue that is removed from the store meanwhile is of no use, and
    /// does no harm.
    #[inline]
    pub fn queue(&self, store: &Store, id: i32) -> Option<&QueueHandle> {
        let place = self.queues.get(usize::try_from(id).ok()?)?;
        match place.get() {
            None => store.queue(&self.config.topic_name, id).map(|queue| place.get_or_init(|| queue)),
            found => found,
        }
    }
}

impl Deref for Topic {
    type Target = TopicConfig;

    fn deref(&self) -> &TopicConfig {
        &self.config
    }
}

struct Named(Arc<Topic>);

impl Borrow<str> for Named {
    fn borrow(&self) -> &str {
        &self.0.topic_name
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.topic_name.hash(state);
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.topic_name == other.0.topic_name
    }
}

impl Eq for Named {}

/// A set of topics; no two have the same name.
#[derive(Default)]
pub(super) struct Configs(HashSet<Named, RandomState>);

impl Configs {
    /// A topic.
    pub fn get(&self, topic: &str) -> Option<&Arc<Topic>> {
        self.0.get(topic).map(|named| &named.0)
    }

    /// Adds a topic, or puts it in the place of the one with its name.
    pub fn put(&mut self, topic: Arc<Topic>) {
        self.0.replace(Named(topic));
    }

    /// Removes a topic; false when there was none.
    pub fn remove(&mut self, topic: &str) -> bool {
        self.0.remove(topic)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.0.iter().map(|named| &named.0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Arc<Topic>> for Configs {
    fn from_iter<I: IntoIterator<Item = Arc<Topic>>>(topics: I) -> Self {
        Self(topics.into_iter().map(Named).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A topic takes the place of the one with its name, and is found by nothing else.
    #[test]
    fn found_by_the_name_in_it() {
        let topic =
            |name: &str, perm| Topic::new(TopicConfig { topic_name: name.into(), perm, ..TopicConfig::default() });
        let mut configs: Configs = [topic("a", 1), topic("b", 2)].into_iter().collect();
        configs.put(topic("a", 3));
        let perm = |configs: &Configs, name| configs.get(name).map(|topic| topic.perm);
        assert_eq!((perm(&configs, "a"), perm(&configs, "b"), perm(&configs, "c")), (Some(3), Some(2), None));
        assert!(configs.remove("a") && !configs.remove("a"));
        assert_eq!((configs.len(), configs.iter().count(), perm(&configs, "a")), (1, 1, None));
    }
}
