//! Options of a lite pull consumer (client.md 4.1) and the builder that starts one.
//!
//! Java options that do not exist here: `pullThreadNums` (pulls are asynchronous, however many queues there are),
//! `consumerPullTimeoutMillis` (unused in Java), `connectBrokerByUser`, `unitMode`.
use super::LitePullConsumer;
use crate::consumer::subscription::check_group;
use crate::consumer::{AllocateStrategy, ConsumeFrom};
use crate::options::client_builder_methods;
use crate::{ClientOptions, Error};
use ferromq_protocol::body::MessageModel;
use std::path::PathBuf;
use std::time::Duration;

/// Options of one lite pull consumer.
#[derive(Debug, Clone)]
pub struct LitePullOptions {
    /// `messageModel`: clustering keeps offsets at the brokers and shares the queues, broadcasting keeps them in a file.
    pub message_model: MessageModel,
    /// `consumeFromWhere` and `consumeTimestamp`: where queues without a committed offset begin.
    pub consume_from: ConsumeFrom,
    /// `allocateMessageQueueStrategy`: must be the same in all members of the group.
    pub allocate: AllocateStrategy,
    /// `autoCommit`: what a poll returned is committed by later polls.
    pub auto_commit: bool,
    /// `autoCommitIntervalMillis`: how often that happens.
    pub auto_commit_interval: Duration,
    /// `pullBatchSize`, 1 to 1024: messages per pull and most messages per poll. Java: 10.
    pub pull_batch_size: usize,
    /// `pullThresholdForAll`: cached messages of all queues above which none is pulled.
    pub cache_count_total: usize,
    /// `pullThresholdForQueue`: cached messages of a queue above which it is not pulled.
    pub cache_count_per_queue: usize,
    /// `pullThresholdSizeForQueue`, here in bytes: cached bytes of a queue above which it is not pulled.
    pub cache_bytes_per_queue: usize,
    /// Bytes per pull.
    pub pull_batch_bytes: i32,
    /// Pause after a failed pull.
    pub pull_error_pause: Duration,
    /// `brokerSuspendMaxTimeMillis`: how long a broker may hold a pull. Below the 30 s after which the client gives up.
    pub broker_suspend: Duration,
    /// Where a broadcasting consumer keeps its offsets. `None`: `~/.rocketmq_offsets`.
    pub local_offset_dir: Option<PathBuf>,
}

impl Default for LitePullOptions {
    fn default() -> Self {
        Self {
            message_model: MessageModel::Clustering,
            consume_from: ConsumeFrom::Last,
            allocate: AllocateStrategy::default(),
            auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            pull_batch_size: 32,
            cache_count_total: 10_000,
            cache_count_per_queue: 1000,
            cache_bytes_per_queue: 100 * 1024 * 1024,
            pull_batch_bytes: 256 * 1024,
            pull_error_pause: Duration::from_secs(1),
            broker_suspend: Duration::from_secs(20),
            local_offset_dir: None,
        }
    }
}

/// Builds a [`LitePullConsumer`].
#[derive(Debug)]
pub struct LitePullConsumerBuilder {
    pub(super) group: String,
    pub(super) client: ClientOptions,
    pub(super) options: LitePullOptions,
}

/// One method per option of a plain type.
macro_rules! option_methods {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => { $(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: $type) -> Self {
            self.options.$name = value;
            self
        }
    )* };
}

impl LitePullConsumerBuilder {
    client_builder_methods!();

    option_methods! {
        /// The group shares the queues (`Clustering`, the default), or every member has all (`Broadcasting`).
        message_model: MessageModel,
        /// Where queues without a committed offset begin. Default: [`ConsumeFrom::Last`].
        consume_from: ConsumeFrom,
        /// How queues are shared out; the same in all members of the group. Default: averagely.
        allocate: AllocateStrategy,
        /// Later polls commit what earlier ones returned. Default true.
        auto_commit: bool,
        /// How often they do. Default 5 s.
        auto_commit_interval: Duration,
        /// Messages per pull and most messages per poll, 1 to 1024. Default 32.
        pull_batch_size: usize,
        /// Cached messages of all queues above which none is pulled. Default 10,000.
        cache_count_total: usize,
        /// Cached messages of a queue above which it is not pulled. Default 1000.
        cache_count_per_queue: usize,
        /// Cached bytes of a queue above which it is not pulled. Default 100 MiB.
        cache_bytes_per_queue: usize,
        /// Bytes per pull. Default 256 KiB.
        pull_batch_bytes: i32,
        /// Pause after a failed pull. Default 1 s.
        pull_error_pause: Duration,
        /// How long a broker may hold a pull that finds nothing. Default 20 s.
        broker_suspend: Duration,
    }

    pub(super) fn new(group: String) -> Self {
        Self { group, client: ClientOptions::default(), options: LitePullOptions::default() }
    }

    /// All options of the lite pull consumer at once.
    #[must_use]
    pub fn options(mut self, options: LitePullOptions) -> Self {
        self.options = options;
        self
    }

    /// Where a broadcasting consumer keeps its offsets. Default `~/.rocketmq_offsets`.
    #[must_use]
    pub fn local_offset_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.local_offset_dir = Some(folder.into());
        self
    }

    /// Checks the options, as [`Self::start`] does first.
    pub fn check(&self) -> Result<(), Error> {
        check_group(&self.group)?;
        self.client.name_servers()?;
        let options = &self.options;
        if !(1..=1024).contains(&options.pull_batch_size) {
            let reason = format!("{} is outside 1 to 1024", options.pull_batch_size);
            return Err(Error::config("pull_batch_size", reason));
        }
        if options.broker_suspend >= crate::consumer::pull::PULL_TIMEOUT {
            let reason = format!("{:?} is not below the 30 s after which a pull is given up", options.broker_suspend);
            return Err(Error::config("broker_suspend", reason));
        }
        Ok(())
    }

    /// Checks the options and starts. No server is asked yet.
    pub async fn start(self) -> Result<LitePullConsumer, Error> {
        self.check()?;
        LitePullConsumer::start(self)
    }
}
