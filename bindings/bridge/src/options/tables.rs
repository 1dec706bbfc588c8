//! The tables. What an option means in detail stands at the field it sets in `ferromq`.
use super::{Dialect, OptionSpec, Setter};
use ferromq::{
    AllocateStrategy, ClientOptions, Codec, Compression, LitePullOptions, MessageModel, ProducerOptions, PushOptions,
};
use std::path::PathBuf;

const MIB: usize = 1024 * 1024;
const I32_MAX: i64 = i32::MAX as i64;

/// A producer to be.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Producer group.
    pub group: String,
    /// Options all objects have.
    pub client: ClientOptions,
    /// Options of producers.
    pub options: ProducerOptions,
    /// Enqueued messages that may wait; at the limit enqueuing fails with [`crate::Class::QueueFull`].
    pub queue_count_max: usize,
    /// Bytes of enqueued bodies that may wait; at the limit the same.
    pub queue_bytes_max: usize,
}

/// A push consumer to be.
#[derive(Clone)]
pub struct PushConfig {
    /// Consumer group.
    pub group: String,
    /// Options all objects have.
    pub client: ClientOptions,
    /// Options of push consumers.
    pub options: PushOptions,
}

/// A lite pull consumer to be.
#[derive(Debug, Clone)]
pub struct LiteConfig {
    /// Consumer group.
    pub group: String,
    /// Options all objects have.
    pub client: ClientOptions,
    /// Options of lite pull consumers.
    pub options: LitePullOptions,
}

fn client(dialect: Dialect) -> ClientOptions {
    ClientOptions { language: dialect.language, ..ClientOptions::default() }
}

impl ProducerConfig {
    /// With all defaults.
    pub fn new(group: &str, dialect: Dialect) -> Self {
        Self {
            group: group.to_owned(),
            client: client(dialect),
            options: ProducerOptions::default(),
            queue_count_max: 100_000,
            queue_bytes_max: 128 * MIB,
        }
    }
}

impl PushConfig {
    /// With all defaults.
    pub fn new(group: &str, dialect: Dialect) -> Self {
        // Of ordered messages several of a queue are taken together, so that a crossing serves them all.
        let options = PushOptions { consume_batch_size: 32, ..PushOptions::default() };
        Self { group: group.to_owned(), client: client(dialect), options }
    }
}

impl LiteConfig {
    /// With all defaults.
    pub fn new(group: &str, dialect: Dialect) -> Self {
        Self { group: group.to_owned(), client: client(dialect), options: LitePullOptions::default() }
    }
}

/// A table: the options that all objects have, then those given.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident: $config:ty; $($option:literal, $java:literal, $default:literal, $setter:expr, $text:literal;)*) => {
        $(#[$doc])*
        pub const $name: &[OptionSpec<$config>] = &[
            OptionSpec { name: "namesrv", java: "namesrvAddr", default: "",
                doc: "Name servers, host:port;host:port. Default: the environment variable NAMESRV_ADDR.",
                setter: Setter::Text(|c, v| c.client.namesrv = Some(v)) },
            OptionSpec { name: "client_ip", java: "clientIP", default: "",
                doc: "First part of the client id. Default: this machine's address on the way to the name server.",
                setter: Setter::Text(|c, v| c.client.client_ip = Some(v)) },
            OptionSpec { name: "instance_name", java: "instanceName", default: "DEFAULT",
                doc: "Second part of the client id; DEFAULT becomes a unique one.",
                setter: Setter::Text(|c, v| c.client.instance_name = v) },
            OptionSpec { name: "unit_name", java: "unitName", default: "", doc: "Third part of the client id.",
                setter: Setter::Text(|c, v| c.client.unit_name = Some(v)) },
            OptionSpec { name: "route_interval", java: "pollNameServerInterval", default: "30s",
                doc: "How often routes are refreshed.", setter: Setter::Duration(|c, v| c.client.route_interval = v) },
            OptionSpec { name: "heartbeat_interval", java: "heartbeatBrokerInterval", default: "30s",
                doc: "How often brokers hear from this client; they forget it after 120 s of silence.",
                setter: Setter::Duration(|c, v| c.client.heartbeat_interval = v) },
            OptionSpec { name: "api_timeout", java: "mqClientApiTimeout", default: "3s",
                doc: "Budget of one route query, offset question or other metadata call.",
                setter: Setter::Duration(|c, v| c.client.api_timeout = v) },
            OptionSpec { name: "connect_timeout", java: "connectTimeoutMillis", default: "3s",
                doc: "Longest time for one connect; it counts into the request's budget.",
                setter: Setter::Duration(|c, v| c.client.connect_timeout = v) },
            OptionSpec { name: "header_codec", java: "rocketmq.serialize.type", default: "json",
                doc: "How headers are written: json, which every server reads, or the shorter binary form.",
                setter: Setter::Choice(&["json", "binary"], |c, v| c.client.header_codec = [Codec::Json, Codec::Binary][v]) },
            $(OptionSpec { name: $option, java: $java, default: $default, doc: $text, setter: $setter },)*
        ];
    };
}

fn model(index: usize) -> MessageModel {
    [MessageModel::Clustering, MessageModel::Broadcasting][index]
}

fn strategy(index: usize) -> AllocateStrategy {
    [AllocateStrategy::Averagely, AllocateStrategy::AveragelyByCircle][index].clone()
}

const MODELS: &[&str] = &["clustering", "broadcasting"];
const STRATEGIES: &[&str] = &["averagely", "circle"];

table! {
    /// Options of producers.
    PRODUCER_OPTIONS: ProducerConfig;
    "send_timeout", "sendMsgTimeout", "3s", Setter::Duration(|c, v| c.options.send_timeout = v),
        "Budget of one send: waiting for a place, route query, connecting, all attempts.";
    "attempt_timeout", "sendMsgMaxTimeoutPerRequest", "", Setter::Duration(|c, v| c.options.attempt_timeout = Some(v)),
        "Most time for one attempt while another one remains. Default: half of what is left.";
    "retries", "retryTimesWhenSendFailed", "2", Setter::Int(0, 1000, |c, v| c.options.retries = v as u32),
        "Attempts after the first.";
    "retry_not_store_ok", "retryAnotherBrokerWhenNotStoreOK", "false", Setter::Flag(|c, v| c.options.retry_not_store_ok = v),
        "A status other than SEND_OK is a reason to try another broker.";
    "max_message_size", "maxMessageSize", "4194304", Setter::Int(1, I32_MAX, |c, v| c.options.max_message_size = v as usize),
        "Largest body in bytes, before compression.";
    "compress_over", "compressMsgBodyOverHowmuch", "4096", Setter::Int(0, I32_MAX, |c, v| c.options.compress_over = v as usize),
        "Bodies of at least this many bytes are compressed.";
    "compression", "compressType", "zlib",
        Setter::Choice(&["zlib", "lz4", "zstd"], |c, v| c.options.compression = [Compression::Zlib, Compression::Lz4, Compression::Zstd][v]),
        "How bodies are compressed. Clients before 4.9.4 and those in Go and C++ read zlib only.";
    "compress_level", "compressLevel", "5", Setter::Int(0, 9, |c, v| c.options.compress_level = v as u32),
        "Level of the compression.";
    "create_topic_key", "createTopicKey", "TBW102", Setter::Text(|c, v| c.options.create_topic_key = v),
        "Template of topics that the broker creates by itself.";
    "default_topic_queues", "defaultTopicQueueNums", "4", Setter::Int(1, 65_535, |c, v| c.options.default_topic_queues = v as i32),
        "Queues of topics that the broker creates by itself.";
    "in_flight_max", "backPressureForAsyncSendNum", "1024", Setter::Int(1, 1_000_000, |c, v| c.options.in_flight_max = v as u32),
        "Sends under way at a time; further ones wait.";
    "in_flight_bytes_max", "backPressureForAsyncSendSize", "104857600", Setter::Int(1, I32_MAX, |c, v| c.options.in_flight_bytes_max = v as u32),
        "Bytes of bodies under way at a time; further sends wait.";
    "latency_fault", "sendLatencyFaultEnable", "false", Setter::Flag(|c, v| c.options.latency_fault = v),
        "Avoid brokers that were slow or failed for a while.";
    "queue_count_max", "", "100000", Setter::Int(1, 100_000_000, |c, v| c.queue_count_max = v as usize),
        "Enqueued messages that may wait; at the limit enqueuing fails.";
    "queue_bytes_max", "", "134217728", Setter::Int(1, i64::MAX, |c, v| c.queue_bytes_max = v as usize),
        "Bytes of enqueued bodies that may wait; at the limit enqueuing fails.";
}

table! {
    /// Options of push consumers.
    PUSH_OPTIONS: PushConfig;
    "message_model", "messageModel", "clustering", Setter::Choice(MODELS, |c, v| c.options.message_model = model(v)),
        "One member of the group gets a message, or every member does.";
    "consume_from", "consumeFromWhere", "last", Setter::Start(|c, v| c.options.consume_from = v),
        "Where queues without a committed offset begin: first, last, or a time in milliseconds since 1970.";
    "allocate", "allocateMessageQueueStrategy", "averagely", Setter::Choice(STRATEGIES, |c, v| c.options.allocate = strategy(v)),
        "How queues are shared out; the same in all members of the group.";
    "concurrency", "consumeThreadMax", "20", Setter::Int(1, 1000, |c, v| c.options.consume_threads = v as usize),
        "Listeners at a time.";
    "max_span", "consumeConcurrentlyMaxSpan", "2000", Setter::Int(1, 65_535, |c, v| c.options.max_span = v),
        "Largest distance between first and last cached offset of a queue; at the limit it is not pulled.";
    "cache_count_per_queue", "pullThresholdForQueue", "1000", Setter::Int(1, 65_535, |c, v| c.options.cache_count_per_queue = v as usize),
        "Cached messages of a queue above which it is not pulled.";
    "cache_bytes_per_queue", "pullThresholdSizeForQueue", "104857600", Setter::Int(1, 1 << 30, |c, v| c.options.cache_bytes_per_queue = v as usize),
        "Cached bytes of a queue above which it is not pulled.";
    "cache_count_total", "pullThresholdForTopic", "", Setter::Int(1, 6_553_500, |c, v| c.options.cache_count_total = Some(v as usize)),
        "Cached messages of all own queues, divided among them. Default: only the limit per queue.";
    "cache_bytes_total", "pullThresholdSizeForTopic", "", Setter::Int(1, 100 << 30, |c, v| c.options.cache_bytes_total = Some(v as usize)),
        "Cached bytes of all own queues, divided among them. Default: only the limit per queue.";
    "pull_interval", "pullInterval", "0s", Setter::Duration(|c, v| c.options.pull_interval = v),
        "Pause after a pull that found messages.";
    "pull_batch_size", "pullBatchSize", "32", Setter::Int(1, 1024, |c, v| c.options.pull_batch_size = v as i32),
        "Messages per pull; brokers have a limit of their own (usually 32).";
    "pull_batch_bytes", "pullBatchSizeInBytes", "262144", Setter::Int(1, I32_MAX, |c, v| c.options.pull_batch_bytes = v as i32),
        "Bytes per pull.";
    "pull_error_pause", "pullTimeDelayMillsWhenException", "1s", Setter::Duration(|c, v| c.options.pull_error_pause = v),
        "Pause after a failed pull.";
    "broker_suspend", "brokerSuspendMaxTimeMillis", "15s", Setter::Duration(|c, v| c.options.broker_suspend = v),
        "How long a broker may hold a pull that finds nothing; at most 29 s.";
    "batch_size", "consumeMessageBatchMaxSize", "32", Setter::Int(1, 1024, |c, v| c.options.consume_batch_size = v as usize),
        "Messages of a queue that one orderly listener gets before another queue's turn.";
    "max_reconsume_times", "maxReconsumeTimes", "", Setter::Int(0, I32_MAX, |c, v| c.options.max_reconsume_times = Some(v as i32)),
        "Deliveries after the first before a message becomes a dead letter. Default: 16; in order, no end.";
    "suspend", "suspendCurrentQueueTimeMillis", "1s", Setter::Duration(|c, v| c.options.suspend = v),
        "Pause of an ordered queue after a failure, 10 ms to 30 s.";
    "consume_timeout", "consumeTimeout", "15m", Setter::Duration(|c, v| c.options.consume_timeout = v),
        "A message that an unordered listener has had for longer is sent back.";
    "commit_interval", "persistConsumerOffsetInterval", "5s", Setter::Duration(|c, v| c.options.commit_interval = v),
        "How often offsets are committed.";
    "drain_timeout", "awaitTerminationMillisWhenShutdown", "10s", Setter::Duration(|c, v| c.options.drain_timeout = v),
        "How long closing waits for listeners that are running.";
    "local_offset_dir", "rocketmq.client.localOffsetStoreDir", "", Setter::Text(|c, v| c.options.local_offset_dir = Some(PathBuf::from(v))),
        "Where a broadcasting consumer keeps its offsets. Default: ~/.rocketmq_offsets.";
}

table! {
    /// Options of lite pull consumers.
    LITE_OPTIONS: LiteConfig;
    "message_model", "messageModel", "clustering", Setter::Choice(MODELS, |c, v| c.options.message_model = model(v)),
        "The group shares the queues, or every member has all.";
    "consume_from", "consumeFromWhere", "last", Setter::Start(|c, v| c.options.consume_from = v),
        "Where queues without a committed offset begin: first, last, or a time in milliseconds since 1970.";
    "allocate", "allocateMessageQueueStrategy", "averagely", Setter::Choice(STRATEGIES, |c, v| c.options.allocate = strategy(v)),
        "How queues are shared out; the same in all members of the group.";
    "auto_commit", "autoCommit", "true", Setter::Flag(|c, v| c.options.auto_commit = v),
        "What a poll returned is committed by later polls.";
    "auto_commit_interval", "autoCommitIntervalMillis", "5s", Setter::Duration(|c, v| c.options.auto_commit_interval = v),
        "How often that happens.";
    "pull_batch_size", "pullBatchSize", "32", Setter::Int(1, 1024, |c, v| c.options.pull_batch_size = v as usize),
        "Messages per pull and most messages per poll.";
    "pull_batch_bytes", "pullBatchSizeInBytes", "262144", Setter::Int(1, I32_MAX, |c, v| c.options.pull_batch_bytes = v as i32),
        "Bytes per pull.";
    "cache_count_total", "pullThresholdForAll", "10000", Setter::Int(1, 6_553_500, |c, v| c.options.cache_count_total = v as usize),
        "Cached messages of all queues above which none is pulled.";
    "cache_count_per_queue", "pullThresholdForQueue", "1000", Setter::Int(1, 65_535, |c, v| c.options.cache_count_per_queue = v as usize),
        "Cached messages of a queue above which it is not pulled.";
    "cache_bytes_per_queue", "pullThresholdSizeForQueue", "104857600", Setter::Int(1, 1 << 30, |c, v| c.options.cache_bytes_per_queue = v as usize),
        "Cached bytes of a queue above which it is not pulled.";
    "pull_error_pause", "pullTimeDelayMillsWhenException", "1s", Setter::Duration(|c, v| c.options.pull_error_pause = v),
        "Pause after a failed pull.";
    "broker_suspend", "brokerSuspendMaxTimeMillis", "20s", Setter::Duration(|c, v| c.options.broker_suspend = v),
        "How long a broker may hold a pull that finds nothing; at most 29 s.";
    "local_offset_dir", "rocketmq.client.localOffsetStoreDir", "", Setter::Text(|c, v| c.options.local_offset_dir = Some(PathBuf::from(v))),
        "Where a broadcasting consumer keeps its offsets. Default: ~/.rocketmq_offsets.";
}

#[cfg(test)]
mod tests {
    use super::super::{apply, OptionValue};
    use super::*;
    use std::collections::HashSet;

    /// The default that a table states is the one there is: setting it changes nothing.
    fn check<C: Clone>(table: &[OptionSpec<C>], config: &C, show: impl Fn(&C) -> String) {
        let mut names = HashSet::new();
        for spec in table {
            assert!(names.insert(spec.name) && !spec.doc.is_empty(), "{}", spec.name);
            if !spec.default.is_empty() {
                let mut set = config.clone();
                let given = (spec.name.to_owned(), OptionValue::Text(spec.default.to_owned()));
                apply(&mut set, table, Dialect::C, [given]).unwrap();
                assert_eq!(show(&set), show(config), "{}", spec.name);
            }
        }
    }

    /// See `check`.
    #[test]
    fn defaults_are_true() {
        check(PRODUCER_OPTIONS, &ProducerConfig::new("G", Dialect::C), |c| format!("{c:?}"));
        check(LITE_OPTIONS, &LiteConfig::new("G", Dialect::C), |c| format!("{c:?}"));
        check(PUSH_OPTIONS, &PushConfig::new("G", Dialect::C), |c| {
            let o = &c.options;
            let plain =
                (o.consume_threads, o.max_span, o.cache_count_per_queue, o.cache_bytes_per_queue, o.pull_interval);
            let pull =
                (o.pull_batch_size, o.pull_batch_bytes, o.pull_error_pause, o.broker_suspend, o.consume_batch_size);
            let times = (o.suspend, o.consume_timeout, o.commit_interval, o.drain_timeout);
            let what = (o.message_model, o.consume_from, o.allocate.name());
            format!("{:?} {plain:?} {pull:?} {times:?} {what:?}", c.client)
        });
    }
}
