//! Which member of a consumer group gets which queues: the strategies of the Java client, as pure functions.
//!
//! Every member computes its own share from the same sorted inputs, so all members must use the same strategy and compare
//! names in the same way (client.md 3.4, 3.5). Vectors of the Java client are in the tests.
use crate::consumer::listener::without_panic;
use ferromq_protocol::body::MessageQueue;
use std::fmt;
use std::sync::Arc;

/// Why no share could be computed; the member keeps what it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    /// The topic has no queues, or the group no members, or the own id is empty.
    #[error("cannot share out {queues} queues among {members} members for {id:?}")]
    Nothing {
        /// Queues given.
        queues: usize,
        /// Members given.
        members: usize,
        /// Own client id.
        id: String,
    },
    /// The user's own rule panicked.
    #[error("the rule of the user panicked: {0}")]
    Panicked(String),
}

/// A user's own rule: own client id, sorted queues, sorted members to the own share.
pub type CustomRule = dyn Fn(&str, &[MessageQueue], &[String]) -> Vec<MessageQueue> + Send + Sync;

/// How queues are shared out.
#[derive(Clone, Default)]
pub enum AllocateStrategy {
    /// Contiguous ranges of equal size, the default (`AVG`).
    #[default]
    Averagely,
    /// Every n-th queue (`AVG_BY_CIRCLE`).
    AveragelyByCircle,
    /// A fixed list, whatever the group looks like (`CONFIG`).
    Config(Vec<MessageQueue>),
    /// A rule of the user. Every member of the group must have the same.
    Custom(Arc<CustomRule>),
}

impl fmt::Debug for AllocateStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl AllocateStrategy {
    /// The name that Java and QUERY_ASSIGNMENT use.
    pub fn name(&self) -> &'static str {
        match self {
            AllocateStrategy::Averagely => "AVG",
            AllocateStrategy::AveragelyByCircle => "AVG_BY_CIRCLE",
            AllocateStrategy::Config(_) => "CONFIG",
            AllocateStrategy::Custom(_) => "CUSTOM",
        }
    }

    /// The share of member `id`. `queues` and `members` must be sorted ([`sort_queues`], [`sort_members`]). A member that
    /// is not in the list yet gets nothing: it appears there with its first heartbeat.
    pub fn share(
        &self,
        id: &str,
        queues: &[MessageQueue],
        members: &[String],
    ) -> Result<Vec<MessageQueue>, AllocateError> {
        if let AllocateStrategy::Config(fixed) = self {
            return Ok(fixed.clone());
        }
        if id.is_empty() || queues.is_empty() || members.is_empty() {
            return Err(AllocateError::Nothing { queues: queues.len(), members: members.len(), id: id.to_string() });
        }
        let Some(index) = members.iter().position(|m| m == id) else { return Ok(Vec::new()) };
        Ok(match self {
            AllocateStrategy::Averagely => averagely(index, members.len(), queues),
            AllocateStrategy::AveragelyByCircle => queues.iter().skip(index).step_by(members.len()).cloned().collect(),
            AllocateStrategy::Config(fixed) => fixed.clone(),
            AllocateStrategy::Custom(rule) => {
                without_panic(|| rule(id, queues, members)).map_err(AllocateError::Panicked)?
            }
        })
    }
}

fn averagely(index: usize, members: usize, queues: &[MessageQueue]) -> Vec<MessageQueue> {
    let rest = queues.len() % members;
    let larger = rest > 0 && index < rest;
    let size = if queues.len() <= members { 1 } else { queues.len() / members + usize::from(larger) };
    let start = if larger { index * size } else { index * size + rest };
    queues.iter().skip(start).take(size).cloned().collect()
}

/// Java's order of queues: topic, then broker name, then queue id.
pub fn sort_queues(queues: &mut [MessageQueue]) {
    queues.sort_unstable_by(|a, b| {
        java_order(&a.topic, &b.topic)
            .then_with(|| java_order(&a.broker_name, &b.broker_name))
            .then_with(|| a.queue_id.cmp(&b.queue_id))
    });
}

/// Java's order of client ids.
pub fn sort_members(members: &mut [String]) {
    members.sort_unstable_by(|a, b| java_order(a, b));
}

/// `String.compareTo`: by UTF-16 units, which differs from byte order for characters beyond U+FFFF.
fn java_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferromq_protocol::json::{self, Value};

    fn queue(v: &Value) -> MessageQueue {
        let text = |name| v.get(name).and_then(Value::as_str).unwrap().to_string();
        let id = v.get("queueId").and_then(Value::as_i64).unwrap();
        MessageQueue::new(text("topic"), text("brokerName"), id as i32)
    }

    /// The shares are those that the Java client computes.
    #[test]
    fn shares_are_javas() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/ids-and-hashes.json.zst");
        let text = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
        let all = json::parse(&text).unwrap();
        let mut checked = 0;
        for case in all.get("allocate").unwrap().items() {
            let strategy = match case.get("strategy").and_then(Value::as_str).unwrap() {
                "AVG" => AllocateStrategy::Averagely,
                "AVG_BY_CIRCLE" => AllocateStrategy::AveragelyByCircle,
                _ => continue,
            };
            let queues: Vec<_> = case.get("queues").unwrap().items().iter().map(queue).collect();
            let ids: Vec<String> =
                case.get("clients").unwrap().items().iter().filter_map(|v| v.text()).map(|v| v.into_owned()).collect();
            for (id, share) in case.get("result").unwrap().entries() {
                let expected: Vec<_> = share.items().iter().map(queue).collect();
                assert_eq!(strategy.share(&id.text(), &queues, &ids).unwrap(), expected, "{strategy:?} {id:?}");
                checked += 1;
            }
        }
        assert!(checked > 20, "{checked} shares checked");
    }

    /// Every queue belongs to exactly one member, whatever the numbers.
    #[test]
    fn no_overlap_and_no_gap() {
        for strategy in [AllocateStrategy::Averagely, AllocateStrategy::AveragelyByCircle] {
            for (n, c) in (1..20).flat_map(|n| (1..20).map(move |c| (n, c))) {
                let queues: Vec<_> = (0..n).map(|i| MessageQueue::new("T", "b", i)).collect();
                let members: Vec<_> = (10..10 + c).map(|i| format!("c{i}")).collect();
                let mut all: Vec<_> =
                    members.iter().flat_map(|m| strategy.share(m, &queues, &members).unwrap()).collect();
                sort_queues(&mut all);
                assert_eq!(all, queues, "{strategy:?} {n} queues {c} members");
            }
        }
    }
}
