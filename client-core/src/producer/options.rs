//! Options of a producer (client.md 2.1) and the builder that starts one.
//!
//! Java options that do not exist here, because there is one way of sending instead of two: `retryTimesWhenSendAsyncFailed`
//! (use `retries`), the executors, `enableBackpressureForAsyncMode` (always on, by waiting).
use super::latency::LatencyOptions;
use super::Producer;
use crate::options::client_builder_methods;
use crate::{ClientOptions, Compression, Error};
use ferromq_protocol::code::response;
use ferromq_protocol::{compress, topic};
use std::collections::BTreeSet;
use std::time::Duration;

/// Group name that must be replaced (client.md 2.2).
const DEFAULT_GROUP: &str = "DEFAULT_PRODUCER";

/// Options of one producer.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// `sendMsgTimeout`: the one budget of a send: waiting for a free place, route query, connecting, all attempts.
    pub send_timeout: Duration,
    /// `sendMsgMaxTimeoutPerRequest`: most time for one attempt while another one remains. `None` (not as Java, which
    /// lets the first attempt use up everything): half of what is left, when there is another broker to turn to.
    pub attempt_timeout: Option<Duration>,
    /// `retryTimesWhenSendFailed`: attempts after the first. A request that certainly did not leave this machine is
    /// repeated as long as the budget lasts and does not count, unless this is 0.
    pub retries: u32,
    /// `retryAnotherBrokerWhenNotStoreOK`: a status other than SEND_OK is a reason to try another broker.
    pub retry_not_store_ok: bool,
    /// `retryResponseCodes`: broker codes after which another attempt is made.
    pub retry_codes: BTreeSet<i32>,
    /// `maxMessageSize`: largest body in bytes, before compression. A larger one is refused.
    pub max_message_size: usize,
    /// `compressMsgBodyOverHowmuch`: bodies of at least this many bytes are compressed. Batches are not.
    pub compress_over: usize,
    /// `compressType`. Clients before 4.9.4 and those in Go and C++ read zlib only.
    pub compression: Compression,
    /// `compressLevel`, of the algorithm.
    pub compress_level: u32,
    /// `createTopicKey`: template of topics that the broker creates by itself.
    pub create_topic_key: String,
    /// `defaultTopicQueueNums`: queues such a topic gets.
    pub default_topic_queues: i32,
    /// `backPressureForAsyncSendNum`: sends under way at a time; further ones wait, within their budget.
    pub in_flight_max: u32,
    /// `backPressureForAsyncSendSize`: bytes of bodies under way at a time; further sends wait, within their budget.
    pub in_flight_bytes_max: u32,
    /// `sendLatencyFaultEnable`: avoid brokers that were slow or failed for a while. Not for ordered sends. Default off.
    pub latency_fault: bool,
    /// `latencyMax`, `notAvailableDuration`.
    pub latency: LatencyOptions,
    /// `topics`: routes to fetch at start; a failure is only logged.
    pub topics: Vec<String>,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        use response::*;
        let retry_codes = [
            TOPIC_NOT_EXIST,
            SERVICE_NOT_AVAILABLE,
            SYSTEM_ERROR,
            SYSTEM_BUSY,
            NO_PERMISSION,
            NO_BUYER_ID,
            NOT_IN_CURRENT_UNIT,
            GO_AWAY,
        ];
        Self {
            send_timeout: Duration::from_secs(3),
            attempt_timeout: None,
            retries: 2,
            retry_not_store_ok: false,
            retry_codes: retry_codes.into(),
            max_message_size: 4 * 1024 * 1024,
            compress_over: 4096,
            compression: Compression::Zlib,
            compress_level: compress::DEFAULT_LEVEL,
            create_topic_key: topic::AUTO_CREATE.to_owned(),
            default_topic_queues: 4,
            in_flight_max: 1024,
            in_flight_bytes_max: 100 * 1024 * 1024,
            latency_fault: false,
            latency: LatencyOptions::default(),
            topics: Vec::new(),
        }
    }
}

/// Builds a [`Producer`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until start() is awaited"]
pub struct ProducerBuilder {
    pub(super) group: String,
    pub(super) client: ClientOptions,
    pub(super) options: ProducerOptions,
}

/// One builder method per option.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.options.$name = value;
            self
        }
    )*};
}

impl ProducerBuilder {
    pub(super) fn new(group: String) -> Self {
        Self { group, client: ClientOptions::default(), options: ProducerOptions::default() }
    }

    client_builder_methods!();

    setters! {
        /// `sendMsgTimeout`: budget of one send, retries included. Default 3 s.
        send_timeout: Duration,
        /// `sendMsgMaxTimeoutPerRequest`: most time for one attempt while another one remains. Default: half of the rest.
        attempt_timeout: Option<Duration>,
        /// `retryTimesWhenSendFailed`: attempts after the first. Default 2.
        retries: u32,
        /// `retryAnotherBrokerWhenNotStoreOK`. Default false.
        retry_not_store_ok: bool,
        /// `maxMessageSize`: largest body, bytes. Default 4 MiB.
        max_message_size: usize,
        /// `compressMsgBodyOverHowmuch`: bodies of at least this many bytes are compressed. Default 4096.
        compress_over: usize,
        /// `compressType`. Default zlib.
        compression: Compression,
        /// `compressLevel`. Default 5.
        compress_level: u32,
        /// `defaultTopicQueueNums`: queues of topics that the broker creates by itself. Default 4.
        default_topic_queues: i32,
        /// `backPressureForAsyncSendNum`: sends under way at a time. Default 1024.
        in_flight_max: u32,
        /// `backPressureForAsyncSendSize`: bytes under way at a time. Default 100 MiB.
        in_flight_bytes_max: u32,
        /// `sendLatencyFaultEnable`. Default false.
        latency_fault: bool,
        /// `latencyMax`, `notAvailableDuration`.
        latency: LatencyOptions,
    }

    /// `createTopicKey`: template of topics that the broker creates by itself. Default `TBW102`.
    pub fn create_topic_key(mut self, topic: impl Into<String>) -> Self {
        self.options.create_topic_key = topic.into();
        self
    }

    /// `addRetryResponseCode`: one more broker code after which another attempt is made.
    pub fn retry_code(mut self, code: i32) -> Self {
        self.options.retry_codes.insert(code);
        self
    }

    /// `topics`: a route to fetch at start.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.options.topics.push(topic.into());
        self
    }

    /// All producer options at once.
    pub fn options(mut self, options: ProducerOptions) -> Self {
        self.options = options;
        self
    }

    /// Checks the options, starts the producer on the current tokio runtime and registers its group. Name servers need not
    /// be up yet: the first send says what is missing.
    pub async fn start(self) -> Result<Producer, Error> {
        self.check()?;
        Producer::start(self).await
    }

    /// Checks the options, as [`Self::start`] does first.
    pub fn check(&self) -> Result<(), Error> {
        self.client.name_servers()?;
        topic::validate_group(&self.group).map_err(|e| Error::config("group", e.to_string()))?;
        let refuse = |option, wrong, reason: &str| if wrong { Err(Error::config(option, reason)) } else { Ok(()) };
        refuse("group", self.group == DEFAULT_GROUP, "DEFAULT_PRODUCER stands for no name, choose another")?;
        let options = &self.options;
        refuse("send_timeout", options.send_timeout.is_zero(), "must be longer than 0")?;
        refuse("attempt_timeout", options.attempt_timeout.is_some_and(|t| t.is_zero()), "must be longer than 0")?;
        refuse("max_message_size", options.max_message_size == 0, "must be at least 1 byte")?;
        refuse("default_topic_queues", options.default_topic_queues < 1, "must be at least 1")?;
        refuse("in_flight_max", options.in_flight_max == 0, "must be at least 1")?;
        refuse("in_flight_bytes_max", options.in_flight_bytes_max == 0, "must be at least 1 byte")?;
        options.latency.check()
    }
}
