//! The properties of the broker: name, type, default, range, whether a running broker takes a change, one line of meaning.
//!
//! This is the only place where a property is described. Names, types and defaults are Apache's (broker.md 2.2) so that
//! existing `broker.conf` files work; the few names of our own are marked "FerroMQ". Properties of features that are not
//! there stand in `without_effect.rs`: a file that sets them gets a warning with the reason.
use super::value::{BrokerRole, FlushDiskType};
use super::without_effect::WITHOUT_EFFECT;
use ferromq_protocol::settings;
use ferromq_protocol::settings::LogLevel;
use std::path::{Path, PathBuf};

/// One line of the table.
pub type Property = settings::Setting<BrokerConfig>;

const INT_MAX: i64 = i32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;

settings! {
    /// All properties of the broker. Fields are named and documented by their table line.
    pub struct BrokerConfig, without effect WITHOUT_EFFECT;

    /// Cluster the broker belongs to.
    broker_cluster_name: String = "brokerClusterName", "DefaultCluster".to_owned(), [important];
    /// Name of the broker; brokers of one name are master and slaves of one group. Default: the host name.
    broker_name: String = "brokerName", host_name(), [important computed];
    /// Id in the group; 0 is the master. A master is always 0.
    broker_id: i64 = "brokerId", 0, in 0..=LONG_MAX, [important];
    /// Role in the group. SLAVE is not available.
    broker_role: BrokerRole = "brokerRole", BrokerRole::AsyncMaster;
    /// Address that is registered for clients. Default: the first address of this machine that is no loopback address.
    broker_ip1: String = "brokerIP1", default_ip(), [important computed];
    /// Address that is registered for replication. Default: brokerIP1.
    broker_ip2: String = "brokerIP2", String::new(), [important computed];
    /// Address the ports are opened on.
    bind_address: String = "bindAddress", "0.0.0.0".to_owned();
    /// Main port; the fast port is two below it. 0 takes a free pair.
    listen_port: i32 = "listenPort", 10911, in 0..=65535, [important];
    /// Replication port that is registered; 0 means listenPort + 1. Nothing listens there.
    ha_listen_port: i32 = "haListenPort", 0, in 0..=65535;
    /// Name servers, separated by semicolons. Default: the environment variable NAMESRV_ADDR.
    namesrv_addr: String = "namesrvAddr", std::env::var("NAMESRV_ADDR").unwrap_or_default(), [important computed live];
    /// Region named in answers and stored with every message (MSG_REGION).
    region_id: String = "regionId", "DefaultRegion".to_owned(), [live];
    /// Permission of the whole broker: 4 read, 2 write; masks the topics' permissions when it registers.
    broker_permission: i32 = "brokerPermission", 6, in 0..=INT_MAX, [live];
    /// Milliseconds between two registrations at the name servers; clamped to 10,000 to 60,000.
    register_name_server_period: i32 = "registerNameServerPeriod", 30_000, in 1..=INT_MAX;
    /// Milliseconds one registration may take.
    register_broker_timeout_mills: i32 = "registerBrokerTimeoutMills", 24_000, in 1..=INT_MAX, [live];
    /// Register even when a name server already knows the current data version.
    force_register: bool = "forceRegister", true, [live];
    /// Seconds after which a silent connection is closed.
    server_channel_max_idle_time_seconds: i32 = "serverChannelMaxIdleTimeSeconds", 120, in 1..=INT_MAX;

    /// A send to an unknown topic may create it from its template.
    auto_create_topic_enable: bool = "autoCreateTopicEnable", true, [important live];
    /// A consumer of an unknown group creates the group.
    auto_create_subscription_group: bool = "autoCreateSubscriptionGroup", true, [important live];
    /// Queues of the template topic TBW102.
    default_topic_queue_nums: i32 = "defaultTopicQueueNums", 8, in 1..=INT_MAX, [live];
    /// The topic named like the cluster can be read and written.
    cluster_topic_enable: bool = "clusterTopicEnable", true;
    /// The topic named like the broker can be read and written.
    broker_topic_enable: bool = "brokerTopicEnable", true;
    /// Groups of the system (CID_RMQ_SYS_...) may be created even when groups in general may not.
    enable_create_sys_group: bool = "enableCreateSysGroup", true, [live];
    /// Name of the message trace topic.
    msg_trace_topic_name: String = "msgTraceTopicName", "RMQ_SYS_TRACE_TOPIC".to_owned();
    /// Create the message trace topic at start.
    trace_topic_enable: bool = "traceTopicEnable", false;
    /// Tell clients that they may trace (TRACE_ON).
    trace_on: bool = "traceOn", true, [live];
    /// Refuse administration of system topics.
    validate_system_topic_when_update_topic: bool = "validateSystemTopicWhenUpdateTopic", true, [live];
    /// Topics of message type MIXED may be created.
    enable_mixed_message_type: bool = "enableMixedMessageType", false, [live];
    /// Queues of the pop revive topic that is created at start.
    revive_queue_num: i32 = "reviveQueueNum", 8, in 1..=INT_MAX;

    /// Data directory. Default: `store` in the home directory.
    store_path_root_dir: String = "storePathRootDir", default_store(), [computed];
    /// Commit log directories, separated by commas; new files go round them. Default: `commitlog` in the data directory.
    store_path_commit_log: String = "storePathCommitLog", String::new(), [computed];
    /// Commit log directories whose files are kept and read, but that get no new ones, separated by commas.
    read_only_commit_log_store_paths: String = "readOnlyCommitLogStorePaths", String::new();
    /// Bytes of one commit log file.
    mapped_file_size_commit_log: i32 = "mappedFileSizeCommitLog", 1024 * 1024 * 1024, in 4096..=INT_MAX;
    /// Bytes of one consume queue file, 20 per message; rounded up to whole units.
    mapped_file_size_consume_queue: i32 = "mappedFileSizeConsumeQueue", 300_000 * 20, in 20..=INT_MAX;
    /// Bytes of one consume queue file of topics of type BatchCQ, 46 per message; rounded up to whole units. Apache's spelling.
    mapper_file_size_batch_consume_queue: i32 = "mapperFileSizeBatchConsumeQueue", 300_000 * 46, in 46..=INT_MAX;
    /// Consume queue units have addresses of units in files of their own (`consumequeue_ext`) instead of tag hashes.
    enable_consume_queue_ext: bool = "enableConsumeQueueExt", false;
    /// Bytes of one file of such units.
    mapped_file_size_consume_queue_ext: i32 = "mappedFileSizeConsumeQueueExt", 48 * 1024 * 1024, in 24..=INT_MAX;
    /// Hash slots of one index file.
    max_hash_slot_num: i32 = "maxHashSlotNum", 5_000_000, in 1..=INT_MAX;
    /// Entries of one index file.
    max_index_num: i32 = "maxIndexNum", 20_000_000, in 1..=INT_MAX;
    /// Index messages by key.
    message_index_enable: bool = "messageIndexEnable", true;
    /// When the log is forced to disk.
    flush_disk_type: FlushDiskType = "flushDiskType", FlushDiskType::Async, [important];
    /// Milliseconds between two looks at what is to be forced to disk with ASYNC_FLUSH.
    flush_interval_commit_log: i32 = "flushIntervalCommitLog", 500, in 1..=INT_MAX;
    /// Pages of 4 KiB that have to be dirty for a look to force the log to disk.
    flush_commit_log_least_pages: i32 = "flushCommitLogLeastPages", 4, in 0..=INT_MAX;
    /// Milliseconds after which the log is forced to disk, however little there is.
    flush_commit_log_thorough_interval: i32 = "flushCommitLogThoroughInterval", 10_000, in 0..=INT_MAX;
    /// Milliseconds between two looks at dirty consume queues.
    flush_interval_consume_queue: i32 = "flushIntervalConsumeQueue", 1000, in 1..=INT_MAX;
    /// Dirty pages below which a consume queue is left for later.
    flush_consume_queue_least_pages: i32 = "flushConsumeQueueLeastPages", 2, in 0..=INT_MAX;
    /// Milliseconds after which all consume queues and the checkpoint are forced to disk.
    flush_consume_queue_thorough_interval: i32 = "flushConsumeQueueThoroughInterval", 60_000, in 0..=INT_MAX;
    /// Milliseconds an acknowledgement waits for the flush with SYNC_FLUSH; then it says FLUSH_DISK_TIMEOUT.
    sync_flush_timeout: i32 = "syncFlushTimeout", 5000, in 1..=INT_MAX, [live];
    /// Bytes of the largest accepted message body.
    max_message_size: i32 = "maxMessageSize", 4 * 1024 * 1024, in 10..=INT_MAX;
    /// Hours of the day, separated by semicolons, in which old log files are deleted.
    delete_when: String = "deleteWhen", "04".to_owned();
    /// Hours a log file is kept after its last message.
    file_reserved_time: i32 = "fileReservedTime", 72, in 0..=INT_MAX;
    /// Percent of the disk above which expired log files are deleted at any hour.
    disk_max_used_space_ratio: i32 = "diskMaxUsedSpaceRatio", 75, in 10..=95;
    /// Percent of the disk above which messages are refused, and log files deleted before their time.
    disk_space_warning_level_ratio: i32 = "diskSpaceWarningLevelRatio", 90, in 35..=90;
    /// Percent of the disk above which log files are deleted before their time, if cleanFileForciblyEnable allows it.
    disk_space_clean_forcibly_ratio: i32 = "diskSpaceCleanForciblyRatio", 85, in 30..=85;
    /// Delete log files before their time when the disk is nearly full.
    clean_file_forcibly_enable: bool = "cleanFileForciblyEnable", true;
    /// Log files deleted at a time at most; the rest waits for the next look.
    delete_file_batch_max: i32 = "deleteFileBatchMax", 10, in 1..=INT_MAX;
    /// Milliseconds between the deletions of two log files, unless the disk is nearly full.
    delete_commit_log_files_interval: i32 = "deleteCommitLogFilesInterval", 100, in 0..=INT_MAX;
    /// Milliseconds between the deletions of two consume queues' files, unless the disk is nearly full.
    delete_consume_queue_files_interval: i32 = "deleteConsumeQueueFilesInterval", 100, in 0..=INT_MAX;
    /// Milliseconds between two looks at the disk and at expired files.
    clean_resource_interval: i32 = "cleanResourceInterval", 10_000, in 10..=INT_MAX;
    /// Delay of each level, for messages with the property DELAY.
    message_delay_level: String = "messageDelayLevel", "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h".to_owned();
    /// Milliseconds between two writes of the delay service's progress.
    flush_delay_offset_interval: i64 = "flushDelayOffsetInterval", 10_000, in 10..=LONG_MAX;
    /// Milliseconds that appends may be kept waiting, by the append lock or for the next file, before sends are refused as "page cache busy".
    os_page_cache_busy_time_out_mills: i64 = "osPageCacheBusyTimeOutMills", 1000, in 1..=LONG_MAX, [live];
    /// Refuse requests that have waited too long, as SYSTEM_BUSY, instead of serving them late.
    broker_fast_failure_enable: bool = "brokerFastFailureEnable", true, [live];
    /// Milliseconds a send may wait.
    wait_time_mills_in_send_queue: i64 = "waitTimeMillsInSendQueue", 200, in 0..=LONG_MAX, [live];
    /// Milliseconds a pull may wait.
    wait_time_mills_in_pull_queue: i64 = "waitTimeMillsInPullQueue", 5000, in 0..=LONG_MAX, [live];
    /// Milliseconds a pull of a consumer that pulls itself may wait.
    wait_time_mills_in_lite_pull_queue: i64 = "waitTimeMillsInLitePullQueue", 5000, in 0..=LONG_MAX, [live];
    /// Milliseconds a heartbeat may wait.
    wait_time_mills_in_heartbeat_queue: i64 = "waitTimeMillsInHeartbeatQueue", 31_000, in 0..=LONG_MAX, [live];
    /// Milliseconds the end of a transaction may wait.
    wait_time_mills_in_transaction_queue: i64 = "waitTimeMillsInTransactionQueue", 3000, in 0..=LONG_MAX, [live];
    /// Milliseconds a request of administration may wait.
    wait_time_mills_in_admin_broker_queue: i64 = "waitTimeMillsInAdminBrokerQueue", 5000, in 0..=LONG_MAX, [live];
    /// Bytes of one pull answer while the messages are in memory.
    max_transfer_bytes_on_message_in_memory: i32 = "maxTransferBytesOnMessageInMemory", 262_144, in 1..=INT_MAX;
    /// Messages of one pull answer while they are in memory.
    max_transfer_count_on_message_in_memory: i32 = "maxTransferCountOnMessageInMemory", 32, in 1..=INT_MAX;
    /// Bytes of one pull answer when the messages are on disk.
    max_transfer_bytes_on_message_in_disk: i32 = "maxTransferBytesOnMessageInDisk", 65_536, in 1..=INT_MAX;
    /// Messages of one pull answer when they are on disk.
    max_transfer_count_on_message_in_disk: i32 = "maxTransferCountOnMessageInDisk", 8, in 1..=INT_MAX;
    /// Percent of the memory up to which the end of the log counts as being in memory.
    access_message_in_memory_max_ratio: i32 = "accessMessageInMemoryMaxRatio", 40, in 1..=100;
    /// Answers of a query by unique key.
    default_query_max_num: i32 = "defaultQueryMaxNum", 32, in 1..=INT_MAX, [live];

    /// Refuse transactional messages.
    reject_transaction_message: bool = "rejectTransactionMessage", false, [live];
    /// Milliseconds a half message is left alone before its producers are asked; a message may say otherwise.
    transaction_time_out: i64 = "transactionTimeOut", 6000, in 0..=LONG_MAX, [live];
    /// Checks of a half message after which it is moved to TRANS_CHECK_MAX_TIME_TOPIC.
    transaction_check_max: i32 = "transactionCheckMax", 15, in 0..=INT_MAX, [live];
    /// Milliseconds between two rounds of checks while half messages wait.
    transaction_check_interval: i64 = "transactionCheckInterval", 30_000, in 1..=LONG_MAX, [live];
    /// Bytes of one record that says which half messages ended.
    transaction_op_msg_max_size: i32 = "transactionOpMsgMaxSize", 4096, in 1..=INT_MAX, [live];

    /// Hold pulls until a message arrives.
    long_polling_enable: bool = "longPollingEnable", true, [live];
    /// Milliseconds a pull is held when longPollingEnable is off.
    short_polling_time_mills: i64 = "shortPollingTimeMills", 1000, in 1..=LONG_MAX, [live];
    /// Consumers may filter with SQL92 expressions.
    enable_property_filter: bool = "enablePropertyFilter", false, [live];
    /// A group's SQL92 expressions also filter its retry topic, each by the topic a message came from.
    filter_support_retry: bool = "filterSupportRetry", false, [live];
    /// Milliseconds that the compiled expressions of a group are kept after its last consumer is gone.
    filter_data_clean_time_span: i64 = "filterDataCleanTimeSpan", 86_400_000, in 0..=LONG_MAX, [live];
    /// Consumers that pull themselves (lite pull) are served.
    lite_pull_message_enable: bool = "litePullMessageEnable", true, [live];
    /// Heartbeats of consumers that pull themselves are ignored.
    reject_pull_consumer_enable: bool = "rejectPullConsumerEnable", false, [live];
    /// Tell the members of a group when its membership changes.
    notify_consumer_ids_changed_enable: bool = "notifyConsumerIdsChangedEnable", true, [live];
    /// Milliseconds after which a client without heartbeat is dropped.
    channel_expired_timeout: i64 = "channelExpiredTimeout", 120_000, in 1..=LONG_MAX;
    /// Milliseconds between two writes of the consumer offsets.
    flush_consumer_offset_interval: i32 = "flushConsumerOffsetInterval", 5000, in 1..=INT_MAX;
    /// Offset commits per step of the offset table's data version.
    consumer_offset_update_version_step: i64 = "consumerOffsetUpdateVersionStep", 500, in 1..=LONG_MAX;
    /// Resets of offsets are done here instead of asking the clients.
    use_server_side_reset_offset: bool = "useServerSideResetOffset", true, [live];
    /// Keep a copy of every reply in the topic <cluster>_REPLY_TOPIC.
    store_reply_message_enable: bool = "storeReplyMessageEnable", true, [live];
    /// Allow the recall of timer messages. There are none, so that no recall succeeds; it says which code refuses.
    recall_message_enable: bool = "recallMessageEnable", false, [live];
    /// Milliseconds since 1970 before which sends are refused.
    start_accept_send_request_time_stamp: i64 = "startAcceptSendRequestTimeStamp", 0, in 0..=LONG_MAX, [live];
    /// File the configuration was read from; changes by administration are written back to it.
    broker_config_path: String = "brokerConfigPath", String::new(), [computed];
    /// Properties that administration may not change, separated by semicolons.
    config_black_list: String = "configBlackList", "configBlackList;brokerConfigPath".to_owned();

    /// FerroMQ: the most consume queue, log and index files mapped at a time; above it the least recently used are closed, and opened on demand.
    mapped_files_max: i32 = "mappedFilesMax", 16_384, in 1..=65_000;
    /// FerroMQ: what is logged: error, warn, info, debug or trace. Empty: what the environment variable FERROMQ_LOG says, or warn.
    log_level: LogLevel = "logLevel", LogLevel::Environment, [live];
    /// FerroMQ: milliseconds from which a request is logged as slow, with code, topic and peer, at most one a second; 0: none.
    slow_request_mills: i64 = "slowRequestMills", 500, in 0..=LONG_MAX, [live];
    /// FerroMQ: the most connections accepted; further ones are closed at once.
    connections_max: i32 = "connectionsMax", 65_536, in 1..=INT_MAX;
    /// FerroMQ: the most pulls held at a time; further ones are refused as SYSTEM_BUSY, and clients come back after a pause.
    held_pulls_max: i32 = "heldPullsMax", 100_000, in 0..=INT_MAX, [live];
    /// FerroMQ: bytes that held pulls may keep in memory; further ones are refused as SYSTEM_BUSY.
    held_pulls_bytes_max: i64 = "heldPullsBytesMax", 268_435_456, in 0..=LONG_MAX, [live];
    /// FerroMQ: the most requests of one connection that wait for messages (held pulls) or for the disk; further ones are refused as SYSTEM_BUSY.
    connection_held_pulls_max: i32 = "connectionHeldPullsMax", 16_384, in 0..=INT_MAX, [live];
    /// FerroMQ: bytes of requests of one connection whose answers are outstanding; above it the connection is not read from.
    connection_inflight_bytes_max: i64 = "connectionInflightBytesMax", 67_108_864, in 1..=LONG_MAX;
    /// FerroMQ: the same for all connections of a port; above it those with outstanding requests are not read from.
    inflight_bytes_max: i64 = "inflightBytesMax", 536_870_912, in 1..=LONG_MAX;
    /// FerroMQ: bytes of answers that one client has not taken; above it its connection is not read from, and what has long answers is refused as SYSTEM_BUSY. As much again may be read from the disk for it at a time.
    connection_outgoing_bytes_pause: i64 = "connectionOutgoingBytesPause", 8_388_608, in 1..=LONG_MAX;
    /// FerroMQ: bytes of answers that one client has not taken, above which its connection is closed.
    connection_outgoing_bytes_max: i64 = "connectionOutgoingBytesMax", 268_435_456, in 1..=LONG_MAX;
    /// FerroMQ: bytes of answers that the clients of a port have not taken; above it only connections that have taken all of theirs are read from.
    outgoing_bytes_max: i64 = "outgoingBytesMax", 1_073_741_824, in 1..=LONG_MAX;
}

impl BrokerConfig {
    /// The directory of the `config/*.json` files.
    pub fn config_dir(&self) -> PathBuf {
        Path::new(&self.store_path_root_dir).join("config")
    }
}

fn host_name() -> String {
    let from_system = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_system.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).unwrap_or_else(|| "DEFAULT_BROKER".to_owned())
}

/// The address this machine would use towards the world. Connecting a datagram socket sends nothing.
fn default_ip() -> String {
    let outgoing = || {
        let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
        socket.connect(("192.0.2.1", 9)).ok()?;
        socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
    };
    outgoing().map_or_else(|| "127.0.0.1".to_owned(), |ip| ip.to_string())
}

fn default_store() -> String {
    let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).unwrap_or_default();
    Path::new(&home).join("store").to_string_lossy().into_owned()
}
