//! Configurations of topics, each found by the name in it.
//!
//! A send looks up its topic and copies its name, and with thousands of topics nothing of them is near: so the name stands nowhere else,
//! and a place of the table is no longer than it has to be. The hash is seeded at random, for clients make topics.
use ferromq_protocol::body::TopicConfig;
use foldhash::quality::RandomState;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

struct Named(Arc<TopicConfig>);

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

/// A set of configurations; no two have the same name.
#[derive(Default)]
pub(super) struct Configs(HashSet<Named, RandomState>);

impl Configs {
    /// The configuration of a topic.
    pub fn get(&self, topic: &str) -> Option<&Arc<TopicConfig>> {
        self.0.get(topic).map(|named| &named.0)
    }

    /// Adds a configuration, or puts it in the place of the one with its name.
    pub fn put(&mut self, config: Arc<TopicConfig>) {
        self.0.replace(Named(config));
    }

    /// Removes the configuration of a topic; false when there was none.
    pub fn remove(&mut self, topic: &str) -> bool {
        self.0.remove(topic)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicConfig>> {
        self.0.iter().map(|named| &named.0)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Arc<TopicConfig>> for Configs {
    fn from_iter<I: IntoIterator<Item = Arc<TopicConfig>>>(configs: I) -> Self {
        Self(configs.into_iter().map(Named).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration takes the place of the one with its name, and is found by nothing else.
    #[test]
    fn found_by_the_name_in_it() {
        let config =
            |name: &str, perm| Arc::new(TopicConfig { topic_name: name.into(), perm, ..TopicConfig::default() });
        let mut configs: Configs = [config("a", 1), config("b", 2)].into_iter().collect();
        configs.put(config("a", 3));
        let perm = |configs: &Configs, name| configs.get(name).map(|config| config.perm);
        assert_eq!((perm(&configs, "a"), perm(&configs, "b"), perm(&configs, "c")), (Some(3), Some(2), None));
        assert!(configs.remove("a") && !configs.remove("a"));
        assert_eq!((configs.len(), configs.iter().count(), perm(&configs, "a")), (1, 1, None));
    }
}
