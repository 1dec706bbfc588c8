//! What a consumer subscribes to (client.md 3.2): topics and tag expressions, changeable while it runs.
//!
//! Every member of a group must have the same subscriptions: a broker keeps those of the last heartbeat for the group.
//!
//! Threads and locks: one lock around the table, held for look-ups and replacement only.
use crate::message::MessageExt;
use crate::{platform, Error};
use ferromq_protocol::body::SubscriptionData;
use ferromq_protocol::{properties, topic};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Group name that must be replaced (client.md 3.1).
const DEFAULT_GROUP: &str = "DEFAULT_CONSUMER";

/// Checks a consumer group's name.
pub(crate) fn check_group(group: &str) -> Result<(), Error> {
    topic::validate_group(group).map_err(|e| Error::config("group", e.to_string()))?;
    if group == DEFAULT_GROUP {
        return Err(Error::config("group", format!("{DEFAULT_GROUP} is shared by everybody, choose another name")));
    }
    Ok(())
}

/// The subscriptions of a consumer.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    table: RwLock<BTreeMap<String, Arc<SubscriptionData>>>,
}

impl Subscriptions {
    /// Adds or replaces the subscription of a topic. Empty, blank and `*` select all messages.
    pub(crate) fn add(&self, topic: &str, expression: &str) -> Result<(), Error> {
        topic::validate_topic(topic).map_err(|e| Error::validation(e.to_string()))?;
        let mut data = SubscriptionData::parse_tag(topic, expression.trim())
            .map_err(|e| Error::validation(format!("subscription of topic {topic}: {e}")))?;
        data.sub_version = platform::now_ms();
        self.table.write().insert(topic.to_owned(), Arc::new(data));
        Ok(())
    }

    /// Removes a topic; false when it was not subscribed.
    pub(crate) fn remove(&self, topic: &str) -> bool {
        self.table.write().remove(topic).is_some()
    }

    pub(crate) fn get(&self, topic: &str) -> Option<Arc<SubscriptionData>> {
        self.table.read().get(topic).cloned()
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        self.table.read().keys().cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<SubscriptionData> {
        self.table.read().values().map(|data| (**data).clone()).collect()
    }
}

/// Drops messages whose tag has the right hash and the wrong text, and gives retried messages of `group` the topic they
/// were sent to.
pub(crate) fn refine(messages: &mut Vec<MessageExt>, subscription: &SubscriptionData, retry_topic: &str) {
    if subscription.is_tag() && !subscription.tags_set.is_empty() {
        messages.retain(|message| subscription.matches_tag(message.tag()));
    }
    if subscription.topic == retry_topic {
        let mut last: Option<Arc<str>> = None;
        for message in messages {
            let Some(original) = message.property(properties::RETRY_TOPIC) else { continue };
            let original = match &last {
                Some(known) if **known == *original => known.clone(),
                _ => last.insert(Arc::from(original)).clone(),
            };
            message.restore_topic(original);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A later expression replaces an earlier one; blank means all; separators alone are refused with the topic's name.
    #[test]
    fn replacing() {
        let table = Subscriptions::default();
        table.add("T", "a || b").unwrap();
        assert_eq!(table.get("T").unwrap().tags_set.len(), 2);
        table.add("T", " ").unwrap();
        assert_eq!(table.get("T").unwrap().sub_string, "*");
        let error = table.add("T", "||").unwrap_err().to_string();
        assert!(error.starts_with("subscription of topic T"), "{error}");
        assert!(table.remove("T") && !table.remove("T"));
    }

    /// Names that would clash with others are refused.
    #[test]
    fn groups() {
        assert!(check_group("G").is_ok());
        for bad in ["", "a b", DEFAULT_GROUP] {
            assert!(matches!(check_group(bad), Err(Error::Config { .. })), "{bad}");
        }
    }
}
