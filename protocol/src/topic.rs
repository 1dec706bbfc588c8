//! Topic and group names: reserved ones, derived ones, and which names are allowed (wire.md 6.9, broker.md 2.3).

/// Template of auto-created topics.
pub const AUTO_CREATE: &str = "TBW102";
/// Delayed messages wait here; queue = level - 1.
pub const SCHEDULE: &str = "SCHEDULE_TOPIC_XXXX";
/// Benchmark topic with many queues.
pub const BENCHMARK: &str = "BenchmarkTest";
/// Half messages of transactions.
pub const TRANS_HALF: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Ends of transactions.
pub const TRANS_OP_HALF: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Half messages nobody answered for.
pub const TRANS_CHECK_MAX_TIME: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Message trace.
pub const TRACE: &str = "RMQ_SYS_TRACE_TOPIC";
/// Self test.
pub const SELF_TEST: &str = "SELF_TEST_TOPIC";
/// Events about offsets out of range.
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Check points of stream consumers.
pub const CHECKPOINT: &str = "CHECKPOINT_TOPIC";
/// Prefix of every system topic of 5.x.
pub const SYSTEM_PREFIX: &str = "rmq_sys_";
/// Arbitrary delays.
pub const WHEEL_TIMER: &str = "rmq_sys_wheel_timer";
/// Prefix of retry topics.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of dead-letter topics.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Prefix of system groups.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";

/// Longest topic name, in characters.
pub const TOPIC_CHARS_MAX: usize = 127;
/// Longest retry or dead-letter topic name, in characters (5.x).
pub const DERIVED_TOPIC_CHARS_MAX: usize = 255;
/// Longest group name, in characters (5.x).
pub const GROUP_CHARS_MAX: usize = 120;

/// Topics clients must not send to: response code 16.
pub const NOT_SENDABLE: [&str; 6] =
    [SCHEDULE, TRANS_HALF, TRANS_OP_HALF, TRANS_CHECK_MAX_TIME, SELF_TEST, OFFSET_MOVED_EVENT];

/// The fixed system topics; `rmq_sys_*` and a broker's own names belong to them too.
pub const SYSTEM: [&str; 10] = [
    AUTO_CREATE,
    SCHEDULE,
    BENCHMARK,
    TRANS_HALF,
    TRANS_OP_HALF,
    TRACE,
    TRANS_CHECK_MAX_TIME,
    SELF_TEST,
    OFFSET_MOVED_EVENT,
    CHECKPOINT,
];

/// Groups every broker has (broker.md 2.3): they need no heartbeat.
pub const SYSTEM_GROUPS: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// `%RETRY%group`.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// `%DLQ%group`.
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// `<cluster>_REPLY_TOPIC`.
pub fn reply_topic(cluster: &str) -> String {
    format!("{cluster}_REPLY_TOPIC")
}

/// True for `%RETRY%..`.
pub fn is_retry(topic: &str) -> bool {
    topic.starts_with(RETRY_PREFIX)
}

/// True for `%DLQ%..`.
pub fn is_dlq(topic: &str) -> bool {
    topic.starts_with(DLQ_PREFIX)
}

/// The group a retry or dead-letter topic belongs to.
pub fn group_of(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_PREFIX).or_else(|| topic.strip_prefix(DLQ_PREFIX))
}

/// True for the fixed system topics and `rmq_sys_*`; a broker adds its own name and its cluster's.
pub fn is_system(topic: &str) -> bool {
    SYSTEM.contains(&topic) || topic.starts_with(SYSTEM_PREFIX)
}

/// False for the topics only brokers write.
pub fn is_sendable(topic: &str) -> bool {
    !NOT_SENDABLE.contains(&topic)
}

/// True for the groups every broker has and for `CID_RMQ_SYS_*`.
pub fn is_system_group(group: &str) -> bool {
    SYSTEM_GROUPS.contains(&group) || group.starts_with(SYSTEM_GROUP_PREFIX)
}

/// Which kind of name was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A topic.
    Topic,
    /// A producer or consumer group.
    Group,
}

impl std::fmt::Display for NameKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NameKind::Topic => "topic",
            NameKind::Group => "group",
        })
    }
}

/// A name that is not allowed. The texts are those a broker answers with (broker.md 2.3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or only white space.
    #[error("The specified {0} is blank.")]
    Blank(NameKind),
    /// A character outside `%|a-zA-Z0-9_-`.
    #[error("The specified {kind} contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")]
    IllegalCharacters {
        /// What was checked.
        kind: NameKind,
        /// The name.
        name: String,
    },
    /// Too many characters.
    #[error("The specified {kind} is longer than {kind} max length {max}, {kind}: {name}.")]
    TooLong {
        /// What was checked.
        kind: NameKind,
        /// The name.
        name: String,
        /// Most characters allowed.
        max: usize,
    },
}

/// Checks a topic name as 5.x does: retry and dead-letter topics may be longer.
pub fn validate_topic(topic: &str) -> Result<(), NameError> {
    let derived = is_retry(topic) || is_dlq(topic);
    let max = if derived { DERIVED_TOPIC_CHARS_MAX } else { TOPIC_CHARS_MAX };
    validate(NameKind::Topic, topic, max)
}

/// Checks a group name as 5.x does.
pub fn validate_group(group: &str) -> Result<(), NameError> {
    validate(NameKind::Group, group, GROUP_CHARS_MAX)
}

fn validate(kind: NameKind, name: &str, max: usize) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Blank(kind));
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'|' | b'-' | b'_')) {
        return Err(NameError::IllegalCharacters { kind, name: name.to_owned() });
    }
    if name.len() > max {
        return Err(NameError::TooLong { kind, name: name.to_owned(), max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The remarks are what official clients and tools look for.
    #[test]
    fn remarks() {
        assert_eq!(validate_topic(" ").unwrap_err().to_string(), "The specified topic is blank.");
        assert!(validate_topic("a b").unwrap_err().to_string().contains("allowing only ^[%|a-zA-Z0-9_-]+$"));
        let long = "t".repeat(128);
        assert!(validate_topic(&long).unwrap_err().to_string().contains("longer than topic max length"));
        assert!(validate_group(&"g".repeat(121)).unwrap_err().to_string().contains("longer than group max length"));
    }

    /// Limits: 127 for topics, 255 for derived ones, 120 for groups.
    #[test]
    fn limits() {
        assert!(validate_topic(&"t".repeat(127)).is_ok());
        assert!(validate_topic(&retry_topic(&"g".repeat(248))).is_ok());
        assert!(validate_topic(&retry_topic(&"g".repeat(249))).is_err());
        assert!(validate_group(&"g".repeat(120)).is_ok());
    }

    /// Derived and reserved names.
    #[test]
    fn reserved() {
        assert_eq!(group_of(&retry_topic("CG")), Some("CG"));
        assert_eq!(group_of(&dlq_topic("CG")), Some("CG"));
        assert!(is_system(WHEEL_TIMER) && is_system(AUTO_CREATE) && !is_system("TopicTest"));
        assert!(is_sendable(AUTO_CREATE) && !is_sendable(SCHEDULE));
    }
}
